/**
 * How wide letters are: the two tables of a TrueType font that say it (Apple TrueType Reference Manual, "cmap", "hmtx").
 *
 * @module
 */

import type { Bytes } from "../types.ts";

/** Advance widths of a font, in parts of its size. */
export interface FontMetrics {
  /** From the baseline to the top of the tallest letters. */
  readonly ascent: number;
  /** From the baseline down to the lowest ones. */
  readonly descent: number;
  /** From one letter's origin to the next; undefined where the font has no such letter. */
  advance(character: string): number | undefined;
}

/**
 * Reads a .ttf file with a Unicode table of format 4, as nearly all have.
 *
 * @throws {RangeError} where it is another kind of file.
 */
export function readFontMetrics(font: Bytes): FontMetrics {
  const view = new DataView(font.buffer, font.byteOffset, font.byteLength);
  const u16 = (at: number) => view.getUint16(at);
  const tables = new Map<string, number>();
  for (let i = 0, count = u16(4); i < count; i++) {
    const at = 12 + 16 * i;
    tables.set(String.fromCharCode(...font.subarray(at, at + 4)), view.getUint32(at + 8));
  }
  const table = (name: string) => {
    const at = tables.get(name);
    if (at === undefined) throw new RangeError(`Cannot measure letters: the font has no table "${name}"`);
    return at;
  };
  const [head, hhea, hmtx, cmap] = ["head", "hhea", "hmtx", "cmap"].map(table) as [number, number, number, number];
  const unitsPerEm = u16(head + 18);
  const widths = u16(hhea + 34);
  const segments = findSegments(view, cmap);
  return {
    ascent: view.getInt16(hhea + 4) / unitsPerEm,
    descent: -view.getInt16(hhea + 6) / unitsPerEm,
    advance(character) {
      const glyph = glyphOf(view, segments, character.codePointAt(0)!);
      // The letters at the end of the font share the last width.
      return glyph === 0 ? undefined : u16(hmtx + 4 * Math.min(glyph, widths - 1)) / unitsPerEm;
    },
  };
}

/** Where the mapping from characters to glyphs begins. */
function findSegments(view: DataView, cmap: number): number {
  for (let i = 0, count = view.getUint16(cmap + 2); i < count; i++) {
    const at = cmap + view.getUint32(cmap + 4 + 8 * i + 4);
    if (view.getUint16(at) === 4) return at;
  }
  throw new RangeError('Cannot measure letters: the font has no "cmap" of format 4');
}

/** 0 where there is none. */
function glyphOf(view: DataView, segments: number, code: number): number {
  const doubled = view.getUint16(segments + 6); // twice the number of segments: the size of each of the four lists
  for (let i = 0; i < doubled; i += 2) {
    const endAt = segments + 14 + i;
    if (code > view.getUint16(endAt)) continue;
    const startAt = endAt + 2 + doubled;
    const start = view.getUint16(startAt);
    if (code < start) return 0;
    const delta = view.getUint16(startAt + doubled);
    const rangeAt = startAt + 2 * doubled;
    const range = view.getUint16(rangeAt);
    const glyph = range === 0 ? code : view.getUint16(rangeAt + range + 2 * (code - start));
    return range !== 0 && glyph === 0 ? 0 : (glyph + delta) & 0xffff;
  }
  return 0;
}
