import assert from "node:assert/strict";
import { type Clock, systemClock } from "../../src/clock.ts";
import { NullPolicy } from "../../src/policy/null.ts";
import { seededRandom } from "../../src/random.ts";
import { ROBOT_NAMES, ROBOTS } from "../../src/robot/mod.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { testPolicy } from "../support/policy_contract.ts";
import { tinyObservation } from "../support/tiny.ts";

const still = new AbortController().signal;

interface Options {
  clock?: Clock;
  random?: () => number;
  delayMs?: number;
  jitterMs?: number;
  busy?: boolean;
  actionDim?: number;
}

function policyOf(options: Options) {
  return new NullPolicy({
    actionHorizon: 3,
    actionDim: options.actionDim ?? 2,
    clock: options.clock ?? new FakeClock(),
    random: options.random ?? seededRandom(4),
    delayMs: options.delayMs ?? 0,
    jitterMs: options.jitterMs ?? 0,
    busy: options.busy ?? false,
  });
}

/** Random numbers of which the first makes a delay the longest, and the others the shortest. */
function longThenShort(): () => number {
  let drawn = 0;
  return () => drawn++ === 0 ? 1 - 2 ** -32 : 0;
}

for (const name of ROBOT_NAMES) {
  const { actionDim } = ROBOTS[name];
  testPolicy(`the null policy for ${name}`, ROBOTS[name], ({ slow }) => {
    const delay = slow ? { delayMs: 30_000, jitterMs: 30_000, random: longThenShort() } : {};
    return Promise.resolve(policyOf({ clock: systemClock, actionDim, ...delay }));
  });

  Deno.test(`the null policy for ${name} asks for the numbers of the state that are actions`, async () => {
    const observation = tinyObservation(ROBOTS[name], 2);
    const { actions } = await policyOf({ actionDim }).infer(observation, still);
    assert.deepEqual(actions.subarray(-actionDim), observation.state.subarray(0, actionDim));
  });
}

testPolicy("the busy null policy", ROBOTS.aloha, ({ slow }) => {
  // The thread finishes what was abandoned, so even the long one must not be very long.
  const delay = slow ? { delayMs: 150, jitterMs: 149, random: longThenShort() } : { delayMs: 2 };
  return Promise.resolve(policyOf({ clock: systemClock, actionDim: 14, busy: true, ...delay }));
});

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

Deno.test("the null policy never waits less than nothing", async () => {
  const clock = new FakeClock();
  const { timing } = await policyOf({ clock, delayMs: 1, jitterMs: 10, random: () => 0 }).infer(observation, still);
  assert.deepEqual(timing, { infer: 0 });
  assert.equal(clock.pending, 0);
});

Deno.test("the null policy stops waiting when it is told to, and leaves no timer behind", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const inferring = policyOf({ clock, delayMs: 1000 }).infer(observation, stop.signal);
  const rejected = assert.rejects(inferring, /gone/);
  stop.abort(new Error("gone"));
  await rejected;
  assert.equal(clock.pending, 0);
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
  // 2 ms for the first, and 100 ms for the second.
  let drawn = 0;
  const random = () => drawn++ === 0 ? 0 : 1;
  await using policy = policyOf({ clock: systemClock, delayMs: 51, jitterMs: 49, random, busy: true });
  await policy.warmUp(still);
  const stop = new AbortController();
  const rejected = assert.rejects(policy.infer(observation, stop.signal), /gone/);
  stop.abort(new Error("gone"));
  await rejected;
  const { timing } = await policy.infer(observation, still);
  assert.ok(timing.infer! >= 100, "the answer to the first did not end the second");
});

Deno.test("the busy null policy can be asked without a warm-up, and warmed up twice", async () => {
  await using policy = policyOf({ clock: systemClock, delayMs: 1, busy: true });
  await policy.infer(observation, still);
  await policy.warmUp(still);
  await policy.warmUp(still);
  assert.equal((await policy.infer(observation, still)).actionHorizon, 3);
});
