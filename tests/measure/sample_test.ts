import assert from "node:assert/strict";
import { TransportError } from "../../src/errors.ts";
import { attachPrevious, describeError, type LatencySample } from "../../src/measure/sample.ts";

function sample(fields: Partial<LatencySample>): LatencySample {
  return {
    transport: "tcp",
    round: 0,
    index: 0,
    worker: 0,
    scheduledMs: 0,
    startedMs: 0,
    finishedMs: 1,
    timing: { infer: 5 },
    ...fields,
  };
}

Deno.test("attachPrevious() moves residence and encoding to the request before on the same connection", () => {
  const attached = attachPrevious([
    sample({ index: 0, worker: 0, previous: { encodeMs: 99, residenceMs: 99 } }), // speaks of a warm-up request
    sample({ index: 1, worker: 1 }),
    sample({ index: 2, worker: 0, previous: { encodeMs: 0.1, residenceMs: 6 } }),
    sample({ index: 3, worker: 1, previous: { residenceMs: 7 } }),
  ]);
  assert.deepEqual(attached, [
    sample({ index: 0, worker: 0, timing: { infer: 5, encode: 0.1 }, residenceMs: 6 }),
    sample({ index: 1, worker: 1, residenceMs: 7 }),
    sample({ index: 2, worker: 0 }),
    sample({ index: 3, worker: 1 }),
  ]);
});

Deno.test("attachPrevious() does not cross rounds or transports, whose connections are others", () => {
  const attached = attachPrevious([
    sample({ round: 0 }),
    sample({ round: 1, previous: { residenceMs: 6 } }),
    sample({ round: 1, transport: "ws", previous: { residenceMs: 6 } }),
  ]);
  assert.deepEqual(attached.map(({ residenceMs }) => residenceMs), [undefined, undefined, undefined]);
});

Deno.test("attachPrevious() gives nothing to a failed request nor to the one before it", () => {
  const error = { code: "busy", message: "full", timedOut: false };
  const attached = attachPrevious([
    sample({ index: 0 }),
    sample({ index: 1, error }),
    sample({ index: 2, previous: { residenceMs: 6 } }),
  ]);
  assert.deepEqual(attached.map(({ residenceMs }) => residenceMs), [undefined, undefined, undefined]);
});

Deno.test("attachPrevious() changes nothing the second time", () => {
  const once = attachPrevious([
    sample({ index: 0 }),
    sample({ index: 1, previous: { encodeMs: 0.1, residenceMs: 6 } }),
  ]);
  assert.deepEqual(attachPrevious(once), once);
});

Deno.test("describeError() takes the error's own code, else its class", () => {
  assert.deepEqual(describeError(new TransportError("deadline", "No reply within 50 ms")), {
    code: "deadline",
    message: "No reply within 50 ms",
    timedOut: true,
  });
  assert.deepEqual(describeError(new TypeError("odd")), { code: "TypeError", message: "odd", timedOut: false });
  // A DOMException's code is a number that means nothing here.
  assert.equal(describeError(new DOMException("late", "TimeoutError")).code, "TimeoutError");
  assert.equal(describeError(new DOMException("late", "TimeoutError")).timedOut, true);
  assert.deepEqual(describeError("text"), { code: "unknown", message: "text", timedOut: false });
});
