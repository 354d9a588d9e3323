import assert from "node:assert/strict";
import { PolicyError, TransportError, WireError } from "../../src/errors.ts";
import {
  decodeIntroduction,
  encodeIntroduction,
  isIntroduced,
  readFrame,
  writeFrames,
} from "../../src/transport/framing.ts";
import { ByteStream } from "../../src/transport/stream.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { hex, join, latin1, ScriptedSocket, splits, streamOf } from "../support/scripted_socket.ts";

const MAX_BYTES = 1000;

Deno.test("writeFrames() writes the length in four bytes, big-endian, then the message, in one piece", async () => {
  const socket = new ScriptedSocket();
  await writeFrames(new ByteStream(socket, new FakeClock()), [latin1("abc"), new Uint8Array(0), latin1("de")]);
  assert.deepEqual(socket.written, [hex("00000003 616263 00000000 00000002 6465")]);
});

Deno.test("writeFrames() writes a length above 65535", async () => {
  const socket = new ScriptedSocket();
  await writeFrames(new ByteStream(socket, new FakeClock()), [new Uint8Array(0x012345)]);
  assert.deepEqual(socket.sent.subarray(0, 5), hex("00012345 00"));
  assert.equal(socket.sent.length, 4 + 0x012345);
});

Deno.test("readFrame() reads the same frames wherever the bytes are split", async () => {
  for (const parts of splits(hex("00000003 616263 00000000 00000002 6465"))) {
    const stream = streamOf(...parts);
    const messages: string[] = [];
    for (;;) {
      const message = await readFrame(stream, MAX_BYTES, {});
      if (message === undefined) break;
      messages.push(new TextDecoder().decode(message));
    }
    assert.deepEqual(messages, ["abc", "", "de"]);
  }
});

Deno.test("readFrame() tells when the first byte of a frame is there", async () => {
  let started = 0;
  const stream = streamOf(hex("00"), hex("000001 61"));
  await readFrame(stream, MAX_BYTES, {}, () => started++);
  assert.equal(started, 1);
  await readFrame(stream, MAX_BYTES, {}, () => started++);
  assert.equal(started, 1);
});

Deno.test("readFrame() takes a message of just the limit and refuses one that is longer, before it arrives", async () => {
  const stream = streamOf(hex("000003e8"), new Uint8Array(1000));
  assert.equal((await readFrame(stream, MAX_BYTES, {}))?.length, 1000);
  await assert.rejects(
    readFrame(streamOf(hex("000003e9")), MAX_BYTES, {}),
    new WireError("too_large", { found: "1001 bytes", expected: "at most 1000" }),
  );
  await assert.rejects(readFrame(streamOf(hex("ffffffff")), MAX_BYTES, {}), { code: "too_large" });
});

Deno.test("readFrame() says disconnected where the far end closes inside a frame", async () => {
  for (const part of ["00", "000000", "00000002", "00000002 61"]) {
    await assert.rejects(readFrame(streamOf(hex(part)), MAX_BYTES, {}), { code: "disconnected" }, part);
  }
});

Deno.test("readFrame() recognises other protocols on the port", async () => {
  const others = [
    ["GET /infer HTTP/1.1\r\n", "an HTTP client"],
    ["POST /infer HTTP/1.1\r\n", "an HTTP client"],
    ["HTTP/1.1 400 Bad Request\r\n", "an HTTP server"],
    ["\x16\x03\x01\x02\x00\x01", "a TLS client"],
    ["\x16\x03\x03\x00\x7a\x02", "a TLS client"],
    ["\x15\x03\x03\x00\x02\x02", "a TLS server", " (use tcps://)"],
  ] as const;
  for (const [text, name, hint = ""] of others) {
    const message = `Cannot read a frame: ${name} is on the other side${hint}`;
    await assert.rejects(
      readFrame(streamOf(latin1(text)), 16_000_000, {}),
      new TransportError("not_speaking", message),
    );
  }
});

