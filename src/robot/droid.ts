/**
 * DROID: one Franka arm. Figures from openpi's `droid_policy.py` and its `pi05_droid` configuration.
 *
 * @module
 */

import type { RobotProfile } from "./profile.ts";

/** The profile of DROID. openpi reads both cameras. */
export const droid: RobotProfile = {
  name: "droid",
  cameras: [
    {
      name: "exterior_image_1_left",
      wireKey: ["observation/exterior_image_1_left"],
      required: true,
      layout: "hwc",
      slot: "base_0_rgb",
    },
    {
      name: "wrist_image_left",
      wireKey: ["observation/wrist_image_left"],
      required: true,
      layout: "hwc",
      slot: "left_wrist_0_rgb",
    },
  ],
  stateParts: [
    { wireKey: "observation/joint_position", dim: 7 },
    { wireKey: "observation/gripper_position", dim: 1 },
  ],
  stateDim: 8,
  // Seven joint velocities and the gripper's position.
  actionDim: 8,
  actionHorizon: 15,
  controlHz: 15,
};
