import assert from "node:assert/strict";
import { openTypeface } from "../../src/report/typeface.ts";

const regular = await openTypeface({ sizePx: 16 });
const bold = await openTypeface({ sizePx: 16, bold: true });

/** How much ink a text takes, in pixels that are covered whole. */
const ink = (text: string, typeface = regular, xPx = 0) =>
  typeface.lay(text, xPx).flatMap(({ glyph }) => [...glyph.coverage]).reduce((sum, value) => sum + value, 0) / 255;

Deno.test("measure() adds up the widths of letters, and all digits are equally wide", () => {
  assert.equal(regular.measure(""), 0);
  assert.equal(regular.measure("0"), 16 * 1303 / 2048);
  assert.equal(regular.measure("0123456789"), regular.measure("1111111111"));
  assert.ok(bold.measure("step") > regular.measure("step"));
});

Deno.test("a typeface has π₀, and a question mark for what it lacks", () => {
  assert.ok(ink("π") > 10 && ink("₀") > 5);
  assert.equal(ink("日"), ink("?"));
  assert.equal(regular.measure("日"), regular.measure("?"));
  assert.equal(ink(" "), 0);
});

Deno.test("a letter has as much ink at each quarter of a pixel, and more when bold", () => {
  for (const letter of "gWé0") {
    for (const xPx of [0.25, 0.5, 0.75]) {
      assert.ok(Math.abs(ink(letter, regular, xPx) - ink(letter)) < 0.02 * ink(letter));
      assert.notDeepEqual(regular.lay(letter, xPx)[0]!.glyph.coverage, regular.lay(letter, 0)[0]!.glyph.coverage);
    }
    assert.ok(ink(letter, bold) > ink(letter));
  }
});

Deno.test("a capital letter stands on the baseline and is as tall as it says", () => {
  const { glyph } = regular.lay("H", 0)[0]!;
  const rows = Array.from(
    { length: glyph.heightPx },
    (_, y) => Math.max(...glyph.coverage.subarray(y * glyph.widthPx, (y + 1) * glyph.widthPx)),
  );
  assert.equal(rows.findLastIndex((value) => value > 0) + 1, glyph.topPx);
  const heightPx = rows.reduce((sum, value) => sum + value, 0) / Math.max(...rows);
  assert.ok(Math.abs(heightPx - regular.capHeightPx) < 0.1, `${heightPx}`);
});

Deno.test("lay() puts letters where their predecessors end, to a quarter of a pixel", () => {
  const laid = regular.lay("000", 10);
  assert.deepEqual(laid.map(({ xPx }) => xPx), [10, 20, 30]); // 10.18 each, which rounds to 10.25
  assert.notEqual(laid[0]!.glyph, laid[1]!.glyph);
  assert.equal(regular.lay("0", 5.1)[0]!.glyph, regular.lay("0", 9)[0]!.glyph);
});

Deno.test("shorten() cuts a text that is too wide, and says so", () => {
  const text = "remote · ws";
  assert.equal(regular.shorten(text, regular.measure(text)), text);
  assert.equal(regular.shorten(text, regular.measure("remote …")), "remote…");
  assert.equal(regular.shorten(text, regular.measure("re…") + 1), "re…");
  assert.equal(regular.shorten(text, 3), "");
});
