import assert from "node:assert/strict";
import { WireError, type WireErrorCode } from "../../src/errors.ts";
import type { Bytes } from "../../src/types.ts";
import {
  float32Array,
  float64Array,
  ndarray,
  quote,
  toFloat64,
  toText,
  toTexts,
  toUint8,
  uint8Array,
} from "../../src/wire/ndarray.ts";

Deno.test("float64Array() and float32Array() copy numbers as little-endian bytes", () => {
  assert.deepEqual(float64Array([1, -0], [2, 1]), ndarray("<f8", [2, 1], fromHex("000000000000f03f0000000000000080")));
  assert.deepEqual(float32Array([1.5, 0.1], [2]), ndarray("<f4", [2], fromHex("0000c03fcdcccc3d")));
});

Deno.test("uint8Array() does not copy a picture", () => {
  const picture = new Uint8Array(12);
  assert.equal(uint8Array(picture, [2, 2, 3]).data, picture);
});

Deno.test("ndarray() refuses a shape that its data does not fill", () => {
  assert.throws(() => float64Array([1, 2, 3], [2]), {
    name: "RangeError",
    message: "Cannot make an array: found 24 bytes of data for <f8 with shape [2], expected 16 bytes",
  });
  assert.throws(() => uint8Array(new Uint8Array(4), [-2, -2]), RangeError);
  assert.throws(() => ndarray("|O8", [1], new Uint8Array(8)), RangeError);
});

Deno.test("toFloat64() reads every real dtype in both byte orders", () => {
  const cases: [string, string, number[]][] = [
    ["<f2", "0038 00c0 ff7b 0100", [0.5, -2, 65504, 2 ** -24]],
    [">f2", "3800 c000", [0.5, -2]],
    ["<f4", "0000c03f 000080ff", [1.5, -Infinity]],
    [">f4", "3fc00000 80000000", [1.5, -0]],
    ["<f8", "000000000000f87f 0000000000000080 9a9999999999b93f", [NaN, -0, 0.1]],
    [">f8", "3fb999999999999a 7ff0000000000000", [0.1, Infinity]],
    ["|i1", "ff 7f", [-1, 127]],
    ["<i2", "feff", [-2]],
    [">i2", "fffe", [-2]],
    ["<i4", "feffffff", [-2]],
    [">i4", "000493e0", [300000]],
    ["<i8", "ffffffffffffffff 0100000000002000", [-1, 2 ** 53]],
    [">i8", "fffffffffffffffe", [-2]],
    ["|u1", "ff", [255]],
    ["<u2", "00ff", [65280]],
    [">u2", "0100", [256]],
    ["<u4", "feffffff", [4294967294]],
    [">u4", "00000001", [1]],
    ["<u8", "ffffffffffffffff", [2 ** 64]],
    [">u8", "0000000000000007", [7]],
    ["|b1", "00 01 02", [0, 1, 1]],
  ];
  for (const [dtype, hex, values] of cases) {
    assert.deepEqual([...toFloat64(ndarray(dtype, [values.length], fromHex(hex)), "state")], values, dtype);
  }
});

Deno.test("toFloat64() reads data at any offset into memory of its own", () => {
  for (const dtype of ["<f8", "<f4", ">f8"]) {
    const bytes = new Uint8Array(40);
    const data = bytes.subarray(3, 3 + 2 * Number(dtype[2]));
    const values = toFloat64(ndarray(dtype, [2], data), "state");
    bytes.fill(1);
    assert.deepEqual(values, new Float64Array(2));
  }
});

Deno.test("toFloat64() reads an array without elements", () => {
  assert.deepEqual(toFloat64(float64Array([], [0, 14]), "state"), new Float64Array(0));
});

Deno.test("toUint8() gives the bytes of a picture without a copy", () => {
  const picture = uint8Array(new Uint8Array(12), [3, 2, 2]);
  assert.equal(toUint8(picture, "images.cam_high"), picture.data);
});

Deno.test("toText() reads one string of any shape in both byte orders", () => {
  assert.equal(toText(ndarray("<U3", [], fromHex("61000000 00f60100 00000000")), "prompt"), "a\u{1f600}");
  assert.equal(toText(ndarray(">U2", [1, 1], fromHex("00000061 000000fc")), "prompt"), "aü");
  assert.equal(toText(ndarray("|S4", [], fromHex("61c3bc00")), "prompt"), "aü");
});

Deno.test("toTexts() drops the zeros at the end of each string only", () => {
  assert.deepEqual(toTexts(ndarray("|S3", [3], fromHex("610000 610062 000000")), "names"), ["a", "a\0b", ""]);
  const data = fromHex("00000000 62000000 00000000 00000000");
  assert.deepEqual(toTexts(ndarray("<U2", [2], data), "names"), ["\0b", ""]);
});

Deno.test("toFloat64(), toUint8() and toText() name the field and what they found in their errors", () => {
  const numbers = float64Array([1], [1]);
  const text = ndarray("<U1", [2], new Uint8Array(8));
  const noText = ndarray("<U1", [], fromHex("00001100"));
  const halfPair = ndarray("<U1", [], fromHex("00d80000"));
  const noUtf8 = ndarray("|S1", [], fromHex("ff"));
  const cases: [() => unknown, WireErrorCode, string][] = [
    [() => toFloat64(text, "a"), "wrong_dtype", "<U1"],
    [() => toUint8(numbers, "a"), "wrong_dtype", "<f8"],
    [() => toUint8(ndarray("|i1", [1], new Uint8Array(1)), "a"), "wrong_dtype", "|i1"],
    [() => toText(numbers, "a"), "wrong_dtype", "<f8"],
    [() => toText(text, "a"), "wrong_shape", "2 strings"],
    [() => toText(noText, "a"), "malformed", "element 0 of <U1"],
    [() => toText(halfPair, "a"), "malformed", "element 0 of <U1"],
    [() => toText(noUtf8, "a"), "malformed", "element 0 of |S1"],
  ];
  for (const [read, code, found] of cases) {
    assert.throws(read, (error) => {
      assert.ok(error instanceof WireError);
      assert.deepEqual([error.code, error.details.field, error.details.found], [code, "a", found]);
      assert.ok(error.details.expected);
      return true;
    });
  }
});

Deno.test("quote() cuts foreign text and escapes all but printable ASCII", () => {
  assert.equal(quote("cam_high"), '"cam_high"');
  assert.equal(quote('a"\\\n\x9b'), '"a\\u0022\\u005c\\u000a\\u009b"');
  assert.equal(quote("🤖".padStart(41, "x")), `"${"x".repeat(39)}\\ud83e…"`);
});

function fromHex(hex: string): Bytes {
  return Uint8Array.from(hex.replaceAll(" ", "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
