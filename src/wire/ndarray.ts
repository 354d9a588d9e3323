/**
 * Arrays as numpy sends them: a dtype, a shape and raw bytes in C order. Nothing here knows MessagePack.
 *
 * @module
 */

import { WireError, type WireErrorCode } from "../errors.ts";
import type { Bytes } from "../types.ts";

/** Most dimensions of an array that is accepted. The protocol's largest arrays, batches of pictures, have four. */
const MAX_DIMENSIONS = 8;

/** Code units of foreign text that an error message repeats. */
const MAX_QUOTED_LENGTH = 40;

/** A numpy array. Made by {@linkcode ndarray} and its siblings, or by decoding a message. */
export class NdArray {
  /** Byte order, kind and item size as numpy's `dtype.str` says them: `<f8`, `|u1`, `>i4`, `<U12` (characters). */
  readonly dtype: string;
  /** Non-negative sizes, outermost first; empty for a single value. */
  readonly shape: readonly number[];
  /** The elements in C order. May lie at any offset of a larger buffer, so it may not be aligned. */
  readonly data: Bytes;

  /** Checks nothing; {@linkcode ndarray} does. */
  constructor(dtype: string, shape: readonly number[], data: Bytes) {
    this.dtype = dtype;
    this.shape = shape;
    this.data = data;
  }
}

/** A single numpy value (`numpy.float32(1.5)`) as opposed to an array without dimensions. */
export class NumpyScalar {
  /** A real dtype, as in {@linkcode NdArray}. */
  readonly dtype: string;
  readonly value: boolean | number | bigint;

  /** Checks nothing. */
  constructor(dtype: string, value: boolean | number | bigint) {
    this.dtype = dtype;
    this.value = value;
  }
}

/**
 * An array over `data`, which is not copied.
 *
 * @throws {RangeError} where the dtype is unknown or the shape and the number of bytes disagree.
 */
export function ndarray(dtype: string, shape: readonly number[], data: Bytes): NdArray {
  const mismatch = findMismatch(dtype, shape, data.length);
  if (mismatch === undefined) return new NdArray(dtype, shape, data);
  throw new RangeError(`Cannot make an array: found ${mismatch.found}, expected ${mismatch.expected}`);
}

/** A `<f8` array with a copy of `values`. @throws {RangeError} where their number does not fit the shape. */
export function float64Array(values: ArrayLike<number>, shape: readonly number[]): NdArray {
  return ndarray("<f8", shape, new Uint8Array(new Float64Array(values).buffer));
}

/** A `<f4` array with the rounded `values`. @throws {RangeError} where their number does not fit the shape. */
export function float32Array(values: ArrayLike<number>, shape: readonly number[]): NdArray {
  return ndarray("<f4", shape, new Uint8Array(new Float32Array(values).buffer));
}

/** A `|u1` array over `values`, not copied. @throws {RangeError} where their number does not fit the shape. */
export function uint8Array(values: Bytes, shape: readonly number[]): NdArray {
  return ndarray("|u1", shape, values);
}

/**
 * The elements as numbers, in memory of their own. Booleans become 0 and 1; 64-bit integers beyond ±2^53 are rounded.
 *
 * @param field path of the array, for the error.
 * @throws {WireError} `wrong_dtype` where the elements are not real numbers.
 */
