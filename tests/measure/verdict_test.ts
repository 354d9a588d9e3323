import assert from "node:assert/strict";
import type { Summary, TransportSummary } from "../../src/measure/statistics.ts";
import { findWarnings } from "../../src/measure/verdict.ts";

function times(p50Ms: number, maxMs = p50Ms): Summary {
  return { count: 200, minMs: p50Ms, meanMs: p50Ms, p50Ms, p90Ms: p50Ms, p95Ms: p50Ms, p99Ms: p50Ms, maxMs };
}

/** A run that nobody objects to. */
const sound: TransportSummary = {
  transport: "tcp",
  url: "tcp://127.0.0.1:9",
  count: 200,
  discarded: 5,
  connectMs: times(3),
  firstRequestMs: times(25),
  latencyMs: times(21, 30),
  rttFloorMs: 20,
  overheadMs: 0.5,
  decomposition: { networkMs: 20.5, inferMs: 0.5 },
  hz: 47,
  errors: 0,
  timeouts: 0,
  errorCodes: {},
};

function codes(fields: Partial<TransportSummary>): string[] {
  return findWarnings([{ ...sound, ...fields }]).map(({ code }) => code);
}

Deno.test("findWarnings() has nothing to say of a sound run", () => {
  assert.deepEqual(codes({}), []);
});

Deno.test("findWarnings() says when p99 is not supported", () => {
  assert.deepEqual(codes({ count: 99 }), ["few_samples"]);
  assert.deepEqual(codes({ count: 100 }), []);
});

Deno.test("findWarnings() sees a slow start, unless it is a matter of microseconds", () => {
  assert.deepEqual(codes({ firstRequestMs: times(82) }), ["slow_start"]);
  assert.deepEqual(codes({ firstRequestMs: times(42) }), []);
  // A backlog does not hide it.
  assert.deepEqual(codes({ firstRequestMs: times(82), latencyMs: times(300), serviceMs: times(21) }), ["slow_start"]);
  assert.deepEqual(codes({ firstRequestMs: times(0.9), latencyMs: times(0.05), rttFloorMs: 0.04 }), []);
});

Deno.test("findWarnings() sees outliers, unless it is a matter of microseconds", () => {
  assert.deepEqual(codes({ latencyMs: times(21, 106) }), ["outliers"]);
  assert.deepEqual(codes({ latencyMs: times(21, 105) }), []);
  assert.deepEqual(codes({ latencyMs: times(0.05, 0.9), firstRequestMs: times(0.1), rttFloorMs: 0.04 }), []);
});

Deno.test("findWarnings() sees a server that does not keep up with a paced run", () => {
  assert.deepEqual(codes({ periodMs: 20, hz: 47 }), ["saturated"]);
  assert.deepEqual(codes({ periodMs: 20, hz: 48 }), []);
});

Deno.test("findWarnings() lists errors by code", () => {
  const [warning] = findWarnings([{
    ...sound,
    errors: 3,
    timeouts: 2,
    errorCodes: { deadline: 2, busy: 1 },
  }]);
  assert.equal(warning?.code, "errors");
  assert.match(warning.message, /^3 failed \(2 × deadline, 1 × busy\), 2 of them by the time limit/);
});

Deno.test("findWarnings() doubts requests that are not slower than a ping", () => {
  assert.deepEqual(codes({ rttFloorMs: 21, decomposition: {} }), ["below_ping"]);
  assert.deepEqual(codes({ rttFloorMs: 20.9, decomposition: {} }), []);
});

Deno.test("findWarnings() recognises the delayed acknowledgement by its 40 ms", () => {
  assert.deepEqual(codes({ rttFloorMs: 0.1, decomposition: { networkMs: 42 } }), ["delayed_ack"]);
  assert.deepEqual(codes({ rttFloorMs: 0.1, decomposition: { networkMs: 60 } }), []);
  // Without the time at the server the overhead decides, and without inference nobody knows.
  assert.deepEqual(codes({ decomposition: { inferMs: 1 }, overheadMs: 43 }), ["delayed_ack"]);
  const { overheadMs: _, ...unknown } = sound;
  assert.deepEqual(findWarnings([{ ...unknown, decomposition: {}, latencyMs: times(63) }]), []);
});

Deno.test("findWarnings() names the transport and what to do", () => {
  const [warning, ...others] = findWarnings([sound, { ...sound, transport: "ws", firstRequestMs: times(82) }]);
  assert.deepEqual(others, []);
  assert.deepEqual(warning, {
    code: "slow_start",
    transport: "ws",
    message: "the first request took 82.0 ms, later ones 21.0 ms: " +
      "keep the connection open and warm it up before the robot moves",
  });
});

Deno.test("findWarnings() copes with a run in which nothing was answered", () => {
  const nothing = { transport: "ws", url: "ws://h", count: 0, discarded: 0, decomposition: {} };
  const warnings = findWarnings([{ ...nothing, errors: 1, timeouts: 0, errorCodes: { unreachable: 1 } }]);
  assert.deepEqual(warnings.map(({ code }) => code), ["errors", "few_samples"]);
});
