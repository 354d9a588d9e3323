/**
 * Facts about a robot, as data. A new robot is one file and one line in `mod.ts`.
 *
 * @module
 */

/** A camera, as policies know it and as messages carry it. */
export interface Camera {
  readonly name: string;
  /** Keys that lead to it in openpi's dialect: one, or one inside a map. */
  readonly wireKey: readonly [string] | readonly [string, string];
  /** An observation without it is refused. */
  readonly required: boolean;
  /** How openpi's client for this robot sends it. */
  readonly layout: "chw" | "hwc";
}

/** A part of the state, in the order in which the state is put together. */
export interface StatePart {
  readonly wireKey: string;
  /** Numbers in this part. A part of one may also travel as a scalar. */
  readonly dim: number;
}

/** What a robot sends, what it executes, and how often. */
export interface RobotProfile {
  readonly name: string;
  readonly cameras: readonly Camera[];
  readonly stateParts: readonly StatePart[];
  /** Sum of the parts. */
  readonly stateDim: number;
  /** Numbers per row of an action chunk. */
  readonly actionDim: number;
  /** Rows per chunk of openpi's usual policy for this robot. */
  readonly actionHorizon: number;
  /** Rows executed per second. */
  readonly controlHz: number;
}
