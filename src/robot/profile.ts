/**
 * Facts about a robot, as data. A new robot is one file and one line in `mod.ts`.
 *
 * @module
 */

/** The pictures that π₀ and π₀.₅ look at, in the order of the model, by openpi's names. */
export const IMAGE_SLOTS = ["base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb"] as const;
export type ImageSlot = (typeof IMAGE_SLOTS)[number];

/** A camera, as policies know it and as messages carry it. */
export interface Camera {
  readonly name: string;
  /** Keys that lead to it in openpi's dialect: one, or one inside a map. */
  readonly wireKey: readonly [string] | readonly [string, string];
  /** An observation without it is refused. */
  readonly required: boolean;
  /** How openpi's client for this robot sends it. */
  readonly layout: "chw" | "hwc";
  /** The model's picture that it becomes; null where it is accepted and not looked at, as in openpi. */
  readonly slot: ImageSlot | null;
}

/** A part of the state, in the order in which the state is put together. */
export interface StatePart {
  readonly wireKey: string;
  /** Numbers in this part. A part of one may also travel as a scalar. */
  readonly dim: number;
}

/**
 * Two sets of figures for a gripper. PI trained its early ALOHA models, `pi0_aloha_sim` among them, with the `original`
 * ones; openpi has had the `current` ones since 8 July 2025.
 */
export const GRIPPER_CONSTANTS = ["current", "original"] as const;
export type GripperConstants = (typeof GRIPPER_CONSTANTS)[number];

/** Ways between a robot's own numbers and those of PI's robots, which the base models were trained on. */
export interface PiSpace {
  /** `state` in robot units to PI's. */
  stateToPi(state: Float64Array, gripper: GripperConstants): Float64Array;
  /** Rows of actions in PI's units to the robot's. */
  actionsFromPi(actions: Float64Array, gripper: GripperConstants): Float64Array;
  /** The inverse of `actionsFromPi`: what training does with recorded actions. */
  actionsToPi(actions: Float64Array, gripper: GripperConstants): Float64Array;
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
  /** Absent where the robot's numbers are the model's. */
  readonly piSpace?: PiSpace;
}
