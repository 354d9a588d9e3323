/**
 * The graphs, run by ONNX Runtime, held against what openpi computed. See `tests/fixtures/pi0_graph/README.md`.
 */

import assert from "node:assert/strict";
import { decodePng } from "../../src/image.ts";
import { openRuntime, type Runtime, type Session } from "../../src/ort/mod.ts";
import { PI0_CONFIGS, type Pi0Config } from "../../src/pi0/config.ts";
import { buildPi0Graph, listInputs, listProbes } from "../../src/pi0/graph.ts";
import { readNormStats } from "../../src/pi0/normalize.ts";
import { readPolicySettings } from "../../src/pi0/policy_settings.ts";
import { makePipeline, preprocess } from "../../src/pi0/preprocess.ts";
import { makeRandomWeights } from "../../src/pi0/random_weights.ts";
import { foldTime, timeVectors } from "../../src/pi0/time.ts";
import { type Fusion, FUSIONS, type Pi0Weights } from "../../src/pi0/weights.ts";
import {
  GOLDEN_MODEL_SETS,
  goldenInputs,
  GoldenModel,
  type GoldenModelCase,
  hasMini,
  MINI_CONFIG,
  MINI_FOLDER,
  pickRows,
  type Statistics,
} from "../support/golden_model.ts";
import { largestDifference, readFloat32, readJson } from "../support/golden_openpi.ts";

const APART: Fusion = { attention: false, gate: false };
const FUSED: Fusion = { attention: true, gate: true };

async function load(
  runtime: Runtime,
  weights: Pi0Weights,
  folder: string,
  cameras: number,
  timeEmbedding?: Float32Array,
): Promise<Session> {
  const time = await foldTime(weights, weights.config.flowSteps, timeEmbedding);
  const bytes = buildPi0Graph(weights, { cameras, time, probes: true });
  return await runtime.load({ model: { bytes }, provider: { name: "cpu" }, threads: 1, initializersFolder: folder });
}

/** Runs every case of a model and hands its outputs to `check`. */
async function runCases(
  model: GoldenModel,
  folder: string,
  options: { timeEmbedding?: Float32Array },
  check: (golden: GoldenModelCase, outputs: Record<string, Float32Array>, cameras: number) => Promise<void>,
): Promise<void> {
  await using runtime = await openRuntime();
  const { cases } = await readJson<{ cases: GoldenModelCase[] }>(`${folder}/cases.json`);
  for (const golden of cases) {
    const { cameras, inputs } = await goldenInputs(folder, golden, model.config.family);
    await using session = await load(runtime, model.weights, model.folder, cameras, options.timeEmbedding);
    await check(golden, await session.run(inputs) as Record<string, Float32Array>, cameras);
  }
}

/** Asserts that two arrays agree to a tolerance. */
function assertClose(found: Float32Array, expected: Float32Array, tolerance: number, what: string): void {
  const difference = largestDifference(found, expected);
  assert.ok(difference <= tolerance, `${what}: differs by ${difference}, ${tolerance} is allowed`);
}

function assertStatistics(values: Float32Array, expected: Statistics, what: string): void {
  const sum = values.reduce((total, value) => total + value, 0);
  assert.equal(values.length, expected.count, what);
  assert.ok(Math.abs(sum - expected.sum) <= 1e-5 * expected.sum_abs, `${what}: the sum is ${sum}, not ${expected.sum}`);
  assert.ok(Math.abs(values.reduce((a, b) => Math.min(a, b)) - expected.min) <= 1e-4, `${what}: minimum`);
  assert.ok(Math.abs(values.reduce((a, b) => Math.max(a, b)) - expected.max) <= 1e-4, `${what}: maximum`);
}

