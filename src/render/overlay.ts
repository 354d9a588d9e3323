/**
 * Transparent surfaces over a finished picture: only where there are some, samples get colours of their own.
 *
 * @module
 */

import type { CoveredSamples, SampleGrid } from "./raster.ts";
import { type Background, SAMPLES, shadePixels } from "./resolve.ts";
import type { Shading } from "./shade.ts";

/** Bytes that the samples of one pixel take. */
const PIXEL_BYTES = 3 * SAMPLES;

/** Lays triangles over a picture, one layer after another. */
export class Overlay {
  readonly #grid: SampleGrid;
  readonly #shading: Shading;
  readonly #background: Background;
  /** For each pixel of the picture, its number among the touched ones, from 1. */
  readonly #touched: Int32Array;
  readonly #pixels: number[] = [];
  #colours = new Uint8Array(1024 * PIXEL_BYTES);
  readonly #over = new Uint8Array(3);

  constructor(grid: SampleGrid, shading: Shading, background: Background) {
    this.#grid = grid;
    this.#shading = shading;
    this.#background = background;
    this.#touched = new Int32Array(grid.seen.length / SAMPLES);
  }

  /**
   * Adds a layer.
   *
   * @param alpha how much of its colour there will be, 0–1.
   */
  blend(covered: CoveredSamples, alpha: number): void {
    const share = Math.round(Math.min(Math.max(alpha, 0), 1) * 255);
    const width = this.#grid.columns;
    for (let i = 0; i < covered.length; i += 2) {
      const row = (covered.pairs[i]! / width) | 0;
      const x = covered.pairs[i]! - row * width;
      const y = (row / SAMPLES) | 0;
      this.#shading.shadeRun(covered.pairs[i + 1]!, x, x + 1, y, this.#over, 0);
      const at = this.#samplesOf(x, y) + 3 * (row % SAMPLES);
      for (let k = 0; k < 3; k++) {
        // Rounded to 8 bits after each layer.
        this.#colours[at + k] = (this.#over[k]! * share + this.#colours[at + k]! * (255 - share)) / 255 + 0.5;
      }
    }
  }

  /** Writes the pixels that were touched. */
  resolve(rgb: Uint8Array): void {
    const colours = this.#colours;
    this.#pixels.forEach((pixel, i) => {
      for (let k = 0; k < 3; k++) {
        const at = PIXEL_BYTES * i + k;
        rgb[3 * pixel + k] = (colours[at]! + colours[at + 3]! + colours[at + 6]! + colours[at + 9]! + 2) >> 2;
      }
    });
  }

  /** Where the samples of a pixel are; what lies behind is shaded at the first touch. */
  #samplesOf(x: number, y: number): number {
    const width = this.#grid.columns;
    const pixel = y * width + x;
    const known = this.#touched[pixel]!;
    if (known > 0) return PIXEL_BYTES * (known - 1);
    const at = PIXEL_BYTES * this.#pixels.length;
    this.#pixels.push(pixel);
    this.#touched[pixel] = this.#pixels.length;
    if (at === this.#colours.length) {
      const larger = new Uint8Array(2 * at);
      larger.set(this.#colours);
      this.#colours = larger;
    }
    for (let sample = 0; sample < SAMPLES; sample++) {
      const number = this.#grid.seen[(SAMPLES * y + sample) * width + x]!;
      shadePixels(this.#shading, this.#background, number, x, x + 1, y, this.#colours, at + 3 * sample);
    }
    return at;
  }
}
