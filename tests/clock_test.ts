import assert from "node:assert/strict";
import { MovingDeadline, sleep, withDeadline } from "../src/clock.ts";
import { FakeClock } from "./support/fake_clock.ts";

Deno.test("sleep() wakes when its time has come and not before", async () => {
  const clock = new FakeClock();
  let awake = false;
  const sleeping = sleep(clock, 100).then(() => awake = true);
  await clock.advance(99);
  assert.equal(awake, false);
  await clock.advance(1);
  assert.equal(awake, true);
  await sleeping;
});

Deno.test("sleep() rejects with the signal's reason, and leaves no timer behind", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const sleeping = assert.rejects(sleep(clock, 100, stop.signal), /enough/);
  stop.abort(new Error("enough"));
  await sleeping;
  assert.equal(clock.pending, 0);
  await assert.rejects(sleep(clock, 100, stop.signal), /enough/);
});

Deno.test("withDeadline() gives the value of work that ends in time, and leaves no timer behind", async () => {
  const clock = new FakeClock();
  const late = () => new Error("late");
  assert.equal(await withDeadline(clock, 10, late, () => Promise.resolve(7)), 7);
  assert.equal(clock.pending, 0);
});

Deno.test("withDeadline() stops waiting for work that does not listen, and tells it", async () => {
  const clock = new FakeClock();
  let told: AbortSignal | undefined;
  const outcome = withDeadline(clock, 10, () => new Error("late"), (signal) => {
    told = signal;
    return new Promise(() => {});
  });
  const rejected = assert.rejects(outcome, /late/);
  await clock.advance(10);
  await rejected;
  assert.equal(told?.aborted, true);
});

Deno.test("withDeadline() ends with its parent's reason", async () => {
  const clock = new FakeClock();
  const parent = new AbortController();
  const work = () => new Promise(() => {});
  const rejected = assert.rejects(withDeadline(clock, 10, () => new Error("late"), work, parent.signal), /Ctrl-C/);
  parent.abort(new Error("Ctrl-C"));
  await rejected;
  assert.equal(clock.pending, 0);
});

Deno.test("MovingDeadline calls back when it was not moved in time", async () => {
  const clock = new FakeClock();
  const deadline = new MovingDeadline(clock);
  let late = 0;
  deadline.move(100, () => late++);
  await clock.advance(60);
  deadline.move(100, () => late++);
  await clock.advance(99);
  assert.equal(late, 0, "moved from 100 to 160");
  await clock.advance(1);
  assert.equal(late, 1);
  await clock.advance(1000);
  assert.equal(late, 1, "once only");
});

Deno.test("MovingDeadline takes a nearer limit, and forgets one that was lifted", async () => {
  const clock = new FakeClock();
  const deadline = new MovingDeadline(clock);
  const calls: string[] = [];
  deadline.move(600, () => calls.push("far"));
  deadline.move(30, () => calls.push("near"));
  await clock.advance(30);
  assert.deepEqual(calls, ["near"]);
  deadline.move(30, () => calls.push("lifted"));
  deadline.lift();
  await clock.advance(1000);
  assert.deepEqual(calls, ["near"]);
});

Deno.test("MovingDeadline sets one timer for a thousand moves, and none after dispose()", () => {
  const clock = new FakeClock();
  const deadline = new MovingDeadline(clock);
  for (let i = 0; i < 1000; i++) deadline.move(100, () => {});
  assert.equal(clock.pending, 1);
  deadline.dispose();
  assert.equal(clock.pending, 0);
});
