import assert from "node:assert/strict";
import { describePath } from "../../src/measure/path.ts";

Deno.test("describePath() gives floor, median and the mean change from one round trip to the next", () => {
  const { floorMs, p50Ms, jitterMs, sent, lost, slow } = describePath([80, 82, 81, 85]);
  assert.deepEqual({ floorMs, p50Ms, sent, lost, slow }, { floorMs: 80, p50Ms: 81.5, sent: 4, lost: 0, slow: 0 });
  assert.equal(jitterMs, (2 + 1 + 4) / 3);
});

Deno.test("describePath() counts what was lost apart from what was slow, with Wilson's interval", () => {
  const path = describePath([20, undefined, 21, 220, ...Array<number>(196).fill(20)]);
  assert.deepEqual([path.sent, path.lost, path.slow], [200, 1, 1]);
  // The roots of (1/200 − p)² = 1.96² p (1 − p) / 200.
  const [low, high] = path.lossIntervalPercent;
  assert.ok(Math.abs(low - 0.0883) < 0.001, `low ${low}`);
  assert.ok(Math.abs(high - 2.7774) < 0.001, `high ${high}`);
});

Deno.test("describePath() knows no times where nothing came back, and no jitter from one", () => {
  const { floorMs, p50Ms, jitterMs, lost } = describePath([undefined, undefined]);
  assert.deepEqual([floorMs, p50Ms, jitterMs, lost], [undefined, undefined, undefined, 2]);
  assert.equal(describePath([5]).jitterMs, undefined);
  assert.throws(() => describePath([]), RangeError);
});
