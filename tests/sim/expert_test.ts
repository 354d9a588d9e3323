import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { systemClock } from "../../src/clock.ts";
import { PolicyError } from "../../src/errors.ts";
import { playEpisode } from "../../src/rollout/episode.ts";
import { ExpertPolicy } from "../../src/sim/expert.ts";
import { openEnvironment, TASK_NAMES } from "../../src/sim/mod.ts";
import { builtinScene } from "../../src/sim/scenes/builtin.ts";
import type { TaskName } from "../../src/sim/task.ts";
import type { Observation, Simulation } from "../../src/types.ts";
import { SCENE_FOLDER, SCENES, SIM_FIXTURES } from "../support/scenes.ts";

const endless = new AbortController().signal;
const HERE = new URL("../fixtures/sim/", import.meta.url);
const expert = () => new ExpertPolicy(builtinScene("transfer_cube"));

function observation(simulation?: Partial<Simulation>): Observation {
  const whole = { task: "transfer_cube", seed: 0, step: 0, objectPose: Float64Array.of(0.1, 0.5, 0.05, 1, 0, 0, 0) };
  const state = new Float64Array(14);
  return simulation === undefined
    ? { images: {}, state }
    : { images: {}, state, simulation: { ...whole, ...simulation } };
}

/** All 400 actions for a start pose, chunk by chunk. */
async function plan(policy: ExpertPolicy, task: string, pose: readonly number[]): Promise<Float64Array> {
  const actions = new Float64Array(400 * 14);
  const objectPose = Float64Array.from(pose);
  for (let step = 0; step < 400; step += 50) {
    const chunk = await policy.infer(observation({ task, step, objectPose }), endless);
    actions.set(chunk.actions, step * 14);
  }
  return actions;
}

function worst(actual: Float64Array, expected: Float64Array): number {
  assert.equal(actual.length, expected.length);
  return actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
}

Deno.test("the expert solves the actions of the reference, to 1e-6", async () => {
  const episodes = JSON.parse(await Deno.readTextFile(new URL("episodes.json", HERE)));
  await using policy = expert();
  for (const { name, task, object_pose } of episodes) {
    const expected = new Float64Array((await Deno.readFile(new URL(`${name}.bin`, HERE))).buffer);
    assert.ok(worst(await plan(policy, task, object_pose), expected) <= 1e-6, name);
  }
});

Deno.test({
  name: "the expert solves the actions of all eight recorded episodes, to 1e-6 (needs PI0_SHARED)",
  ignore: !existsSync(SIM_FIXTURES),
  fn: async () => {
    const { episodes } = JSON.parse(await Deno.readTextFile(`${SIM_FIXTURES}/trajectories/index.json`));
    const experts = episodes.filter(({ kind }: { kind: string }) => kind === "expert");
    assert.equal(experts.length, 8);
    await using policy = expert();
    for (const { name, file, task, object_pose, sections } of experts) {
      const numbers = new Float64Array((await Deno.readFile(`${SIM_FIXTURES}/trajectories/${file}`)).buffer);
      const expected = numbers.subarray(sections.actions.offset, sections.actions.offset + 400 * 14);
      assert.ok(worst(await plan(policy, task, object_pose), expected) <= 1e-6, name);
    }
  },
});

Deno.test("a chunk continues the one before it, and after the end the expert stays where it is", async () => {
  await using policy = expert();
  const at = async (step: number) => (await policy.infer(observation({ step }), endless)).actions;
  const [first, later, last, beyond] = [await at(0), await at(10), await at(399), await at(5000)];
  assert.deepEqual(first.subarray(140), later.subarray(0, 40 * 14));
  assert.deepEqual(last, beyond);
  for (let row = 1; row < 50; row++) assert.deepEqual(last.subarray(row * 14, row * 14 + 14), last.subarray(0, 14));
});

Deno.test("the expert gives the same plan whatever it planned before", async () => {
  await using policy = expert();
  const pose = [0.15, 0.45, 0.05, 1, 0, 0, 0];
  const before = await plan(policy, "transfer_cube", pose);
  // More plans than it keeps.
  for (let i = 0; i < 40; i++) {
    await policy.infer(observation({ objectPose: Float64Array.of(0.005 * i, 0.5, 0.05, 1, 0, 0, 0) }), endless);
  }
  assert.deepEqual(await plan(policy, "transfer_cube", pose), before);
});

Deno.test("the expert says what it lacks, where an observation does not tell what it needs", async () => {
  await using policy = expert();
  const refused: readonly (readonly [Observation, RegExp])[] = [
    [observation(), /simulated worlds only/],
    [observation({ task: "fold_shirt" }), /fold_shirt.*transfer_cube, insertion/],
    [observation({ task: "constructor" }), /constructor/],
    [observation({ task: "insertion" }), /14 numbers/],
    [observation({ objectPose: new Float64Array(7).fill(NaN) }), /object at NaN/],
    [observation({ objectPose: new Float64Array(7).fill(1e300) }), /object at 1e\+300/],
    [observation({ step: -1 }), /step -1/],
    [observation({ step: 0.5 }), /step 0.5/],
  ];
  for (const [asked, message] of refused) {
    await assert.rejects(policy.infer(asked, endless), (error: Error) => {
      assert.ok(error instanceof PolicyError);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("an expert can be disposed of before it was asked, and twice afterwards", async () => {
  await expert()[Symbol.asyncDispose]();
  const policy = expert();
  await policy.infer(observation({}), endless);
  await policy[Symbol.asyncDispose]();
  await policy[Symbol.asyncDispose]();
});

/** Seeds of the success test: few here, 200 of them in `deno task expert`. */
const SEEDS = [5000, 5001, 5002, 5003];

for (const { scene, absent, label } of SCENES) {
  for (const task of TASK_NAMES) {
    Deno.test({ name: `${label}: the expert succeeds at ${task}`, ignore: absent, fn: () => succeed(scene, task) });
  }
}

async function succeed(scene: "builtin" | "gym-aloha", task: TaskName): Promise<void> {
  await using policy = expert();
  using environment = await openEnvironment({ task, scene, sceneFolder: SCENE_FOLDER, maxSteps: 400, observed: [] });
  for (const seed of SEEDS) {
    const episode = await playEpisode({
      environment,
      policy,
      seed,
      replanSteps: 10,
      stopAtSuccess: false,
      clock: systemClock,
      signal: endless,
    });
    assert.equal(episode.steps.length, 400);
    assert.equal(episode.maxReward, 4, `seed ${seed}`);
  }
}
