import assert from "node:assert/strict";
import {
  latencyByTransport,
  medianRequest,
  medianStages,
  requestStages,
  roundTripMs,
  type Stage,
} from "../../src/report/chart_latency_data.ts";
import { answeredSample, benchResults, failedSample, withoutResidence } from "../support/bench_results.ts";

const ws = [20, 24, 22].map((roundTripMs, index) => answeredSample({ transport: "ws", index, roundTripMs }));
const tcp = [30, 34, 32].map((roundTripMs, index) => answeredSample({ transport: "tcp", index, roundTripMs }));

function stages(shares: readonly { readonly stage: Stage; readonly ms?: number }[]): Record<string, number> {
  return Object.fromEntries(shares.flatMap(({ stage, ms }) => ms === undefined ? [] : [[stage, ms]]));
}

function near(actual: Record<string, number>, expected: Record<string, number>): void {
  assert.deepEqual(Object.keys(actual), Object.keys(expected));
  for (const [name, value] of Object.entries(expected)) {
    assert.ok(Math.abs(actual[name]! - value) < 1e-9, `${name}: ${actual[name]} instead of ${value}`);
  }
}

Deno.test("latencyByTransport() puts the fastest first and those without an answer last", () => {
  const found = latencyByTransport(benchResults({ http: [failedSample("http", 0)], tcp, ws }));
  assert.deepEqual(found.map(({ name }) => name), ["ws", "tcp", "http"]);
  assert.deepEqual(found.map(({ sortedMs }) => [...sortedMs]), [[20, 22, 24], [30, 32, 34], []]);
  assert.deepEqual(found.map(({ failed }) => failed.length), [0, 0, 1]);
});

Deno.test("latencyByTransport() refuses samples as they were recorded", () => {
  const recorded = ws.map((sample) => ({ ...sample, previous: { residenceMs: 5 } }));
  assert.throws(() => latencyByTransport(benchResults({ ws: recorded })), /treat them with attachPrevious first$/);
});

Deno.test("requestStages() tells every part of a request, and what is left at the server", () => {
  near(stages(requestStages(ws[2]!)), {
    clientEncode: 1,
    network: 12,
    queue: 0.5,
    decode: 1,
    infer: 6,
    encode: 0.5,
    rest: 0.5,
    clientDecode: 0.5,
  });
});

Deno.test("requestStages() adds up to the round trip, whatever was measured", () => {
  const { sentMs: _s, receivedMs: _r, ...bare } = ws[0]!;
  const quickReply = { ...ws[0]!, residenceMs: 30 };
  for (const sample of [...ws, withoutResidence(ws[0]!), withoutResidence(bare), quickReply]) {
    const sum = Object.values(stages(requestStages(sample))).reduce((sum, ms) => sum + ms, 0);
    assert.ok(Math.abs(sum / roundTripMs(sample) - 1) < 0.01, `${sum} of ${roundTripMs(sample)} ms`);
  }
});

Deno.test("the stages that a server measures are the round trip within 1 % where it measures all", () => {
  const timing = { queue: 0.5, decode: 1, preprocess: 2, infer: 60, postprocess: 1, encode: 0.5 };
  const sample = answeredSample({ transport: "ws", index: 0, roundTripMs: 120, timing });
  const { rest, ...measured } = stages(requestStages(sample));
  const sum = Object.values(measured).reduce((sum, ms) => sum + ms, 0);
  assert.ok(Math.abs(sum / 120 - 1) < 0.01, `${sum} of 120 ms`);
  assert.ok(Math.abs(rest! - 0.5) < 1e-9);
});

Deno.test("requestStages() does not call the network measured without the server's word", () => {
  near(stages(requestStages(withoutResidence(ws[2]!))), { clientEncode: 1, infer: 6, rest: 14.5, clientDecode: 0.5 });
});

Deno.test("medianRequest() takes the fastest transport's request in the middle", () => {
  const found = medianRequest(latencyByTransport(benchResults({ tcp, ws })))!;
  assert.equal(found.transport.name, "ws");
  assert.equal(found.sample, ws[2]);
});

Deno.test("medianRequest() prefers a request whose time at the server is known", () => {
  const partly = [ws[0]!, ws[1]!, withoutResidence(ws[2]!)];
  const found = medianRequest(latencyByTransport(benchResults({ ws: partly })))!;
  assert.notEqual(found.sample.residenceMs, undefined);
});

Deno.test("medianRequest() goes by the round trip, not by how late a request was started", () => {
  const late = [20, 24, 22].map((roundTripMs, index) =>
    answeredSample({ transport: "ws", index, roundTripMs, lateMs: [40, 20, 0][index]! })
  );
  const found = medianRequest(latencyByTransport(benchResults({ ws: late }, { periodMs: 100 })))!;
  assert.equal(roundTripMs(found.sample), 22);
});

Deno.test("medianRequest() passes over what ran without a transport, unless there is nothing else", () => {
  const local = [answeredSample({ transport: "local", index: 0, roundTripMs: 12 })];
  assert.equal(medianRequest(latencyByTransport(benchResults({ local, ws })))!.transport.name, "ws");
  assert.equal(medianRequest(latencyByTransport(benchResults({ local })))!.transport.name, "local");
  assert.equal(medianRequest(latencyByTransport(benchResults({ ws: [failedSample("ws", 0)] }))), undefined);
});

Deno.test("medianStages() is the summary's medians and the rest to the median round trip", () => {
  const { summaries } = benchResults({ ws });
  near(stages(medianStages(summaries[0]!)), {
    clientEncode: 1,
    network: 12,
    queue: 0.5,
    decode: 1,
    infer: 6,
    encode: 0.5,
    rest: 0.5,
    clientDecode: 0.5,
  });
});

Deno.test("medianStages() has no rest where the medians exceed the whole", () => {
  const { summaries } = benchResults({ ws });
  const summary = { ...summaries[0]!, decomposition: { networkMs: 15, inferMs: 9 } };
  near(stages(medianStages(summary)), { network: 15, infer: 9 });
});
