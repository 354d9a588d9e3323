import assert from "node:assert/strict";
import type { LatencySample } from "../../src/measure/sample.ts";
import {
  achievedHz,
  bootstrapMeanInterval,
  decompose,
  mean,
  median,
  medianInterval,
  missedDeadlines,
  percentile,
  summarize,
  summarizeTransport,
} from "../../src/measure/statistics.ts";

/** 1, 2 … n. */
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

function sample(fields: Partial<LatencySample>): LatencySample {
  return {
    transport: "tcp",
    round: 0,
    index: 0,
    worker: 0,
    scheduledMs: 0,
    startedMs: 0,
    finishedMs: 10,
    timing: {},
    ...fields,
  };
}

const deadline = { code: "deadline", message: "late", timedOut: true };

Deno.test("percentile() interpolates between the closest ranks as numpy does", () => {
  // numpy.percentile([1, 2, 4, 8], [0, 25, 50, 75, 100])
  assert.deepEqual([0, 0.25, 0.5, 0.75, 1].map((p) => percentile([1, 2, 4, 8], p)), [1, 1.75, 3, 5, 8]);
  assert.equal(percentile([7], 0.99), 7);
});

Deno.test("percentile() refuses no values and shares outside 0 to 1", () => {
  assert.throws(() => percentile([], 0.5), RangeError);
  assert.throws(() => percentile([1], 50), RangeError);
  assert.throws(() => percentile([1], NaN), RangeError);
});

Deno.test("mean() and median() of unsorted values", () => {
  assert.equal(mean([1, 2, 6]), 3);
  assert.equal(median([10, 9, 1, 2]), 5.5);
  assert.throws(() => mean([]), RangeError);
  assert.throws(() => median([]), RangeError);
});

Deno.test("bootstrapMeanInterval() is repeatable, holds the mean and is about ±1.96 standard errors wide", () => {
  const values = upTo(100); // mean 50.5, standard error 28.87 / 10
  const options = { level: 0.95, resamples: 2000, seed: 7 };
  const [low, high] = bootstrapMeanInterval(values, options);
  assert.deepEqual(bootstrapMeanInterval(values, options), [low, high]);
  assert.notDeepEqual(bootstrapMeanInterval(values, { ...options, seed: 8 }), [low, high]);
  assert.ok(Math.abs(low - (50.5 - 1.96 * 2.887)) < 0.5, `low ${low}`);
  assert.ok(Math.abs(high - (50.5 + 1.96 * 2.887)) < 0.5, `high ${high}`);
  const [narrowLow, narrowHigh] = bootstrapMeanInterval(values, { ...options, level: 0.5 });
  assert.ok(narrowHigh - narrowLow < (high - low) / 2);
  assert.throws(() => bootstrapMeanInterval([], options), RangeError);
});

Deno.test("summarize() of five values, worked by hand", () => {
  const { intervalMs, ...summary } = summarize([5, 1, 4, 2, 3])!;
  assert.deepEqual(summary, { count: 5, minMs: 1, meanMs: 3, p50Ms: 3, p90Ms: 4.6, p95Ms: 4.8, maxMs: 5 });
  assert.ok(intervalMs![0] < 3 && intervalMs![1] > 3);
});

Deno.test("summarize() gives no interval of one value and nothing of none", () => {
  assert.deepEqual(summarize([2]), { count: 1, minMs: 2, meanMs: 2, p50Ms: 2, p90Ms: 2, p95Ms: 2, maxMs: 2 });
  assert.equal(summarize([]), undefined);
});

Deno.test("summarize() gives p99 from 100 values and p99.9 from 10000", () => {
  assert.equal(summarize(upTo(99))!.p99Ms, undefined);
  assert.ok(Math.abs(summarize(upTo(100))!.p99Ms! - 99.01) < 1e-9);
  assert.equal(summarize(upTo(9_999))!.p999Ms, undefined);
  assert.ok(Math.abs(summarize(upTo(10_000))!.p999Ms! - 9990.001) < 1e-6);
});

