import assert from "node:assert/strict";
import { latencyByTransport } from "../../src/report/chart_latency_data.ts";
import { boxPanel, cumulated, timelinePanel } from "../../src/report/chart_latency_spread.ts";
import { answeredSample, benchResults, failedSample } from "../support/bench_results.ts";

/** What a series holds, for tests that look inside. */
type Series = readonly { readonly data: readonly (readonly number[])[] }[];

function samples(transport: string, roundTripsMs: readonly number[]) {
  return roundTripsMs.map((roundTripMs, index) => answeredSample({ transport, index, roundTripMs }));
}

Deno.test("cumulated() steps from none at the fastest to all at the slowest", () => {
  assert.deepEqual(cumulated([10, 20, 20, 40]), [[10, 0], [10, 0.25], [20, 0.5], [20, 0.75], [40, 1]]);
});

Deno.test("cumulated() of many keeps the ends and the shares", () => {
  const steps = cumulated(Array.from({ length: 10_001 }, (_, i) => i + 1));
  assert.ok(steps.length < 500, `${steps.length} steps`);
  assert.deepEqual([steps[0], steps[steps.length - 1]], [[1, 0], [10_001, 1]]);
  for (const [ms, share] of steps.slice(1)) assert.equal(share, ms / 10_001);
});

Deno.test("timelinePanel() draws every request at its time, in seconds and milliseconds", () => {
  const ws = [...samples("ws", [20, 24]), failedSample("ws", 2)];
  const { note, drawing } = timelinePanel(latencyByTransport(benchResults({ ws })), 800);
  const [answered, failed] = drawing!.series as unknown as Series;
  assert.equal(note, "n = 2 answered requests; 1 failed (×, when they were given up)");
  assert.deepEqual(answered!.data, [[0, 20], [0.1, 24]]);
  assert.deepEqual(failed!.data, [[0.2, 50]]);
});

Deno.test("timelinePanel() of many requests keeps the slowest and says what it leaves out", () => {
  const ws = samples("ws", Array.from({ length: 9000 }, (_, i) => i === 4321 ? 60 : 20 + (i % 7)));
  const { note, drawing } = timelinePanel(latencyByTransport(benchResults({ ws })), 800);
  const { data } = (drawing!.series as unknown as Series)[0]!;
  assert.match(
    note,
    /^n = 9000 answered requests; none failed; of every 6 in a row the fastest and the slowest are drawn$/,
  );
  assert.ok(data.length <= 3000, `${data.length} points`);
  assert.deepEqual(data.filter(([, ms]) => ms === 60), [[432.1, 60]]);
});

Deno.test("timelinePanel() takes logarithms where the slowest would press the others to the ground", () => {
  const ws = samples("ws", [10, 10, 10, 1000]);
  const { drawing } = timelinePanel(latencyByTransport(benchResults({ ws })), 800);
  assert.match((drawing!.yAxis as { readonly name: string }).name, /, log$/);
  assert.deepEqual((drawing!.series as unknown as Series)[0]!.data.map(([, y]) => y), [1, 1, 1, 3]);
});

Deno.test("boxPanel() has its box and whiskers at values that were measured", () => {
  const ws = samples("ws", Array.from({ length: 100 }, (_, i) => i + 1));
  const { drawing } = boxPanel(latencyByTransport(benchResults({ ws, http: [failedSample("http", 0)] })));
  const [boxes] = drawing!.series as unknown as readonly { readonly data: readonly { readonly value: number[] }[] }[];
  assert.deepEqual(boxes!.data.map(({ value }) => value.map((log) => Math.round(10 ** log))), [
    [5, 25, 50, 75, 95],
    [],
  ]);
});
