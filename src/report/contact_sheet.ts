/**
 * Many pictures on one: the course of an episode at a glance.
 *
 * @module
 */

import { resizeWithPad } from "../image.ts";
import type { Image } from "../types.ts";

/** A picture on the sheet, and the number that is written on it. */
export interface Tile {
  readonly image: Image;
  readonly number: number;
}

const GAP_PX = 4;
const GREY = 32;

/** Digits of 3 × 5 dots, rows from the top, as bits. */
const DIGITS = [
  [0b111, 0b101, 0b101, 0b101, 0b111],
  [0b010, 0b110, 0b010, 0b010, 0b111],
  [0b111, 0b001, 0b111, 0b100, 0b111],
  [0b111, 0b001, 0b111, 0b001, 0b111],
  [0b101, 0b101, 0b111, 0b001, 0b001],
  [0b111, 0b100, 0b111, 0b001, 0b111],
  [0b111, 0b100, 0b111, 0b101, 0b111],
  [0b111, 0b001, 0b001, 0b001, 0b001],
  [0b111, 0b101, 0b111, 0b101, 0b111],
  [0b111, 0b101, 0b111, 0b001, 0b111],
];
const DOT_PX = 2;

/** A picture made to fit a sheet: its longer side becomes `sidePx`. */
export function thumbnail(image: Image, sidePx: number): Image {
  const ratio = sidePx / Math.max(image.width, image.height);
  const [widthPx, heightPx] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * ratio)));
  return resizeWithPad(image, widthPx!, heightPx!);
}

/**
 * Puts pictures of one size in rows. Each group begins with a new row.
 *
 * @param columns pictures in a row, at most.
 * @throws {RangeError} where there is none, or sizes differ.
 */
export function contactSheet(groups: readonly (readonly Tile[])[], columns: number): Image {
  const [first] = groups.flat();
  if (first === undefined) throw new RangeError("Cannot make a contact sheet of no pictures");
  const { width: tileWidth, height: tileHeight } = first.image;
  const across = Math.min(columns, Math.max(...groups.map(({ length }) => length)));
  const rows = groups.flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / across) }, (_, i) => group.slice(i * across, (i + 1) * across))
  );
  const width = across * (tileWidth + GAP_PX) + GAP_PX;
  const height = rows.length * (tileHeight + GAP_PX) + GAP_PX;
  const data = new Uint8Array(3 * width * height).fill(GREY);
  const place = ({ image, number }: Tile, row: number, column: number) => {
    if (image.width !== tileWidth || image.height !== tileHeight || image.layout !== "hwc") {
      throw new RangeError(`Cannot put a picture of ${image.width}×${image.height} among ${tileWidth}×${tileHeight}`);
    }
    const left = GAP_PX + column * (tileWidth + GAP_PX);
    const top = GAP_PX + row * (tileHeight + GAP_PX);
    for (let y = 0; y < tileHeight; y++) {
      const line = image.data.subarray(3 * y * tileWidth, 3 * (y + 1) * tileWidth);
      data.set(line, 3 * ((top + y) * width + left));
    }
    writeNumber(data, width, number, { left, top, right: left + tileWidth, bottom: top + tileHeight });
  };
  rows.forEach((tiles, row) => tiles.forEach((tile, column) => place(tile, row, column)));
  return { width, height, layout: "hwc", data };
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** White dots in a black frame, readable on any picture; nothing where the picture is smaller than the number. */
function writeNumber(data: Uint8Array, width: number, number: number, tile: Box): void {
  const digits = [...String(number)].map((digit) => DIGITS[Number(digit)]!);
  const left = tile.left + GAP_PX;
  const top = tile.top + GAP_PX;
  const [frameWidth, frameHeight] = [(4 * digits.length + 1) * DOT_PX, 7 * DOT_PX];
  if (left + frameWidth > tile.right || top + frameHeight > tile.bottom) return;
  const fill = (x: number, y: number, widthPx: number, heightPx: number, value: number) => {
    for (let row = y; row < y + heightPx; row++) {
      const start = 3 * (row * width + x);
      data.fill(value, start, start + 3 * widthPx);
    }
  };
  fill(left, top, frameWidth, frameHeight, 0);
  digits.forEach((rows, i) =>
    rows.forEach((bits, y) => {
      for (let x = 0; x < 3; x++) {
        if ((bits >> (2 - x) & 1) === 0) continue;
        fill(left + (4 * i + 1 + x) * DOT_PX, top + (y + 1) * DOT_PX, DOT_PX, DOT_PX, 255);
      }
    })
  );
}
