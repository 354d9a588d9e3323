import assert from "node:assert/strict";
import { ROBOT_NAMES, ROBOTS } from "../../src/robot/mod.ts";
import type { RobotProfile } from "../../src/robot/profile.ts";

Deno.test("ROBOT_NAMES lists the robots in the order of the table", () => {
  assert.deepEqual(ROBOT_NAMES, ["aloha", "droid", "libero"]);
});

for (const name of ROBOT_NAMES) {
  const profile: RobotProfile = ROBOTS[name];

  Deno.test(`${name}'s profile agrees with itself`, () => {
    assert.equal(profile.name, name);
    assert.equal(profile.stateDim, profile.stateParts.reduce((sum, part) => sum + part.dim, 0));
    assert.ok(profile.cameras.some((camera) => camera.required));
    const keys = [
      ...profile.cameras.map((camera) => camera.wireKey.join(" ")),
      ...profile.stateParts.map((part) => part.wireKey),
    ];
    assert.equal(new Set(keys).size, keys.length, "a key is used twice");
    const names = profile.cameras.map((camera) => camera.name);
    assert.equal(new Set(names).size, names.length, "a camera name is used twice");
  });
}

/** What a robot's messages carry: [camera name, key, required, layout], and [state key, numbers]. */
const describe = (profile: RobotProfile) => ({
  cameras: profile.cameras.map(({ name, wireKey, required, layout }) => [name, wireKey, required, layout]),
  state: profile.stateParts.map(({ wireKey, dim }) => [wireKey, dim]),
  action: [profile.actionHorizon, profile.actionDim, profile.controlHz],
});

Deno.test("aloha is what openpi's aloha_policy.py and pi0_aloha_sim say", () => {
  assert.deepEqual(describe(ROBOTS.aloha), {
    cameras: [
      ["cam_high", ["images", "cam_high"], true, "chw"],
      ["cam_low", ["images", "cam_low"], false, "chw"],
      ["cam_left_wrist", ["images", "cam_left_wrist"], false, "chw"],
      ["cam_right_wrist", ["images", "cam_right_wrist"], false, "chw"],
    ],
    state: [["state", 14]],
    action: [50, 14, 50],
  });
});

Deno.test("droid is what openpi's droid_policy.py and pi05_droid say", () => {
  assert.deepEqual(describe(ROBOTS.droid), {
    cameras: [
      ["exterior_image_1_left", ["observation/exterior_image_1_left"], true, "hwc"],
      ["wrist_image_left", ["observation/wrist_image_left"], true, "hwc"],
    ],
    state: [["observation/joint_position", 7], ["observation/gripper_position", 1]],
    action: [15, 8, 15],
  });
});

Deno.test("libero is what openpi's libero_policy.py and pi05_libero say", () => {
  assert.deepEqual(describe(ROBOTS.libero), {
    cameras: [
      ["image", ["observation/image"], true, "hwc"],
      ["wrist_image", ["observation/wrist_image"], true, "hwc"],
    ],
    state: [["observation/state", 8]],
    action: [10, 7, 20],
  });
});
