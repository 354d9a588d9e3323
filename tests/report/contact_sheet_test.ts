import assert from "node:assert/strict";
import { contactSheet, thumbnail, type Tile } from "../../src/report/contact_sheet.ts";
import type { Image } from "../../src/types.ts";
import { tinyImage } from "../support/tiny.ts";

const GREY = [32, 32, 32];

/** A picture of one colour. */
function plain(width: number, height: number, value: number): Image {
  return { width, height, layout: "hwc", data: new Uint8Array(3 * width * height).fill(value) };
}

const pixel = ({ width, data }: Image, x: number, y: number) => [...data.subarray(3 * (y * width + x)).subarray(0, 3)];

/** Part of a picture as text: `#` is white, `.` black, and anything else a blank. */
function draw(image: Image, left: number, top: number, width: number, height: number): string[] {
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => {
      const [red] = pixel(image, left + x, top + y);
      return red === 255 ? "#" : red === 0 ? "." : " ";
    }).join(""));
}

Deno.test("contactSheet() puts pictures in rows with a gap around each, and leaves the rest of the last row grey", () => {
  const tiles = [10, 20, 30, 40, 50].map((value) => ({ image: plain(6, 5, value), number: 0 }));
  const sheet = contactSheet([tiles], 2);
  assert.deepEqual([sheet.width, sheet.height, sheet.layout], [2 * 10 + 4, 3 * 9 + 4, "hwc"]);
  const expected = new Uint8Array(3 * sheet.width * sheet.height).fill(32);
  const corners = [[4, 4], [14, 4], [4, 13], [14, 13], [4, 22]] as const;
  corners.forEach(([left, top], i) => {
    for (let y = top; y < top + 5; y++) {
      expected.fill(10 * (i + 1), 3 * (y * sheet.width + left), 3 * (y * sheet.width + left + 6));
    }
  });
  assert.deepEqual(sheet.data, expected);
});

Deno.test("contactSheet() begins each group with a new row", () => {
  const groups = [[10, 20, 30], [40], [], [50, 60]].map((values) =>
    values.map((value) => ({ image: plain(6, 5, value), number: 0 }))
  );
  const sheet = contactSheet(groups, 2);
  assert.deepEqual([sheet.width, sheet.height], [2 * 10 + 4, 4 * 9 + 4]);
  const shown = [0, 1, 2, 3].map((row) => [0, 1].map((column) => pixel(sheet, 4 + 10 * column, 4 + 9 * row)[0]));
  assert.deepEqual(shown, [[10, 20], [30, 32], [40, 32], [50, 60]]);
});

Deno.test("contactSheet() is as wide as it needs to be", () => {
  const tile = { image: plain(6, 5, 9), number: 0 };
  assert.equal(contactSheet([[tile]], 5).width, 14);
  assert.equal(contactSheet([[tile, tile, tile]], 3).width, 34);
  assert.equal(contactSheet([[tile], [tile, tile]], 5).width, 24, "the widest group");
});

Deno.test("contactSheet() keeps every pixel of the pictures but those under the number", () => {
  const image = tinyImage(1, "hwc", 60, 40);
  const sheet = contactSheet([[{ image: tinyImage(2, "hwc", 60, 40), number: 7 }, { image, number: 7 }]], 2);
  for (let y = 0; y < 40; y++) {
    for (let x = 0; x < 60; x++) {
      // The number's frame: 10 × 14, four pixels from the corner.
      if (x >= 4 && x < 14 && y >= 4 && y < 18) continue;
      assert.deepEqual(pixel(sheet, 4 + 64 + x, 4 + y), pixel(image, x, y));
    }
  }
  assert.deepEqual(pixel(sheet, 66, 10), GREY);
});

