import assert from "node:assert/strict";
import { UsageError } from "../../src/errors.ts";
import { START_POSE } from "../../src/sim/aloha.ts";
import type { AlohaEnvironment } from "../../src/sim/environment.ts";
import { openEnvironment, type SimulationOptions, TASK_NAMES } from "../../src/sim/mod.ts";
import { SCENE_FOLDER, SCENES } from "../support/scenes.ts";

function open(options: Partial<SimulationOptions> = {}): Promise<AlohaEnvironment> {
  return openEnvironment({
    task: "transfer_cube",
    scene: "builtin",
    sceneFolder: SCENE_FOLDER,
    maxSteps: 400,
    observed: [],
    ...options,
  });
}

/** Stay where every episode begins. */
const REST = Float64Array.of(0, -0.96, 1.16, 0, -0.3, 0, 0.1, 0, -0.96, 1.16, 0, -0.3, 0, 0.1);

for (const { scene, absent, label } of SCENES) {
  for (const task of TASK_NAMES) {
    Deno.test({
      name: `${label}: ${task} observes what π₀ is given: the top camera at 224 × 224, the state, and the prompt`,
      ignore: absent,
      fn: async () => {
        using environment = await open({ scene, task, observed: ["cam_high"] });
        environment.reset(3);
        const { images, state, prompt, simulation } = environment.observe();
        assert.deepEqual(Object.keys(images), ["cam_high"]);
        const { width, height, layout, data } = images.cam_high!;
        assert.deepEqual({ width, height, layout }, { width: 224, height: 224, layout: "hwc" });
        // 4 : 3 on a square: bars of 28 black rows above and below.
        const bar = 3 * 224 * 28;
        assert.ok(data.subarray(0, bar).every((value) => value === 0));
        assert.ok(data.subarray(-bar).every((value) => value === 0));
        assert.ok(data.subarray(bar, -bar).some((value) => value > 150));
        assert.equal(state.length, 14);
        assert.equal(prompt, { transfer_cube: "Transfer cube", insertion: "Insert peg" }[task]);
        assert.deepEqual({ ...simulation, objectPose: [...simulation!.objectPose] }, {
          task,
          seed: 3,
          step: 0,
          objectPose: [...environment.qpos.subarray(16)],
        });
      },
    });
  }

  Deno.test({
    name: `${label}: the same seed gives the same episode, to the bit, also after another one`,
    ignore: absent,
    fn: async () => {
      using environment = await open({ scene });
      const run = (seed: number) => {
        environment.reset(seed);
        for (let i = 0; i < 20; i++) environment.step(REST);
        return [...environment.qpos, ...environment.qvel];
      };
      const first = run(8);
      assert.notDeepEqual(run(9), first);
      assert.deepEqual(run(8), first);
    },
  });
}

Deno.test("an environment leaves pictures black for who does not look, and the rest as it is", async () => {
  using environment = await open({ observed: ["cam_high", "angle"] });
  environment.reset(3);
  const seen = environment.observe();
  const unseen = environment.observe({ drawn: false });
  assert.deepEqual(Object.keys(unseen.images), ["cam_high", "angle"]);
  for (const image of Object.values(unseen.images)) {
    assert.deepEqual(image, { width: 224, height: 224, layout: "hwc", data: new Uint8Array(3 * 224 * 224) });
  }
  assert.deepEqual({ ...unseen, images: {} }, { ...seen, images: {} });
});

Deno.test("an environment counts its steps, falls under gravity, and rests", async () => {
  using environment = await open();
  environment.reset(0);
  assert.equal(environment.stepCount, 0);
  assert.equal(environment.qpos[18], 0.05);
  for (let i = 0; i < 25; i++) environment.step(REST);
  assert.equal(environment.stepCount, 25);
  assert.ok(Math.abs(environment.qpos[18]! - 0.02) < 0.002, "the cube lies on the table");
  assert.equal(environment.reward, 0);
  assert.equal(environment.success, false);
  environment.reset(0);
  assert.equal(environment.stepCount, 0);
  assert.deepEqual([...environment.qpos.subarray(0, 16)], START_POSE);
});

