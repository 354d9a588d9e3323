/**
 * Models as policies, through exported folders, held against openpi. See `tests/fixtures/pi0_graph/README.md`.
 */

import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import { PolicyError, WireError } from "../../src/errors.ts";
import { decodePng } from "../../src/image.ts";
import { openRuntime } from "../../src/ort/mod.ts";
import { parsePi0Config } from "../../src/pi0/config.ts";
import type { Pi0Model } from "../../src/pi0/model.ts";
import { exportModel, type ExportOptions } from "../../src/pi0/model_folder_export.ts";
import { openModelFolder } from "../../src/pi0/model_folder_open.ts";
import { readPolicySettings } from "../../src/pi0/policy_settings.ts";
import { makeRandomModel, type RandomModelOptions } from "../../src/pi0/random_model.ts";
import { type LoadedVariant, ModelPolicy } from "../../src/policy/pi0.ts";
import { loadPolicy, type LoadPolicyOptions } from "../../src/policy/pi0_load.ts";
import { ROBOTS } from "../../src/robot/mod.ts";
import type { Observation } from "../../src/types.ts";
import {
  exportKept,
  exportOptions,
  GOLDEN_MODELS,
  goldenAnswer,
  goldenCases,
  goldenFolders,
  goldenObservation,
  withFolder,
} from "../support/exported_model.ts";
import { hasMini, MINI_CONFIG, MINI_FOLDER } from "../support/golden_model.ts";
import { largestDifference, readJson } from "../support/golden_openpi.ts";
import { testPolicy } from "../support/policy_contract.ts";
import { tinyImage, tinyObservation } from "../support/tiny.ts";

const endless = new AbortController().signal;
const { aloha } = ROBOTS;

async function load(model: Pi0Model, options: Partial<LoadPolicyOptions> = {}): Promise<ModelPolicy> {
  await using opened = model;
  const runtime = await openRuntime();
  try {
    return await loadPolicy(opened, { runtime, provider: "cpu", threads: 1, clock: systemClock, ...options });
  } catch (error) {
    await runtime[Symbol.asyncDispose]();
    throw error;
  }
}

const makeTiny = (folder: string, options: Partial<RandomModelOptions> = {}) =>
  makeRandomModel({
    name: "tiny",
    robot: "aloha",
    precision: "float32",
    byteType: "U8",
    seed: 1,
    probes: false,
    folder,
    ...options,
  });

/** Runs `work` with a random model in a folder of its own. */
async function withTiny(
  work: (policy: ModelPolicy) => Promise<void>,
  options: Partial<LoadPolicyOptions & RandomModelOptions> = {},
): Promise<void> {
  await withFolder(async (folder) => {
    await using policy = await load(await makeTiny(folder, options), options);
    await work(policy);
  });
}

testPolicy("a random model", aloha, async ({ slow }) => {
  const folder = await Deno.makeTempDir({ prefix: "pi0-contract-" });
  const policy = await load(await makeTiny(folder));
  await Deno.remove(folder, { recursive: true });
  return slow ? hesitant(policy) : policy;
});

/** The same policy, whose first inference does not end before it is given up. */
function hesitant(policy: ModelPolicy): ModelPolicy {
  let runs = 0;
  const { infer } = policy;
  policy.infer = (observation: Observation, signal: AbortSignal) =>
    runs++ > 0
      ? infer.call(policy, observation, signal)
      : new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
  return policy;
}

function assertClose(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  const difference = largestDifference(found, expected);
  assert.ok(difference <= tolerance, `${what}: differs by ${difference}, ${tolerance} is allowed`);
}

