import assert from "node:assert/strict";
import { divideMemory, measureMemory } from "../../src/ort/layout.ts";
import { addressOf, encodePath, encodeTexts, makeCell, readPointers, readText } from "../../src/ort/native.ts";

Deno.test("encodeTexts() makes an array of strings that C can read", () => {
  const texts = ["noise", "", "π₀ – träge", "x".repeat(5000)];
  const bytes = encodeTexts(texts);
  const pointers = readPointers(Deno.UnsafePointer.of(bytes), texts.length);
  assert.deepEqual(pointers.map(readText), texts);
  assert.equal(encodeTexts([]).length > 0, true, "C gets a place, also for no strings");
});

Deno.test("encodePath() writes UTF-16 for Windows and UTF-8 elsewhere", () => {
  assert.deepEqual([...encodePath("aπ", "windows")], [0x61, 0, 0xc0, 0x03, 0, 0]);
  assert.deepEqual([...encodePath("aπ", "linux")], [0x61, 0xcf, 0x80, 0]);
});

Deno.test("null is an empty text, and no pointers", () => {
  assert.equal(readText(null), "");
  assert.deepEqual(readPointers(null, 3), []);
  assert.equal(makeCell()[0], 0n);
});

Deno.test("divideMemory() begins every tensor at a multiple of 64 bytes, and tensors do not overlap", () => {
  const tensors = [
    { name: "a", type: "uint8", shape: [3], length: 3 },
    { name: "b", type: "float64", shape: [2, 8], length: 16 },
    { name: "c", type: "int64", shape: [], length: 1 },
  ] as const;
  assert.equal(measureMemory(tensors), 64 + 128 + 64);
  const memory = new SharedArrayBuffer(measureMemory(tensors));
  const views = divideMemory(memory, tensors);
  assert.deepEqual(views.map(({ byteOffset, length }) => [byteOffset, length]), [[0, 3], [64, 16], [192, 1]]);
  assert.equal(addressOf(views[1]!) - addressOf(views[0]!), 64n);
});
