import assert from "node:assert/strict";
import { toChw } from "../../src/image.ts";
import { Canvas } from "../../src/report/canvas.ts";
import { openTypeface } from "../../src/report/typeface.ts";
import { tinyImage } from "../support/tiny.ts";

/** The red of each pixel, one array per row. */
function reds({ image }: Canvas): number[][] {
  const { width, height, data } = image;
  return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => data[3 * (y * width + x)]!));
}

Deno.test("fill() covers the pixels of a box, and a part of those that it cuts", () => {
  const canvas = Canvas.filled(4, 3, [0, 0, 0]);
  canvas.fill({ xPx: 0.5, yPx: 1, widthPx: 2, heightPx: 1 }, [200, 0, 0]);
  assert.deepEqual(reds(canvas), [[0, 0, 0, 0], [100, 200, 100, 0], [0, 0, 0, 0]]);
});

Deno.test("fill() lets the ground through, and keeps to the canvas", () => {
  const canvas = Canvas.filled(2, 2, [100, 10, 10]);
  canvas.fill({ xPx: -5, yPx: -5, widthPx: 6, heightPx: 100 }, [200, 0, 0], 0.25);
  assert.deepEqual(reds(canvas), [[125, 100], [125, 100]]);
  canvas.fill({ xPx: 5, yPx: 0, widthPx: 6, heightPx: 1 }, [0, 0, 0]);
  canvas.fill({ xPx: 1, yPx: 0, widthPx: 0, heightPx: 1 }, [0, 0, 0]);
  assert.deepEqual(reds(canvas), [[125, 100], [125, 100]]);
});

Deno.test("fillRound() leaves the corners out", () => {
  const canvas = Canvas.filled(8, 8, [0, 0, 0]);
  canvas.fillRound({ xPx: 0, yPx: 0, widthPx: 8, heightPx: 8 }, 4, [200, 0, 0]);
  const rows = reds(canvas);
  assert.equal(rows[0]![0], 0);
  assert.ok(rows[0]![4]! > 180 && rows[4]![0]! > 180);
  assert.equal(rows[4]![4], 200);
  const covered = rows.flat().reduce((sum, red) => sum + red, 0) / 200;
  assert.ok(Math.abs(covered - Math.PI * 16) < 2, `a circle of 50 pixels, found ${covered}`);
});

Deno.test("frame() draws along the inside", () => {
  const canvas = Canvas.filled(5, 4, [0, 0, 0]);
  canvas.frame({ xPx: 1, yPx: 0, widthPx: 4, heightPx: 4 }, 1, [9, 0, 0]);
  assert.deepEqual(reds(canvas), [[0, 9, 9, 9, 9], [0, 9, 0, 0, 9], [0, 9, 0, 0, 9], [0, 9, 9, 9, 9]]);
});

Deno.test("put() copies a picture, cut off at the edges, in either layout", () => {
  const image = tinyImage(1, "hwc", 2, 2);
  const [a, b, c, d] = [0, 3, 6, 9].map((at) => image.data[at]!);
  for (const same of [image, toChw(image)]) {
    const canvas = Canvas.filled(3, 3, [0, 0, 0]);
    canvas.put(same, 1, 1);
    assert.deepEqual(reds(canvas), [[0, 0, 0], [0, a, b], [0, c, d]]);
  }
  const canvas = Canvas.filled(3, 2, [0, 0, 0]);
  canvas.put(image, -1, -1);
  canvas.put(image, 2, 1);
  canvas.put(image, 3, 0);
  canvas.put(image, 0, -2);
  assert.deepEqual(reds(canvas), [[d, 0, 0], [0, 0, a]]);
});

Deno.test("a canvas is a copy of the picture it is made of", () => {
  const image = tinyImage(1, "chw", 4, 3);
  const canvas = Canvas.of(image);
  assert.deepEqual(toChw(canvas.image), image);
  canvas.fill({ xPx: 0, yPx: 0, widthPx: 4, heightPx: 3 }, [0, 0, 0]);
  assert.deepEqual(image, tinyImage(1, "chw", 4, 3));
});

Deno.test("write() draws letters on the baseline in their colour, and keeps to the canvas", async () => {
  const typeface = await openTypeface({ sizePx: 12 });
  const canvas = Canvas.filled(40, 20, [0, 0, 0]);
  const widthPx = canvas.write("HI", typeface, 4, 15, [200, 0, 0]);
  assert.equal(widthPx, typeface.measure("HI"));
  const rows = reds(canvas);
  const inked = rows.flatMap((row, y) => row.some((red) => red > 0) ? [y] : []);
  assert.deepEqual([inked[0], inked.at(-1)], [6, 14]); // 8.7 px of capital letters on row 15
  const columns = rows[10]!.flatMap((red, x) => red > 100 ? [x] : []);
  assert.ok(columns[0]! >= 4 && columns.at(-1)! < 4 + widthPx);
  assert.ok(Math.max(...rows.flat()) > 170, "strokes are nearly as bright as their colour");
  assert.ok(canvas.image.data.every((value, i) => i % 3 === 0 || value === 0));
  for (const [x, y] of [[-200, 5], [35, 15], [5, -3], [5, 25], [39.8, 19]] as const) {
    canvas.write("Wide text", typeface, x, y, [200, 0, 0]);
  }
});
