import assert from "node:assert/strict";
import { SafetensorsFile } from "../../src/checkpoint/safetensors.ts";
import { parsePi0Config, PI0_CONFIGS } from "../../src/pi0/config.ts";
import { type DeriveOptions, deriveWeights } from "../../src/pi0/derive.ts";
import { GOLDEN_MODEL_SETS, GoldenModel } from "../support/golden_model.ts";
import { readJson } from "../support/golden_openpi.ts";

const FOLDER = `${GOLDEN_MODEL_SETS[0].folder}/pi0_tiny`;
const APART = { attention: false, gate: false };
const readConfig = async () => parsePi0Config(await readJson(`${FOLDER}/config.json`));

async function namesOf(options: DeriveOptions): Promise<string[]> {
  using checkpoint = await SafetensorsFile.open(`${FOLDER}/model.safetensors`);
  return deriveWeights(await readConfig(), checkpoint, options).tensors.map(({ name }) => name);
}

Deno.test("deriveWeights() leaves in a float32 checkpoint what serves as it lies", async () => {
  assert.deepEqual(await namesOf({ precision: "float32", fusion: APART, refer: true }), ["vision.patch"]);
});

Deno.test("deriveWeights() writes fused projections, and all weights where it must not refer", async () => {
  const fused = await namesOf({ precision: "float32", fusion: { attention: true, gate: true }, refer: true });
  assert.ok(fused.includes("expert.0.qkv") && fused.includes("prefix.2.kv") && fused.includes("prefix.0.gate_up"));
  assert.ok(!fused.includes("expert.0.out") && !fused.includes("prefix.2.out"));
  const all = await namesOf({ precision: "float32", fusion: APART, refer: false });
  assert.ok(all.includes("prefix.embedding") && all.includes("expert.norm") && all.includes("vision.0.up.bias"));
});

Deno.test("deriveWeights() says how long the file becomes", async () => {
  using checkpoint = await SafetensorsFile.open(`${FOLDER}/model.safetensors`);
  const plan = deriveWeights(await readConfig(), checkpoint, { precision: "int8", fusion: APART, refer: true });
  let bytes = 0;
  for await (const chunk of plan.chunks()) bytes += chunk.length;
  assert.equal(bytes, plan.bytes);
});

Deno.test("deriveWeights() brings patch kernels into the order of a picture and keeps fused rows in order", async () => {
  await using model = await GoldenModel.make(`${FOLDER}/config.json`, `${FOLDER}/model.safetensors`, {
    precision: "float32",
    fusion: { attention: true, gate: false },
    refer: true,
  });
  using checkpoint = await SafetensorsFile.open(`${FOLDER}/model.safetensors`);
  const vision = "paligemma_with_expert.paligemma.model.vision_tower.vision_model.";
  const kernel = await checkpoint.readFloats(`${vision}embeddings.patch_embedding.weight`);
  const patch = await model.weights.readMatrix("vision.patch");
  const [row, channel, y, x] = [5, 2, 3, 4];
  assert.equal(patch[row * 588 + (y * 14 + x) * 3 + channel], kernel[((row * 3 + channel) * 14 + y) * 14 + x]);

  const qkv = await model.weights.readMatrix("vision.1.qkv");
  const key = await checkpoint.readFloats(`${vision}encoder.layers.1.self_attn.k_proj.weight`);
  assert.deepEqual(qkv.subarray(48 * 48, 2 * 48 * 48), key);
});

Deno.test("deriveWeights() refuses a checkpoint of another configuration", async () => {
  using checkpoint = await SafetensorsFile.open(`${FOLDER}/model.safetensors`);
  const config = await readConfig();
  const options = { precision: "float32", fusion: APART, refer: true } as const;
  const wider = { ...config, prefix: { ...config.prefix, mlpWidth: 256 } };
  assert.throws(() => deriveWeights(wider, checkpoint, options), /mlp.*its shape is \[128,64\].*needs 256 × 64 values/);
  assert.throws(() => deriveWeights({ ...PI0_CONFIGS.tiny, depth: 4 }, checkpoint, options), TypeError);
});
