import assert from "node:assert/strict";
import { TransportError, WireError } from "../../src/errors.ts";
import { seededRandom } from "../../src/random.ts";
import { ByteStream } from "../../src/transport/stream.ts";
import {
  applyMask,
  closePayload,
  type Message,
  OPCODE,
  parseClose,
  parseHeader,
  readMessage,
  writeFrame,
} from "../../src/transport/ws_frame.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { hex, join, latin1, ScriptedSocket, splits, streamOf } from "../support/scripted_socket.ts";

const MAX_BYTES = 1000;

/** Reads the next message from these portions, and the control frames between its own. */
async function read(parts: Uint8Array[], masked = false) {
  const stream = streamOf(...parts);
  const controls: Message[] = [];
  await stream.ready(1);
  const message = await readMessage(stream, { masked, maxBytes: MAX_BYTES }, (control) => {
    controls.push(control);
    return Promise.resolve();
  });
  return { opcode: message.opcode, text: String.fromCharCode(...message.payload), controls, stream };
}

async function written(opcode: number, payload: Uint8Array, options: { masked: boolean; before?: Uint8Array }) {
  const socket = new ScriptedSocket();
  await writeFrame(new ByteStream(socket, new FakeClock()), opcode, payload, options);
  assert.equal(socket.written.length, 1, "one piece");
  return socket.sent;
}

// The examples of RFC 6455, section 5.7, literally.
const HELLO = hex("81 05 48 65 6c 6c 6f");
const MASKED_HELLO = hex("81 85 37 fa 21 3d 7f 9f 4d 51 58");
const FRAGMENTED_HELLO = hex("01 03 48 65 6c 80 02 6c 6f");
const PING = hex("89 05 48 65 6c 6c 6f");
const MASKED_PONG = hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58");

Deno.test("readMessage() reads the examples of RFC 6455 wherever the bytes are split", async () => {
  const examples = [
    [HELLO, false, OPCODE.text],
    [MASKED_HELLO, true, OPCODE.text],
    [FRAGMENTED_HELLO, false, OPCODE.text],
    [PING, false, OPCODE.ping],
    [MASKED_PONG, true, OPCODE.pong],
  ] as const;
  for (const [bytes, masked, opcode] of examples) {
    for (const parts of splits(bytes)) {
      const message = await read(parts, masked);
      assert.equal(message.opcode, opcode);
      assert.equal(message.text, "Hello");
    }
  }
});

Deno.test("parseHeader() and writeFrame() know the three kinds of length, as in RFC 6455", async () => {
  const headers = [
    [0, "82 00"],
    [125, "82 7d"],
    [126, "82 7e 00 7e"],
    [256, "82 7e 01 00"],
    [65535, "82 7e ff ff"],
    [65536, "82 7f 00 00 00 00 00 01 00 00"],
  ] as const;
  for (const [length, digits] of headers) {
    const header = hex(digits);
    const payload = new Uint8Array(length).fill(5);
    assert.deepEqual(await written(OPCODE.binary, payload, { masked: false }), join([header, payload]));
    const expected = { final: true, opcode: OPCODE.binary, length, size: header.length, mask: undefined };
    assert.deepEqual(parseHeader(header, false), expected);
    for (let cut = 0; cut < header.length; cut++) assert.equal(parseHeader(header.subarray(0, cut), false), undefined);
  }
});

Deno.test("parseHeader() knows lengths beyond 32 bits", () => {
  assert.equal(parseHeader(hex("82 7f 00 00 00 01 00 00 00 02"), false)?.length, 2 ** 32 + 2);
});

Deno.test("writeFrame() masks what a client sends, with another mask each time", async () => {
  for (const length of [0, 1, 125, 126, 65535, 65536]) {
    const payload = Uint8Array.from({ length }, (_, i) => i);
    const bytes = await written(OPCODE.binary, payload, { masked: true });
    const header = parseHeader(bytes, true)!;
    assert.equal(header.length, length);
    const body = bytes.slice(header.size);
    applyMaskSlowly(body, header.mask!);
    assert.deepEqual(body, payload);
  }
  const masks = new Set<string>();
  for (let i = 0; i < 8; i++) masks.add(String((await written(2, hex("00"), { masked: true })).subarray(2, 6)));
  assert.equal(masks.size, 8);
});

Deno.test("writeFrame() does not touch the payload", async () => {
  const payload = latin1("abcdefgh");
  await written(OPCODE.binary, payload, { masked: true });
  assert.deepEqual(payload, latin1("abcdefgh"));
});

Deno.test("writeFrame() puts what goes before into the same piece, of whatever length", async () => {
  for (let length = 0; length < 9; length++) {
    const before = latin1("x".repeat(length));
    for (const shared of [true, false]) {
      const socket = new ScriptedSocket();
      const options = { masked: false, before, shared };
      await writeFrame(new ByteStream(socket, new FakeClock()), OPCODE.text, latin1("Hello"), options);
      assert.deepEqual(socket.written, [join([before, HELLO])]);
    }
  }
});

/** What a mask does, as RFC 6455 section 5.3 says it. */
function applyMaskSlowly(bytes: Uint8Array, mask: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = bytes[i]! ^ mask[i % 4]!;
}

