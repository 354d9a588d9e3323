/**
 * The robots that pi0 knows.
 *
 * @module
 */

import { aloha } from "./aloha.ts";
import { droid } from "./droid.ts";
import { libero } from "./libero.ts";
import type { RobotProfile } from "./profile.ts";

export const ROBOTS = { aloha, droid, libero } satisfies Record<string, RobotProfile>;
export type RobotName = keyof typeof ROBOTS;
export const ROBOT_NAMES = Object.keys(ROBOTS) as RobotName[];
