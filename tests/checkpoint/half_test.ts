import assert from "node:assert/strict";
import { narrowToBfloat16, narrowToFloat16, widenBfloat16, widenFloat16 } from "../../src/checkpoint/half.ts";

Deno.test("widenBfloat16() puts the bits on top of a float32", () => {
  assert.deepEqual([...widenBfloat16(Uint16Array.of(0x3f80, 0xc000, 0x7f80, 0x0001))], [1, -2, Infinity, 2 ** -133]);
});

Deno.test("narrowToBfloat16() rounds ties to even and keeps infinity and NaN", () => {
  const values = Float32Array.of(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -1 - 2 ** -7 - 2 ** -9, Infinity, NaN);
  assert.deepEqual([...narrowToBfloat16(values)], [0x3f80, 0x3f80, 0x3f82, 0xbf81, 0x7f80, 0x7fc0]);
  // A NaN whose only fraction bit lies in the half that goes would become infinite.
  const hidden = new Float32Array(Uint32Array.of(0x7f800001).buffer);
  assert.ok(Number.isNaN(widenBfloat16(narrowToBfloat16(hidden))[0]));
});

Deno.test("widenFloat16() reads normal, subnormal and special numbers", () => {
  const bits = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x8000, 0x7c00, 0xfc00);
  const expected = [1, -2, 65504, 2 ** -24, 1023 * 2 ** -24, -0, Infinity, -Infinity];
  assert.deepEqual([...widenFloat16(bits)], expected);
  assert.ok(Number.isNaN(widenFloat16(Uint16Array.of(0x7e00))[0]));
});

Deno.test("narrowToFloat16() undoes widenFloat16() for every number", () => {
  for (let bits = 0; bits < 65536; bits++) {
    const [value] = widenFloat16(Uint16Array.of(bits));
    if (Number.isNaN(value)) continue;
    assert.equal(narrowToFloat16(Float32Array.of(value!))[0], bits);
  }
});

Deno.test("narrowToFloat16() rounds ties to even, in normal and subnormal numbers, and overflows to infinity", () => {
  const cases: [number, number][] = [
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [1 + 2 ** -11 + 2 ** -20, 0x3c01],
    [2 ** -25, 0x0000],
    [1.5 * 2 ** -25, 0x0001],
    [3 * 2 ** -25, 0x0002],
    [2 ** -14 - 2 ** -26, 0x0400],
    [65519, 0x7bff],
    [65520, 0x7c00],
    [-1e10, 0xfc00],
    [NaN, 0x7e00],
  ];
  for (const [value, bits] of cases) {
    assert.equal(narrowToFloat16(Float32Array.of(value))[0], bits, String(value));
  }
});
