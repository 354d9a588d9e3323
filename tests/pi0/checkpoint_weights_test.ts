import assert from "node:assert/strict";
import { SafetensorsFile } from "../../src/checkpoint/safetensors.ts";
import { openWeights } from "../../src/pi0/checkpoint_weights.ts";
import { parsePi0Config } from "../../src/pi0/config.ts";
import { deriveWeights } from "../../src/pi0/derive.ts";
import { GOLDEN_MODEL_SETS, GoldenModel } from "../support/golden_model.ts";
import { readJson } from "../support/golden_openpi.ts";

const FOLDER = `${GOLDEN_MODEL_SETS[0].folder}/pi0_tiny`;
const APART = { attention: false, gate: false };
const make = (options: Parameters<typeof GoldenModel.make>[2]) =>
  GoldenModel.make(`${FOLDER}/config.json`, `${FOLDER}/model.safetensors`, options);

Deno.test("openWeights() points at the checkpoint for what serves there, by either name of the embedding", async () => {
  await using model = await make({ precision: "float32", fusion: APART, refer: true });
  using checkpoint = await SafetensorsFile.open(`${FOLDER}/model.safetensors`);
  const place = checkpoint.place("paligemma_with_expert.paligemma.lm_head.weight");
  assert.deepEqual(model.weights.matrix("prefix.embedding"), {
    rows: 1280,
    columns: 64,
    type: "F32",
    order: "rows",
    bytes: { file: "model.safetensors", offset: place.offset, length: place.length },
  });
  const { bytes } = model.weights.matrix("vision.patch");
  assert.ok("file" in bytes && bytes.file === "derived");
});

Deno.test("openWeights() has columns and one scale per row for int8, and float32 for small projections", async () => {
  await using model = await make({ precision: "int8", fusion: APART, refer: true, byteType: "I8" });
  const { type, order, scales } = model.weights.matrix("expert.0.gate");
  assert.deepEqual([type, order, scales?.length], ["I8", "columns", 96]);
  assert.equal(model.weights.matrix("action_out").type, "F32");
});

Deno.test("openWeights() needs no checkpoint where the derived file has everything", async () => {
  await using model = await make({ precision: "bfloat16", fusion: APART, refer: false });
  const { type, bytes } = model.weights.matrix("prefix.0.down");
  assert.ok("file" in bytes);
  assert.deepEqual([type, bytes.file, bytes.length], ["BF16", "derived", 2 * 64 * 128]);
  assert.equal(model.weights.vector("state_in.bias").length, 32);
  assert.throws(() => model.weights.vector("nothing"), /Cannot find "nothing"/);
});

Deno.test("openWeights() reads the matrices of a file that the runtime shall not need", async () => {
  using checkpoint = await SafetensorsFile.open(`${FOLDER}/model.safetensors`);
  const config = parsePi0Config(await readJson(`${FOLDER}/config.json`));
  const derivation = deriveWeights(config, checkpoint, { precision: "float32", fusion: APART, refer: false });
  const chunks = await Array.fromAsync(derivation.chunks());
  const file = await SafetensorsFile.fromBytes("derived", new Uint8Array(await new Blob(chunks).arrayBuffer()));
  const weights = await openWeights(config, "float32", APART, { derived: { file, location: null } });
  const { bytes } = weights.matrix("action_in");
  assert.ok(bytes instanceof Uint8Array);
  assert.deepEqual(new Float32Array(bytes.buffer), await weights.readMatrix("action_in"));
});

Deno.test("openWeights() says what is missing and where it looked", async () => {
  using checkpoint = await SafetensorsFile.open(`${FOLDER}/model.safetensors`);
  const config = parsePi0Config(await readJson(`${FOLDER}/config.json`));
  const files = { checkpoint: { file: checkpoint, location: "model.safetensors" } };
  await assert.rejects(
    () => openWeights(config, "float16", APART, files),
    /Cannot find the weights "vision.patch" in ".*model.safetensors"; export the model again/,
  );
});
