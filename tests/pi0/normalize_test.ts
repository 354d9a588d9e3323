/**
 * The golden calls of openpi are in `transforms_test.ts`; these are what it does not say.
 */

import assert from "node:assert/strict";
import { normalize, normStatsPaths, readNormStats, type Statistics, unnormalize } from "../../src/pi0/normalize.ts";

const both = (statistics: unknown) =>
  JSON.stringify({ norm_stats: { state: { mean: [1], std: [2] }, actions: statistics } });

Deno.test("readNormStats() reads means, deviations and quantiles of states and actions", () => {
  const actions = { mean: [1, 2], std: [3, 4], q01: [5, 6], q99: [7, 8] };
  assert.deepEqual(readNormStats(both(actions), "x"), {
    state: { mean: Float64Array.of(1), std: Float64Array.of(2), quantiles: null },
    actions: {
      mean: Float64Array.of(1, 2),
      std: Float64Array.of(3, 4),
      quantiles: { q01: Float64Array.of(5, 6), q99: Float64Array.of(7, 8) },
    },
  });
});

Deno.test("readNormStats() takes null for absent quantiles, and leaves other keys alone", () => {
  const json = JSON.stringify({
    norm_stats: { state: { mean: [1], std: [2] }, actions: { mean: [1], std: [2], q01: null, q99: null }, other: 1 },
  });
  assert.equal(readNormStats(json, "x").actions.quantiles, null);
});

const REFUSED: readonly [string, string, RegExp][] = [
  ["no JSON", "{", /Cannot read norm stats a\.json: it is no JSON/],
  ["another file", `{"model": "pi0"}`, /has no "norm_stats"/],
  ["no actions", `{"norm_stats": {"state": {"mean": [1], "std": [2]}}}`, /lacks "actions.mean" or "actions.std"/],
  ["empty arrays", both({ mean: [], std: [] }), /lacks "actions.mean"/],
  ["text in an array", both({ mean: ["1"], std: [2] }), /"actions.mean" is no list of numbers/],
  ["another number of deviations", both({ mean: [1, 2], std: [2] }), /"actions.std" has 1 numbers, .* has 2/],
  ["one quantile", both({ mean: [1], std: [2], q01: [3] }), /only one of "actions.q01" and "actions.q99"/],
];

for (const [what, json, message] of REFUSED) {
  Deno.test(`readNormStats() refuses a file with ${what}`, () => {
    assert.throws(() => readNormStats(json, "a.json"), message);
  });
}

Deno.test("normStatsPaths() looks in a checkpoint, in its assets and in the asset's folder", () => {
  assert.deepEqual(normStatsPaths("lerobot/cube"), [
    "assets/lerobot/cube/norm_stats.json",
    "lerobot/cube/norm_stats.json",
    "norm_stats.json",
  ]);
});

for (const id of ["", "/etc", "../x", "a/../b", "a//b", "a\\b", "."]) {
  Deno.test(`normStatsPaths() refuses the asset id "${id}"`, () => {
    assert.throws(() => normStatsPaths(id), /Cannot use asset id/);
  });
}

const statistics: Statistics = {
  mean: Float64Array.of(1, 2),
  std: Float64Array.of(3, 4),
  quantiles: { q01: Float64Array.of(-1, 0), q99: Float64Array.of(1, 4) },
};

Deno.test("normalize() refuses more numbers than it has statistics for, and never repeats them", () => {
  assert.throws(() => normalize([1, 2, 3], statistics, "zscore"), /Cannot normalise 3 numbers .* of 2/);
});

Deno.test("unnormalize() refuses rows that are shorter than the statistics", () => {
  assert.throws(() => unnormalize(Float64Array.of(1), 1, statistics, "zscore"), /rows of 1 numbers .* of 2/);
});

Deno.test("normalize() and unnormalize() refuse quantiles that are not there", () => {
  const without = { ...statistics, quantiles: null };
  assert.throws(() => normalize([1, 2], without, "quantile"), /have none; give others, or use zscore/);
  assert.throws(() => unnormalize(Float64Array.of(1, 2), 2, without, "quantile"), /have none/);
});

Deno.test("unnormalize() undoes normalize() and does not clip", () => {
  for (const by of ["zscore", "quantile"] as const) {
    const there = normalize([-50, 70], statistics, by);
    const back = unnormalize(there, 2, statistics, by);
    assert.ok(Math.abs(back[0]! + 50) < 1e-9 && Math.abs(back[1]! - 70) < 1e-9, `${by}: ${back}`);
  }
});
