import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import { type Accepted, acceptOn } from "../../src/transport/accept.ts";
import type { ListenOptions } from "../../src/transport/transport.ts";
import { eventually, within } from "../support/eventually.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { RawClient } from "../support/raw_client.ts";

const OPTIONS: ListenOptions = {
  hostname: "127.0.0.1",
  port: 0,
  clock: systemClock,
  limits: { maxMessageBytes: 1000, maxConnections: 8, messageMs: 5000, idleMs: 5000 },
};

const forever = () => new Promise<void>(() => {});

Deno.test("acceptOn() runs a conversation for each connection and closes the connection when it ends", async () => {
  const ends: (() => void)[] = [];
  const listener = acceptOn(OPTIONS, () => new Promise((resolve) => ends.push(resolve)));
  using first = await RawClient.connect(listener.port);
  using _second = await RawClient.connect(listener.port);
  await eventually("both stand", () => listener.connections === 2);
  ends[0]!();
  assert.equal(await first.ended(), true);
  assert.equal(listener.connections, 1);
  await listener.close(0);
});

Deno.test("acceptOn() survives a conversation that throws", async () => {
  const listener = acceptOn(OPTIONS, () => Promise.reject(new Error("broken")));
  for (let i = 0; i < 2; i++) {
    using client = await RawClient.connect(listener.port);
    assert.equal(await client.ended(), true);
  }
  await listener.close(0);
});

Deno.test("acceptOn() tells a conversation who is there, and whether the listener is closing", async () => {
  const standing: Accepted[] = [];
  const listener = acceptOn(OPTIONS, (accepted) => {
    accepted.busy = true;
    standing.push(accepted);
    return forever();
  });
  using _client = await RawClient.connect(listener.port);
  await eventually("it stands", () => standing.length === 1);
  const [accepted] = standing;
  assert.match(accepted!.remote, /^127\.0\.0\.1:\d+$/);
  assert.equal(accepted!.closing, false);
  const closing = listener.close(0);
  assert.equal(accepted!.closing, true);
  await closing;
});

Deno.test("close() ends idle connections at once and busy ones when their time is over, and leaves no timer", async () => {
  const clock = new FakeClock();
  const standing: Accepted[] = [];
  const listener = acceptOn({ ...OPTIONS, clock }, (accepted) => {
    accepted.busy = standing.length === 1;
    standing.push(accepted);
    return forever();
  });
  using idle = await RawClient.connect(listener.port);
  await eventually("it stands", () => standing.length === 1);
  using busy = await RawClient.connect(listener.port);
  await eventually("both stand", () => standing.length === 2);
  const closing = listener.close(1000);
  assert.equal(await idle.ended(), true);
  await clock.advance(999);
  assert.equal(standing[1]!.stream.closed, false);
  await clock.advance(1);
  assert.equal(await busy.ended(), true);
  await within("the listener closes", closing);
  assert.equal(clock.pending, 0);
});
