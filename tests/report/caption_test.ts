import assert from "node:assert/strict";
import { Canvas, type Colour } from "../../src/report/canvas.ts";
import { type Caption, captionImage, DONE, openCaptionFonts, WAITING } from "../../src/report/caption.ts";
import type { Image } from "../../src/types.ts";

const GROUND: Colour = [90, 100, 110];
const picture = Canvas.filled(640, 480, GROUND).image;
const fonts = await openCaptionFonts(640, 480);
const caption: Caption = {
  mode: "remote · ws",
  step: 123,
  maxSteps: 400,
  latencyMs: 34.5,
  reward: 2,
  maxReward: 4,
  success: false,
};

/** Rows and columns of what differs from the ground. */
function changed({ width, height, data }: Image, fromX = 0, toX = width) {
  const rows = new Set<number>();
  const columns = new Set<number>();
  for (let i = 0; i < width * height; i++) {
    const x = i % width;
    if (x < fromX || x >= toX || GROUND.every((value, channel) => data[3 * i + channel] === value)) continue;
    rows.add(Math.floor(i / width));
    columns.add(x);
  }
  const span = (values: Set<number>) => [Math.min(...values), Math.max(...values)];
  return { rows: span(rows), columns: span(columns) };
}

/** How many pixels have exactly this colour. */
function count({ data }: Image, [red, green, blue]: Colour): number {
  let found = 0;
  for (let i = 0; i < data.length; i += 3) {
    if (data[i] === red && data[i + 1] === green && data[i + 2] === blue) found++;
  }
  return found;
}

/** The places where two pictures differ, as far as they do. */
function difference(a: Image, b: Image): { left: number; right: number; top: number } {
  const at = Array.from(a.data, (value, i) => value === b.data[i] ? -1 : Math.floor(i / 3)).filter((i) => i >= 0);
  const columns = at.map((i) => i % a.width);
  return {
    left: Math.min(...columns),
    right: Math.max(...columns),
    top: Math.min(...at.map((i) => Math.floor(i / a.width))),
  };
}

Deno.test("captionImage() writes a bar along the bottom, and leaves the picture above it and the original alone", () => {
  const captioned = captionImage(picture, caption, fonts);
  const { rows, columns } = changed(captioned);
  assert.deepEqual(columns, [0, 639]);
  assert.equal(rows[1], 479);
  assert.ok(rows[0]! > 440 && rows[0]! < 460, `the bar begins at ${rows[0]}`);
  assert.deepEqual(changed(picture), { rows: [Infinity, -Infinity], columns: [Infinity, -Infinity] });
  assert.deepEqual(captioned, captionImage(picture, caption, fonts));
});

Deno.test("captionImage() changes a number where it stands, and nothing beside it", () => {
  const captioned = captionImage(picture, caption, fonts);
  const step = difference(captioned, captionImage(picture, { ...caption, step: 124 }, fonts));
  const latency = difference(captioned, captionImage(picture, { ...caption, latencyMs: 1034 }, fonts));
  const reward = difference(captioned, captionImage(picture, { ...caption, reward: 3 }, fonts));
  const widthPx = fonts.bold.measure("0");
  assert.ok(step.right - step.left < widthPx + 2);
  assert.ok(step.right < latency.left && latency.right < reward.left);
  assert.ok(reward.right - reward.left < widthPx + 2);
  const mode = difference(captioned, captionImage(picture, { ...caption, mode: "local" }, fonts));
  assert.ok(mode.right < step.left);
});

Deno.test("captionImage() says that there has been no answer yet", () => {
  const { latencyMs: _, ...unanswered } = caption;
  const dash = captionImage(picture, unanswered, fonts);
  const answered = captionImage(picture, caption, fonts);
  assert.ok(count(dash, [244, 246, 248]) < count(answered, [244, 246, 248]));
});

Deno.test("captionImage() marks a robot that waits, and one that has succeeded", () => {
  const captioned = captionImage(picture, caption, fonts);
  assert.equal(count(captioned, WAITING) + count(captioned, DONE), 0);
  const frozen = captionImage(picture, { ...caption, frozenMs: 240 }, fonts);
  // Lines of 4 pixels around the picture, and a mark.
  assert.ok(count(frozen, WAITING) > 2 * 4 * (640 + 480));
  assert.equal(count(frozen, DONE), 0);
  const later = captionImage(picture, { ...caption, frozenMs: 1840 }, fonts);
  const digits = difference(frozen, later);
  assert.ok(digits.top < 40 && digits.left > 560, "only the seconds change");
  const done = captionImage(picture, { ...caption, success: true }, fonts);
  assert.ok(count(done, DONE) > 1000);
  assert.equal(count(done, WAITING), 0);
});

Deno.test("captionImage() takes two lines for a long name or a narrow picture, and cuts what fits in none", async () => {
  const top = (image: Image) => changed(image).rows[0]!;
  const one = top(captionImage(picture, caption, fonts));
  const long = { ...caption, mode: "remote · quic-tcp (H100, europe-north)" };
  const two = top(captionImage(picture, long, fonts));
  assert.ok(one - two > 15 && one - two < 35);
  const narrow = Canvas.filled(224, 224, GROUND).image;
  const small = await openCaptionFonts(224, 224);
  assert.ok(224 - top(captionImage(narrow, caption, small)) > 30);
  const cut = captionImage(narrow, { ...long, mode: long.mode.repeat(4) }, small);
  assert.ok(difference(cut, captionImage(narrow, { ...long, mode: "x" }, small)).right < 224 - 5);
});
