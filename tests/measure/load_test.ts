import assert from "node:assert/strict";
import { type Clock, sleep } from "../../src/clock.ts";
import { TransportError } from "../../src/errors.ts";
import { type Ask, type Load, runLoad } from "../../src/measure/load.ts";
import type { LatencySample } from "../../src/measure/sample.ts";
import { closedLoop, paced } from "../../src/measure/schedule.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** A server that takes `tookMs(index)`, with 1 ms of encoding before and 2 ms of decoding after. */
function askFor(clock: FakeClock, tookMs: (index: number) => number): Ask {
  return async (_worker, index, signal) => {
    const startedMs = clock.now();
    await sleep(clock, 1, signal);
    const sentMs = clock.now();
    await sleep(clock, tookMs(index), signal);
    const receivedMs = clock.now();
    await sleep(clock, 2, signal);
    return { startedMs, sentMs, receivedMs, finishedMs: clock.now(), bytesOut: 10, bytesIn: 5, timing: { infer: 4 } };
  };
}

function load(clock: FakeClock, fields: Partial<Load> & Pick<Load, "schedule" | "ask">): Load {
  return {
    transport: "tcp",
    round: 2,
    concurrency: 1,
    clock,
    signal: new AbortController().signal,
    startMs: clock.now(),
    ...fields,
  };
}

async function runFor(clock: FakeClock, ms: number, load: Load): Promise<LatencySample[]> {
  const samples: LatencySample[] = [];
  const done = (async () => {
    for await (const sample of runLoad(load)) samples.push(sample);
  })();
  await clock.advance(ms);
  await done;
  return samples;
}

const stamps = ({ index, worker, scheduledMs, startedMs, finishedMs }: LatencySample) => ({
  index,
  worker,
  scheduledMs,
  startedMs,
  finishedMs,
});

Deno.test("runLoad() sends the next request when the last is answered, with stamps from the run's start", async () => {
  const clock = new FakeClock();
  await clock.advance(1000);
  const startMs = clock.now();
  await clock.advance(50);
  const samples = await runFor(
    clock,
    1000,
    load(clock, { startMs, schedule: closedLoop(2), ask: askFor(clock, () => 7) }),
  );
  const rest = { transport: "tcp", round: 2, worker: 0, bytesOut: 10, bytesIn: 5, timing: { infer: 4 } };
  assert.deepEqual(samples, [
    { ...rest, index: 0, scheduledMs: 50, startedMs: 50, sentMs: 51, receivedMs: 58, finishedMs: 60 },
    { ...rest, index: 1, scheduledMs: 60, startedMs: 60, sentMs: 61, receivedMs: 68, finishedMs: 70 },
  ]);
});

Deno.test("runLoad() keeps the beat of a paced schedule", async () => {
  const clock = new FakeClock();
  const samples = await runFor(
    clock,
    1000,
    load(clock, { schedule: paced({ hz: 10, count: 3 }), ask: askFor(clock, () => 7) }),
  );
  assert.deepEqual(samples.map(stamps), [
    { index: 0, worker: 0, scheduledMs: 0, startedMs: 0, finishedMs: 10 },
    { index: 1, worker: 0, scheduledMs: 100, startedMs: 100, finishedMs: 110 },
    { index: 2, worker: 0, scheduledMs: 200, startedMs: 200, finishedMs: 210 },
  ]);
});

Deno.test("runLoad() never starts before a request is due, even where timers fire early", async () => {
  const clock = new FakeClock();
  const hasty: Clock = {
    now: () => clock.now(),
    after: (ms, callback) => clock.after(ms > 1 ? ms - 0.5 : ms, callback),
  };
  const ask = askFor(clock, () => 7);
  const samples = await runFor(clock, 1000, load(clock, { schedule: paced({ hz: 10, count: 3 }), clock: hasty, ask }));
  assert.deepEqual(samples.map(({ startedMs }) => startedMs), [0, 100, 200]);
});

Deno.test("runLoad() counts the waiting of requests that were due while an answer was slow", async () => {
  const clock = new FakeClock();
  const ask = askFor(clock, (index) => index === 0 ? 247 : 7);
  const samples = await runFor(clock, 1000, load(clock, { schedule: paced({ hz: 10, count: 5 }), ask }));
  assert.deepEqual(samples.map(stamps), [
    { index: 0, worker: 0, scheduledMs: 0, startedMs: 0, finishedMs: 250 },
    { index: 1, worker: 0, scheduledMs: 100, startedMs: 250, finishedMs: 260 },
    { index: 2, worker: 0, scheduledMs: 200, startedMs: 260, finishedMs: 270 },
    { index: 3, worker: 0, scheduledMs: 300, startedMs: 300, finishedMs: 310 },
    { index: 4, worker: 0, scheduledMs: 400, startedMs: 400, finishedMs: 410 },
  ]);
});