for (const set of GOLDEN_MODEL_SETS) {
  for (const name of ["pi0_tiny", "pi05_tiny"]) {
    const folder = `${set.folder}/${name}`;
    const make = (fusion: Fusion, refer: boolean) =>
      GoldenModel.make(`${folder}/config.json`, `${folder}/model.safetensors`, { precision: "float32", fusion, refer });

    Deno.test({
      name: `buildPi0Graph() computes what openpi does with its time vectors, ${name}, ${set.name}`,
      ignore: set.isMissing,
      async fn() {
        await using model = await make(APART, true);
        const timeEmbedding = await readFloat32(`${folder}/time_embedding.bin`);
        await runCases(model, folder, { timeEmbedding }, async ({ expected, ...golden }, outputs, cameras) => {
          const read = (array: { file: string }) => readFloat32(`${folder}/${array.file}`);
          const { config } = model;
          const label = (what: string) => `${golden.name}, ${what}`;
          assertClose(outputs["actions"]!, await read(expected.actions), 5e-5, label("actions"));
          assertClose(outputs["x_after_step"]!, await read(expected.x_after_step), 5e-5, label("x_after_step"));
          assertClose(outputs["v_first_step"]!, await read(expected.v_first_step), 1e-4, label("v_first_step"));

          const { rows, values, stats } = expected.siglip_cam0;
          const tokens = outputs["siglip_cam0"]!;
          assertClose(pickRows(tokens, config.prefix.width, rows), await read(values), 2e-5, label("siglip_cam0"));
          assertStatistics(tokens, stats, label("siglip_cam0"));

          const keyWidth = config.kvHeads * config.headDim;
          // openpi keeps the places of absent cameras; here the prompt follows the last camera that is there.
          const allCameras = config.cameraSlots.length * config.vision.tokens;
          const imageTokens = cameras * config.vision.tokens;
          const keyRows = expected.prefix_kv.rows.map((row) => row < allCameras ? row : row - allCameras + imageTokens);
          for (const key of ["k_first", "v_first", "k_last", "v_last"] as const) {
            const found = outputs[key]!;
            assertClose(pickRows(found, keyWidth, keyRows), await read(expected.prefix_kv[key]), 1e-4, label(key));
            const valid = found.subarray(0, (imageTokens + golden.model_input.valid_tokens) * keyWidth);
            assertStatistics(valid, expected.prefix_kv.stats_valid_rows[key]!, label(key));
          }

          const suffix = expected.suffix_embedding_first_step;
          const found = pickRows(outputs["suffix_embedding_first_step"]!, config.expert.width, suffix.rows);
          assertClose(found, await read(suffix.values), 1e-4, label("suffix"));
          if (expected.adarms_cond_first_step !== undefined) {
            const condition = await read(expected.adarms_cond_first_step);
            assertClose(outputs["adarms_cond_first_step"]!, condition, 1e-4, label("condition"));
          }
        });
      },
    });

    Deno.test({
      name: `buildPi0Graph() comes close to openpi with time vectors of its own, ${name}, ${set.name}`,
      ignore: set.isMissing,
      async fn() {
        await using model = await make(APART, true);
        await runCases(model, folder, {}, async ({ name: caseName, expected }, outputs) => {
          const actions = await readFloat32(`${folder}/${expected.actions.file}`);
          assertClose(outputs["actions"]!, actions, 5e-4, caseName);
        });
      },
    });

    Deno.test({
      name: `buildPi0Graph() computes the same with fused projections in a file of their own, ${name}, ${set.name}`,
      ignore: set.isMissing,
      async fn() {
        await using model = await make(FUSED, false);
        const timeEmbedding = await readFloat32(`${folder}/time_embedding.bin`);
        await runCases(model, folder, { timeEmbedding }, async ({ name: caseName, expected }, outputs) => {
          assertClose(
            outputs["actions"]!,
            await readFloat32(`${folder}/${expected.actions.file}`),
            5e-5,
            caseName,
          );
        });
      },
    });

    for (
      const [precision, byteType, tolerance] of [
        ["int8", "U8", 0.024],
        ["float16", "U8", 0.003],
      ] as const
    ) {
      Deno.test({
        name: `buildPi0Graph() stays within ${100 * tolerance} % of openpi in ${precision}, ${name}, ${set.name}`,
        ignore: set.isMissing,
        async fn() {
          await using model = await GoldenModel.make(`${folder}/config.json`, `${folder}/model.safetensors`, {
            precision,
            fusion: FUSED,
            refer: true,
            byteType,
          });
          await runCases(model, folder, {}, async ({ name: caseName, expected }, outputs) => {
            const actions = await readFloat32(`${folder}/${expected.actions.file}`);
            const difference = outputs["actions"]!.map((value, i) => value - actions[i]!);
            const error = Math.hypot(...difference) / Math.hypot(...actions);
            assert.ok(error <= tolerance, `${caseName}: off by ${error}`);
          });
        },
      });
    }
  }
}

Deno.test({
  name: "buildPi0Graph() gives the trained model's actions for its golden picture",
  ignore: !hasMini,
  async fn() {
    await using model = await GoldenModel.make(MINI_CONFIG, `${MINI_FOLDER}/tiny_pi0.safetensors`, {
      precision: "float32",
      fusion: FUSED,
      refer: true,
    });
    const { config } = model;
    const golden = await readJson<{ image: string; state: number[]; normalised: number[][] }>(
      `${MINI_FOLDER}/tiny_pi0.golden.json`,
    );
    const json = await readJson<{ policy: unknown; prompts: Record<string, number[]> }>(MINI_CONFIG);
    const pipeline = makePipeline({
      policy: readPolicySettings(json.policy, "mini.config.json"),
      normStats: readNormStats(await Deno.readTextFile(`${MINI_FOLDER}/tiny_pi0.norm_stats.json`), "mini"),
      prompts: { kind: "table", prompts: new Map(Object.entries(json.prompts)) },
      model: config,
    });
    const picture = decodePng(await Deno.readFile(`${MINI_FOLDER}/../sim/renders/${golden.image}`));
    const observation = { images: { cam_high: picture }, state: Float64Array.from(golden.state) };
    const input = preprocess(observation, pipeline);
    const { actionHorizon, actionDim } = config;
    const noise = Float32Array.from({ length: actionHorizon * actionDim }, (_, i) => {
      const [h, d] = [Math.floor(i / actionDim), i % actionDim];
      return Math.sin(0.37 * h + 1.3 * d + 0.011 * h * d);
    });
    await using runtime = await openRuntime();
    await using session = await load(runtime, model.weights, model.folder, 1);
    const { actions } = await session.run({
      images: input.images.base_0_rgb!,
      tokens: Int32Array.of(0, 1, 2, 3),
      token_count: Int32Array.of(4),
      state: input.state,
      noise,
    }) as Record<string, Float32Array>;
    const expected = golden.normalised.flat();
    const found = expected.map((_, i) => actions![Math.floor(i / 14) * actionDim + i % 14]!);
    assertClose(Float32Array.from(found), Float32Array.from(expected), 5e-4, "actions");
  },
});

