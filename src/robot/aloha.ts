/**
 * ALOHA: two ViperX arms of six joints and a gripper each. Figures from openpi's `aloha_policy.py` and its
 * `pi0_aloha_sim` configuration.
 *
 * @module
 */

import type { Camera, RobotProfile } from "./profile.ts";

const camera = (name: string, required: boolean): Camera => ({
  name,
  wireKey: ["images", name],
  required,
  layout: "chw",
});

/** The profile of ALOHA. `cam_low` is accepted, though openpi's policies do not look at it. */
export const aloha: RobotProfile = {
  name: "aloha",
  cameras: [
    camera("cam_high", true),
    camera("cam_low", false),
    camera("cam_left_wrist", false),
    camera("cam_right_wrist", false),
  ],
  // Left joints 6, left gripper, right joints 6, right gripper: radians, and 0 (closed) to 1 (open).
  stateParts: [{ wireKey: "state", dim: 14 }],
  stateDim: 14,
  actionDim: 14,
  actionHorizon: 50,
  controlHz: 50,
};
