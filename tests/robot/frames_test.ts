import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { systemClock } from "../../src/clock.ts";
import { toChw, toHwc } from "../../src/image.ts";
import { exampleObservations, loadFrames } from "../../src/robot/frames.ts";
import { ROBOT_NAMES, ROBOTS } from "../../src/robot/mod.ts";
import type { RobotProfile } from "../../src/robot/profile.ts";
import { playEpisode } from "../../src/rollout/episode.ts";
import { ExpertPolicy } from "../../src/sim/expert.ts";
import { openEnvironment } from "../../src/sim/mod.ts";
import { builtinScene } from "../../src/sim/scenes/builtin.ts";
import type { Image } from "../../src/types.ts";

const hashOf = (image: Image) => createHash("sha256").update(toHwc(image).data).digest("hex");

Deno.test("loadFrames() reads 32 moments of one episode, in the order of time", async () => {
  const frames = await loadFrames();
  assert.deepEqual(
    frames.map(({ simulation }) => simulation.step),
    Array.from({ length: 32 }, (_, i) => Math.round(12.5 * i)),
  );
  for (const { image, state, simulation } of frames) {
    assert.equal(simulation.task, "transfer_cube");
    assert.deepEqual([image.width, image.height, image.layout, image.data.length], [224, 224, "hwc", 150_528]);
    assert.equal(state.length, 14);
  }
  assert.equal(new Set(frames.map((frame) => hashOf(frame.image))).size, 32);
});

Deno.test("loadFrames() gives the start pose of gym-aloha at step 0, with grippers of 0.02239 m", async () => {
  const [first] = await loadFrames();
  const gripper = (0.02239 - 0.01844) / (0.058 - 0.01844);
  const arm = [0, -0.96, 1.16, 0, -0.3, 0, gripper];
  assert.deepEqual(first!.state, [...arm, ...arm]);
});

Deno.test("loadFrames() gives what the simulator plays and draws today", async () => {
  const frames = await loadFrames();
  const moments = new Map(frames.map((frame) => [frame.simulation.step, frame]));
  await using policy = new ExpertPolicy(builtinScene("transfer_cube"));
  const [first] = frames;
  using environment = await openEnvironment({
    task: "transfer_cube",
    scene: "builtin",
    sceneFolder: "",
    // Afterwards the hands grasp: rounding of another machine could grow there.
    maxSteps: 113,
    observed: ["cam_high"],
  });
  let compared = 0;
  await playEpisode({
    environment,
    policy,
    seed: first!.simulation.seed,
    replanSteps: 50,
    stopAtSuccess: false,
    clock: systemClock,
    signal: new AbortController().signal,
    onStep: (step) => {
      const frame = moments.get(step);
      if (frame === undefined) return;
      const { images, state, simulation } = environment.observe();
      assert.deepEqual(simulation, frame.simulation);
      state.forEach((value, i) => assert.ok(Math.abs(value - frame.state[i]!) < 1e-9, `state of step ${step}`));
      assert.ok(decibels(images.cam_high!, frame.image) > 50, `picture of step ${step}`);
      compared++;
    },
  });
  assert.equal(compared, 10);
});

/** Peak signal-to-noise ratio of two pictures. */
function decibels(a: Image, b: Image): number {
  const square = a.data.reduce((sum, value, i) => sum + (value - b.data[i]!) ** 2, 0) / a.data.length;
  return 10 * Math.log10(255 ** 2 / square);
}

for (const name of ROBOT_NAMES) {
  const profile: RobotProfile = ROBOTS[name];
  const required = profile.cameras.filter((camera) => camera.required);

  Deno.test(`exampleObservations() gives ${name} its required cameras, 32 different pictures on each`, async () => {
    const observations = await exampleObservations(profile, { seed: 3 });
    assert.equal(observations.length, 32);
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
      assert.equal(new Set(observations.map(({ images }) => hashOf(images[camera.name]!))).size, 32);
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
  for (const { images, state, simulation } of await exampleObservations(ROBOTS.aloha, { seed: 5 })) {
    const frame = frames.find((one) => hashOf(one.image) === hashOf(images.cam_high!))!;
    assert.deepEqual(images.cam_high, toChw(frame.image));
    assert.deepEqual([...state], frame.state);
    assert.deepEqual(simulation, frame.simulation);
  }
});

Deno.test("exampleObservations() sends as many pictures as are asked for, and never fewer than the robot must", async () => {
  const camerasOf = async (robot: keyof typeof ROBOTS, cameras: number) =>
    Object.keys((await exampleObservations(ROBOTS[robot], { seed: 0, cameras }))[0]!.images).length;
  assert.deepEqual([await camerasOf("aloha", 1), await camerasOf("aloha", 3), await camerasOf("aloha", 9)], [1, 3, 4]);
  assert.equal(await camerasOf("droid", 1), 2);
});
