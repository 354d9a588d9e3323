/**
 * Which camera of a robot becomes which picture of the model. No camera is dropped without a word.
 *
 * @module
 */

import { WireError } from "../errors.ts";
import type { Image } from "../types.ts";
import type { ImageSlot, RobotProfile } from "./profile.ts";

/** Pictures in their places. */
export interface SlotAssignment {
  /** null where no camera fills the slot; the model's mask is false there. */
  readonly images: Readonly<Record<ImageSlot, Image | null>>;
  /** Cameras that were sent, and that this robot's models do not look at. */
  readonly ignoredCameras: readonly string[];
}

/**
 * Puts the pictures of an observation where the model looks for them.
 *
 * @throws {WireError} `unknown_camera` where a camera is not the robot's, `missing_field` where one is required.
 */
export function assignSlots(profile: RobotProfile, sent: Readonly<Record<string, Image>>): SlotAssignment {
  const images: Record<ImageSlot, Image | null> = { base_0_rgb: null, left_wrist_0_rgb: null, right_wrist_0_rgb: null };
  const ignoredCameras: string[] = [];
  for (const [name, image] of Object.entries(sent)) {
    const camera = profile.cameras.find((camera) => camera.name === name);
    if (camera === undefined) {
      const expected = `a camera of ${profile.name}: ${profile.cameras.map((camera) => camera.name).join(", ")}`;
      throw new WireError("unknown_camera", { field: name, found: "a picture", expected });
    }
    if (camera.slot === null) ignoredCameras.push(name);
    else images[camera.slot] = image;
  }
  for (const { name, required } of profile.cameras) {
    if (required && sent[name] === undefined) {
      throw new WireError("missing_field", { field: name, found: "nothing", expected: `what ${profile.name} sends` });
    }
  }
  return { images, ignoredCameras };
}
