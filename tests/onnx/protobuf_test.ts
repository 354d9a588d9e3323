import assert from "node:assert/strict";
import { MessageWriter } from "../../src/onnx/protobuf.ts";

function write(fill: (message: MessageWriter) => void): number[] {
  const message = new MessageWriter(1);
  fill(message);
  return [...message.finish()];
}

Deno.test("MessageWriter writes integers seven bits at a time, low ones first", () => {
  assert.deepEqual(write((message) => message.integer(1, 127)), [0x08, 0x7f]);
  assert.deepEqual(write((message) => message.integer(1, 300)), [0x08, 0xac, 0x02]);
  assert.deepEqual(write((message) => message.integer(2, 2n ** 63n - 1n)), [0x10, ...Array(8).fill(0xff), 0x7f]);
});

Deno.test("MessageWriter writes a negative integer in ten bytes", () => {
  assert.deepEqual(write((message) => message.integer(1, -1)), [0x08, ...Array(9).fill(0xff), 0x01]);
});

Deno.test("MessageWriter writes field numbers above fifteen in two bytes", () => {
  assert.deepEqual(write((message) => message.integer(20, 1)), [0xa0, 0x01, 0x01]);
});

Deno.test("MessageWriter writes floats little-endian", () => {
  assert.deepEqual(write((message) => message.float(2, 1.5)), [0x15, 0x00, 0x00, 0xc0, 0x3f]);
});

Deno.test("MessageWriter writes text as UTF-8 and messages with their length", () => {
  assert.deepEqual(write((message) => message.text(4, "é")), [0x22, 0x02, 0xc3, 0xa9]);
  assert.deepEqual(write((message) => message.message(7, (inner) => inner.integer(1, 5))), [0x3a, 0x02, 0x08, 0x05]);
});

Deno.test("MessageWriter grows for bytes longer than its buffer", () => {
  const bytes = new Uint8Array(1000).fill(9);
  const written = write((message) => {
    message.integer(1, 1);
    message.bytes(2, bytes);
  });
  assert.deepEqual(written, [0x08, 0x01, 0x12, 0xe8, 0x07, ...bytes]);
});
