/**
 * ALOHA: two ViperX arms of six joints and a gripper each. Figures from openpi's `aloha_policy.py` and its
 * `pi0_aloha_sim` configuration.
 *
 * @module
 */

import { alohaPiSpace } from "./aloha_pi_space.ts";
import type { Camera, ImageSlot, RobotProfile } from "./profile.ts";

const camera = (name: string, required: boolean, slot: ImageSlot | null): Camera => ({
  name,
  wireKey: ["images", name],
  required,
  layout: "chw",
  slot,
});

/** The profile of ALOHA. `cam_low` is accepted, though openpi's policies do not look at it. */
export const aloha: RobotProfile = {
  name: "aloha",
  cameras: [
    camera("cam_high", true, "base_0_rgb"),
    camera("cam_low", false, null),
    camera("cam_left_wrist", false, "left_wrist_0_rgb"),
    camera("cam_right_wrist", false, "right_wrist_0_rgb"),
  ],
  // Left joints 6, left gripper, right joints 6, right gripper: radians, and 0 (closed) to 1 (open).
  stateParts: [{ wireKey: "state", dim: 14 }],
  stateDim: 14,
  actionDim: 14,
  actionHorizon: 50,
  controlHz: 50,
  piSpace: alohaPiSpace,
};
