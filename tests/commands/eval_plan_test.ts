import assert from "node:assert/strict";
import { listConditions, listJobs, parseDelays, parseNamedUrl } from "../../src/commands/eval_plan.ts";
import { UsageError } from "../../src/errors.ts";

Deno.test("parseNamedUrl() reads a URL with and without a name", () => {
  assert.deepEqual(parseNamedUrl("ws://127.0.0.1:8000"), { url: "ws://127.0.0.1:8000" });
  assert.deepEqual(parseNamedUrl("gpu-1=tcp://box:8765"), { name: "gpu-1", url: "tcp://box:8765" });
  assert.deepEqual(parseNamedUrl("http://h/infer?a=b"), { url: "http://h/infer?a=b" });
  assert.deepEqual(parseNamedUrl("x=http://h/infer?a=b"), { name: "x", url: "http://h/infer?a=b" });
  for (const text of ["localhost:8000", "=ws://h:1", "a b=ws://h:1", "../x=ws://h:1", "x=", "x=h:1", "ws://"]) {
    assert.throws(() => parseNamedUrl(text), UsageError, text);
  }
});

Deno.test("parseDelays() reads different numbers, and sorts them", () => {
  assert.deepEqual(parseDelays("200,0, 50.5"), [0, 50.5, 200]);
  for (const text of ["", "1,", "a", "-1", "1,1", "60001", "1e3", "Infinity"]) {
    assert.throws(() => parseDelays(text), UsageError, text);
  }
});

Deno.test("listConditions() has every mode in every task with every delay", () => {
  assert.deepEqual(listConditions(["local", "ws"], ["insertion"], [0, 100]), [
    { mode: "local", task: "insertion", delayMs: 0 },
    { mode: "local", task: "insertion", delayMs: 100 },
    { mode: "ws", task: "insertion", delayMs: 0 },
    { mode: "ws", task: "insertion", delayMs: 100 },
  ]);
  assert.deepEqual(listConditions(["ws"], ["a", "b"], undefined), [{ mode: "ws", task: "a" }, {
    mode: "ws",
    task: "b",
  }]);
});

Deno.test("listJobs() goes through the conditions seed by seed, with openpi's seeds", () => {
  const [near, far] = listConditions(["local", "ws"], ["insertion"], [0]);
  assert.deepEqual(listJobs([near!, far!], 2, 0), [
    { condition: near, index: 0, seed: 3653403230 },
    { condition: far, index: 0, seed: 3653403230 },
    { condition: near, index: 1, seed: 2735729614 },
    { condition: far, index: 1, seed: 2735729614 },
  ]);
});