Deno.test("decompose() splits a request into its parts", () => {
  const measured = sample({
    startedMs: 100,
    sentMs: 101,
    receivedMs: 141,
    finishedMs: 143,
    residenceMs: 30,
    timing: { queue: 1, decode: 2, preprocess: 3, infer: 20, postprocess: 0.5, encode: 0.25 },
  });
  assert.deepEqual(decompose([measured]), {
    clientEncodeMs: 1,
    networkMs: 10,
    queueMs: 1,
    decodeMs: 2,
    preprocessMs: 3,
    inferMs: 20,
    postprocessMs: 0.5,
    serverEncodeMs: 0.25,
    clientDecodeMs: 2,
  });
});

Deno.test("decompose() takes the network of each request before the median", () => {
  // Round trips 10, 30, 40 less residences 9, 2, 38: networks 1, 28, 2. Medians first would give 30 − 9.
  const samples = [[10, 9], [30, 2], [40, 38]].map(([receivedMs, residenceMs]) =>
    sample({ sentMs: 0, receivedMs: receivedMs!, residenceMs: residenceMs!, finishedMs: receivedMs! })
  );
  assert.equal(decompose(samples).networkMs, 2);
});

Deno.test("decompose() leaves out what was not measured and requests that failed", () => {
  assert.deepEqual(decompose([sample({ sentMs: 1, receivedMs: 9, timing: { infer: 4 } })]), {
    clientEncodeMs: 1,
    inferMs: 4,
    clientDecodeMs: 1,
  });
  assert.deepEqual(decompose([sample({ timing: { infer: 4 }, error: deadline })]), {});
});

Deno.test("achievedHz() counts intervals between answers within rounds only", () => {
  // Round 0: answers at 10, 20, 30; round 1, a minute later: 60010, 60030. Three intervals in 40 ms.
  const samples = [10, 20, 30].map((finishedMs) => sample({ finishedMs }))
    .concat([60_030, 60_010].map((finishedMs) => sample({ round: 1, finishedMs })));
  assert.equal(achievedHz(samples), 75);
  assert.equal(achievedHz([sample({ round: 0 }), sample({ round: 1 })]), undefined);
  assert.equal(achievedHz([sample({ finishedMs: 1 }), sample({ finishedMs: 2, error: deadline })]), undefined);
});

Deno.test("missedDeadlines() tells late starts from missed answers", () => {
  const samples = [
    sample({ scheduledMs: 0, startedMs: 0, finishedMs: 100 }),
    sample({ scheduledMs: 100, startedMs: 102, finishedMs: 200.5 }), // missed
    sample({ scheduledMs: 200, startedMs: 202.5, finishedMs: 210 }), // late
    sample({ scheduledMs: 300, startedMs: 300, finishedMs: 310, error: deadline }), // missed
  ];
  assert.deepEqual(missedDeadlines(samples, 100), { late: 1, missed: 2 });
});

