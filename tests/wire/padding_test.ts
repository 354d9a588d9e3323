import assert from "node:assert/strict";
import { WireError } from "../../src/errors.ts";
import { decode } from "../../src/wire/msgpack.ts";
import { EMPTY, isPadding, makePadding, PROBE } from "../../src/wire/padding.ts";

Deno.test("makePadding() gives a mark of 8 bytes and then zeros, of the length that was asked for", () => {
  assert.deepEqual([...makePadding(10)], [0xc1, 0x70, 0x69, 0x30, 0x2d, 0x70, 0x61, 0x64, 0, 0]);
  assert.equal(makePadding(8).length, 8);
  assert.equal(makePadding(2_097_152).length, 2_097_152);
  assert.deepEqual(PROBE, makePadding(8));
  assert.equal(EMPTY.length, 0);
});

Deno.test("isPadding() knows padding of every length, and nothing else", () => {
  for (const length of [0, 8, 9, 1000]) assert.ok(isPadding(makePadding(length)));
  assert.ok(!isPadding(PROBE.subarray(0, 7)));
  assert.ok(!isPadding(EMPTY));
  assert.ok(!isPadding(Uint8Array.of(0xc1, 0, 0, 0, 0, 0, 0, 0, 0)));
  for (let i = 0; i < 8; i++) {
    const almost = makePadding(8);
    almost[i]! ^= 1;
    assert.ok(!isPadding(almost), `byte ${i}`);
  }
});

Deno.test("makePadding() gives nothing that MessagePack could mean", () => {
  assert.throws(() => decode(makePadding(100)), WireError);
});
