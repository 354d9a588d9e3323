/**
 * From samples to pixels: each pixel is the mean of its four samples, and a triangle is shaded once per pixel.
 *
 * @module
 */

import type { SampleGrid } from "./raster.ts";
import type { Shading } from "./shade.ts";

/** Rows of samples per row of pixels. */
export const SAMPLES = 4;

/** Writes the colours behind everything of pixels side by side, 3 bytes each from `to` on. */
export type Background = (x: number, endX: number, y: number, rgb: Uint8Array, to: number) => void;

/** Writes the picture of what the samples see. */
export function resolvePixels(grid: SampleGrid, shading: Shading, background: Background, rgb: Uint8Array): void {
  const { columns: width, rows, seen } = grid;
  const sums = new Int32Array(3);
  const colour = new Uint8Array(3);
  for (let y = 0; y < rows / SAMPLES; y++) {
    const row0 = SAMPLES * y * width, row1 = row0 + width, row2 = row1 + width, row3 = row2 + width;
    for (let x = 0; x < width;) {
      const a = seen[row0 + x]!, b = seen[row1 + x]!, c = seen[row2 + x]!, d = seen[row3 + x]!;
      const to = 3 * (y * width + x);
      if (a === b && a === c && a === d) {
        let endX = x + 1;
        while (
          endX < width && seen[row0 + endX] === a && seen[row1 + endX] === a && seen[row2 + endX] === a &&
          seen[row3 + endX] === a
        ) endX++;
        shadePixels(shading, background, a, x, endX, y, rgb, to);
        x = endX;
        continue;
      }
      // Half of four, so that dividing by four rounds.
      sums.fill(2);
      for (let i = 0; i < SAMPLES; i++) {
        const number = i === 0 ? a : i === 1 ? b : i === 2 ? c : d;
        if ((i > 0 && number === a) || (i > 1 && number === b) || (i > 2 && number === c)) continue;
        const weight = (number === a ? 1 : 0) + (number === b ? 1 : 0) + (number === c ? 1 : 0) +
          (number === d ? 1 : 0);
        shadePixels(shading, background, number, x, x + 1, y, colour, 0);
        for (let k = 0; k < 3; k++) sums[k] = sums[k]! + weight * colour[k]!;
      }
      for (let k = 0; k < 3; k++) rgb[to + k] = sums[k]! >> 2;
      x++;
    }
  }
}

/** Writes the colours of pixels side by side that all see the same triangle, or nothing if that is 0. */
export function shadePixels(
  shading: Shading,
  background: Background,
  number: number,
  x: number,
  endX: number,
  y: number,
  rgb: Uint8Array,
  to: number,
): void {
  if (number === 0) background(x, endX, y, rgb, to);
  else shading.shadeRun(number, x, endX, y, rgb, to);
}
