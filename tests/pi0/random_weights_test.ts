import assert from "node:assert/strict";
import { PI0_CONFIGS } from "../../src/pi0/config.ts";
import { makeRandomWeights, type RandomWeightsOptions } from "../../src/pi0/random_weights.ts";
import { ZERO_POINT } from "../../src/pi0/quantize.ts";
import { listWeights, type StoredMatrix } from "../../src/pi0/weights.ts";

const FUSION = { attention: true, gate: false };
const { matrices } = listWeights(PI0_CONFIGS.tiny, FUSION);

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pi0-random-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function make(folder: string, options: Partial<RandomWeightsOptions> = {}) {
  return makeRandomWeights(PI0_CONFIGS.tiny, { precision: "float32", fusion: FUSION, seed: 1, folder, ...options });
}

async function readStored(folder: string, { bytes }: StoredMatrix) {
  assert.ok("file" in bytes);
  const { file, offset, length } = bytes;
  return (await Deno.readFile(`${folder}/${file}`)).slice(offset, offset + length);
}

Deno.test("makeRandomWeights() gives no two tensors the same contents", async () => {
  await withFolder(async (folder) => {
    const weights = await make(folder);
    const starts = matrices.map(({ name }) => {
      const { bytes } = weights.matrix(name);
      return "offset" in bytes ? bytes.offset : undefined;
    });
    assert.equal(new Set(starts).size, starts.length);
    for (const { name, rows, columns } of matrices) {
      const matrix = weights.matrix(name);
      assert.equal(matrix.bytes.length, 4 * rows * columns, name);
      assert.equal((await readStored(folder, matrix)).length, matrix.bytes.length, name);
    }
  });
});

Deno.test("makeRandomWeights() gives the same numbers for the same seed only", async () => {
  const read = async (seed: number) => {
    let values: Float32Array | undefined;
    await withFolder(async (folder) => {
      values = await (await make(folder, { seed })).readMatrix("action_in");
    });
    return values!;
  };
  assert.deepEqual(await read(1), await read(1));
  assert.notDeepEqual(await read(1), await read(2));
});

Deno.test("makeRandomWeights() gives normally distributed numbers", async () => {
  await withFolder(async (folder) => {
    const values = await (await make(folder)).readMatrix("vision.patch");
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    assert.ok(Math.abs(mean) < 5e-3 && Math.abs(deviation - 0.125) < 5e-3, `${mean} ± ${deviation}`);
  });
});

Deno.test("makeRandomWeights() gives the same model in 8 bits, rounded", async () => {
  await withFolder(async (folder) => {
    const exact = (await make(folder)).matrix("prefix.0.up");
    const rounded = (await make(folder, { precision: "int8", byteType: "U8" })).matrix("prefix.0.up");
    const floats = new Float32Array((await readStored(folder, exact)).buffer);
    const bytes = await readStored(folder, rounded);
    const [scale] = rounded.scales!;
    assert.equal(bytes.length, floats.length);
    assert.ok(floats.every((value, i) => Math.abs((bytes[i]! - ZERO_POINT) * scale! - value) <= 0.501 * scale!));
    assert.deepEqual([exact.order, rounded.order], ["columns", "columns"]);
  });
});

Deno.test("makeRandomWeights() uses pools that are there, and leaves no unfinished one behind", async () => {
  await withFolder(async (folder) => {
    const progress: number[] = [];
    const onProgress = (done: number) => progress.push(done);
    await make(folder, { onProgress });
    assert.equal(progress.length, 1);
    await make(folder, { onProgress });
    assert.equal(progress.length, 1);
    const files = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
    assert.deepEqual(files.map((name) => name.split(".").length), [2]);
  });
});