for (const name of GOLDEN_MODELS) {
  for (const { set, folders, isMissing } of goldenFolders(name)) {
    const check = async (changes: Partial<ExportOptions>, tolerance: number) => {
      for (const golden of await goldenCases(folders)) {
        await withFolder(async (folder) => {
          await exportModel(await exportOptions(folders, golden, `${folder}/model`, changes));
          await using policy = await load(await openModelFolder(`${folder}/model`));
          const { chunk, outputs } = await policy.inferAll(await goldenObservation(folders, golden), endless);
          const expected = await goldenAnswer(folders, golden);
          assertClose(outputs["actions"] as Float32Array, expected.actions, tolerance, `${golden.name}, actions`);
          assertClose(outputs["x_after_step"] as Float32Array, expected.xAfterStep, tolerance, `${golden.name}, steps`);
          assertClose(chunk.actions, expected.robotActions, 1e-3, `${golden.name}, the robot's actions`);
        });
      }
    };
    Deno.test({
      name: `an exported model answers as openpi does with its time vectors, ${name}, ${set}`,
      ignore: isMissing,
      fn: () => check({}, 5e-5),
    });
    Deno.test({
      name: `an exported model comes close to openpi with time vectors of its own, ${name}, ${set}`,
      ignore: isMissing,
      fn: () => check({ timeEmbedding: null }, 5e-4),
    });
    Deno.test({
      name: `an exported model that refers to its checkpoint answers as openpi does, ${name}, ${set}`,
      ignore: isMissing,
      fn: () => check({ reference: true }, 5e-5),
    });
  }
}

Deno.test({
  name: "the trained model answers its golden case",
  ignore: !hasMini,
  fn: () =>
    withFolder(async (folder) => {
      const golden = await readJson<{ image: string; state: number[]; normalised: number[][]; actions: number[][] }>(
        `${MINI_FOLDER}/tiny_pi0.golden.json`,
      );
      const json = await readJson<{ policy: unknown; prompts: Record<string, number[]> }>(MINI_CONFIG);
      const config = parsePi0Config(json);
      await exportModel({
        checkpointPath: `${MINI_FOLDER}/tiny_pi0.safetensors`,
        outPath: `${folder}/model`,
        config,
        policy: readPolicySettings(json.policy, "mini.config.json"),
        prompts: { table: json.prompts },
        normStats: { text: await Deno.readTextFile(`${MINI_FOLDER}/tiny_pi0.norm_stats.json`), name: "mini" },
        precision: "float32",
        byteType: "U8",
        reference: false,
        cameras: [1],
        flowSteps: [config.flowSteps],
        timeEmbedding: null,
        probes: false,
        force: false,
        program: "pi0 test",
      });
      await using policy = await load(await openModelFolder(`${folder}/model`));
      const image = decodePng(await Deno.readFile(`${MINI_FOLDER}/../sim/renders/${golden.image}`));
      const { actionHorizon, actionDim } = config;
      const noise = Float32Array.from({ length: actionHorizon * actionDim }, (_, i) => {
        const [h, d] = [Math.floor(i / actionDim), i % actionDim];
        return Math.sin(0.37 * h + 1.3 * d + 0.011 * h * d);
      });
      const observation = { images: { cam_high: image }, state: Float64Array.from(golden.state), noise };
      const { chunk, outputs } = await policy.inferAll(observation, endless);
      const found = outputs["actions"] as Float32Array;
      const normalised = golden.normalised.flat().map((_, i) => found[Math.floor(i / 14) * actionDim + i % 14]!);
      assertClose(normalised, golden.normalised.flat(), 5e-4, "normalised actions");
      assertClose(chunk.actions, golden.actions.flat(), 1e-3, "actions");
      assert.deepEqual(policy.model["prompts"], ["Transfer cube"]);

      const wrist = { ...observation.images, cam_left_wrist: image };
      await assert.rejects(
        policy.infer({ ...observation, images: wrist }, endless),
        (error) => error instanceof WireError && error.code === "unknown_camera" && /no place/.test(error.message),
      );
      await assert.rejects(
        policy.infer({ ...observation, prompt: "fold" }, endless),
        (error) => error instanceof WireError && /Transfer cube/.test(error.message),
      );
    }),
});

