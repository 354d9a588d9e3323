import assert from "node:assert/strict";
import { toChw } from "../../src/image.ts";
import { toYuv420 } from "../../src/report/yuv.ts";
import { tinyImage } from "../support/tiny.ts";

const even = (red: number, green: number, blue: number) => ({
  width: 2,
  height: 2,
  layout: "hwc" as const,
  data: Uint8Array.from({ length: 12 }, (_, i) => [red, green, blue][i % 3]!),
});

Deno.test("toYuv420() gives the colours of BT.709 in limited range", () => {
  // Y, U, V of the colour bars at 100 %, as video engineers know them.
  const bars: [number, number, number, number[]][] = [
    [255, 255, 255, [235, 128, 128]],
    [0, 0, 0, [16, 128, 128]],
    [255, 0, 0, [63, 102, 240]],
    [0, 255, 0, [173, 42, 26]],
    [0, 0, 255, [32, 240, 118]],
    [255, 255, 0, [219, 16, 138]],
    [128, 128, 128, [126, 128, 128]],
  ];
  for (const [red, green, blue, [y, u, v]] of bars) {
    assert.deepEqual([...toYuv420(even(red, green, blue))], [y, y, y, y, u, v]);
  }
});

Deno.test("toYuv420() keeps the brightness of each pixel and the mean colour of four", () => {
  // Red, black / black, black, twice beside each other; below them white.
  const image = { width: 4, height: 4, layout: "hwc" as const, data: new Uint8Array(48) };
  image.data.fill(255, 24);
  image.data[0] = 255;
  image.data[6] = 255;
  const yuv = toYuv420(image);
  assert.deepEqual([...yuv.subarray(0, 8)], [63, 16, 63, 16, 16, 16, 16, 16]);
  assert.deepEqual([...yuv.subarray(8, 16)], Array(8).fill(235));
  // A quarter of red's way from 128: to 102.3 and to 240.
  assert.deepEqual([...yuv.subarray(16, 20)], [122, 122, 128, 128]);
  assert.deepEqual([...yuv.subarray(20, 24)], [156, 156, 128, 128]);
});

Deno.test("toYuv420() takes either layout", () => {
  const image = tinyImage(1, "hwc", 6, 4);
  assert.deepEqual(toYuv420(toChw(image)), toYuv420(image));
});

Deno.test("toYuv420() refuses an odd side", () => {
  assert.throws(() => toYuv420(tinyImage(1, "hwc", 5, 4)), /^RangeError: Cannot turn a picture of 5×4 into video: /);
  assert.throws(() => toYuv420(tinyImage(1, "hwc", 4, 5)), RangeError);
});
