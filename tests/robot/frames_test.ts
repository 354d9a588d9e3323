import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { toChw, toHwc } from "../../src/image.ts";
import { exampleObservations, loadFrames } from "../../src/robot/frames.ts";
import { ROBOT_NAMES, ROBOTS } from "../../src/robot/mod.ts";
import type { RobotProfile } from "../../src/robot/profile.ts";
import type { Image } from "../../src/types.ts";

const hashOf = (image: Image) => createHash("sha256").update(toHwc(image).data).digest("hex");

const shared = Deno.env.get("PI0_SHARED") ?? `${import.meta.dirname}/../../../shared`;
const rendersFile = `${shared}/fixtures/sim/renders/index.json`;

Deno.test("loadFrames() reads seven moments of each task, in the order of time", async () => {
  const frames = await loadFrames();
  assert.deepEqual(frames.map(({ task, step }) => `${task} ${step}`), [
    ...[0, 60, 130, 170, 215, 290, 400].map((step) => `transfer_cube ${step}`),
    ...[0, 60, 120, 170, 230, 300, 400].map((step) => `insertion ${step}`),
  ]);
  for (const { image, state } of frames) {
    assert.deepEqual([image.width, image.height, image.layout, image.data.length], [224, 224, "hwc", 150_528]);
    assert.equal(state.length, 14);
  }
  assert.equal(new Set(frames.map((frame) => hashOf(frame.image))).size, 14);
});

Deno.test("loadFrames() gives pictures with the pixels that frames.json was made from", async () => {
  const folder = new URL("../../src/robot/frames/frames.json", import.meta.url);
  const listed: { sha256: string }[] = JSON.parse(await Deno.readTextFile(folder));
  const frames = await loadFrames();
  assert.deepEqual(frames.map((frame) => hashOf(frame.image)), listed.map((frame) => frame.sha256));
});

Deno.test("loadFrames() gives the start pose of gym-aloha at step 0, with grippers of 0.02239 m", async () => {
  const [first] = await loadFrames();
  const gripper = (0.02239 - 0.01844) / (0.058 - 0.01844);
  const arm = [0, -0.96, 1.16, 0, -0.3, 0, gripper];
  assert.deepEqual(first!.state, [...arm, ...arm]);
});

Deno.test({
  name: "loadFrames() gives the joints and pixels of the reference simulation (needs PI0_SHARED)",
  ignore: !existsSync(rendersFile),
  async fn() {
    type Render = { sha256_rgb_224?: string };
    const { states }: { states: { task: string; step: number; qpos: number[]; images: Render[] }[] } = JSON.parse(
      await Deno.readTextFile(rendersFile),
    );
    const frames = await loadFrames();
    assert.equal(frames.length, 14);
    for (const { task, step, state, image } of frames) {
      const { qpos, images } = states.find((one) => one.task === task && one.step === step)!;
      assert.ok(images.some((render) => render.sha256_rgb_224 === hashOf(image)), `picture of ${task} ${step}`);
      // Of the 16 joints the second finger of each gripper is left out; grippers are opened from 0 to 1.
      const fingers = [6, 13];
      const expected = [...qpos.slice(0, 7), ...qpos.slice(8, 15)];
      state.forEach((value, i) => {
        const joint = fingers.includes(i) ? value * (0.058 - 0.01844) + 0.01844 : value;
        assert.ok(Math.abs(joint - expected[i]!) < 1e-15, `joint ${i} of ${task} ${step}`);
      });
    }
  },
});

for (const name of ROBOT_NAMES) {
  const profile: RobotProfile = ROBOTS[name];
  const required = profile.cameras.filter((camera) => camera.required);

  Deno.test(`exampleObservations() gives ${name} its required cameras, 14 different pictures on each`, async () => {
    const observations = await exampleObservations(profile, { seed: 3 });
    assert.equal(observations.length, 14);
    for (const { images, state, prompt } of observations) {
      assert.deepEqual(Object.keys(images), required.map((camera) => camera.name));
      for (const camera of required) {
        const { width, height, layout, data } = images[camera.name]!;
        assert.deepEqual([width, height, layout, data.length], [224, 224, camera.layout, 150_528]);
      }
      assert.equal(new Set(Object.values(images).map(hashOf)).size, required.length, "two cameras see the same");
      assert.ok(state instanceof Float64Array);
      assert.equal(state.length, profile.stateDim);
      // Radians and normalised grippers; the simulation overshoots π by a little.
      assert.ok(state.every((value) => Math.abs(value) < 3.2));
      assert.equal(prompt, undefined);
    }
    for (const camera of required) {
      assert.equal(new Set(observations.map(({ images }) => hashOf(images[camera.name]!))).size, 14);
    }
  });

  Deno.test(`exampleObservations() for ${name} depend on the seed alone, and carry the prompt`, async () => {
    const first = await exampleObservations(profile, { seed: 3, prompt: "Transfer cube" });
    assert.deepEqual(await exampleObservations(profile, { seed: 3, prompt: "Transfer cube" }), first);
    assert.notDeepEqual(await exampleObservations(profile, { seed: 4, prompt: "Transfer cube" }), first);
    assert.ok(first.every((observation) => observation.prompt === "Transfer cube"));
  });
}

Deno.test("exampleObservations() gives aloha the state that belongs to the picture", async () => {
  const frames = await loadFrames();
  for (const { images, state } of await exampleObservations(ROBOTS.aloha, { seed: 5 })) {
    const frame = frames.find((one) => hashOf(one.image) === hashOf(images.cam_high!))!;
    assert.deepEqual(images.cam_high, toChw(frame.image));
    assert.deepEqual([...state], frame.state);
  }
});

Deno.test("exampleObservations() sends as many pictures as are asked for, and never fewer than the robot must", async () => {
  const camerasOf = async (robot: keyof typeof ROBOTS, cameras: number) =>
    Object.keys((await exampleObservations(ROBOTS[robot], { seed: 0, cameras }))[0]!.images).length;
  assert.deepEqual([await camerasOf("aloha", 1), await camerasOf("aloha", 3), await camerasOf("aloha", 9)], [1, 3, 4]);
  assert.equal(await camerasOf("droid", 1), 2);
});
