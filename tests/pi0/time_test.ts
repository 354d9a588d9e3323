import assert from "node:assert/strict";
import { PI0_CONFIGS } from "../../src/pi0/config.ts";
import { flowTimes, foldTime, timeVectors } from "../../src/pi0/time.ts";
import { GOLDEN_MODEL_SETS, GoldenModel } from "../support/golden_model.ts";
import { largestDifference, readFloat32, readJson } from "../support/golden_openpi.ts";

const FOLDER = `${GOLDEN_MODEL_SETS[0].folder}/pi0_tiny`;

Deno.test("flowTimes() adds up in float32, as openpi does", async () => {
  const golden = await readJson<{ time_embedding: { times: number[] } }>(`${FOLDER}/cases.json`);
  assert.deepEqual(flowTimes(10), golden.time_embedding.times);
  assert.deepEqual(flowTimes(1), [1]);
});

Deno.test("timeVectors() gives openpi's float64 values at the full width", () => {
  const vectors = timeVectors(PI0_CONFIGS.pi0, 10);
  const known: [number, number, number][] = [
    [0, 1, -0.783219],
    [0, 255, -0.2528857],
    [0, 511, 1],
    [0, 513, -0.621746],
    [0, 767, 0.9674962],
  ];
  for (const [step, place, value] of known) {
    assert.ok(Math.abs(vectors[step * 1024 + place]! - value) < 1e-6, `${place}`);
  }
});

Deno.test("timeVectors() comes within 2e-4 of JAX's float32 values", async () => {
  const golden = await readFloat32(`${FOLDER}/time_embedding.bin`);
  const difference = largestDifference(timeVectors(PI0_CONFIGS.tiny, 10), golden);
  assert.ok(difference > 0 && difference < 2e-4, String(difference));
});

Deno.test("foldTime() makes one product of π₀'s two and a bias per step", async () => {
  await using model = await GoldenModel.make(`${FOLDER}/config.json`, `${FOLDER}/model.safetensors`, {
    precision: "float32",
    fusion: { attention: false, gate: false },
    refer: true,
  });
  const { weights, config } = model;
  const folded = await foldTime(weights, 2);
  assert.deepEqual([folded.actionBiases.length, folded.flowSteps, folded.modulations], [2, 2, undefined]);

  const { width } = config.expert;
  const action = Float32Array.from({ length: config.actionDim }, (_, i) => Math.cos(i));
  const dot = (matrix: Float32Array, row: number, vector: ArrayLike<number>) =>
    Array.from(vector).reduce((sum, value, i) => sum + matrix[row * vector.length + i]! * value, 0);
  const actionIn = await weights.readMatrix("action_in");
  const mlpIn = await weights.readMatrix("action_time_in");
  const embedded = Array.from(
    { length: width },
    (_, row) => dot(actionIn, row, action) + weights.vector("action_in.bias")[row]!,
  );
  const input = [...embedded, ...timeVectors(config, 2).subarray(width)];
  for (let row = 0; row < width; row++) {
    const expected = dot(mlpIn, row, input) + weights.vector("action_time_in.bias")[row]!;
    const found = dot(folded.actionWeight, row, action) + folded.actionBiases[1]![row]!;
    assert.ok(Math.abs(found - expected) < 1e-5);
  }
});

Deno.test("foldTime() refuses time vectors of another number of steps or width", async () => {
  await using model = await GoldenModel.make(`${FOLDER}/config.json`, `${FOLDER}/model.safetensors`, {
    precision: "float32",
    fusion: { attention: false, gate: false },
    refer: true,
  });
  await assert.rejects(
    () => foldTime(model.weights, 10, new Float32Array(9 * 32)),
    /10 steps of 32 numbers are needed, 288 are there/,
  );
});
