import assert from "node:assert/strict";
import { TransportError } from "../../src/errors.ts";
import { ByteStream, concatenate } from "../../src/transport/stream.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { hex, join, latin1, ScriptedSocket, splits, streamOf } from "../support/scripted_socket.ts";

function standing(...events: (Uint8Array | Error | null)[]) {
  const socket = new ScriptedSocket(...events);
  const clock = new FakeClock();
  return { socket, clock, stream: new ByteStream(socket, clock) };
}

/** Lets every promise that can go on do so. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

function numbered(length: number, first = 0) {
  return Uint8Array.from({ length }, (_, i) => first + i);
}

Deno.test("ready() and take() give the same portions wherever the bytes are split", async () => {
  const bytes = numbered(12);
  for (const parts of splits(bytes)) {
    const stream = streamOf(...parts);
    const portions: number[][] = [];
    for (const count of [3, 0, 4, 5]) {
      assert.equal(await stream.ready(count), true);
      portions.push([...stream.take(count)]);
    }
    assert.deepEqual(portions, [[0, 1, 2], [], [3, 4, 5, 6], [7, 8, 9, 10, 11]]);
    assert.equal(await stream.ready(1), false);
    assert.equal(stream.bytesIn, 12);
  }
});

Deno.test("ready() resolves to false where the far end closed between two portions", async () => {
  const stream = streamOf(numbered(3));
  assert.equal(await stream.ready(3), true);
  stream.skip(3);
  assert.equal(await stream.ready(1), false);
  assert.equal(await stream.ready(1), false);
});

Deno.test("ready() says disconnected where the far end closed inside a portion", async () => {
  const stream = streamOf(numbered(3));
  await assert.rejects(
    stream.ready(4),
    new TransportError("disconnected", "Cannot read 4 bytes: the far end closed after 3"),
  );
});

Deno.test("ready() says disconnected where the socket breaks, with the cause", async () => {
  const cause = new Deno.errors.ConnectionReset("Connection reset by peer");
  const { stream } = standing(cause);
  await assert.rejects(stream.ready(1), (error: TransportError) => {
    assert.equal(error.code, "disconnected");
    assert.equal(error.message, "The connection broke: Connection reset by peer");
    assert.equal(error.cause, cause);
    return true;
  });
});

Deno.test("a message taken stays intact while the next one arrives", async () => {
  const { socket, stream } = standing(join([numbered(4), numbered(2, 100)]));
  await stream.ready(4);
  const first = stream.take(4);
  assert.equal(stream.unread, 2);
  // Longer than any buffer so far, in portions, so that memory moves as well.
  socket.arrive(new Uint8Array(70_000).fill(7), new Uint8Array(70_000).fill(8));
  await stream.ready(140_002);
  assert.deepEqual([...first], [0, 1, 2, 3]);
  const second = stream.take(140_002);
  assert.deepEqual([...second.subarray(0, 3)], [100, 101, 7]);
  assert.equal(second.at(-1), 8);
  assert.equal(second.indexOf(8), 70_002);
});

Deno.test("take() hands over the next message after memory has moved many times", async () => {
  const { socket, stream } = standing();
  for (let round = 0; round < 40; round++) {
    const length = 1 + (round * 7919) % 100_000;
    socket.arrive(new Uint8Array(length).fill(round), new Uint8Array(3).fill(round));
    await stream.ready(length + 3);
    const message = stream.take(length + 3);
    assert.equal(message.every((byte) => byte === round), true, `round ${round}`);
  }
});

Deno.test("peek() and peekAll() leave the bytes where they are, skip() passes over them", async () => {
  const stream = streamOf(numbered(5));
  await stream.ready(5);
  assert.deepEqual([...stream.peek(2)], [0, 1]);
  stream.skip(2);
  assert.deepEqual([...stream.peekAll()], [2, 3, 4]);
  assert.equal(stream.unread, 3);
});

Deno.test("ready() says deadline when the bytes are not there in time, and finds them later", async () => {
  const { socket, clock, stream } = standing(numbered(2));
  const late = assert.rejects(
    stream.ready(4, 500),
    new TransportError("deadline", "Cannot read 4 bytes: not there after 500 ms"),
  );
  await clock.advance(499);
  assert.equal(clock.pending, 1);
  await clock.advance(1);
  await late;
  socket.arrive(numbered(2, 2));
  assert.equal(await stream.ready(4, 500), true);
  assert.deepEqual([...stream.take(4)], [0, 1, 2, 3]);
});

Deno.test("a limit that was kept does not fall due later", async () => {
  const { socket, clock, stream } = standing(numbered(1));
  await stream.ready(1, 500);
  await stream.write(numbered(1), 500);
  await clock.advance(2000);
  const reading = stream.ready(2, 500);
  await clock.advance(499);
  socket.arrive(numbered(1));
  assert.equal(await reading, true);
});

Deno.test("receivedMs is when the last bytes arrived", async () => {
  const { socket, clock, stream } = standing(numbered(2));
  await stream.ready(2);
  assert.equal(stream.receivedMs, 0);
  await clock.advance(30);
  socket.arrive(numbered(2));
  await stream.ready(4);
  await clock.advance(30);
  assert.equal(stream.receivedMs, 30);
});

Deno.test("write() goes on until a socket that takes little has taken everything", async () => {
  const { socket, stream } = standing();
  socket.writeLimit = 3;
  await stream.write(numbered(10));
  assert.deepEqual(socket.written.map((part) => part.length), [3, 3, 3, 1]);
  assert.deepEqual([...socket.sent], [...numbered(10)]);
  assert.equal(stream.bytesOut, 10);
});

Deno.test("two writes at once do not mix", async () => {
  const { socket, stream } = standing();
  socket.writeLimit = 2;
  await Promise.all([stream.write(numbered(5)), stream.write(numbered(5, 100))]);
  assert.deepEqual([...socket.sent], [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]);
});

Deno.test("write() says disconnected where the socket breaks, and a later write says so again", async () => {
  const { socket, stream } = standing();
  socket.writeError = new Deno.errors.BrokenPipe("Broken pipe");
  const broken = new TransportError("disconnected", "The connection broke: Broken pipe");
  await assert.rejects(stream.write(numbered(1)), broken);
  await assert.rejects(stream.write(numbered(1)), broken);
  assert.equal(stream.bytesOut, 0);
});

Deno.test("write() says deadline when a socket takes nothing in time", async () => {
  const { socket, clock, stream } = standing();
  socket.writable = new Promise(() => {});
  const late = assert.rejects(
    stream.write(numbered(3), 200),
    new TransportError("deadline", "Cannot send 3 bytes: not gone after 200 ms"),
  );
  await clock.advance(200);
  await late;
});

Deno.test("a write that ends leaves the one behind it its limit", async () => {
  const { socket, clock, stream } = standing();
  const first = Promise.withResolvers<void>();
  socket.writable = first.promise;
  const written = stream.write(numbered(1), 200);
  const stuck = assert.rejects(stream.write(numbered(2), 200), { code: "deadline" });
  await settle();
  socket.writable = new Promise(() => {});
  first.resolve();
  await written;
  await clock.advance(200);
  await stuck;
});

Deno.test("a closed stream has no timer, and writing to it sets none", async () => {
  const { clock, stream } = standing(numbered(1));
  await stream.ready(1, 500);
  await stream.write(numbered(1), 500);
  stream.close();
  assert.equal(clock.pending, 0);
  await assert.rejects(stream.write(numbered(1), 500), { code: "disconnected" });
  await assert.rejects(stream.ready(2, 500), { code: "disconnected" });
  assert.equal(clock.pending, 0);
});

Deno.test("handedMs is before the wait for a short write, and behind it for one that fills the socket", async () => {
  for (const [length, handedMs] of [[100, 0], [100_000, 40]] as const) {
    const { socket, clock, stream } = standing();
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.writable = promise;
    const writing = stream.write(new Uint8Array(length));
    await clock.advance(40);
    resolve();
    await writing;
    assert.equal(stream.handedMs, handedMs);
  }
});

Deno.test("reserve() gives the same memory again as long as it suffices", () => {
  const { stream } = standing();
  const memory = stream.reserve(10);
  assert.equal(stream.reserve(60_000), memory);
  assert.ok(stream.reserve(1_000_000).length >= 1_000_000);
});

Deno.test("exchange() gives what the work gave and leaves the stream open", async () => {
  const { stream } = standing();
  assert.equal(await stream.exchange(undefined, () => Promise.resolve(5)), 5);
  assert.equal(await stream.exchange(new AbortController().signal, () => Promise.resolve(6)), 6);
  assert.equal(stream.closed, false);
});

Deno.test("exchange() closes the stream where the work fails", async () => {
  const { socket, stream } = standing();
  const error = new Error("no");
  await assert.rejects(stream.exchange(undefined, () => Promise.reject(error)), error);
  assert.equal(socket.closed, true);
  await assert.rejects(
    stream.exchange(undefined, () => Promise.resolve()),
    new TransportError("disconnected", "Cannot send a request: the connection is closed"),
  );
});

Deno.test("exchange() closes the stream at once when it is aborted, and leaves no promise behind", async () => {
  const { socket, stream } = standing();
  const controller = new AbortController();
  const reason = new Error("enough");
  const asked = stream.exchange(controller.signal, () => stream.ready(1));
  controller.abort(reason);
  await assert.rejects(asked, reason);
  assert.equal(socket.closed, true);
  await settle();
});

Deno.test("exchange() does nothing under a signal that is aborted already", async () => {
  const { socket, stream } = standing();
  const reason = new Error("enough");
  await assert.rejects(stream.exchange(AbortSignal.abort(reason), () => assert.fail("was run")), reason);
  assert.equal(socket.closed, false);
});

Deno.test("limited() says what took too long and closes the stream", async () => {
  const { socket, clock, stream } = standing();
  const late = assert.rejects(
    stream.limited(300, undefined, "Cannot open it", () => stream.ready(1)),
    new TransportError("deadline", "Cannot open it: no answer within 300 ms"),
  );
  await clock.advance(300);
  await late;
  assert.equal(socket.closed, true);
});

Deno.test("watch() tells of the end", async () => {
  const { socket, stream } = standing();
  let ended = 0;
  stream.watch(() => ended++);
  await settle();
  assert.equal(ended, 0);
  socket.arrive(null);
  await settle();
  assert.equal(ended, 1);
});

Deno.test("watch() tells of a socket that breaks", async () => {
  const { socket, stream } = standing();
  let ended = 0;
  stream.watch(() => ended++);
  socket.arrive(new Deno.errors.ConnectionReset("reset"));
  await settle();
  assert.equal(ended, 1);
});

Deno.test("watch() ends with the next read, which finds the bytes that were read ahead", async () => {
  const { socket, stream } = standing();
  let ended = 0;
  stream.watch(() => ended++);
  socket.arrive(numbered(3));
  assert.equal(await stream.ready(3), true);
  assert.deepEqual([...stream.take(3)], [0, 1, 2]);
  socket.arrive(null);
  assert.equal(await stream.ready(1), false);
  await settle();
  assert.equal(ended, 0);
});

Deno.test("watch() goes on over bytes as long as it is told to", async () => {
  const { socket, stream } = standing(numbered(1));
  let told = 0;
  let ended = 0;
  stream.watch(() => ended++, () => {
    stream.skip(stream.unread);
    return ++told < 2;
  });
  await settle();
  assert.equal(told, 1);
  socket.arrive(numbered(1), null);
  await settle();
  assert.equal(told, 2);
  assert.equal(ended, 0);
});

Deno.test("closeIfDisturbed() closes on the end and on bytes that nobody asked for", async () => {
  for (const event of [null, numbered(1)]) {
    const { socket, stream } = standing();
    stream.closeIfDisturbed();
    await settle();
    assert.equal(stream.closed, false);
    socket.arrive(event);
    await settle();
    assert.equal(stream.closed, true);
    assert.equal(socket.closed, true);
  }
});

Deno.test("close() may be called twice", () => {
  const { stream } = standing();
  stream.close();
  stream.close();
  assert.equal(stream.closed, true);
});

Deno.test("closeGently() says goodbye, reads what still comes and closes at the end of it", async () => {
  const { socket, stream } = standing(new Uint8Array(300_000));
  const closing = stream.closeGently(1000);
  await settle();
  assert.equal(socket.writeClosed, true);
  assert.equal(socket.closed, false);
  socket.arrive(null);
  await closing;
  assert.equal(socket.closed, true);
});

Deno.test("closeGently() waits no longer than its limit", async () => {
  const { socket, clock, stream } = standing();
  const closing = stream.closeGently(1000);
  await clock.advance(999);
  assert.equal(socket.closed, false);
  await clock.advance(1);
  await closing;
  assert.equal(socket.closed, true);
});

Deno.test("concatenate() puts parts one behind the other", () => {
  assert.deepEqual(concatenate([latin1("ab"), latin1(""), latin1("c")]), hex("61 62 63"));
  assert.equal(concatenate([]).length, 0);
});

Deno.test("ready() sets memory aside as the bytes come, not as they are announced", async () => {
  const socket = new ScriptedSocket(new Uint8Array(10), null);
  const stream = new ByteStream(socket, new FakeClock());
  await assert.rejects(stream.ready(100_000_000), /closed after 10/);
  assert.ok(socket.largestReadBytes < 2_000_000, `${socket.largestReadBytes} bytes for 10 that came`);
});

Deno.test("a message of many megabytes arrives whole", async () => {
  const message = Uint8Array.from({ length: 5_000_000 }, (_, i) => i * 7);
  const socket = new ScriptedSocket(message, null);
  const stream = new ByteStream(socket, new FakeClock());
  assert.equal(await stream.ready(message.length), true);
  assert.deepEqual(stream.take(message.length), message);
});
