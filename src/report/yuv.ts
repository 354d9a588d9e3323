/**
 * RGB as video stores it: brightness for each pixel, colour for each square of four.
 *
 * @module
 */

import { toHwc } from "../image.ts";
import type { Bytes, Image } from "../types.ts";

/**
 * A picture as planar YUV 4:2:0, BT.709 in limited range (Y 16–235, U and V 16–240, Rec. ITU-R BT.709-6 §3 and §4):
 * what players assume of a tagged web video. A colour is the mean of its four pixels.
 *
 * @returns `width × height` values of Y, then a quarter as many of U, then of V.
 * @throws {RangeError} where a side is odd.
 */
export function toYuv420(image: Image): Bytes {
  const { width, height, data } = toHwc(image);
  if (width % 2 !== 0 || height % 2 !== 0) {
    throw new RangeError(`Cannot turn a picture of ${width}×${height} into video: both sides must be even`);
  }
  const area = width * height;
  const yuv = new Uint8Array(area * 3 / 2);
  const y = yuv.subarray(0, area);
  const u = yuv.subarray(area, area * 5 / 4);
  const v = yuv.subarray(area * 5 / 4);
  for (let row = 0, square = 0; row < height; row += 2) {
    for (let column = 0; column < width; column += 2, square++) {
      const first = row * width + column;
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let pixel = first, i = 0; i < 4; i++, pixel = first + (i >> 1) * width + (i & 1)) {
        const r = data[3 * pixel]!;
        const g = data[3 * pixel + 1]!;
        const b = data[3 * pixel + 2]!;
        // In 2¹⁶ths, rounded: Y = 16 + 219/255 (0.2126 R + 0.7152 G + 0.0722 B).
        y[pixel] = (11966 * r + 40254 * g + 4064 * b + (16.5 * 65536)) >> 16;
        red += r;
        green += g;
        blue += b;
      }
      // U = 128 + 224/255 (B − Y) / 1.8556 and V = 128 + 224/255 (R − Y) / 1.5748; four pixels make it 2¹⁸ths.
      u[square] = (-6596 * red - 22189 * green + 28785 * blue + (128.5 * 262144)) >> 18;
      v[square] = (28784 * red - 26145 * green - 2639 * blue + (128.5 * 262144)) >> 18;
    }
  }
  return yuv;
}
