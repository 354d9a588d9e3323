import assert from "node:assert/strict";
import { Pacer } from "../../src/rollout/pacer.ts";
import { FakeClock } from "../support/fake_clock.ts";

const { signal } = new AbortController();

/** Asks for a beat, lets time pass until it comes, and tells when that was. */
async function beat(pacer: Pacer, clock: FakeClock): Promise<number> {
  let atMs: number | undefined;
  const tick = pacer.tick(signal).then(() => atMs = clock.now());
  await clock.advance(0);
  while (atMs === undefined) await clock.advance(0.5);
  await tick;
  return atMs;
}

Deno.test("Pacer begins at once and beats 50 times a second, however long a step took", async () => {
  const clock = new FakeClock();
  await clock.advance(7);
  const pacer = new Pacer(clock, 50);
  const beats: number[] = [];
  for (const busyMs of [0, 5, 19, 0, 12]) {
    beats.push(await beat(pacer, clock));
    clock.stall(busyMs);
  }
  assert.deepEqual(beats, [7, 27, 47, 67, 87]);
  assert.equal(pacer.missed, 0);
});

Deno.test("Pacer counts a beat that comes more than 2 ms late, and keeps the later ones where they were", async () => {
  const clock = new FakeClock();
  const pacer = new Pacer(clock, 50);
  await beat(pacer, clock);
  clock.stall(21.5);
  assert.equal(await beat(pacer, clock), 21.5);
  assert.equal(pacer.missed, 0);
  clock.stall(25);
  assert.equal(await beat(pacer, clock), 46.5);
  assert.equal(pacer.missed, 1);
  assert.equal(await beat(pacer, clock), 60);
  assert.equal(pacer.missed, 1);
});

Deno.test("Pacer does not hurry after a whole period was slept through", async () => {
  const clock = new FakeClock();
  const pacer = new Pacer(clock, 50);
  await beat(pacer, clock);
  clock.stall(100);
  assert.equal(await beat(pacer, clock), 100);
  assert.equal(await beat(pacer, clock), 120);
  assert.equal(pacer.missed, 1);
});

Deno.test("Pacer.tick() throws the signal's reason at once", async () => {
  const clock = new FakeClock();
  const pacer = new Pacer(clock, 50);
  await beat(pacer, clock);
  const stop = new AbortController();
  const tick = assert.rejects(pacer.tick(stop.signal), /Stopped/);
  stop.abort(new Error("Stopped"));
  await tick;
  assert.equal(clock.pending, 0);
});