Deno.test("contactSheet() writes each number in white dots on black", () => {
  const sheet = contactSheet([[{ image: plain(60, 30, 99), number: 104 }]], 1);
  const dots = draw(sheet, 8, 8, 26, 14);
  const once = dots.filter((_, y) => y % 2 === 0).map((row) => [...row].filter((_, x) => x % 2 === 0).join(""));
  assert.deepEqual(once, [
    ".............",
    "..#..###.#.#.",
    ".##..#.#.#.#.",
    "..#..#.#.###.",
    "..#..#.#...#.",
    ".###.###...#.",
    ".............",
  ]);
  // Every dot is 2 × 2, and nothing stands outside of the frame.
  dots.forEach((row, y) => [...row].forEach((dot, x) => assert.equal(dot, once[y >> 1]![x >> 1])));
  const around = draw(sheet, 4, 4, 60, 30);
  around.forEach((row, y) => {
    [...row].forEach((dot, x) => {
      if (x < 4 || x >= 30 || y < 4 || y >= 18) assert.equal(dot, " ", `${x}, ${y}`);
    });
  });
});

Deno.test("contactSheet() has a sign of its own for each digit", () => {
  const signs = Array.from({ length: 10 }, (_, number) => {
    return draw(contactSheet([[{ image: plain(20, 20, 99), number }]], 1), 8, 8, 10, 14).join("\n");
  });
  assert.equal(new Set(signs).size, 10);
});

Deno.test("contactSheet() leaves a number out that is larger than its picture, and writes over no neighbour", () => {
  const sizes: [width: number, height: number][] = [[16, 40], [40, 16], [1, 256], [256, 1]];
  for (const [width, height] of sizes) {
    const tiles: Tile[] = [70, 80, 90].map((value) => ({ image: plain(width, height, value), number: 123 }));
    const sheet = contactSheet([tiles], 3);
    const values = new Set(sheet.data);
    assert.deepEqual([...values].toSorted(), [32, 70, 80, 90], `${width} × ${height}`);
  }
});

Deno.test("contactSheet() refuses no pictures, and pictures of several sizes or of planes", () => {
  const tile = (image: Image): Tile => ({ image, number: 0 });
  for (const nothing of [[], [[]]]) {
    assert.throws(() => contactSheet(nothing, 5), { name: "RangeError", message: /of no pictures/ });
  }
  const first = tile(plain(6, 5, 1));
  assert.throws(() => contactSheet([[first], [tile(plain(5, 6, 1))]], 5), {
    name: "RangeError",
    message: "Cannot put a picture of 5×6 among 6×5",
  });
  assert.throws(() => contactSheet([[tile(tinyImage(1, "chw"))]], 5), RangeError);
});

Deno.test("thumbnail() makes the longer side as long as it is told, in proportion", () => {
  const sizes: [from: [number, number], to: [number, number]][] = [
    [[640, 480], [256, 192]],
    [[480, 640], [192, 256]],
    [[224, 224], [256, 256]],
    [[16, 16], [256, 256]],
    [[256, 192], [256, 192]],
    // The longest and thinnest that pi0 sim draws must not become a sheet of a gigabyte.
    [[16, 4096], [1, 256]],
    [[4096, 16], [256, 1]],
    [[4096, 23], [256, 1]],
    [[24, 4095], [2, 256]],
  ];
  for (const [[width, height], to] of sizes) {
    const { layout, data, ...size } = thumbnail(plain(width, height, 77), 256);
    assert.deepEqual([size.width, size.height, layout], [...to, "hwc"], `${width} × ${height}`);
    assert.equal(data.length, 3 * to[0] * to[1]);
    assert.ok(data.includes(77), "something of the picture is left");
  }
});

Deno.test("thumbnail() takes a mean of what it leaves out", () => {
  const striped = plain(512, 384, 0);
  for (let i = 0; i < striped.data.length; i++) striped.data[i] = Math.floor(i / 3) % 2 === 0 ? 0 : 200;
  const { data } = thumbnail(striped, 256);
  const inner = [...data.subarray(3, 3 * 255)];
  assert.ok(inner.every((value) => value >= 75 && value <= 125), `${inner.slice(0, 6)}`);
});
