import assert from "node:assert/strict";
import { type Clock, systemClock } from "../../src/clock.ts";
import { NullPolicy } from "../../src/policy/null.ts";
import { seededRandom } from "../../src/random.ts";
import { FakeClock } from "../support/fake_clock.ts";

const still = new AbortController().signal;

function policyOf(options: { clock?: Clock; delayMs?: number; jitterMs?: number; busy?: boolean; actionDim?: number }) {
  return new NullPolicy({
    actionHorizon: 3,
    actionDim: options.actionDim ?? 2,
    clock: options.clock ?? new FakeClock(),
    random: seededRandom(4),
    delayMs: options.delayMs ?? 0,
    jitterMs: options.jitterMs ?? 0,
    busy: options.busy ?? false,
  });
}

const observation = { images: {}, state: Float64Array.of(0.25, -1.5) };

Deno.test("the null policy asks the robot to stay where it is, in every row", async () => {
  const { actions, actionHorizon, actionDim } = await policyOf({}).infer(observation, still);
  assert.deepEqual([...actions], [0.25, -1.5, 0.25, -1.5, 0.25, -1.5]);
  assert.deepEqual([actionHorizon, actionDim], [3, 2]);
});

Deno.test("the null policy leaves out what has no action, and asks for zero where there is no state", async () => {
  assert.deepEqual([...(await policyOf({ actionDim: 1 }).infer(observation, still)).actions], [0.25, 0.25, 0.25]);
  const { actions } = await policyOf({ actionDim: 3 }).infer(observation, still);
  assert.deepEqual([...actions.subarray(0, 3)], [0.25, -1.5, 0]);
});

Deno.test("the null policy takes as long as it was told, and says so", async () => {
  const clock = new FakeClock();
  const inferring = policyOf({ clock, delayMs: 26 }).infer(observation, still);
  let done = false;
  inferring.then(() => done = true);
  await clock.advance(25);
  assert.equal(done, false);
  await clock.advance(1);
  assert.deepEqual((await inferring).timing, { infer: 26 });
});

Deno.test("the null policy's jitter goes both ways and stays within its bound", async () => {
  const clock = new FakeClock();
  const policy = policyOf({ clock, delayMs: 20, jitterMs: 5 });
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const inferring = policy.infer(observation, still);
    await clock.advance(30);
    times.push((await inferring).timing.infer!);
  }
  assert.ok(Math.min(...times) >= 15 && Math.min(...times) < 16);
  assert.ok(Math.max(...times) <= 25 && Math.max(...times) > 24);
});

Deno.test("the null policy stops waiting when it is told to", async () => {
  const stop = new AbortController();
  const inferring = policyOf({ delayMs: 1000 }).infer(observation, stop.signal);
  const rejected = assert.rejects(inferring, /gone/);
  stop.abort(new Error("gone"));
  await rejected;
});

Deno.test("the busy null policy burns its time on another thread: timers here go on", async () => {
  await using policy = policyOf({ clock: systemClock, delayMs: 200, busy: true });
  await policy.warmUp(still);
  let ticks = 0;
  const ticking = setInterval(() => ticks++, 5);
  const { timing } = await policy.infer(observation, still);
  clearInterval(ticking);
  assert.ok(timing.infer! >= 200, "it took the time that it was told to take");
  // On this thread nothing could have ticked; on a machine under load fewer than 40 may.
  assert.ok(ticks >= 3, `${ticks} ticks`);
});

Deno.test("the busy null policy can be given up on, and used again", async () => {
  await using policy = policyOf({ clock: systemClock, delayMs: 50, busy: true });
  await policy.warmUp(still);
  const stop = new AbortController();
  const rejected = assert.rejects(policy.infer(observation, stop.signal), /gone/);
  stop.abort(new Error("gone"));
  await rejected;
  const { timing } = await policy.infer(observation, still);
  assert.ok(timing.infer! >= 50, "the answer to the first did not end the second");
});