export function toFloat64(array: NdArray, field: string): Float64Array<ArrayBuffer> {
  const { dtype, data } = array;
  // Typed arrays have the byte order of the machine; Deno runs on little-endian ones only.
  if (dtype === "<f8") return new Float64Array(new Uint8Array(data).buffer);
  if (dtype === "<f4") return new Float64Array(new Float32Array(new Uint8Array(data).buffer));
  const item = itemLayout(dtype);
  if (item?.kind !== "number") {
    throw new WireError("wrong_dtype", { field, found: dtype, expected: "an array of real numbers" });
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const values = new Float64Array(data.length / item.bytes);
  for (let i = 0; i < values.length; i++) values[i] = item.read(view, i * item.bytes, item.isLittleEndian);
  return values;
}

/**
 * The elements of an array of unsigned bytes: a view, not a copy.
 *
 * @param field path of the array, for the error.
 * @throws {WireError} `wrong_dtype` where the elements are anything else.
 */
export function toUint8(array: NdArray, field: string): Bytes {
  if (array.dtype === "|u1") return array.data;
  throw new WireError("wrong_dtype", { field, found: array.dtype, expected: "|u1" });
}

/**
 * The text of an array that holds one string, of whatever shape: `numpy.asarray("fold the towel")`.
 *
 * @param field path of the array, for the error.
 * @throws {WireError} `wrong_dtype`, `wrong_shape` where it holds none or several, or `malformed` text.
 */
export function toText(array: NdArray, field: string): string {
  const texts = toTexts(array, field);
  if (texts.length === 1) return texts[0]!;
  throw new WireError("wrong_shape", { field, found: `${texts.length} strings`, expected: "one string" });
}

/**
 * The strings of an array of text (`U`, UTF-32) or bytes (`S`, read as UTF-8) without the zeros numpy pads them with.
 *
 * @param field path of the array, for the error.
 * @throws {WireError} `wrong_dtype`, or `malformed` where the elements are not Unicode text.
 */
export function toTexts(array: NdArray, field: string): string[] {
  const { dtype, data } = array;
  const item = itemLayout(dtype);
  if (item === undefined || item.kind === "number") {
    throw new WireError("wrong_dtype", { field, found: dtype, expected: "an array of text" });
  }
  const texts: string[] = [];
  try {
    for (let start = 0; start < data.length; start += item.bytes) {
      const bytes = data.subarray(start, start + item.bytes);
      texts.push(item.kind === "utf32" ? readUtf32(bytes, item.isLittleEndian) : readUtf8(bytes));
    }
  } catch (cause) {
    const found = `element ${texts.length} of ${dtype}`;
    throw new WireError("malformed", { field, found, expected: "Unicode text" }, { cause });
  }
  return texts;
}

/** What is wrong with an array or scalar, in the words of a {@linkcode WireError}. */
export interface Mismatch {
  readonly code: WireErrorCode;
  readonly found: string;
  readonly expected: string;
}

/** Why bytes of this number are not an array of this dtype and shape; undefined where they are. */
export function findMismatch(dtype: string, shape: readonly unknown[], byteLength: number): Mismatch | undefined {
  const item = itemLayout(dtype);
  if (item === undefined) return unknownDtype(dtype, "a dtype of real numbers or text");
  if (shape.length > MAX_DIMENSIONS) {
    return { code: "wrong_shape", found: `${shape.length} dimensions`, expected: `at most ${MAX_DIMENSIONS}` };
  }
  let bytes = item.bytes;
  for (const size of shape) {
    if (!(Number.isSafeInteger(size) && (size as number) >= 0)) {
      return { code: "wrong_shape", found: "a shape of other values", expected: "non-negative integers" };
    }
    // Eight factors below 2^53 stay finite, and a product that is no longer exact is far above any length of data.
    bytes *= size as number;
  }
  if (bytes === byteLength) return undefined;
  const found = `${byteLength} bytes of data for ${dtype} with shape [${shape.join(", ")}]`;
  return { code: "wrong_shape", found, expected: `${bytes} bytes` };
}

/** Why a value is not one of this dtype; undefined where it is. */
export function findScalarMismatch(dtype: string, value: unknown): Mismatch | undefined {
  const item = itemLayout(dtype);
  if (item?.kind !== "number") return unknownDtype(dtype, "a dtype of real numbers");
  const letter = dtype[1]!;
  const fits = letter === "b"
    ? typeof value === "boolean"
    : letter === "f"
    ? typeof value === "number"
    : typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value))
    ? isInRange(BigInt(value), letter, item.bytes * 8)
    : false;
  if (fits) return undefined;
  return { code: "wrong_type", found: "another value", expected: `a value of ${dtype}` };
}

