import assert from "node:assert/strict";
import { UsageError } from "../../src/errors.ts";
import { checkPi0Config, parsePi0Config, PI0_CONFIGS } from "../../src/pi0/config.ts";
import { MINI_CONFIG } from "../support/golden_model.ts";
import { readJson } from "../support/golden_openpi.ts";

type Json = Record<string, Record<string, unknown>>;
const FOLDER = `${import.meta.dirname}/../fixtures/pi0_graph`;
const readTiny = () => readJson<Json>(`${FOLDER}/pi0_tiny/config.json`);

Deno.test("parsePi0Config() reads openpi's dimensions", async () => {
  const { vocabularySize: _, ...expected } = PI0_CONFIGS.tiny;
  const { vocabularySize, ...config } = parsePi0Config(await readTiny());
  assert.deepEqual(config, expected);
  assert.equal(vocabularySize, 1280);
  assert.equal(parsePi0Config(await readJson(`${FOLDER}/pi05_tiny/config.json`)).family, "pi05");
});

Deno.test("parsePi0Config() reads another patch size, one camera and a short prompt", async () => {
  const config = parsePi0Config(await readJson(MINI_CONFIG));
  assert.deepEqual([config.vision.patchPx, config.vision.tokens], [28, 64]);
  assert.deepEqual([config.cameraSlots, config.promptSlots], [["base_0_rgb"], 4]);
});

Deno.test("every built-in configuration fits together", () => {
  for (const config of Object.values(PI0_CONFIGS)) checkPi0Config(config);
});

const REJECTED: Record<string, [(json: Json) => unknown, RegExp]> = {
  "is a list": [() => [], /must be a JSON object/],
  "lacks a section": [({ vision: _, ...json }) => json, /"vision" must be a JSON object/],
  "lacks a number": [(json) => (delete json["vision"]!["depth"], json), /"vision.depth" must be a whole.*is absent/],
  "has half a layer": [(json) => (json["paligemma"]!["depth"] = 1.5, json), /"paligemma.depth".*but is 1.5/],
  "has a misspelt key": [(json) => (json["vision"]!["patchsize"] = 14, json), /"vision.patchsize" is not a known key/],
  "is of another family": [(json) => ({ ...json, model_type: "pi0_fast" }), /"model_type" must be one of pi0, pi05/],
  "contradicts its family": [(json) => ({ ...json, pi05: true }), /"pi05" must be false for pi0/],
  "has experts of different depth": [
    (json) => (json["action_expert"]!["depth"] = 4, json),
    /"action_expert.depth" must be 3 like paligemma.depth/,
  ],
  "counts its patches wrongly": [(json) => (json["vision"]!["tokens"] = 64, json), /vision.tokens must be 256/],
  "has patches that do not fill the picture": [
    (json) => (json["vision"]!["patch_size"] = 15, json),
    /image_resolution must be a multiple of vision.patch_size = 15/,
  ],
  "has heads that do not fill the width": [
    (json) => (json["vision"]!["num_heads"] = 5, json),
    /vision.width must be num_heads × head_dim = 60/,
  ],
  "names a camera twice": [(json) => ({ ...json, image_keys: ["a", "a"] }), /each picture slot once/],
  "has a resolution of one number": [
    (json) => ({ ...json, image_resolution: [224] }),
    /"image_resolution" must be two/,
  ],
  "has a negative epsilon": [(json) => ({ ...json, norm_eps: -1 }), /"norm_eps" must be a number above zero/],
};
for (const [what, [change, message]] of Object.entries(REJECTED)) {
  Deno.test(`parsePi0Config() rejects a configuration that ${what}`, async () => {
    const json = await readTiny();
    assert.throws(
      () => parsePi0Config(change(json)),
      (error) => error instanceof UsageError && message.test(error.message),
    );
  });
}