Deno.test("a model's variants take as many cameras as are sent, and refuse what was not loaded", () =>
  withTiny(async (policy) => {
    const observe = (...cameras: string[]): Observation => ({
      ...tinyObservation(aloha, 1),
      images: Object.fromEntries(cameras.map((name, i) => [name, tinyImage(i, "chw")])),
      seed: 3,
    });
    const one = await policy.infer(observe("cam_high"), endless);
    const two = await policy.infer(observe("cam_high", "cam_right_wrist"), endless);
    assert.notDeepEqual(one.actions, two.actions);
    const other = await policy.infer(observe("cam_high", "cam_left_wrist"), endless);
    assert.deepEqual(other.actions.length, two.actions.length);
    const fewer = await policy.infer({ ...observe("cam_high"), flowSteps: 2 }, endless);
    assert.notDeepEqual(fewer.actions, one.actions);
    const refused = (observation: Observation, pattern: RegExp) =>
      assert.rejects(
        policy.infer(observation, endless),
        (error) => error instanceof PolicyError && error.code === "undeclared_variant" && pattern.test(error.message),
      );
    await refused(observe("cam_high", "cam_left_wrist", "cam_right_wrist"), /3 cameras.*loaded for 1, 2 cameras/);
    await refused({ ...observe("cam_high"), flowSteps: 7 }, /7 steps.*10, 2 steps/);
  }, { cameras: [1, 2], flowSteps: [10, 2] }));

Deno.test("a model says which cameras it ignores, and answers as without them", () =>
  withTiny(async (policy) => {
    const observation = { ...tinyObservation(aloha, 1), seed: 1 };
    const plain = await policy.infer(observation, endless);
    const images = { ...observation.images, cam_low: tinyImage(9, "chw") };
    const { actions, ignoredCameras } = await policy.infer({ ...observation, images }, endless);
    assert.deepEqual(ignoredCameras, ["cam_low"]);
    assert.deepEqual(actions, plain.actions);
    assert.equal(plain.ignoredCameras, undefined);
  }));

Deno.test("a model says how much of a prompt was too long for it, and reads the rest", () =>
  withTiny(async (policy) => {
    const observation = { ...tinyObservation(aloha, 1), seed: 1 };
    // The byte tokenizer puts one token in front and one at the end: 46 letters fill the 48 slots.
    const fits = await policy.infer({ ...observation, prompt: "a".repeat(46) }, endless);
    assert.equal(fits.cutPrompt, undefined);
    const cut = await policy.infer({ ...observation, prompt: "a".repeat(60) }, endless);
    assert.deepEqual(cut.cutPrompt, { tokens: 62, slots: 48 });
    const longer = await policy.infer({ ...observation, prompt: "a".repeat(80) }, endless);
    assert.deepEqual(longer.actions, cut.actions);
  }));

Deno.test("a model's warm-up leaves the noise of the first request to the first request", () =>
  withTiny(async (policy) => {
    await policy.warmUp(endless);
    const observation = tinyObservation(aloha, 1);
    const first = await policy.infer(observation, endless);
    const second = await policy.infer(observation, endless);
    assert.deepEqual((await policy.infer({ ...observation, seed: 0 }, endless)).actions, first.actions);
    assert.notDeepEqual(second.actions, first.actions);
  }));

Deno.test("a refused request takes no noise from the server's stream", () =>
  withTiny(async (policy) => {
    const observation = tinyObservation(aloha, 1);
    const noise = new Float32Array(1600);
    await assert.rejects(policy.infer({ ...observation, noise, noiseShape: [32, 50] }, endless), WireError);
    await assert.rejects(policy.infer({ ...observation, flowSteps: 3 }, endless), PolicyError);
    const first = await policy.infer(observation, endless);
    assert.deepEqual((await policy.infer({ ...observation, seed: 0 }, endless)).actions, first.actions);
  }));

