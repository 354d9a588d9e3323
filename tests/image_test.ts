/**
 * Pictures against what openpi's client made of them. See `tests/fixtures/images/README.md`.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { crc32, inflateSync } from "node:zlib";
import { encode } from "fast-png";
import { decodePng, encodePng, floatToUint8, resizeWithPad, toChw, toHwc } from "../src/image.ts";
import type { Bytes, Image } from "../src/types.ts";
import { tinyImage } from "./support/tiny.ts";

interface Formula {
  height: number;
  width: number;
  coefficients: [number, number, number];
  expected_rgb_sha256: string;
}

interface Golden {
  target: [height: number, width: number];
  cases: {
    name: string;
    source: string;
    height: number;
    width: number;
    source_rgb_sha256: string;
    expected_rgb_sha256: string;
    content: { top: number; left: number; height: number; width: number };
  }[];
  formula_images: (Formula & { centre: number[] })[];
  other_targets: (Formula & { target_height: number; target_width: number })[];
  float_to_uint8: {
    inputs: number[];
    from_float32: number[];
    from_float64: number[];
    k_over_255_float32: number[];
    k_over_255_float64: number[];
  };
}

const keptFolder = `${import.meta.dirname}/fixtures/images`;
const shared = Deno.env.get("PI0_SHARED") ?? `${import.meta.dirname}/../../shared`;
const sharedFolder = `${shared}/fixtures/openpi/images`;

const sha256 = (...parts: Bytes[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");

const readGolden = (folder: string): Golden => JSON.parse(Deno.readTextFileSync(`${folder}/images.json`));

function paint({ width, height, coefficients: [a, b, d] }: Formula): Image {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) data[i++] = a * y + b * x + d * c;
    }
  }
  return { width, height, layout: "hwc", data };
}

/** Whether every pixel outside the rectangle is black. */
function isBlackAround({ data, width }: Image, content: Golden["cases"][number]["content"]): boolean {
  return data.every((value, i) => {
    const x = Math.floor(i / 3) % width - content.left;
    const y = Math.floor(i / 3 / width) - content.top;
    return value === 0 || (x >= 0 && x < content.width && y >= 0 && y < content.height);
  });
}

function checkFile(folder: string, golden: Golden["cases"][number], [heightPx, widthPx]: Golden["target"]): void {
  const source = decodePng(Deno.readFileSync(`${folder}/${golden.source}`));
  assert.deepEqual([source.width, source.height, source.layout], [golden.width, golden.height, "hwc"]);
  assert.equal(sha256(source.data), golden.source_rgb_sha256, "decoded source");
  for (const layout of [source, toChw(source)]) {
    const resized = resizeWithPad(layout, widthPx, heightPx);
    assert.deepEqual([resized.width, resized.height, resized.layout], [widthPx, heightPx, "hwc"]);
    assert.equal(sha256(resized.data), golden.expected_rgb_sha256, `resized from ${layout.layout}`);
    assert.ok(isBlackAround(resized, golden.content));
  }
}

function checkFormulas({ target: [heightPx, widthPx], formula_images, other_targets }: Golden): void {
  for (const golden of formula_images) {
    const resized = resizeWithPad(paint(golden), widthPx, heightPx);
    const name = `${golden.width}×${golden.height}`;
    const centre = 3 * (heightPx / 2 * widthPx + widthPx / 2);
    assert.deepEqual([...resized.data.subarray(centre, centre + 3)], golden.centre, name);
    assert.equal(sha256(resized.data), golden.expected_rgb_sha256, name);
  }
  for (const golden of other_targets) {
    const image = paint(golden);
    const negative = { ...image, data: image.data.map((value) => 255 - value) };
    const [first, second] = [image, negative].map((one) =>
      resizeWithPad(one, golden.target_width, golden.target_height).data
    );
    assert.equal(sha256(first!, second!), golden.expected_rgb_sha256, `to ${golden.target_width} wide`);
  }
}

