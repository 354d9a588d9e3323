import assert from "node:assert/strict";
import { PolicyError, TransportError } from "../../src/errors.ts";
import { dial, persist } from "../../src/transport/dial.ts";
import { eventually } from "../support/eventually.ts";
import { FakeClock } from "../support/fake_clock.ts";

const REFUSED = new TransportError("unreachable", "Cannot connect: nobody is listening there");

/** An attempt that notes its moment and fails until `succeedsAt`. */
function attempts(clock: FakeClock, succeedsAt = Infinity, error: Error = REFUSED) {
  const moments: number[] = [];
  const connect = () => {
    moments.push(clock.now());
    return clock.now() >= succeedsAt ? Promise.resolve("connected") : Promise.reject(error);
  };
  return { moments, connect };
}

Deno.test("persist() gives the first connection that stands", async () => {
  const clock = new FakeClock();
  const { moments, connect } = attempts(clock, 0);
  assert.equal(await persist(connect, { clock, limitMs: 1000 }), "connected");
  assert.deepEqual(moments, [0]);
  assert.equal(clock.pending, 0);
});

Deno.test("persist() tries again after 50 ms, then twice as long each time, up to 2 s", async () => {
  const clock = new FakeClock();
  const { moments, connect } = attempts(clock, 9_000);
  const told: Error[] = [];
  const persisting = persist(connect, { clock, limitMs: 60_000, onRetry: (error) => told.push(error) });
  await clock.advance(20_000);
  assert.equal(await persisting, "connected");
  const pauses = moments.slice(1).map((moment, i) => moment - moments[i]!);
  assert.deepEqual(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000]);
  assert.deepEqual(told, pauses.map(() => REFUSED));
});

Deno.test("persist() throws what the last attempt threw rather than begin one behind its limit", async () => {
  const clock = new FakeClock();
  const { moments, connect } = attempts(clock);
  const failed = assert.rejects(persist(connect, { clock, limitMs: 400 }), REFUSED);
  await clock.advance(350);
  await failed;
  assert.deepEqual(moments, [0, 50, 150, 350]);
  assert.equal(clock.pending, 0);
});

Deno.test("persist() tries once where there is no time to try again", async () => {
  const clock = new FakeClock();
  const { moments, connect } = attempts(clock);
  await assert.rejects(persist(connect, { clock, limitMs: 0 }), REFUSED);
  assert.deepEqual(moments, [0]);
});

Deno.test("persist() does not try again what trying again cannot mend", async () => {
  const hopeless = [
    new TransportError("not_speaking", "something else answers"),
    new TransportError("refused", "no"),
    new PolicyError("unauthorized", "the token is wrong"),
    new TypeError("a mistake in the program"),
  ];
  for (const error of hopeless) {
    const clock = new FakeClock();
    const { moments, connect } = attempts(clock, Infinity, error);
    await assert.rejects(persist(connect, { clock, limitMs: 60_000 }), error);
    assert.deepEqual(moments, [0]);
  }
});

Deno.test("persist() tries again what may pass", async () => {
  for (const code of ["unreachable", "disconnected", "deadline"] as const) {
    const clock = new FakeClock();
    const { moments, connect } = attempts(clock, 50, new TransportError(code, "not yet"));
    const persisting = persist(connect, { clock, limitMs: 60_000 });
    await clock.advance(50);
    assert.equal(await persisting, "connected");
    assert.deepEqual(moments, [0, 50]);
  }
});

Deno.test("persist() stops in the middle of a pause when its signal is aborted", async () => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const { moments, connect } = attempts(clock);
  const reason = new Error("never mind");
  const failed = assert.rejects(persist(connect, { clock, limitMs: 60_000, signal: controller.signal }), reason);
  await clock.advance(70);
  controller.abort(reason);
  await failed;
  await clock.advance(60_000);
  assert.deepEqual(moments, [0, 50]);
});

Deno.test("dial() says deadline when its time is over first, and closes the connection that stands later", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const clock = new FakeClock();
  const dialing = assert.rejects(
    dial(new URL(`tcp://127.0.0.1:${port}`), 1, { clock, connectMs: 100, maxMessageBytes: 1 }),
    new TransportError("deadline", `Cannot connect to tcp://127.0.0.1:${port}: no answer within 100 ms`),
  );
  // Time passes without a turn of the event loop, so that the connection stands too late.
  await clock.advance(100);
  await dialing;
  using socket = await listener.accept();
  let ended = false;
  socket.read(new Uint8Array(1)).then((count) => ended = count === null);
  await eventually("the connection is closed", () => ended);
  listener.close();
});

Deno.test("dial() takes the default port where the URL names none, and IPv6 addresses without their brackets", async () => {
  const listener = Deno.listen({ hostname: "::1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const stream = await dial(new URL("tcp://[::1]"), port, {
    clock: new FakeClock(),
    connectMs: 100,
    maxMessageBytes: 1,
  });
  (await listener.accept()).close();
  assert.equal(await stream.ready(1), false);
  stream.close();
  listener.close();
});