Deno.test("an environment that is pushed has its first object elsewhere in its range, at rest, and the rest as it was", async () => {
  using environment = await open({ task: "insertion" });
  environment.reset(0);
  for (let i = 0; i < 25; i++) environment.step(REST);
  const before = environment.qpos;
  environment.push();
  const after = environment.qpos;
  const [x, y] = after.subarray(16, 18);
  assert.ok(x! >= 0.1 && x! <= 0.2 && y! >= 0.4 && y! <= 0.6, `the peg is at ${x}, ${y}`);
  assert.ok(Math.hypot(x! - before[16]!, y! - before[17]!) > 0.01, "which is not where it was");
  assert.deepEqual([...environment.qvel.subarray(16, 22)], [0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...after.subarray(0, 16)], [...before.subarray(0, 16)], "the arms");
  assert.deepEqual([...after.subarray(23)], [...before.subarray(23)], "the socket");
  assert.equal(environment.stepCount, 25);
});

Deno.test("an environment gives positions that are nobody else's", async () => {
  using environment = await open();
  environment.reset(0);
  const { qpos } = environment;
  environment.step(REST);
  assert.equal(qpos[18], 0.05);
  qpos.fill(7);
  assert.notEqual(environment.qpos[0], 7);
});

Deno.test("two environments at once do not disturb each other", async () => {
  using one = await open();
  one.reset(1);
  one.step(REST);
  const before = [...one.qpos];
  using other = await open({ task: "insertion" });
  other.reset(1);
  other.step(REST);
  assert.deepEqual([...one.qpos], before);
  one.step(REST);
  assert.equal(one.stepCount, 2);
});

Deno.test("an environment shows further cameras by the robot's names and by the scene's", async () => {
  using environment = await open({ observed: ["cam_high", "cam_left_wrist", "angle"] });
  environment.reset(0);
  const { images } = environment.observe();
  assert.deepEqual(Object.keys(images), ["cam_high", "cam_left_wrist", "angle"]);
  assert.notDeepEqual(images.cam_high!.data, images.cam_left_wrist!.data);
  assert.notDeepEqual(images.cam_high!.data, images.angle!.data);
});

Deno.test("an environment refuses a camera that is not there, and lists those that are", async () => {
  await assert.rejects(open({ observed: ["cam_back"] }), (error: Error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /cam_back.*cam_high.*front_close/);
    return true;
  });
});

Deno.test("an action of another length, or with what is no number, is refused before it does harm", async () => {
  using environment = await open();
  environment.reset(0);
  const before = [...environment.qpos];
  assert.throws(() => environment.step(new Float64Array(13)), { name: "SimulationError", message: /13 numbers/ });
  const bad = REST.slice();
  bad[5] = NaN;
  assert.throws(() => environment.step(bad), { name: "SimulationError", message: /NaN as number 5/ });
  assert.deepEqual([...environment.qpos], before);
  environment.step(REST);
  assert.equal(environment.stepCount, 1);
});

Deno.test("physics that breaks down ends the episode with an error, never with a silent reset", async () => {
  using environment = await open();
  environment.reset(0);
  environment.step(REST);
  // Through the back door: no action within the actuators' ranges does this.
  environment.world.qvel[0] = 1e11;
  assert.throws(() => environment.step(REST), { name: "SimulationError", message: /joint velocity/ });
  assert.throws(() => environment.step(REST), /reset/);
  assert.throws(() => environment.observe(), /reset/);
  environment.reset(0);
  environment.step(REST);
  assert.equal(environment.stepCount, 1);
});

Deno.test("nothing but a reset can be asked of a fresh environment", async () => {
  using environment = await open();
  assert.throws(() => environment.step(REST), /reset/);
  assert.throws(() => environment.observe(), /reset/);
});

Deno.test("seeds that NumPy refuses are refused", async () => {
  using environment = await open();
  for (const seed of [-1, 2 ** 32, 0.5]) assert.throws(() => environment.reset(seed), RangeError);
});

Deno.test("pose() shows a joint state, and refuses one of another length", async () => {
  using environment = await open();
  environment.reset(4);
  const { qpos } = environment;
  environment.pose(qpos);
  assert.deepEqual([...environment.qpos], [...qpos]);
  assert.throws(() => environment.pose(qpos.subarray(1)), { name: "SimulationError", message: /22 numbers.*23/ });
  assert.throws(() => environment.step(REST), /reset/);
});