Deno.test("a model gives equal actions for equal noise, a hundred times, one by one and eight at once", () =>
  withTiny(async (policy) => {
    const observation = { ...tinyObservation(aloha, 1), seed: 5 };
    const { actions } = await policy.infer(observation, endless);
    for (let run = 0; run < 50; run++) assert.deepEqual((await policy.infer(observation, endless)).actions, actions);
    for (let run = 0; run < 50; run += 8) {
      const chunks = await Promise.all(Array.from({ length: 8 }, () => policy.infer(observation, endless)));
      for (const chunk of chunks) assert.deepEqual(chunk.actions, actions);
    }
  }));

Deno.test("a model tells the time of each of its stages", () =>
  withTiny(async (policy) => {
    const { timing } = await policy.infer(tinyObservation(aloha, 1), endless);
    assert.deepEqual(Object.keys(timing), ["preprocess", "infer", "postprocess"]);
  }));

Deno.test("an aborted inference stops the run of its session", async () => {
  const signals: (AbortSignal | undefined)[] = [];
  await withFolder(async (folder) => {
    await using model = await makeTiny(folder);
    const session: LoadedVariant["session"] = {
      run(_, signal) {
        signals.push(signal);
        return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
      },
    };
    await using policy = new ModelPolicy({
      name: "held",
      config: model.config,
      pipeline: model.pipeline,
      variants: [{ cameras: 1, flowSteps: 10, session }],
      checkpointHash: null,
      model: {},
      clock: systemClock,
      warmUpRuns: 1,
      release: () => Promise.resolve(),
    });
    const controller = new AbortController();
    const reason = new Error("the robot has moved on");
    const rejected = assert.rejects(policy.infer(tinyObservation(aloha, 1), controller.signal), reason);
    controller.abort(reason);
    await rejected;
    assert.deepEqual(signals, [controller.signal]);
  });
});

for (const robot of ["droid", "libero"] as const) {
  Deno.test(`a random model answers ${robot}, which must send two cameras`, () =>
    withTiny(async (policy) => {
      const { actions } = await policy.infer(tinyObservation(ROBOTS[robot], 1), endless);
      assert.equal(actions.length, 50 * ROBOTS[robot].actionDim);
    }, { robot }));
}

Deno.test("a random model in int8 is close to the one in float32", () =>
  withTiny(async (float) => {
    await withTiny(async (int8) => {
      const observation = { ...tinyObservation(aloha, 1), seed: 1 };
      const [a, b] = await Promise.all([float.infer(observation, endless), int8.infer(observation, endless)]);
      const error = Math.hypot(...a.actions.map((value, i) => value - b.actions[i]!)) / Math.hypot(...a.actions);
      assert.ok(error > 0 && error < 0.03, `off by ${error}`);
    }, { precision: "int8" });
  }));

Deno.test("a model is loaded with numbers of cameras and steps that its folder has no graph for", () =>
  withFolder(async (folder) => {
    const path = await exportKept(folder, { cameras: [1], timeEmbedding: null });
    await using policy = await load(await openModelFolder(path), { cameras: [1, 2], flowSteps: [4, 10] });
    const images = { cam_high: tinyImage(1, "chw"), cam_left_wrist: tinyImage(2, "chw") };
    const { actions } = await policy.infer({ ...tinyObservation(aloha, 1), images, flowSteps: 4 }, endless);
    assert.ok(actions.every(Number.isFinite));
    assert.deepEqual([policy.model["cameras"], policy.model["flowSteps"]], [[1, 2], [4, 10]]);
  }));

Deno.test("a model refuses more cameras than it has places, and steps that its time vectors are not for", () =>
  withFolder(async (folder) => {
    const path = await exportKept(folder);
    await assert.rejects(load(await openModelFolder(path), { cameras: [4] }), /4 cameras: it has places for 3/);
    await assert.rejects(load(await openModelFolder(path), { flowSteps: [4] }), /4 steps of 32 numbers are needed/);
  }));
