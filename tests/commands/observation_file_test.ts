import assert from "node:assert/strict";
import { WireError } from "../../src/errors.ts";
import { observationFromFlags, readObservation } from "../../src/commands/observation_file.ts";
import { ROBOTS } from "../../src/robot/mod.ts";
import { withFolder } from "../support/exported_model.ts";

const { aloha, libero } = ROBOTS;
const state = new Array<number>(14).fill(0.5);
/** A picture of two rows and one column, as lists. */
const PLANES = [[[1], [2]], [[3], [4]], [[5], [6]]];

async function readJson(folder: string, value: unknown, profile = aloha) {
  const path = `${folder}/request.json`;
  await Deno.writeTextFile(path, typeof value === "string" ? value : JSON.stringify(value));
  return await readObservation(path, profile);
}

Deno.test("readObservation() reads pictures as lists of JSON, in either dialect", () =>
  withFolder(async (folder) => {
    const nested = await readJson(folder, { images: { cam_high: PLANES }, state, prompt: "fold", seed: 4 });
    assert.equal(nested.dialect, "openpi");
    const { images, prompt, seed } = nested.observation;
    assert.deepEqual([prompt, seed], ["fold", 4]);
    assert.deepEqual(images["cam_high"], {
      width: 1,
      height: 2,
      layout: "chw",
      data: Uint8Array.of(1, 2, 3, 4, 5, 6),
    });
    const bare = await readJson(folder, { cam_high: PLANES, state });
    assert.equal(bare.dialect, "robodal");
    assert.deepEqual(bare.observation.images, images);
  }));

Deno.test("readObservation() reads noise of JSON as rows", () =>
  withFolder(async (folder) => {
    const request = { images: { cam_high: PLANES }, state };
    const { observation } = await readJson(folder, { ...request, noise: [[1, 2, 3], [4, 5, 6]] });
    assert.deepEqual([observation.noise, observation.noiseShape], [Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]]);
    for (const noise of [[1, 2], [[1], [2, 3]], "much", []]) {
      await assert.rejects(readJson(folder, { ...request, noise }), /Cannot read "noise"/);
    }
  }));

Deno.test("readObservation() refuses what is no observation", () =>
  withFolder(async (folder) => {
    await assert.rejects(readJson(folder, "{"), /it is no JSON/);
    await assert.rejects(readJson(folder, "[]"), /it is no JSON object/);
    await assert.rejects(readJson(folder, { images: { cam_high: [[[300]]] }, state }), /whole numbers up to 255/);
    await assert.rejects(
      readJson(folder, { images: { cam_high: "absent.png" }, state }),
      /absent\.png: it is not there/,
    );
    await assert.rejects(readJson(folder, { images: { cam_high: PLANES, cam_back: PLANES }, state }), WireError);
    await assert.rejects(readJson(folder, { "observation/image": PLANES }, libero), WireError);
    await assert.rejects(readObservation(`${folder}/absent`, aloha), /absent: it is not there/);
  }));

Deno.test("observationFromFlags() refuses unknown cameras, cameras twice and states of another length", async () => {
  const flags = { camera: [], state: state.join() };
  assert.deepEqual((await observationFromFlags(flags, aloha)).observation.state, Float64Array.from(state));
  await assert.rejects(observationFromFlags({ ...flags, camera: ["cam_high"] }, aloha), /write NAME=FILE\.png/);
  await assert.rejects(
    observationFromFlags({ ...flags, camera: ["top=a.png"] }, aloha),
    /cameras of aloha are cam_high/,
  );
  await assert.rejects(observationFromFlags({ ...flags, state: "1,2" }, aloha), /--state with the 14 numbers of aloha/);
  await assert.rejects(observationFromFlags({ ...flags, state: undefined }, aloha), /without a state/);
});
