import assert from "node:assert/strict";
import { chooseLevel, describeColours } from "../../src/report/h264_parameters.ts";

Deno.test("chooseLevel() takes the lowest level of table A-1 that fits", () => {
  assert.equal(chooseLevel(640, 480, 25), 30);
  assert.equal(chooseLevel(640, 480, 50), 31);
  assert.equal(chooseLevel(1280, 720, 30), 31);
  assert.equal(chooseLevel(1304, 602, 50), 32);
  assert.equal(chooseLevel(1920, 1080, 30), 40);
  assert.equal(chooseLevel(1920, 1080, 60), 42);
  assert.equal(chooseLevel(3840, 2160, 60), 52);
  // Few macroblocks, but in a longer row than level 3 must support.
  assert.equal(chooseLevel(2000, 16, 1), 31);
});

Deno.test("chooseLevel() says that a video is too large for H.264", () => {
  assert.throws(
    () => chooseLevel(7680, 4320, 30),
    /^RangeError: Cannot make a video of 7680×4320 at 30 frames per second: /,
  );
  assert.throws(() => chooseLevel(3840, 2160, 120), RangeError);
});

// What minih264 writes for 640×480: ends in the flag 0, the stop bit 1 and four bits of padding.
const WRITTEN = Uint8Array.of(0x67, 0x42, 0x00, 0x16, 0xa6, 0x80, 0xa0, 0x3d, 0x90);

Deno.test("describeColours() puts BT.709 behind the parameters, and the level into them", () => {
  const described = describeColours(WRITTEN, 31);
  assert.deepEqual([...described.subarray(0, 8)], [0x67, 0x42, 0x00, 31, 0xa6, 0x80, 0xa0, 0x3d]);
  const tail = [...described.subarray(8)].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  // 10 stays; then the flag, no aspect and overscan, a signal of kind 5 in limited range with colours 1, 1, 1 …
  assert.equal(tail.slice(0, 11 + 24), "10" + "1" + "00" + "1" + "101" + "0" + "1" + "000000010000000100000001");
  // … nothing more, and the stop bit.
  assert.match(tail.slice(35), /^0000001(0{0,7})$/);
});

Deno.test("describeColours() works wherever in its byte the end is, and never needs an escape", () => {
  for (let zeros = 0; zeros < 8; zeros++) {
    // A byte that ends in the flag 0, the stop bit and so many zeros; the seventh begins a byte with the flag.
    const last = zeros === 7 ? [0xfe, 0x80] : [(0xff << (zeros + 2) | 1 << zeros) & 0xff];
    const described = describeColours(Uint8Array.of(0x67, 0x42, 0xc0, 0x16, ...last), 30);
    const bits = [...described].map((byte) => byte.toString(2).padStart(8, "0")).join("");
    assert.match(bits, /1001101010000000100000001000000010000001(0{0,7})$/);
    for (let i = 4; i + 1 < described.length; i++) assert.ok(described[i] !== 0 || described[i + 1] !== 0);
  }
});

Deno.test("describeColours() refuses parameters that end in a description", () => {
  assert.throws(() => describeColours(Uint8Array.of(0x67, 0x42, 0x00, 0x16, 0xb0), 30), /describes some already/);
});
