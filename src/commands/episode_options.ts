/**
 * The options of every command that plays episodes: how one begins and ends, who acts in it, what the policy sees, and
 * when it is asked again.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import { ROBOTS } from "../robot/mod.ts";
import { WHILE_WAITING } from "../rollout/chunking.ts";
import type { OptionTable } from "./options.ts";

export const EPISODE_OPTIONS = {
  "seed": {
    kind: "integer",
    min: 0,
    max: 2 ** 32 - 1,
    default: 0,
    group: "World",
    help: "Decides where the objects lie",
  },
  "max-steps": {
    kind: "integer",
    min: 1,
    max: 100_000,
    default: 400,
    group: "World",
    help: "Length of an episode without a success, at 50 steps per second",
  },
  "push-at": {
    kind: "integer",
    min: 1,
    max: 100_000,
    metavar: "STEP",
    group: "World",
    help: "Put the cube or the peg somewhere else on the table at this step, once, as a hand that takes it would",
  },
  "observe": {
    kind: "string",
    metavar: "NAME",
    multiple: true,
    default: ["cam_high"],
    group: "World",
    help: "What the policy sees, 224 × 224: cam_high (the top camera), cam_low, cam_left_wrist, cam_right_wrist",
  },
  "while-waiting": {
    kind: "choice",
    choices: WHILE_WAITING,
    default: "hold",
    group: "Time",
    help: "hold: repeat the last action until the answer is here; continue: go on with the old chunk, and enter the " +
      "new one at the present step. The world goes on in both",
  },
  "replan-steps": {
    kind: "integer",
    min: 1,
    max: 1000,
    default: 10,
    group: "Time",
    help: "Actions executed before the policy is asked again",
  },
} as const satisfies OptionTable;

/** @throws {UsageError} where a camera is observed that ALOHA does not have. */
export function checkObserved(observe: readonly string[]): void {
  const known = ROBOTS.aloha.cameras.map(({ name }) => name);
  const stray = observe.find((name) => !known.includes(name));
  if (stray !== undefined) throw new UsageError(`Cannot use --observe ${stray}: aloha sends ${known.join(", ")}`);
}
