import assert from "node:assert/strict";
import { listFiles, MANIFEST_NAME, readManifest, verifyFolder } from "../../src/pi0/model_folder.ts";
import { openModelFolder } from "../../src/pi0/model_folder_open.ts";
import { exportKept, withFolder } from "../support/exported_model.ts";

Deno.test("exportModel() writes a manifest that knows every file of the folder, and no more", () =>
  withFolder(async (folder) => {
    const path = await exportKept(folder);
    const manifest = await readManifest(path);
    const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
    assert.deepEqual(names.sort(), [...listFiles(manifest).map((file) => file.path), MANIFEST_NAME].sort());
    await verifyFolder(path, manifest, { whole: true });
    assert.deepEqual(manifest.graphs.map(({ cameras, flowSteps }) => [cameras, flowSteps]), [[1, 10], [2, 10], [
      3,
      10,
    ]]);
  }));

Deno.test("exportModel() makes the same folder again, byte by byte", () =>
  withFolder(async (folder) => {
    const first = await readManifest(await exportKept(folder));
    assert.deepEqual(await readManifest(await exportKept(folder, { force: true })), first);
    assert.deepEqual((await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name), ["model"]);
  }));

Deno.test("exportModel() replaces a model only when it is told to, and nothing else at all", () =>
  withFolder(async (folder) => {
    const path = await exportKept(folder);
    await assert.rejects(exportKept(folder), /a model is there; give --force to replace it/);
    await Deno.remove(`${path}/${MANIFEST_NAME}`);
    await assert.rejects(exportKept(folder, { force: true }), /it holds other things than a model/);
    await Deno.stat(`${path}/norm_stats.json`);
  }));

Deno.test("exportModel() leaves nothing behind when it is interrupted", () =>
  withFolder(async (folder) => {
    const stop = new AbortController();
    const interrupted = exportKept(folder, {
      signal: stop.signal,
      onProgress: (label) => label === "writing weights" && stop.abort(new Error("enough")),
    });
    await assert.rejects(interrupted, /enough/);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
  }));

Deno.test("openModelFolder() opens a model that was moved, unless its weights are elsewhere and went away", () =>
  withFolder(async (folder) => {
    const path = await exportKept(folder);
    await Deno.rename(path, `${folder}/moved`);
    await using moved = await openModelFolder(`${folder}/moved`);
    assert.equal(moved.config.family, "pi0");

    const manifest = JSON.parse(await Deno.readTextFile(`${folder}/moved/${MANIFEST_NAME}`));
    manifest.weights.checkpoint = { ...manifest.provenance.checkpoint, path: "/nowhere/model.safetensors" };
    await Deno.writeTextFile(`${folder}/moved/${MANIFEST_NAME}`, JSON.stringify(manifest));
    await assert.rejects(openModelFolder(`${folder}/moved`), /\/nowhere\/model\.safetensors is not there; put it back/);
  }));

Deno.test("openModelFolder() refuses every file that was exchanged", () =>
  withFolder(async (folder) => {
    const path = await exportKept(folder, { cameras: [1] });
    for (const { path: name } of listFiles(await readManifest(path))) {
      const bytes = await Deno.readFile(`${path}/${name}`);
      await Deno.writeFile(`${path}/${name}`, bytes.with(bytes.length >> 1, bytes[bytes.length >> 1]! ^ 1));
      await assert.rejects(openModelFolder(path), new RegExp(`${name} is not as it was exported`), name);
      await Deno.writeFile(`${path}/${name}`, bytes);
    }
    await (await openModelFolder(path))[Symbol.asyncDispose]();
  }));

const BROKEN: readonly [string, (manifest: Record<string, unknown>) => unknown, RegExp][] = [
  ["of another program", (manifest) => ({ ...manifest, format: "other" }), /is no manifest of a model/],
  ["of a later version", (manifest) => ({ ...manifest, version: 2 }), /its version is 2, this program knows 1/],
  ["without graphs", (manifest) => ({ ...manifest, graphs: [] }), /"graphs" of pi0\.json is missing or broken/],
  ["with a hash cut short", (manifest) => ({
    ...manifest,
    normStats: { path: "norm_stats.json", bytes: 1, sha256: "0" },
  }), /"normStats"/],
  ["without a precision", ({ precision: _, ...rest }) => rest, /"precision"/],
  ["that is a list", () => [], /is no manifest of a model/],
];

for (const [what, change, pattern] of BROKEN) {
  Deno.test(`readManifest() refuses one ${what}`, () =>
    withFolder(async (folder) => {
      const path = await exportKept(folder, { cameras: [1] });
      const manifest = JSON.parse(await Deno.readTextFile(`${path}/${MANIFEST_NAME}`));
      await Deno.writeTextFile(`${path}/${MANIFEST_NAME}`, JSON.stringify(change(manifest)));
      await assert.rejects(readManifest(path), pattern);
    }));
}

Deno.test("readManifest() says what is missing of a folder that is none", () =>
  withFolder(async (folder) => {
    await assert.rejects(readManifest(`${folder}/none`), /it is not there; make a model with pi0 export/);
    await assert.rejects(readManifest(folder), /it has no pi0\.json/);
    await Deno.writeTextFile(`${folder}/${MANIFEST_NAME}`, "{");
    await assert.rejects(readManifest(folder), /pi0\.json is no JSON/);
  }));
