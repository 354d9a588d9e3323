/**
 * ALOHA's joints and grippers in the numbers of PI's own robots, and back. Figures and formulas from openpi's
 * `aloha_policy.py`.
 *
 * @module
 */

import type { GripperConstants, PiSpace } from "./profile.ts";

/** Numbers of a state, and of a row of actions. */
const DIM = 14;
/** PI's robots turn these joints the other way. */
const FLIPPED = [1, 2, 8, 9];
const GRIPPERS = [6, 13];

/** Where numbers from 0 to 1 lie on another scale. */
interface Range {
  readonly low: number;
  readonly span: number;
}

/** ALOHA's gripper: metres between the fingers' carriage and the motor, closed to open. */
const TRAVEL: Range = { low: 0.01844, span: 0.058 - 0.01844 };
/** The linkage between motor and carriage, in metres. */
const ARM = 0.036;
const HORN = 0.022;
/** ALOHA's gripper as its actions command it: radians of the motor, closed to open. */
const COMMAND: Range = { low: -0.6213, span: 1.491 - -0.6213 };

/** Radians of the motor of PI's gripper, closed to open. */
const PI_GRIPPERS: Readonly<Record<GripperConstants, { readonly state: Range; readonly action: Range }>> = {
  // To actions openpi only adds the lower end now.
  current: { state: { low: 0.5476, span: 1.6296 - 0.5476 }, action: { low: 0.5476, span: 1 } },
  original: { state: { low: 0.4, span: 1.5 - 0.4 }, action: { low: 0.4, span: 1.5 - 0.4 } },
};

/** {@linkcode PiSpace} for states of 14 numbers and actions of 14 per row. */
export const alohaPiSpace: PiSpace = {
  stateToPi: (state, gripper) => adapt(state, (value) => normalize(motorAngle(value), PI_GRIPPERS[gripper].state)),
  actionsFromPi: (actions, gripper) =>
    adapt(actions, (value) => normalize(unnormalize(value, PI_GRIPPERS[gripper].action), COMMAND)),
  actionsToPi: (actions, gripper) =>
    adapt(actions, (value) => normalize(unnormalize(value, COMMAND), PI_GRIPPERS[gripper].action)),
};

/** Turns joints and converts grippers in rows of 14. */
function adapt(rows: Float64Array, convertGripper: (value: number) => number): Float64Array {
  if (rows.length % DIM !== 0) {
    throw new RangeError(`Cannot adapt ${rows.length} numbers of an ALOHA: their number is no multiple of ${DIM}`);
  }
  const adapted = rows.slice();
  for (let row = 0; row < rows.length; row += DIM) {
    for (const joint of FLIPPED) adapted[row + joint] = -rows[row + joint]!;
    for (const gripper of GRIPPERS) adapted[row + gripper] = convertGripper(rows[row + gripper]!);
  }
  return adapted;
}

/** Radians of the motor, from 0 (closed) to 1 (open) along the carriage's travel. */
function motorAngle(value: number): number {
  const position = unnormalize(value, TRAVEL);
  const sine = (HORN ** 2 + position ** 2 - ARM ** 2) / (2 * HORN * position);
  return Math.asin(Math.max(-1, Math.min(1, sine)));
}

const normalize = (value: number, { low, span }: Range) => (value - low) / span;
const unnormalize = (value: number, { low, span }: Range) => value * span + low;
