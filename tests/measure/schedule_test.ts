import assert from "node:assert/strict";
import { closedLoop, paced } from "../../src/measure/schedule.ts";

Deno.test("closedLoop() never names a time", () => {
  const schedule = closedLoop(3);
  assert.equal(schedule.count, 3);
  assert.equal(schedule.periodMs, undefined);
  assert.equal(schedule.dueMs(0), undefined);
  assert.equal(schedule.dueMs(2), undefined);
});

Deno.test("paced() spaces requests evenly from the start and does not drift", () => {
  const schedule = paced({ hz: 30, count: 3001 });
  assert.equal(schedule.count, 3001);
  assert.equal(schedule.dueMs(0), 0);
  assert.equal(schedule.dueMs(3), 100);
  assert.equal(schedule.dueMs(3000), 100_000);
  assert.equal(paced({ hz: 5, count: 1 }).periodMs, 200);
});

Deno.test("schedules refuse counts and rates that mean nothing", () => {
  for (const count of [-1, 1.5, NaN]) {
    assert.throws(() => closedLoop(count), RangeError);
    assert.throws(() => paced({ hz: 1, count }), RangeError);
  }
  for (const hz of [0, -1, NaN, Infinity]) assert.throws(() => paced({ hz, count: 1 }), RangeError);
});
