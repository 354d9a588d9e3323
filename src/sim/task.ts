/**
 * What a task is: objects on the table, and stages on the way to success.
 *
 * @module
 */

export type TaskName = "transfer_cube" | "insertion";

/** Whether two geoms touch; the names in MuJoCo's order. */
export type Touching = (geom1: string, geom2: string) => boolean;

/** A point, or a corner of a box, in metres. */
export type Position = readonly [x: number, y: number, z: number];

export interface Task {
  readonly name: TaskName;
  /** How openpi and the datasets call it. */
  readonly prompt: string;
  /** The objects, in the order of the joint positions, with the box that their start positions are drawn from. */
  readonly objects: readonly { readonly low: Position; readonly high: Position }[];
  /** The stage: 0, nothing done yet, to 4, success. */
  reward(touching: Touching): 0 | 1 | 2 | 3 | 4;
}

/** The success of both tasks. */
export const MAX_REWARD = 4;

/** The finger of the right hand, and of the left, that gym-aloha's rewards ask for. */
export const RIGHT_FINGER = "vx300s_right/10_right_gripper_finger";
export const LEFT_FINGER = "vx300s_left/10_left_gripper_finger";
