/**
 * Pictures for surfaces, made from noise: the lab mat, the wood of the table, the floor. PNG files, as MuJoCo reads them.
 *
 * @module
 */

import { encodePng } from "../../../image.ts";
import type { Bytes } from "../../../types.ts";

/** Red, green and blue, 0–1. */
export type Colour = readonly [number, number, number];

/** Paints a square picture that can be laid side by side with itself; `paint` gets pixel coordinates. */
export function paintTexture(sizePx: number, paint: (x: number, y: number) => Colour): Bytes {
  const data = new Uint8Array(3 * sizePx * sizePx);
  for (let y = 0; y < sizePx; y++) {
    for (let x = 0; x < sizePx; x++) {
      const colour = paint(x, y);
      for (let c = 0; c < 3; c++) data[3 * (y * sizePx + x) + c] = Math.round(255 * clamp(colour[c]!));
    }
  }
  return encodePng({ width: sizePx, height: sizePx, layout: "hwc", data });
}

/** A mat of one cell with a thin line around it, and small crosses at the quarters. */
export function matTexture(): Bytes {
  const sizePx = 128;
  return paintTexture(sizePx, (x, y) => {
    const [fromX, fromY] = [Math.min(x, sizePx - x), Math.min(y, sizePx - y)];
    const line = Math.max(0, 1.5 - Math.min(fromX, fromY) / 1.3) / 1.5;
    const grain = 0.012 * (noise(x, y, sizePx, 2, 1) - 0.5) + 0.01 * (noise(x, y, sizePx, 1, 2) - 0.5);
    return [0.25 + 0.07 * line + grain, 0.264 + 0.072 * line + grain, 0.28 + 0.075 * line + grain];
  });
}

/** Boards of dark oak, their grain along x. */
export function woodTexture(): Bytes {
  const sizePx = 256;
  const boards = 4;
  return paintTexture(sizePx, (x, y) => {
    const boardPx = sizePx / boards;
    const board = Math.floor(y / boardPx);
    const seam = y % boardPx < 1.5 ? 0.55 : 1;
    const bend = 14 * noise(x, y, sizePx, 64, 10 + board);
    const rings = 0.5 + 0.5 * Math.sin((y + bend) * 0.55 + board * 2.1);
    const fibre = noise(Math.floor(x / 6), y, sizePx, 1, 20);
    const tone = (0.82 + 0.1 * hash(board, 3, 7) + 0.1 * rings + 0.12 * (fibre - 0.5)) * seam;
    return [0.37 * tone, 0.268 * tone, 0.185 * tone];
  });
}

/** Dark concrete. */
export function floorTexture(): Bytes {
  const sizePx = 256;
  return paintTexture(sizePx, (x, y) => {
    const cloud = 0.5 * noise(x, y, sizePx, 32, 31) + 0.5 * noise(x, y, sizePx, 4, 32) +
      0.6 * noise(x, y, sizePx, 1, 33);
    const tone = 0.88 + 0.1 * cloud;
    return [0.165 * tone, 0.172 * tone, 0.185 * tone];
  });
}

/** Smooth noise, 0–1, with a feature every `cellPx` pixels, that repeats after `sizePx`. */
function noise(x: number, y: number, sizePx: number, cellPx: number, layer: number): number {
  const cells = sizePx / cellPx;
  const [column, row] = [Math.floor(x / cellPx), Math.floor(y / cellPx)];
  const [u, v] = [ease(x / cellPx - column), ease(y / cellPx - row)];
  const at = (i: number, j: number) => hash((column + i) % cells, (row + j) % cells, layer);
  return mix(mix(at(0, 0), at(1, 0), u), mix(at(0, 1), at(1, 1), u), v);
}

/** A number in 0–1 that looks random, from three integers: multiply and shift, as in MurmurHash3's finaliser. */
function hash(a: number, b: number, c: number): number {
  let bits = (Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca77) ^ Math.imul(c, 0xc2b2ae3d)) >>> 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
}

function ease(t: number): number {
  return t * t * (3 - 2 * t);
}

function mix(a: number, b: number, share: number): number {
  return a + (b - a) * share;
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}
