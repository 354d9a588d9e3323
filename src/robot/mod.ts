/**
 * The robots that pi0 knows.
 *
 * @module
 */

import { aloha } from "./aloha.ts";
import { droid } from "./droid.ts";
import { libero } from "./libero.ts";
import type { RobotProfile } from "./profile.ts";

/** The profiles by name, as typed on the command line. */
export const ROBOTS = { aloha, droid, libero } satisfies Record<string, RobotProfile>;
/** A robot that pi0 knows. */
export type RobotName = keyof typeof ROBOTS;
/** The names of all robots, for flags and help. */
export const ROBOT_NAMES = Object.keys(ROBOTS) as RobotName[];
