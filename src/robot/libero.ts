/**
 * LIBERO: one Panda arm in simulation. Figures from openpi's `libero_policy.py`, its `pi05_libero` configuration, and
 * the benchmark's control rate.
 *
 * @module
 */

import type { RobotProfile } from "./profile.ts";

/** The profile of LIBERO. openpi reads both cameras. */
export const libero: RobotProfile = {
  name: "libero",
  cameras: [
    { name: "image", wireKey: ["observation/image"], required: true, layout: "hwc", slot: "base_0_rgb" },
    {
      name: "wrist_image",
      wireKey: ["observation/wrist_image"],
      required: true,
      layout: "hwc",
      slot: "left_wrist_0_rgb",
    },
  ],
  // End effector position 3, axis and angle 3, gripper 2.
  stateParts: [{ wireKey: "observation/state", dim: 8 }],
  stateDim: 8,
  actionDim: 7,
  actionHorizon: 10,
  controlHz: 20,
};