/** Runs the tiny random model on inputs that `change` may alter. */
async function runTiny(
  run: (session: Session, inputs: Record<string, Float32Array | Int32Array | Uint8Array>) => Promise<void>,
  config: Pi0Config = PI0_CONFIGS.tiny,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pi0-random-" });
  try {
    await using runtime = await openRuntime();
    const weights = await makeRandomWeights(config, { precision: "float32", fusion: APART, seed: 1, folder });
    await using session = await load(runtime, weights, folder, 1);
    await run(session, {
      images: new Uint8Array(3 * config.imageHeightPx * config.imageWidthPx).map((_, i) => i * 7),
      tokens: new Int32Array(config.promptSlots).map((_, i) => i),
      token_count: Int32Array.of(5),
      state: new Float32Array(config.actionDim).fill(0.3),
      noise: new Float32Array(config.actionHorizon * config.actionDim).map((_, i) => Math.sin(i)),
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the graph does not look at tokens behind the prompt, and at every one of the prompt", async () => {
  await runTiny(async (session, inputs) => {
    const { actions } = await session.run(inputs);
    const withToken = (place: number) =>
      session.run({ ...inputs, tokens: (inputs["tokens"] as Int32Array).with(place, 300) });
    assert.deepEqual((await withToken(5))["actions"], actions);
    assert.notDeepEqual((await withToken(4))["actions"], actions);
  });
});

Deno.test("the graph gives the same actions for the same noise, and other ones for another state", async () => {
  await runTiny(async (session, inputs) => {
    const first = await session.run(inputs);
    assert.deepEqual(await session.run(inputs), first);
    const other = await session.run({ ...inputs, state: new Float32Array(PI0_CONFIGS.tiny.actionDim).fill(0.2) });
    assert.notDeepEqual(other["actions"], first["actions"]);
  });
});

Deno.test("the graph takes several heads of keys, another horizon and another number of steps", async () => {
  const config = { ...PI0_CONFIGS.tiny, kvHeads: 2, actionHorizon: 7, flowSteps: 3, actionDim: 9, promptSlots: 6 };
  await runTiny(async (session, inputs) => {
    assert.deepEqual(session.inputs.map(({ name, shape }) => ({ name, shape: [...shape] })), [
      ...listInputs(config, 1).map(({ name, shape }) => ({ name, shape: [...shape] })),
    ]);
    const outputs = await session.run(inputs) as Record<string, Float32Array>;
    for (const { name, shape } of listProbes(config, 1, 3)) {
      assert.equal(outputs[name]!.length, shape.reduce((product, size) => product * size, 1), name);
    }
    assert.ok(outputs["actions"]!.every(Number.isFinite));
    assert.deepEqual(outputs["x_after_step"]!.slice(2 * 63), outputs["actions"]);
  }, config);
});

Deno.test("a bfloat16 graph fits together, and is refused by the CPU for want of kernels alone", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pi0-random-" });
  try {
    const fusion = FUSIONS.bfloat16;
    await using runtime = await openRuntime();
    for (const config of [PI0_CONFIGS.tiny, { ...PI0_CONFIGS.tiny, family: "pi05" as const }]) {
      const weights = await makeRandomWeights(config, { precision: "bfloat16", fusion, seed: 1, folder });
      await assert.rejects(() => load(runtime, weights, folder, 2), /Could not find an implementation for FusedMatMul/);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("buildPi0Graph() refuses cameras that the model does not have", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pi0-random-" });
  try {
    const weights = await makeRandomWeights(PI0_CONFIGS.tiny, { precision: "float32", fusion: APART, seed: 1, folder });
    const time = await foldTime(weights, 1, timeVectors(PI0_CONFIGS.tiny, 1));
    assert.throws(() => buildPi0Graph(weights, { cameras: 4, time, probes: false }), /for 4 cameras.*1 to 3/);
    assert.throws(() => buildPi0Graph(weights, { cameras: 0, time, probes: false }), RangeError);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