function checkFloats({ float_to_uint8: golden }: Golden): void {
  assert.deepEqual([...floatToUint8(Float32Array.from(golden.inputs))], golden.from_float32);
  assert.deepEqual([...floatToUint8(Float64Array.from(golden.inputs))], golden.from_float64);
  const steps = Array.from({ length: 256 }, (_, k) => k / 255);
  assert.deepEqual([...floatToUint8(Float32Array.from(steps))], golden.k_over_255_float32);
  assert.deepEqual([...floatToUint8(Float64Array.from(steps))], golden.k_over_255_float64);
}

const kept = readGolden(keptFolder);

for (const golden of kept.cases) {
  Deno.test(`resizeWithPad() makes of ${golden.name} what openpi's client makes`, () => {
    checkFile(keptFolder, golden, kept.target);
  });
}

Deno.test("resizeWithPad() makes of pictures up to 1920×1080 what openpi's client makes", () => checkFormulas(kept));

Deno.test("floatToUint8() cuts off what openpi cuts off", () => checkFloats(kept));

Deno.test({
  name: "resizeWithPad(), decodePng() and floatToUint8() agree with the whole reference set (needs PI0_SHARED)",
  ignore: !existsSync(`${sharedFolder}/images.json`),
  fn() {
    const golden = readGolden(sharedFolder);
    assert.ok(golden.cases.length > kept.cases.length);
    for (const one of golden.cases) {
      try {
        checkFile(sharedFolder, one, golden.target);
      } catch (cause) {
        throw new Error(`The picture ${one.name} differs`, { cause });
      }
    }
    checkFormulas(golden);
    checkFloats(golden);
  },
});

Deno.test("resizeWithPad() leaves the pixels alone where the size fits", () => {
  const image = paint({ width: 4, height: 2, coefficients: [7, 13, 31], expected_rgb_sha256: "" });
  assert.equal(resizeWithPad(image, 4, 2), image);
  assert.deepEqual(resizeWithPad(toChw(image), 4, 2), image);
});

Deno.test("resizeWithPad() refuses a picture whose short side would vanish, as Pillow does", () => {
  const thin: Image = { width: 400, height: 1, layout: "hwc", data: new Uint8Array(1200) };
  assert.throws(() => resizeWithPad(thin, 224, 224), RangeError);
});

