/**
 * What can be done to an RGB picture: two layouts, openpi's resize, PNG.
 *
 * @module
 */

import { decode, type DecodedPng, encode } from "fast-png";
import type { Bytes, Image } from "./types.ts";

/** The picture with interleaved channels; itself where it has them already. */
export function toHwc(image: Image): Image {
  if (image.layout === "hwc") return image;
  const { width, height, data } = image;
  const area = width * height;
  const turned = new Uint8Array(3 * area);
  for (let channel = 0; channel < 3; channel++) {
    const plane = data.subarray(channel * area, (channel + 1) * area);
    for (let i = 0; i < area; i++) turned[3 * i + channel] = plane[i]!;
  }
  return { width, height, layout: "hwc", data: turned };
}

/** The picture as three planes; itself where it is already. */
export function toChw(image: Image): Image {
  if (image.layout === "chw") return image;
  const { width, height, data } = image;
  const area = width * height;
  const turned = new Uint8Array(3 * area);
  for (let channel = 0; channel < 3; channel++) {
    const plane = turned.subarray(channel * area, (channel + 1) * area);
    for (let i = 0; i < area; i++) plane[i] = data[3 * i + channel]!;
  }
  return { width, height, layout: "chw", data: turned };
}

/**
 * Floats in [0, 1] as bytes: times 255 in the precision of the array, fraction cut off, as openpi does.
 *
 * Values outside the range wrap around and NaN becomes 0, as numpy's `astype(uint8)` does on x86-64.
 */
export function floatToUint8(values: Float32Array | Float64Array): Bytes {
  const bytes = new Uint8Array(values.length);
  const single = values instanceof Float32Array;
  // Storing a number in a Uint8Array cuts the fraction off, and wraps.
  for (let i = 0; i < bytes.length; i++) bytes[i] = single ? Math.fround(255 * values[i]!) : 255 * values[i]!;
  return bytes;
}

/**
 * Fits a picture into another size without distorting it, on black: openpi-client's `resize_with_pad`, bit for bit.
 *
 * @returns interleaved channels, `widthPx × heightPx`; the same pixels where the size fits already.
 * @throws {RangeError} where the picture is so long and thin that nothing of it would be left, as Pillow does.
 */
export function resizeWithPad(image: Image, widthPx: number, heightPx: number): Image {
  const source = toHwc(image);
  const { width, height } = source;
  if (width === widthPx && height === heightPx) return source;
  // In this order and with these divisions: for 162 widths up to 2048 the long side comes out one pixel short.
  const ratio = Math.max(width / widthPx, height / heightPx);
  const fitWidth = Math.trunc(width / ratio);
  const fitHeight = Math.trunc(height / ratio);
  if (fitWidth < 1 || fitHeight < 1) {
    const sizes = `${width}×${height} to ${widthPx}×${heightPx}`;
    throw new RangeError(`Cannot resize a picture of ${sizes}: its short side would vanish; crop it first`);
  }
  const fitted = resizeBilinear(source, fitWidth, fitHeight);
  const left = Math.trunc((widthPx - fitWidth) / 2);
  const top = Math.trunc((heightPx - fitHeight) / 2);
  const data = new Uint8Array(3 * widthPx * heightPx);
  for (let y = 0; y < fitHeight; y++) {
    const row = fitted.subarray(3 * y * fitWidth, 3 * (y + 1) * fitWidth);
    data.set(row, 3 * ((top + y) * widthPx + left));
  }
  return { width: widthPx, height: heightPx, layout: "hwc", data };
}

/** Pillow's BILINEAR: a triangle filter that widens when shrinking, rounded to bytes after each of two passes. */
function resizeBilinear({ width, height, data }: Image, widthPx: number, heightPx: number): Bytes {
  const rows = width === widthPx ? data : resampleRows(data, width, height, widthPx);
  return height === heightPx ? rows : resampleColumns(rows, widthPx, height, heightPx);
}

/** Bits behind the point of a filter weight: Pillow's PRECISION_BITS for 8-bit channels. */
const WEIGHT_BITS = 22;

interface Filter {
  /** First source index of each output. */
  readonly starts: Int32Array;
  /** Number of sources of each output. */
  readonly counts: Int32Array;
  /** `stride` weights for each output. */
  readonly weights: Int32Array;
  readonly stride: number;
}

