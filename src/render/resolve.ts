/**
 * From samples to pixels: each pixel is the mean of its four samples, and a triangle is shaded once per pixel.
 *
 * @module
 */

import type { CoveredSamples, SampleGrid } from "./raster.ts";
import type { Shading } from "./shade.ts";

/** Rows of samples per row of pixels. */
export const SAMPLES = 4;

/** Writes the colours behind everything of pixels side by side, 3 bytes each from `to` on. */
export type Background = (x: number, endX: number, y: number, rgb: Uint8Array, to: number) => void;

/** Writes the picture of what the samples see. */
export function resolvePixels(grid: SampleGrid, shading: Shading, background: Background, rgb: Uint8Array): void {
  const { columns: width, rows, seen } = grid;
  const samples = new Uint8Array(3 * SAMPLES);
  const numbers = new Int32Array(SAMPLES);
  for (let y = 0; y < rows / SAMPLES; y++) {
    const row0 = SAMPLES * y * width, row1 = row0 + width, row2 = row1 + width, row3 = row2 + width;
    for (let x = 0; x < width;) {
      const number = seen[row0 + x]!;
      let endX = x;
      while (
        endX < width && seen[row0 + endX] === number && seen[row1 + endX] === number && seen[row2 + endX] === number &&
        seen[row3 + endX] === number
      ) endX++;
      const to = 3 * (y * width + x);
      if (endX > x) {
        shadeSamples(shading, background, number, x, endX, y, rgb, to);
        x = endX;
        continue;
      }
      numbers[0] = number;
      numbers[1] = seen[row1 + x]!;
      numbers[2] = seen[row2 + x]!;
      numbers[3] = seen[row3 + x]!;
      for (let i = 0; i < SAMPLES; i++) {
        let known = 0;
        while (numbers[known] !== numbers[i]) known++;
        if (known < i) samples.copyWithin(3 * i, 3 * known, 3 * known + 3);
        else shadeSamples(shading, background, numbers[i]!, x, x + 1, y, samples, 3 * i);
      }
      for (let k = 0; k < 3; k++) {
        rgb[to + k] = (samples[k]! + samples[3 + k]! + samples[6 + k]! + samples[9 + k]! + 2) >> 2;
      }
      x++;
    }
  }
}

function shadeSamples(
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

/** Colours of all samples, 3 bytes each, so that others can be laid over them. */
export function colourSamples(grid: SampleGrid, shading: Shading, background: Background): Uint8Array {
  const { columns: width, rows, seen } = grid;
  const colours = new Uint8Array(3 * width * rows);
  for (let row = 0; row < rows; row++) {
    const y = (row / SAMPLES) | 0;
    const first = row * width;
    for (let x = 0; x < width;) {
      const number = seen[first + x]!;
      let endX = x + 1;
      while (endX < width && seen[first + endX] === number) endX++;
      shadeSamples(shading, background, number, x, endX, y, colours, 3 * (first + x));
      x = endX;
    }
  }
  return colours;
}

/**
 * Lays triangles over coloured samples.
 *
 * @param alpha how much of the new colour there will be, 0–1.
 */
export function blendSamples(
  width: number,
  shading: Shading,
  covered: CoveredSamples,
  alpha: number,
  colours: Uint8Array,
): void {
  const share = Math.round(Math.min(Math.max(alpha, 0), 1) * 255);
  const over = new Uint8Array(3);
  for (let i = 0; i < covered.length; i += 2) {
    const place = covered.pairs[i]!;
    const x = place % width;
    shading.shadeRun(covered.pairs[i + 1]!, x, x + 1, (place / (SAMPLES * width)) | 0, over, 0);
    for (let k = 0; k < 3; k++) {
      const under = colours[3 * place + k]!;
      colours[3 * place + k] = (over[k]! * share + under * (255 - share)) / 255 + 0.5;
    }
  }
}

/** Writes the picture of coloured samples. */
export function resolveColours(width: number, height: number, colours: Uint8Array, rgb: Uint8Array): void {
  const row = 3 * width;
  for (let y = 0, to = 0; y < height; y++) {
    for (let i = 0, at = SAMPLES * y * row; i < row; i++, at++, to++) {
      rgb[to] = (colours[at]! + colours[at + row]! + colours[at + 2 * row]! + colours[at + 3 * row]! + 2) >> 2;
    }
  }
}