Deno.test("applyMask() does what RFC 6455 says, at each alignment and length", () => {
  const random = seededRandom(1);
  const byte = () => Math.floor(256 * random());
  for (let offset = 0; offset < 8; offset++) {
    for (let length = 0; length <= 64; length++) {
      const memory = Uint8Array.from({ length: offset + length + 8 }, byte);
      const mask = Uint8Array.from({ length: 4 }, byte);
      const expected = memory.slice();
      applyMaskSlowly(expected.subarray(offset, offset + length), mask);
      applyMask(memory.subarray(offset, offset + length), mask);
      assert.deepEqual(memory, expected, `offset ${offset}, length ${length}`);
    }
  }
});

Deno.test("readMessage() hands over a ping between two fragments, in order", async () => {
  const bytes = join([hex("02 03 48 65 6c"), PING, hex("00 00"), hex("89 00"), hex("80 02 6c 6f")]);
  for (const parts of splits(bytes)) {
    const { opcode, text, controls } = await read(parts);
    assert.equal(opcode, OPCODE.binary);
    assert.equal(text, "Hello");
    assert.deepEqual(controls.map((control) => [control.opcode, control.payload.length]), [[9, 5], [9, 0]]);
  }
});

Deno.test("readMessage() puts many fragments together that arrive at once", async () => {
  const words = ["one ", "two ", "three ", "four ", "five ", "six"];
  const frames = words.map((word, i) => {
    const first = (i === 0 ? OPCODE.binary : OPCODE.continuation) | (i === words.length - 1 ? 0x80 : 0);
    return join([Uint8Array.of(first, word.length), latin1(word)]);
  });
  assert.equal((await read([join(frames)])).text, "one two three four five six");
});

Deno.test("readMessage() leaves the next message where it is", async () => {
  const { stream } = await read([join([PING, HELLO])]);
  assert.equal(stream.unread, HELLO.length);
});

Deno.test("readMessage() refuses what RFC 6455 forbids", async () => {
  const forbidden = [
    ["c2 00", false, "reserved bits are set, and no extension was agreed on"],
    ["a2 00", false, "reserved bits are set, and no extension was agreed on"],
    ["92 00", false, "reserved bits are set, and no extension was agreed on"],
    ["83 00", false, "unknown opcode 3"],
    ["8b 00", false, "unknown opcode 11"],
    ["8f 00", false, "unknown opcode 15"],
    ["82 01 00", true, "a client's frame has no mask"],
    ["82 80 00000000", false, "a server's frame is masked"],
    ["89 7e 007e", false, "control frame in parts, or too long"],
    ["88 7f 0000000000000001", false, "control frame in parts, or too long"],
    ["09 00", false, "control frame in parts, or too long"],
    ["80 01 00", false, "a continuation of nothing"],
    ["02 01 00 82 01 00", false, "a new message inside another"],
  ] as const;
  for (const [digits, masked, found] of forbidden) {
    const error = new TransportError("not_speaking", `Cannot read a WebSocket frame: ${found}`);
    await assert.rejects(read([hex(digits)], masked), error, digits);
  }
});

Deno.test("readMessage() refuses a message above the limit before it arrives, whole and in fragments", async () => {
  const whole = new WireError("too_large", { found: "1001 bytes", expected: "at most 1000" });
  await assert.rejects(read([hex("82 7e 03e9")]), whole);
  await assert.rejects(read([hex("82 7f ffffffffffffffff")]), { code: "too_large" });
  const fragment = join([hex("02 7e 01f4"), new Uint8Array(500)]);
  const next = join([hex("00 7e 01f4"), new Uint8Array(500)]);
  await assert.rejects(read([fragment, next, hex("80 01 00")]), { code: "too_large" });
  assert.equal((await read([fragment, next, hex("80 00")])).text.length, 1000);
});

Deno.test("readMessage() says disconnected where the far end closes inside a message", async () => {
  for (const digits of ["82", "82 7e", "82 7e 01", "82 05", "82 05 48 65", "02 01 48", "02 01 48 80"]) {
    await assert.rejects(read([hex(digits)]), { code: "disconnected" }, digits);
  }
});

Deno.test("readMessage() waits no longer for the rest of a message than its limit", async () => {
  for (const digits of ["82", "82 05 48", "02 01 48"]) {
    const clock = new FakeClock();
    const stream = new ByteStream(new ScriptedSocket(hex(digits)), clock);
    await stream.ready(1);
    const limits = { masked: false, maxBytes: MAX_BYTES, messageMs: 50 };
    const reading = assert.rejects(readMessage(stream, limits, () => Promise.resolve()), { code: "deadline" });
    await clock.advance(50);
    await reading;
  }
});

Deno.test("closePayload() and parseClose() hold a code and a reason", () => {
  assert.deepEqual(join([closePayload(1000, "")]), hex("03e8"));
  assert.deepEqual(join([closePayload(1011, "no")]), hex("03f3 6e6f"));
  assert.deepEqual(parseClose(closePayload(1009, "größer")), { code: 1009, reason: "größer" });
  assert.deepEqual(parseClose(new Uint8Array(0)), { code: 1005, reason: "" });
  assert.deepEqual(parseClose(hex("03")), { code: 1005, reason: "" });
});

Deno.test("closePayload() cuts a long reason to what a control frame holds, between two characters", () => {
  assert.equal(closePayload(1000, "x".repeat(200)).length, 125);
  const { reason } = parseClose(closePayload(1000, "ü".repeat(100)));
  assert.equal(reason, "ü".repeat(61));
});