function makeFilter(sourceSize: number, size: number): Filter {
  const scale = sourceSize / size;
  const support = Math.max(scale, 1);
  const stride = 2 * Math.ceil(support) + 1;
  const starts = new Int32Array(size);
  const counts = new Int32Array(size);
  const weights = new Int32Array(size * stride);
  const exact = new Float64Array(stride);
  for (let i = 0; i < size; i++) {
    const centre = (i + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - support + 0.5));
    const high = Math.min(sourceSize, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let j = 0; j < high - low; j++) {
      exact[j] = Math.max(0, 1 - Math.abs((j + low - centre + 0.5) * (1 / support)));
      sum += exact[j]!;
    }
    starts[i] = low;
    counts[i] = high - low;
    for (let j = 0; j < high - low; j++) {
      weights[i * stride + j] = Math.trunc((exact[j]! / sum) * 2 ** WEIGHT_BITS + 0.5);
    }
  }
  return { starts, counts, weights, stride };
}

function resampleRows(data: Bytes, width: number, height: number, widthPx: number): Bytes {
  const { starts, counts, weights, stride } = makeFilter(width, widthPx);
  const result = new Uint8Array(3 * widthPx * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < widthPx; x++) {
      const first = 3 * (y * width + starts[x]!);
      const target = 3 * (y * widthPx + x);
      weigh(data, first, 3, weights, x * stride, counts[x]!, result, target);
    }
  }
  return result;
}

function resampleColumns(data: Bytes, width: number, height: number, heightPx: number): Bytes {
  const { starts, counts, weights, stride } = makeFilter(height, heightPx);
  const result = new Uint8Array(3 * width * heightPx);
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < width; x++) {
      const first = 3 * (starts[y]! * width + x);
      const target = 3 * (y * width + x);
      weigh(data, first, 3 * width, weights, y * stride, counts[y]!, result, target);
    }
  }
  return result;
}

/**
 * One output pixel. The sums stay below 2³¹: the weights of a pixel add up to 2²², and 255 · 2²² < 2³⁰. Said with
 * `Math.imul` and `| 0`, which makes the engine keep them as integers: 480×640 to 224×224 takes 3.7 ms instead of 6.4.
 */
function weigh(
  data: Bytes,
  first: number,
  step: number,
  weights: Int32Array,
  firstWeight: number,
  count: number,
  result: Bytes,
  target: number,
): void {
  const half = 1 << (WEIGHT_BITS - 1);
  let red = half;
  let green = half;
  let blue = half;
  for (let j = 0, at = first; j < count; j++, at += step) {
    const weight = weights[firstWeight + j]!;
    red = (red + Math.imul(weight, data[at]!)) | 0;
    green = (green + Math.imul(weight, data[at + 1]!)) | 0;
    blue = (blue + Math.imul(weight, data[at + 2]!)) | 0;
  }
  result[target] = Math.min(255, red >> WEIGHT_BITS);
  result[target + 1] = Math.min(255, green >> WEIGHT_BITS);
  result[target + 2] = Math.min(255, blue >> WEIGHT_BITS);
}

/**
 * Reads an 8-bit PNG; grey becomes RGB, and an alpha channel is dropped.
 *
 * @returns interleaved channels.
 * @throws {Error} where it is no whole PNG, has another depth or a palette.
 */
export function decodePng(bytes: Bytes): Image {
  const { width, height, channels, depth, data, palette } = readPng(bytes);
  if (depth !== 8) throw new Error(`Cannot use a PNG of ${depth} bits per channel: save it with 8`);
  if (palette !== undefined) throw new Error("Cannot use a PNG with a palette: save it as RGB");
  const rgb = new Uint8Array(3 * width * height);
  const grey = channels < 3;
  for (let i = 0; i < width * height; i++) {
    for (let channel = 0; channel < 3; channel++) rgb[3 * i + channel] = data[i * channels + (grey ? 0 : channel)]!;
  }
  return { width, height, layout: "hwc", data: rgb };
}

/** Writes an 8-bit RGB PNG. */
export function encodePng(image: Image): Bytes {
  const { width, height, data } = toHwc(image);
  return Uint8Array.from(encode({ width, height, data, channels: 3, depth: 8 }));
}

function readPng(bytes: Bytes): DecodedPng {
  try {
    return decode(bytes, { checkCrc: true });
  } catch (cause) {
    throw new Error(`Cannot read ${bytes.length} bytes as a PNG: they are damaged, cut off or another format`, {
      cause,
    });
  }
}
