/**
 * A picture that can be drawn on: boxes, other pictures, text.
 *
 * @module
 */

import { toHwc } from "../image.ts";
import type { Bytes, Image } from "../types.ts";
import type { Typeface } from "./typeface.ts";

/** Red, green, blue, 0–255. */
export type Colour = readonly [red: number, green: number, blue: number];

/** A part of a picture, in pixels from its top left corner. */
export interface Box {
  readonly xPx: number;
  readonly yPx: number;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Whatever lies outside of it is left out, never an error. */
export class Canvas {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly #data: Bytes;

  private constructor(widthPx: number, heightPx: number, data: Bytes) {
    this.widthPx = widthPx;
    this.heightPx = heightPx;
    this.#data = data;
  }

  /** An even surface. */
  static filled(widthPx: number, heightPx: number, colour: Colour): Canvas {
    const data = new Uint8Array(3 * widthPx * heightPx);
    for (let i = 0; i < data.length; i++) data[i] = colour[i % 3]!;
    return new Canvas(widthPx, heightPx, data);
  }

  /** A copy of a picture. */
  static of(image: Image): Canvas {
    const { width, height, data } = toHwc(image);
    return new Canvas(width, height, data.slice());
  }

  /** What has been drawn. The pixels are those of the canvas. */
  get image(): Image {
    return { width: this.widthPx, height: this.heightPx, layout: "hwc", data: this.#data };
  }

  /**
   * Fills a box. A side that lies within a pixel colours it as far as it covers it.
   *
   * @param opacity 0 leaves what is there, 1 hides it.
   */
  fill({ xPx, yPx, widthPx, heightPx }: Box, colour: Colour, opacity = 1): void {
    const columns = coverages(xPx, widthPx, this.widthPx);
    for (const [y, down] of coverages(yPx, heightPx, this.heightPx)) {
      for (const [x, across] of columns) this.#blend(3 * (y * this.widthPx + x), colour, opacity * down * across);
    }
  }

  /** Fills a box with round corners. */
  fillRound(box: Box, radiusPx: number, colour: Colour, opacity = 1): void {
    const { xPx, yPx, widthPx, heightPx } = box;
    const [centreX, centreY] = [xPx + widthPx / 2, yPx + heightPx / 2];
    const columns = coverages(xPx, widthPx, this.widthPx);
    for (const [y] of coverages(yPx, heightPx, this.heightPx)) {
      for (const [x] of columns) {
        // How far the pixel's middle is outside of the box, as if the corners' circles were points.
        const outX = Math.max(0, Math.abs(x + 0.5 - centreX) - widthPx / 2 + radiusPx);
        const outY = Math.max(0, Math.abs(y + 0.5 - centreY) - heightPx / 2 + radiusPx);
        const covered = Math.min(1, Math.max(0, radiusPx + 0.5 - Math.hypot(outX, outY)));
        this.#blend(3 * (y * this.widthPx + x), colour, opacity * covered);
      }
    }
  }

  /** Lines along the inside of a box. */
  frame({ xPx, yPx, widthPx, heightPx }: Box, linePx: number, colour: Colour): void {
    this.fill({ xPx, yPx, widthPx, heightPx: linePx }, colour);
    this.fill({ xPx, yPx: yPx + heightPx - linePx, widthPx, heightPx: linePx }, colour);
    this.fill({ xPx, yPx: yPx + linePx, widthPx: linePx, heightPx: heightPx - 2 * linePx }, colour);
    this.fill(
      { xPx: xPx + widthPx - linePx, yPx: yPx + linePx, widthPx: linePx, heightPx: heightPx - 2 * linePx },
      colour,
    );
  }

  /** Puts a picture with its top left corner on a whole pixel. */
  put(image: Image, xPx: number, yPx: number): void {
    const { width, height, data } = toHwc(image);
    const [from, to] = [Math.max(0, xPx), Math.min(this.widthPx, xPx + width)];
    for (let y = Math.max(0, yPx); y < Math.min(this.heightPx, yPx + height) && from < to; y++) {
      const row = 3 * ((y - yPx) * width - xPx);
      this.#data.set(data.subarray(row + 3 * from, row + 3 * to), 3 * (y * this.widthPx + from));
    }
  }

  /**
   * Writes a text that begins at `xPx` and stands on the whole pixel `baselinePx`.
   *
   * @returns its width.
   */
  write(text: string, typeface: Typeface, xPx: number, baselinePx: number, colour: Colour): number {
    for (const { glyph, xPx: pen } of typeface.lay(text, xPx)) {
      const [left, top] = [pen + glyph.leftPx, baselinePx - glyph.topPx];
      const lastX = Math.min(glyph.widthPx, this.widthPx - left);
      const lastY = Math.min(glyph.heightPx, this.heightPx - top);
      for (let y = Math.max(0, -top); y < lastY; y++) {
        for (let x = Math.max(0, -left); x < lastX; x++) {
          const covered = glyph.coverage[y * glyph.widthPx + x]!;
          if (covered > 0) this.#blend(3 * ((top + y) * this.widthPx + left + x), colour, covered / 255);
        }
      }
    }
    return typeface.measure(text);
  }

  #blend(at: number, colour: Colour, opacity: number): void {
    const data = this.#data;
    // Storing a number in a Uint8Array cuts the fraction off: the half rounds it.
    for (let i = 0; i < 3; i++) data[at + i] = data[at + i]! + (colour[i]! - data[at + i]!) * opacity + 0.5;
  }
}

/** The pixels of a row of `sizePx` that a stretch touches, each with the part of it that is covered. */
function coverages(startPx: number, lengthPx: number, sizePx: number): [pixel: number, covered: number][] {
  const [start, end] = [Math.max(0, startPx), Math.min(sizePx, startPx + lengthPx)];
  const touched: [number, number][] = [];
  for (let pixel = Math.floor(start); pixel < end; pixel++) {
    touched.push([pixel, Math.min(end, pixel + 1) - Math.max(start, pixel)]);
  }
  return touched;
}