Deno.test("summarizeTransport() of a closed loop, worked by hand", () => {
  const connection = { transport: "tcp", round: 0, worker: 0 };
  const request = (index: number, startedMs: number, tookMs: number, residenceMs?: number): LatencySample =>
    sample({
      index,
      scheduledMs: startedMs,
      startedMs,
      sentMs: startedMs,
      receivedMs: startedMs + tookMs,
      finishedMs: startedMs + tookMs,
      bytesOut: 100,
      bytesIn: 10 + index,
      timing: { infer: 5 },
      ...(residenceMs === undefined ? {} : { previous: { residenceMs } }),
    });
  const summary = summarizeTransport({
    transport: "tcp",
    url: "tcp://127.0.0.1:9",
    connects: [
      { ...connection, startedMs: 0, connectMs: 4, windowWarmUpMs: 30, firstRequestMs: 50, discarded: 3 },
      { ...connection, round: 1, startedMs: 500, connectMs: 6, firstRequestMs: 70, discarded: 3 },
      {
        ...connection,
        round: 2,
        startedMs: 900,
        discarded: 0,
        error: { code: "unreachable", message: "", timedOut: false },
      },
    ],
    pings: [
      { ...connection, sentMs: 60, receivedMs: 63 },
      { ...connection, sentMs: 64, receivedMs: 65 },
      { ...connection, sentMs: 66, error: deadline },
    ],
    samples: [
      request(0, 100, 8),
      request(1, 108, 10, 6), // request 0 was 6 ms at the server, 2 on the way
      request(2, 118, 12, 7), // request 1: 7 there, 3 on the way
      sample({ index: 3, scheduledMs: 130, startedMs: 130, finishedMs: 150, error: deadline }),
    ],
  });
  const { connectMs, firstRequestMs, latencyMs, ...rest } = summary;
  assert.equal(connectMs?.p50Ms, 5);
  assert.equal(firstRequestMs?.p50Ms, 60);
  assert.equal(latencyMs?.count, 3);
  assert.equal(latencyMs?.p50Ms, 10);
  assert.deepEqual(rest, {
    transport: "tcp",
    url: "tcp://127.0.0.1:9",
    count: 3,
    discarded: 6,
    warmUpMs: 30,
    rttFloorMs: 1,
    pingP50Ms: 2,
    overheadMs: 10 - 1 - 5,
    decomposition: { clientEncodeMs: 0, networkMs: 2.5, inferMs: 5, clientDecodeMs: 0 },
    hz: 2000 / 22,
    bytesOut: 100,
    bytesIn: 11,
    errors: 3,
    timeouts: 2,
    errorCodes: { deadline: 2, unreachable: 1 },
  });
});

Deno.test("summarizeTransport() of a paced run counts from the intended time and keeps the service time apart", () => {
  const summary = summarizeTransport({
    transport: "tcp",
    url: "tcp://127.0.0.1:9",
    periodMs: 100,
    connects: [],
    pings: [{ transport: "tcp", round: 0, worker: 0, sentMs: 0, receivedMs: 2 }],
    samples: [
      sample({ scheduledMs: 0, startedMs: 0, finishedMs: 150, timing: { infer: 5 } }),
      sample({ scheduledMs: 100, startedMs: 150, finishedMs: 160, timing: { infer: 5 } }),
    ],
  });
  assert.deepEqual([summary.latencyMs?.minMs, summary.latencyMs?.maxMs], [60, 150]);
  assert.deepEqual([summary.serviceMs?.minMs, summary.serviceMs?.maxMs], [10, 150]);
  assert.equal(summary.overheadMs, 80 - 2 - 5);
  assert.deepEqual([summary.periodMs, summary.late, summary.missed], [100, 1, 1]);
});

Deno.test("summarizeTransport() of nothing has counts and no numbers", () => {
  assert.deepEqual(summarizeTransport({ transport: "ws", url: "ws://h", connects: [], pings: [], samples: [] }), {
    transport: "ws",
    url: "ws://h",
    count: 0,
    discarded: 0,
    decomposition: {},
    errors: 0,
    timeouts: 0,
    errorCodes: {},
  });
});

Deno.test("medianInterval() has the ranks of the binomial distribution, and none below six values", () => {
  assert.equal(medianInterval(upTo(5)), undefined);
  assert.deepEqual(medianInterval(upTo(6)), [1, 6]);
  // Of 40 coins at most 13 show heads in 1.92 % of all throws, at most 14 in 4.03 %.
  assert.deepEqual(medianInterval(upTo(40).reverse()), [14, 27]);
  assert.deepEqual(medianInterval(upTo(1000)), [469, 532]);
  assert.deepEqual(medianInterval(upTo(10_000)), [4902, 5099]);
});

Deno.test("summarizeTransport() counts connections that were granted 0-RTT, and none is absent", () => {
  const connect = { transport: "quic", round: 0, worker: 0, startedMs: 0, discarded: 0 };
  const run = { transport: "quic", url: "quic://test", pings: [], samples: [] };
  const some = [{ ...connect, zeroRtt: false }, { ...connect, zeroRtt: true }, connect];
  assert.equal(summarizeTransport({ ...run, connects: some }).zeroRttConnects, 1);
  assert.ok(!("zeroRttConnects" in summarizeTransport({ ...run, connects: [connect] })));
});
