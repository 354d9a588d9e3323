import assert from "node:assert/strict";
import { WireError } from "../../src/errors.ts";
import { ROBOTS } from "../../src/robot/mod.ts";
import { IMAGE_SLOTS, type RobotProfile } from "../../src/robot/profile.ts";
import { assignSlots } from "../../src/robot/slots.ts";
import { tinyImage, tinyObservation } from "../support/tiny.ts";

Deno.test("each robot's cameras fill the slots that openpi's policies give them", () => {
  const slotsOf = ({ cameras }: RobotProfile) => cameras.map(({ name, slot }) => [name, slot]);
  assert.deepEqual(slotsOf(ROBOTS.aloha), [
    ["cam_high", "base_0_rgb"],
    ["cam_low", null],
    ["cam_left_wrist", "left_wrist_0_rgb"],
    ["cam_right_wrist", "right_wrist_0_rgb"],
  ]);
  assert.deepEqual(slotsOf(ROBOTS.droid), [
    ["exterior_image_1_left", "base_0_rgb"],
    ["wrist_image_left", "left_wrist_0_rgb"],
  ]);
  assert.deepEqual(slotsOf(ROBOTS.libero), [["image", "base_0_rgb"], ["wrist_image", "left_wrist_0_rgb"]]);
});

Deno.test("the model's pictures have openpi's order", () => {
  assert.deepEqual(IMAGE_SLOTS, ["base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb"]);
});

Deno.test("assignSlots() leaves slots without a camera empty, and names the cameras that nobody looks at", () => {
  const { images } = tinyObservation(ROBOTS.aloha, 1, { allCameras: true });
  assert.deepEqual(assignSlots(ROBOTS.aloha, images), {
    images: {
      base_0_rgb: images.cam_high,
      left_wrist_0_rgb: images.cam_left_wrist,
      right_wrist_0_rgb: images.cam_right_wrist,
    },
    ignoredCameras: ["cam_low"],
  });
  assert.deepEqual(assignSlots(ROBOTS.aloha, { cam_high: images.cam_high! }), {
    images: { base_0_rgb: images.cam_high, left_wrist_0_rgb: null, right_wrist_0_rgb: null },
    ignoredCameras: [],
  });
});

Deno.test("assignSlots() refuses a camera that is not the robot's", () => {
  const { images } = tinyObservation(ROBOTS.libero, 2);
  assert.throws(
    () => assignSlots(ROBOTS.libero, { ...images, cam_high: tinyImage(3, "hwc") }),
    (error) =>
      error instanceof WireError && error.code === "unknown_camera" && error.details.field === "cam_high" &&
      error.message.includes("wrist_image"),
  );
});

Deno.test("assignSlots() refuses an observation without a required camera", () => {
  assert.throws(
    () => assignSlots(ROBOTS.droid, { wrist_image_left: tinyImage(4, "hwc") }),
    (error) =>
      error instanceof WireError && error.code === "missing_field" && error.details.field === "exterior_image_1_left",
  );
});
