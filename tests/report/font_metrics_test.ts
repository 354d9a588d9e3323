import assert from "node:assert/strict";
import { readFontMetrics } from "../../src/report/font_metrics.ts";

const font = await Deno.readFile(new URL(import.meta.resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf")));

Deno.test("readFontMetrics() reads the widths of DejaVu Sans", () => {
  const metrics = readFontMetrics(font);
  // In 2048ths, as FontForge shows them.
  const widths = { " ": 651, "0": 1303, "9": 1303, A: 1401, W: 2025, i: 569, m: 1995, é: 1260, π: 1233, "₀": 821 };
  const found = Object.keys(widths).map((letter) => [letter, metrics.advance(letter)! * 2048]);
  assert.deepEqual(Object.fromEntries(found), widths);
  assert.equal(metrics.ascent, 1901 / 2048);
  assert.equal(metrics.descent, 483 / 2048);
});

Deno.test("readFontMetrics() knows which letters a font does not have", () => {
  const metrics = readFontMetrics(font);
  assert.equal(metrics.advance("日"), undefined);
  assert.equal(metrics.advance("\uffff"), undefined);
});

Deno.test("readFontMetrics() refuses other files", () => {
  assert.throws(
    () => readFontMetrics(new Uint8Array(64)),
    /^RangeError: Cannot measure letters: the font has no table "head"/,
  );
  assert.throws(() => readFontMetrics(font.slice(0, 100)), RangeError);
});
