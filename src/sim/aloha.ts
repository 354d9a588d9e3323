/**
 * The two simulated arms: how actions become controls, and joint positions a state. Figures from gym-aloha 0.1.4.
 *
 * @module
 */

import type { World } from "./mujoco.ts";

/** Control steps per second, and steps of the physics (2 ms each) in one of them. */
export const CONTROL_HZ = 50;
export const PHYSICS_STEPS = 10;

/** Numbers per action and per state: six joints of the left arm in radians, its gripper, the same of the right arm. */
export const ACTION_DIM = 14;

/** Joint positions of one arm in the physics: six joints and two fingers. */
const ARM_JOINTS = 8;
/** Where the objects begin in the joint positions. */
export const OBJECTS_START = 2 * ARM_JOINTS;

/** Finger positions, in metres, that count as gripper 0 and 1. */
const CLOSED_M = 0.01844;
const OPEN_M = 0.058;

/** Six joints and two fingers: the pose that every episode starts in, of both arms. */
const START_ARM_POSE = [0, -0.96, 1.16, 0, -0.3, 0, 0.02239, -0.02239];
export const START_POSE = [...START_ARM_POSE, ...START_ARM_POSE];

/** What one action asks of the 16 actuators. Not clipped: MuJoCo keeps to the actuators' ranges. */
export function controlsOf(action: Float64Array): Float64Array {
  const controls = new Float64Array(2 * ARM_JOINTS);
  for (const arm of [0, 1]) {
    const joints = action.subarray(7 * arm, 7 * arm + 6);
    const finger = action[7 * arm + 6]! * (OPEN_M - CLOSED_M) + CLOSED_M;
    controls.set(joints, ARM_JOINTS * arm);
    controls[ARM_JOINTS * arm + 6] = finger;
    controls[ARM_JOINTS * arm + 7] = -finger;
  }
  return controls;
}

/** The state that belongs to joint positions of the physics; of each gripper the left finger counts. */
export function stateOf(qpos: Float64Array): Float64Array {
  const state = new Float64Array(ACTION_DIM);
  for (const arm of [0, 1]) {
    state.set(qpos.subarray(ARM_JOINTS * arm, ARM_JOINTS * arm + 6), 7 * arm);
    state[7 * arm + 6] = (qpos[ARM_JOINTS * arm + 6]! - CLOSED_M) / (OPEN_M - CLOSED_M);
  }
  return state;
}

/** Puts the arms into the start pose and the objects where they are said to be, at rest. */
export function placeAt(world: World, objectPose: ArrayLike<number>): void {
  world.reset();
  world.forward({ passive: true });
  world.qpos.set(START_POSE);
  world.ctrl.set(START_POSE);
  world.qpos.set(objectPose, OBJECTS_START);
  world.forward({ passive: true });
}
