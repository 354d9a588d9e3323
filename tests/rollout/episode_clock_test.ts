import assert from "node:assert/strict";
import { EpisodeClock } from "../../src/rollout/episode_clock.ts";
import { FakeClock } from "../support/fake_clock.ts";

Deno.test("EpisodeClock begins at 0 and goes with its clock, but for what does not count", async () => {
  const clock = new FakeClock();
  await clock.advance(100);
  const time = new EpisodeClock(clock);
  await clock.advance(5);
  assert.equal(time.now(), 5);
  const drawn = time.standStill(() => {
    clock.stall(80);
    return "a picture";
  });
  assert.deepEqual(drawn, { result: "a picture", tookMs: 80 });
  assert.equal(time.now(), 5);
  let called = false;
  time.after(10, () => called = true);
  await clock.advance(10);
  assert.deepEqual([called, time.now()], [true, 15]);
});