Deno.test("toChw() and toHwc() turn the layout, and give back what has it already", () => {
  const hwc: Image = { width: 2, height: 1, layout: "hwc", data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
  const chw: Image = { width: 2, height: 1, layout: "chw", data: Uint8Array.of(1, 4, 2, 5, 3, 6) };
  assert.deepEqual(toChw(hwc), chw);
  assert.deepEqual(toHwc(chw), hwc);
  assert.equal(toChw(chw), chw);
  assert.equal(toHwc(hwc), hwc);
});

Deno.test("floatToUint8() wraps what is out of range and makes NaN 0, as numpy does", () => {
  // (255 * numpy.array(values)).astype(numpy.uint8), numpy 2.4 on x86-64
  const values = [NaN, Infinity, -Infinity, -0.001, -0.5, -1, 1.01, 2, 300, -3.7];
  const expected = [0, 0, 0, 0, 129, 1, 1, 254, 212, 81];
  assert.deepEqual([...floatToUint8(Float32Array.from(values))], expected);
  assert.deepEqual([...floatToUint8(Float64Array.from(values))], expected);
});

Deno.test("floatToUint8() multiplies float32 in single precision, as numpy does", () => {
  assert.deepEqual([...floatToUint8(Float32Array.of(66000.296875))], [124]);
  assert.deepEqual([...floatToUint8(Float64Array.of(66000.296875))], [123]);
});

/** A PNG of one row. */
function encodeRow(channels: number, values: number[], depth: 8 | 16 = 8): Bytes {
  const data = depth === 8 ? Uint8Array.from(values) : Uint16Array.from(values);
  return new Uint8Array(encode({ width: values.length / channels, height: 1, channels, depth, data }));
}

Deno.test("decodePng() makes RGB of grey, and drops an alpha channel", () => {
  const expected: Image = { width: 2, height: 1, layout: "hwc", data: Uint8Array.of(9, 9, 9, 7, 7, 7) };
  assert.deepEqual(decodePng(encodeRow(1, [9, 7])), expected);
  assert.deepEqual(decodePng(encodeRow(2, [9, 128, 7, 0])), expected);
  assert.deepEqual(decodePng(encodeRow(4, [9, 9, 9, 128, 7, 7, 7, 0])), expected);
  assert.deepEqual([...decodePng(encodeRow(3, [1, 2, 3, 4, 5, 6])).data], [1, 2, 3, 4, 5, 6]);
});

Deno.test("decodePng() refuses 16 bits and palettes, and says what to do", () => {
  assert.throws(() => decodePng(encodeRow(3, [1, 2, 3], 16)), /16 bits per channel: save it with 8/);
  const palette: [number, number, number][] = [[10, 20, 30], [40, 50, 60]];
  const indexed = encode({ width: 2, height: 1, channels: 1, depth: 8, data: Uint8Array.of(1, 0), palette });
  assert.throws(() => decodePng(new Uint8Array(indexed)), /palette: save it as RGB/);
});

Deno.test("decodePng() refuses a PNG that is cut off or damaged, and what is no PNG", () => {
  const whole = encodeRow(3, [1, 2, 3]);
  const damaged = whole.slice();
  damaged[45]! ^= 1; // inside the pixels
  for (const bytes of [whole.subarray(0, whole.length - 14), damaged, new Uint8Array(0), new Uint8Array(100)]) {
    assert.throws(() => decodePng(bytes), /Cannot read \d+ bytes as a PNG/);
  }
});

Deno.test("encodePng() writes what decodePng() reads, of either layout and any size", () => {
  for (const [width, height] of [[1, 1], [5, 4], [640, 2], [3, 257]] as const) {
    const image = tinyImage(width, "hwc", width, height);
    assert.deepEqual(decodePng(encodePng(image)), image);
    assert.deepEqual(encodePng(toChw(image)), encodePng(image));
  }
});

Deno.test("encodePng() has memory of its own, and leaves the picture alone", () => {
  const image = tinyImage(1, "hwc");
  const bytes = encodePng(image);
  assert.equal(bytes.buffer.byteLength, bytes.length);
  assert.deepEqual(image, tinyImage(1, "hwc"));
});

/** The chunks of a PNG after its signature (PNG, third edition, section 5), each with its sum checked. */
function chunksOf(bytes: Bytes): { type: string; data: Bytes }[] {
  assert.deepEqual([...bytes.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: { type: string; data: Bytes }[] = [];
  for (let at = 8; at < bytes.length;) {
    const length = view.getUint32(at);
    const named = bytes.subarray(at + 4, at + 8 + length);
    assert.equal(view.getUint32(at + 8 + length), crc32(named));
    chunks.push({ type: new TextDecoder().decode(named.subarray(0, 4)), data: named.subarray(4) });
    at += 12 + length;
  }
  return chunks;
}

Deno.test("encodePng() writes an 8-bit RGB PNG by the letter of the standard, row by row from the top", () => {
  const image = tinyImage(3, "hwc", 7, 6);
  const chunks = chunksOf(encodePng(image));
  const [header] = chunks;
  // Width, height, bit depth, colour type RGB, deflate, the five filters, no interlace.
  assert.equal(header!.type, "IHDR");
  assert.deepEqual([...header!.data], [0, 0, 0, 7, 0, 0, 0, 6, 8, 2, 0, 0, 0]);
  assert.equal(chunks.at(-1)!.type, "IEND");
  const packed = chunks.filter(({ type }) => type === "IDAT").flatMap(({ data }) => [...data]);
  const rows = inflateSync(Uint8Array.from(packed));
  assert.equal(rows.length, 6 * (1 + 3 * 7));
  for (let y = 0; y < 6; y++) {
    const [filter, ...row] = rows.subarray(22 * y, 22 * (y + 1));
    assert.equal(filter, 0, "this reader knows rows without a filter only");
    assert.deepEqual(row, [...image.data.subarray(21 * y, 21 * (y + 1))]);
  }
});