Deno.test("runLoad() shares the ticks among connections, and a free one takes the next", async () => {
  const clock = new FakeClock();
  const ask = askFor(clock, (index) => index === 0 ? 347 : 7);
  const schedule = paced({ hz: 10, count: 5 });
  const samples = await runFor(clock, 1000, load(clock, { schedule, concurrency: 2, ask }));
  assert.deepEqual(samples.map(stamps), [
    { index: 1, worker: 1, scheduledMs: 100, startedMs: 100, finishedMs: 110 },
    { index: 2, worker: 1, scheduledMs: 200, startedMs: 200, finishedMs: 210 },
    { index: 3, worker: 1, scheduledMs: 300, startedMs: 300, finishedMs: 310 },
    { index: 0, worker: 0, scheduledMs: 0, startedMs: 0, finishedMs: 350 },
    { index: 4, worker: 1, scheduledMs: 400, startedMs: 400, finishedMs: 410 },
  ]);
});

Deno.test("runLoad() has one request in flight per connection in a closed loop", async () => {
  const clock = new FakeClock();
  let inFlight = 0;
  let most = 0;
  const answer = askFor(clock, () => 7);
  const ask: Ask = async (...request) => {
    most = Math.max(most, ++inFlight);
    const attempt = await answer(...request);
    inFlight--;
    return attempt;
  };
  const samples = await runFor(clock, 1000, load(clock, { schedule: closedLoop(7), concurrency: 3, ask }));
  assert.equal(most, 3);
  assert.deepEqual(samples.map(({ index }) => index), [0, 1, 2, 3, 4, 5, 6]);
  assert.equal(samples.at(-1)!.finishedMs, 30);
});

Deno.test("runLoad() makes a failed request a sample and goes on", async () => {
  const clock = new FakeClock();
  const answer = askFor(clock, () => 7);
  const ask: Ask = async (worker, index, signal) => {
    if (index !== 1) return await answer(worker, index, signal);
    await sleep(clock, 20, signal);
    throw new TransportError("deadline", "No reply within 20 ms");
  };
  const samples = await runFor(clock, 1000, load(clock, { schedule: closedLoop(3), ask }));
  assert.deepEqual(samples[1], {
    transport: "tcp",
    round: 2,
    index: 1,
    worker: 0,
    scheduledMs: 10,
    startedMs: 10,
    finishedMs: 30,
    timing: {},
    error: { code: "deadline", message: "No reply within 20 ms", timedOut: true },
  });
  assert.equal(samples[2]!.startedMs, 30);
  assert.equal(samples[2]!.error, undefined);
});

Deno.test("runLoad() counts a failed request from when it was due", async () => {
  const clock = new FakeClock();
  const ask: Ask = async (_worker, _index, signal) => {
    await sleep(clock, 150, signal);
    throw new Error("broken");
  };
  const samples = await runFor(clock, 1000, load(clock, { schedule: paced({ hz: 10, count: 2 }), ask }));
  assert.deepEqual(samples.map(stamps), [
    { index: 0, worker: 0, scheduledMs: 0, startedMs: 0, finishedMs: 150 },
    { index: 1, worker: 0, scheduledMs: 100, startedMs: 150, finishedMs: 300 },
  ]);
});

const stops = [
  { when: "a request is in flight", stopMs: 105, measured: 1 },
  { when: "waiting for the next request to be due", stopMs: 150, measured: 2 },
];
for (const { when, stopMs, measured } of stops) {
  Deno.test(`runLoad() ends with what was measured when stopped while ${when}`, async () => {
    const clock = new FakeClock();
    const controller = new AbortController();
    clock.after(stopMs, () => controller.abort(new Error("stopped")));
    const schedule = paced({ hz: 10, count: 10 });
    const ask = askFor(clock, () => 7);
    const samples = await runFor(clock, stopMs, load(clock, { schedule, signal: controller.signal, ask }));
    assert.equal(samples.length, measured);
    assert.ok(samples.every(({ error }) => error === undefined));
    assert.equal(clock.pending, 0);
  });
}

Deno.test("runLoad() sends nothing when it is stopped before it starts", async () => {
  const clock = new FakeClock();
  const ask: Ask = () => assert.fail("asked");
  const samples = await runFor(clock, 0, load(clock, { schedule: closedLoop(1), signal: AbortSignal.abort(), ask }));
  assert.deepEqual(samples, []);
});

Deno.test("runLoad() stops its other connections when the reader turns away", async () => {
  const clock = new FakeClock();
  const ask = askFor(clock, (index) => index === 0 ? 7 : 500);
  const reading = (async () => {
    for await (const _ of runLoad(load(clock, { schedule: closedLoop(9), concurrency: 3, ask }))) break;
  })();
  await clock.advance(10);
  await reading;
  assert.equal(clock.pending, 0);
});

Deno.test("runLoad() does not send the next request before the sample is taken", async () => {
  const clock = new FakeClock();
  const samples: LatencySample[] = [];
  const done = (async () => {
    for await (const sample of runLoad(load(clock, { schedule: closedLoop(2), ask: askFor(clock, () => 7) }))) {
      samples.push(sample);
      await sleep(clock, 40); // slow paper
    }
  })();
  await clock.advance(200);
  await done;
  assert.deepEqual(samples.map(({ startedMs, finishedMs }) => [startedMs, finishedMs]), [[0, 10], [50, 60]]);
});

Deno.test("runLoad() refuses to measure without connections", async () => {
  const clock = new FakeClock();
  const ask = askFor(clock, () => 1);
  await assert.rejects(runFor(clock, 0, load(clock, { schedule: closedLoop(1), concurrency: 0, ask })), RangeError);
});
