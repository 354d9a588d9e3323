/**
 * Letters for pictures: DejaVu Sans in one size, drawn once and copied from then on, because a caption has new numbers
 * in every frame.
 *
 * @module
 */

import type { Bytes } from "../types.ts";
import { FONT_FAMILY, rasterize } from "./chart_png.ts";
import { type FontMetrics, readFontMetrics } from "./font_metrics.ts";

/** One letter: how much of each pixel it covers. */
export interface Glyph {
  readonly widthPx: number;
  readonly heightPx: number;
  /** From the pixel in which the pen stands to the left side of the picture. */
  readonly leftPx: number;
  /** From the baseline up to the top of the picture. */
  readonly topPx: number;
  /** `widthPx × heightPx` values, 0–255; row 0 is the top. */
  readonly coverage: Bytes;
}

/** Letters that captions and labels are made of: ASCII, Latin-1, and what names of policies and pictures need. */
const LETTERS = [...range(0x20, 0x7e), ...range(0xa0, 0xff)].map((code) => String.fromCharCode(code)).join("") +
  "π₀₅₁₂₃₄–—…·→≤≥≈µ✓✗";

/** Stands for every other one. */
const UNKNOWN = "?";

/** A letter can begin at each quarter of a pixel, so that words are spaced evenly. */
const PHASES = 4;

/** Room around a letter for strokes that leave its box. */
const MARGIN_PX = 2;

const LETTERS_PER_ROW = 16;

/** DejaVu Sans in one size and weight. */
export class Typeface {
  readonly sizePx: number;
  /** From the baseline to the top of capital letters: 1493 of 2048 units in DejaVu Sans. */
  readonly capHeightPx: number;
  readonly #metrics: FontMetrics;
  readonly #sheet: Sheet;
  readonly #glyphs = new Map<string, Glyph>();

  constructor(sizePx: number, metrics: FontMetrics, sheet: Sheet) {
    this.sizePx = sizePx;
    this.capHeightPx = sizePx * 1493 / 2048;
    this.#metrics = metrics;
    this.#sheet = sheet;
  }

  /** Width of a text in pixels. */
  measure(text: string): number {
    return [...text].reduce((sum, letter) => sum + this.#advance(letter), 0);
  }

  /** The text, or as much of its beginning as fits, with "…" behind it. */
  shorten(text: string, maxWidthPx: number): string {
    if (this.measure(text) <= maxWidthPx) return text;
    const letters = [...text];
    while (letters.length > 0 && this.measure(`${letters.join("")}…`) > maxWidthPx) letters.pop();
    return letters.length === 0 ? "" : `${letters.join("").trimEnd()}…`;
  }

  /** The text's letters, each with the pixel in which the pen stands when the first one begins at `xPx`. */
  lay(text: string, xPx: number): { readonly glyph: Glyph; readonly xPx: number }[] {
    let pen = Math.round(xPx * PHASES);
    return [...text].map((letter) => {
      const laid = { glyph: this.#glyph(letter, pen % PHASES), xPx: Math.floor(pen / PHASES) };
      pen += Math.round(this.#advance(letter) * PHASES);
      return laid;
    });
  }

  #advance(letter: string): number {
    return this.#metrics.advance(LETTERS.includes(letter) ? letter : UNKNOWN)! * this.sizePx;
  }

  #glyph(letter: string, phase: number): Glyph {
    const known = LETTERS.includes(letter) ? letter : UNKNOWN;
    const key = `${phase}${known}`;
    let glyph = this.#glyphs.get(key);
    if (glyph === undefined) this.#glyphs.set(key, glyph = cutGlyph(this.#sheet, LETTERS.indexOf(known), phase));
    return glyph;
  }
}

/** All letters in rows of cells, {@linkcode PHASES} times as wide as they are shown. */
interface Sheet {
  /** Of the whole sheet. */
  readonly widthPx: number;
  readonly coverage: Bytes;
  readonly cellWidthPx: number;
  readonly cellHeightPx: number;
  /** From the top of a cell to the baseline. */
  readonly baselinePx: number;
}

/**
 * Draws the letters.
 *
 * @param sizePx of the font's square, as in CSS.
 */
export async function openTypeface(
  { sizePx, bold = false }: { readonly sizePx: number; readonly bold?: boolean },
): Promise<Typeface> {
  const file = bold ? "dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf" : "dejavu-fonts-ttf/ttf/DejaVuSans.ttf";
  const metrics = readFontMetrics(await Deno.readFile(new URL(import.meta.resolve(file))));
  const widest = Math.max(...[...LETTERS].map((letter) => metrics.advance(letter)!));
  const cellWidthPx = Math.ceil(widest * sizePx) + 2 * MARGIN_PX;
  const baselinePx = Math.ceil(metrics.ascent * sizePx) + MARGIN_PX;
  const cellHeightPx = baselinePx + Math.ceil(metrics.descent * sizePx) + MARGIN_PX;
  const rows = LETTERS.match(new RegExp(`.{1,${LETTERS_PER_ROW}}`, "gu"))!.map((letters, row) => {
    const xs = [...letters].map((_, column) => column * cellWidthPx + MARGIN_PX);
    const codes = [...letters].map((letter) => `&#${letter.codePointAt(0)};`);
    return `<text x="${xs.join(" ")}" y="${row * cellHeightPx + baselinePx}" xml:space="preserve">${
      codes.join("")
    }</text>`;
  });
  const widthPx = LETTERS_PER_ROW * cellWidthPx;
  const heightPx = rows.length * cellHeightPx;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${PHASES * widthPx}" height="${heightPx}" ` +
    `font-family="${FONT_FAMILY}" font-size="${sizePx}" font-weight="${bold ? "bold" : "normal"}">` +
    `<g transform="scale(${PHASES} 1)">${rows.join("")}</g></svg>`;
  const { rgba } = await rasterize(svg, { widthPx: PHASES * widthPx });
  const coverage = new Uint8Array(PHASES * widthPx * heightPx);
  for (let i = 0; i < coverage.length; i++) coverage[i] = rgba[4 * i + 3]!;
  return new Typeface(sizePx, metrics, { widthPx: PHASES * widthPx, coverage, cellWidthPx, cellHeightPx, baselinePx });
}

/** One letter, moved to the right by `phase` quarters of a pixel: each pixel is the mean of what it covers. */
function cutGlyph(sheet: Sheet, index: number, phase: number): Glyph {
  const { widthPx: stride, cellWidthPx: widthPx, cellHeightPx: heightPx, baselinePx } = sheet;
  const left = (index % LETTERS_PER_ROW) * widthPx * PHASES;
  const top = Math.floor(index / LETTERS_PER_ROW) * heightPx;
  const coverage = new Uint8Array(widthPx * heightPx);
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++) {
      let sum = 0;
      for (let i = 0; i < PHASES; i++) {
        const from = x * PHASES + i - phase;
        // The margin of the cell is empty, and so is what lies before it.
        if (from >= 0) sum += sheet.coverage[(top + y) * stride + left + from]!;
      }
      coverage[y * widthPx + x] = Math.round(sum / PHASES);
    }
  }
  return { widthPx, heightPx, leftPx: -MARGIN_PX, topPx: baselinePx, coverage };
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