Deno.test("readFrame() waits long for the first byte of a frame and less long for the rest", async () => {
  const clock = new FakeClock();
  const socket = new ScriptedSocket();
  const stream = new ByteStream(socket, clock);
  const reading = assert.rejects(readFrame(stream, MAX_BYTES, { idleMs: 10_000, messageMs: 50 }), {
    code: "deadline",
    message: "Cannot read 9 bytes: not there after 50 ms",
  });
  await clock.advance(9_000);
  socket.arrive(hex("00000009 61"));
  await clock.advance(50);
  await reading;

  const idle = assert.rejects(readFrame(new ByteStream(new ScriptedSocket(), clock), MAX_BYTES, { idleMs: 10_000 }), {
    code: "deadline",
  });
  await clock.advance(10_000);
  await idle;
});

Deno.test("encodeIntroduction() writes what PROTOCOL.md shows", () => {
  const text = (options: { token?: string; client?: string }) => new TextDecoder().decode(encodeIntroduction(options));
  assert.equal(text({}), '{"pi0":1}');
  assert.equal(text({ token: "s3cret", client: "arm" }), '{"pi0":1,"token":"s3cret","client":"arm"}');
});

Deno.test("decodeIntroduction() gives back what encodeIntroduction() wrote", () => {
  for (const options of [{}, { token: 'a "quoted" wörd' }, { client: "左臂" }, { token: "t", client: "c" }]) {
    const bytes = join([encodeIntroduction(options)]);
    assert.deepEqual(decodeIntroduction(bytes), { version: 1, ...options });
  }
});

Deno.test("isIntroduced() knows an introduction by its first byte, however the bytes arrive", async () => {
  const limits = { idleMs: 1000, messageMs: 1000 };
  for (const parts of splits(hex("0000000a 7b"))) assert.equal(await isIntroduced(streamOf(...parts), limits), true);
  for (const first of ["80", "c1", "5b", "20"]) {
    assert.equal(await isIntroduced(streamOf(hex(`0000000a ${first}`)), limits), false);
  }
});

Deno.test("isIntroduced() does not wait for the first byte of an empty frame", async () => {
  assert.equal(await isIntroduced(streamOf(hex("00000000")), { idleMs: 1000, messageMs: 1000 }), false);
});

Deno.test("isIntroduced() takes nothing: the frame can still be read", async () => {
  const stream = streamOf(hex("00000002 7b7d"));
  await isIntroduced(stream, { idleMs: 1000, messageMs: 1000 });
  assert.deepEqual(await readFrame(stream, 100, {}), hex("7b7d"));
});

Deno.test("decodeIntroduction() does not mind fields that it does not know", () => {
  assert.deepEqual(decodeIntroduction(latin1('{"pi0":1,"later":true}')), { version: 1 });
});

Deno.test("decodeIntroduction() refuses another version, naming both", () => {
  assert.throws(
    () => decodeIntroduction(latin1('{"pi0":2}')),
    new PolicyError(
      "protocol_mismatch",
      "The other side speaks version 2 of pi0's protocol, this one version 1: use the same release of pi0 on both",
    ),
  );
});

Deno.test("decodeIntroduction() refuses what is no JSON", () => {
  for (const text of ["{", '{"pi0":1', "{pi0:1}", '{"pi0":1}x', '{"pi0":1,"token":"\xff"}']) {
    assert.throws(() => decodeIntroduction(latin1(text)), { name: "WireError", code: "malformed" }, text);
  }
});

Deno.test("decodeIntroduction() refuses fields of the wrong type, naming them", () => {
  const wrong = [
    ["{}", "introduction.pi0"],
    ['{"pi0":"1"}', "introduction.pi0"],
    ['{"pi0":1,"token":7}', "introduction.token"],
    ['{"pi0":1,"client":null}', "introduction.client"],
  ] as const;
  for (const [text, field] of wrong) {
    assert.throws(() => decodeIntroduction(latin1(text)), (error: WireError) => {
      assert.equal(error.code, "wrong_type");
      assert.equal(error.details.field, field);
      return true;
    }, text);
  }
});
