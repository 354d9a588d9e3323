/**
 * Prints how much memory 1000 runs and 500 sessions leave behind. Needs `--v8-flags=--expose-gc`.
 *
 * @module
 */

import { openRuntime } from "../../src/ort/mod.ts";
import { DOUBLING, encodeModel } from "./models.ts";

const LENGTH = 2 ** 18;
const large = encodeModel({
  inputs: [{ name: "x", type: "float32", shape: [LENGTH] }],
  outputs: [{ name: "y", type: "float32", shape: [LENGTH] }],
  nodes: [{ operator: "Neg", inputs: ["x"], outputs: ["y"] }],
});
const options = { provider: { name: "cpu" }, threads: 1, spinning: false } as const;

/** Memory of the process once everything unreachable is gone. */
function measureMiB(): number {
  (globalThis as unknown as { gc(): void }).gc();
  return Deno.memoryUsage().rss / 2 ** 20;
}

await using runtime = await openRuntime();
const session = await runtime.load({ ...options, model: { bytes: large } });
const run = async (times: number) => {
  const x = new Float32Array(LENGTH).fill(1);
  for (let i = 0; i < times; i++) await session.run({ x });
};
const load = async (times: number) => {
  for (let i = 0; i < times; i++) {
    await using other = await runtime.load({ ...options, model: { bytes: DOUBLING } });
    await other.run({ x: new Float32Array(4) });
  }
};

await run(300);
const beforeRuns = measureMiB();
await run(1000);
const runsMiB = measureMiB() - beforeRuns;
await load(300);
const beforeSessions = measureMiB();
await load(500);
const sessionsMiB = measureMiB() - beforeSessions;
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ runsMiB, sessionsMiB })));