/** Foreign text for an error message: quoted, short, and without anything that a terminal or a log would obey. */
export function quote(text: string): string {
  const shown = text.slice(0, MAX_QUOTED_LENGTH).replace(
    /[^ !#-\[\]-~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return text.length > MAX_QUOTED_LENGTH ? `"${shown}…"` : `"${shown}"`;
}

/** How one element lies in memory. */
type ItemLayout =
  | { kind: "number"; bytes: number; isLittleEndian: boolean; read: NumberReader }
  | { kind: "utf32" | "bytes"; bytes: number; isLittleEndian: boolean };

type NumberReader = (view: DataView, offset: number, isLittleEndian: boolean) => number;

const NUMBER_READERS = new Map<string, NumberReader>([
  ["f2", (view, offset, isLittleEndian) => view.getFloat16(offset, isLittleEndian)],
  ["f4", (view, offset, isLittleEndian) => view.getFloat32(offset, isLittleEndian)],
  ["f8", (view, offset, isLittleEndian) => view.getFloat64(offset, isLittleEndian)],
  ["i1", (view, offset) => view.getInt8(offset)],
  ["i2", (view, offset, isLittleEndian) => view.getInt16(offset, isLittleEndian)],
  ["i4", (view, offset, isLittleEndian) => view.getInt32(offset, isLittleEndian)],
  ["i8", (view, offset, isLittleEndian) => Number(view.getBigInt64(offset, isLittleEndian))],
  ["u1", (view, offset) => view.getUint8(offset)],
  ["u2", (view, offset, isLittleEndian) => view.getUint16(offset, isLittleEndian)],
  ["u4", (view, offset, isLittleEndian) => view.getUint32(offset, isLittleEndian)],
  ["u8", (view, offset, isLittleEndian) => Number(view.getBigUint64(offset, isLittleEndian))],
  ["b1", (view, offset) => (view.getUint8(offset) === 0 ? 0 : 1)],
]);

/**
 * Reads a dtype the way numpy spells its own: `|` where there is no byte order, else `<` or `>`. Objects, complex
 * numbers, structures and bfloat16 are unknown here, as openpi refuses them. So are items of no bytes, of which a
 * short message could claim any number.
 */
function itemLayout(dtype: string): ItemLayout | undefined {
  const order = dtype[0];
  if (order !== "<" && order !== ">" && order !== "|") return undefined;
  const isLittleEndian = order === "<";
  const code = dtype.slice(1);
  const read = NUMBER_READERS.get(code);
  if (read !== undefined) {
    const bytes = Number(code[1]);
    return (bytes === 1) === (order === "|") ? { kind: "number", bytes, isLittleEndian, read } : undefined;
  }
  const text = /^([US])([1-9]\d{0,8})$/.exec(code);
  if (text === null || (text[1] === "S") !== (order === "|")) return undefined;
  const length = Number(text[2]);
  return text[1] === "U"
    ? { kind: "utf32", bytes: 4 * length, isLittleEndian }
    : { kind: "bytes", bytes: length, isLittleEndian };
}

function unknownDtype(dtype: string, expected: string): Mismatch {
  return { code: "wrong_dtype", found: `dtype ${quote(dtype)}`, expected };
}

function isInRange(value: bigint, letter: string, bits: number): boolean {
  return (letter === "u" ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value)) === value;
}

/** @throws {RangeError} at a number that is no character. */
function readUtf32(bytes: Bytes, isLittleEndian: boolean): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length;
  while (end > 0 && view.getUint32(end - 4, isLittleEndian) === 0) end -= 4;
  let text = "";
  for (let offset = 0; offset < end; offset += 4) {
    const point = view.getUint32(offset, isLittleEndian);
    if (point >= 0xd800 && point <= 0xdfff) throw new RangeError(`Cannot use half of a surrogate pair: ${point}`);
    text += String.fromCodePoint(point);
  }
  return text;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @throws {TypeError} at bytes that are not UTF-8. */
function readUtf8(bytes: Bytes): string {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return utf8.decode(bytes.subarray(0, end));
}
