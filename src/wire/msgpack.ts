/**
 * MessagePack as openpi's `msgpack_numpy` writes and reads it: plain MessagePack, in which arrays and scalars of numpy
 * are maps with binary keys. Libraries refuse such keys or lose them, hence this one. Decoding is total: any bytes give
 * a value or a {@linkcode WireError}, in time and memory proportional to their number.
 *
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * @module
 */

import { WireError, type WireErrorCode } from "../errors.ts";
import type { Bytes } from "../types.ts";
import { findMismatch, findScalarMismatch, NdArray, NumpyScalar, quote } from "./ndarray.ts";

/** What a message decodes to. Integers beyond ±(2^53 − 1) are bigint; all other numbers, floats included, are number. */
export type Value = null | boolean | number | bigint | string | Bytes | NdArray | NumpyScalar | ValueArray | ValueMap;
/** A decoded array. */
export type ValueArray = readonly Value[];
/** A decoded map, in the order of the message. */
export type ValueMap = ReadonlyMap<string | BinaryKey, Value>;

/** What can be encoded: every {@linkcode Value}, {@linkcode Float}, and plain objects, as maps without undefined. */
export type Encodable =
  | null
  | boolean
  | number
  | bigint
  | string
  | Bytes
  | NdArray
  | NumpyScalar
  | Float
  | readonly Encodable[]
  | ReadonlyMap<string | BinaryKey, Encodable>
  | { readonly [key: string]: Encodable | undefined };

/** A map key that was bytes, not text, and no tag of numpy's. Each is an object of its own: iterate to find it. */
export class BinaryKey {
  readonly bytes: Bytes;

  constructor(bytes: Bytes) {
    this.bytes = bytes;
  }
}

/** A number that goes out as a float64 even if it is integral. Made by {@linkcode float}. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** Marks a number that is a float to the reader, such as a duration: 31 goes out as 31.0. */
export function float(value: number): Float {
  return new Float(value);
}

/** What a message may cost before it is refused. */
export interface DecodeLimits {
  /** Arrays and maps inside each other. */
  readonly maxDepth: number;
  /** Values and map keys altogether. An empty map is one byte in a message and some two hundred in memory. */
  readonly maxValues: number;
}

/** A request has a depth of 4 and some 50 values; no robot is near these. */
const DEFAULT_LIMITS: DecodeLimits = { maxDepth: 32, maxValues: 2 ** 18 };

/**
 * Reads one message. Binary values and array data are views into `bytes`, not copies.
 *
 * @throws {WireError} where `bytes` is anything but exactly one value within the limits. Its `field` is the path of
 *   the value, for example `images.cam_high`, and `found` says the offset.
 */
export function decode(bytes: Bytes, limits: DecodeLimits = DEFAULT_LIMITS): Value {
  return new Decoder(bytes, limits).decode();
}

const ARRAY_TAG = "__ndarray__";
const SCALAR_TAG = "__npgeneric__";

const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Any bytes to text, different bytes to different text. */
const byteDecoder = new TextDecoder("windows-1252");
const utf8Encoder = new TextEncoder();

/** Reads one message from front to back. */
class Decoder {
  readonly #bytes: Bytes;
  readonly #view: DataView;
  readonly #maxDepth: number;
  /** Values that may still come. */
  #valuesLeft: number;
  #offset = 0;
  /** Keys and indices that lead to the value being read. */
  readonly #path: (string | number)[] = [];

  constructor(bytes: Bytes, limits: DecodeLimits) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#maxDepth = limits.maxDepth;
    this.#valuesLeft = limits.maxValues;
  }

  decode(): Value {
    const value = this.#value();
    const left = this.#bytes.length - this.#offset;
    if (left > 0) this.#fail("malformed", `${left} more bytes`, this.#offset, "one value");
    return value;
  }

  #value(): Value {
    const start = this.#take(1);
    const type = this.#bytes[start]!;
    if (type <= 0x7f) return type;
    if (type <= 0x8f) return this.#map(type & 0x0f, start);
    if (type <= 0x9f) return this.#array(type & 0x0f, start);
    if (type <= 0xbf) return this.#text(type & 0x1f);
    if (type >= 0xe0) return type - 0x100;
    const view = this.#view;
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#binary(this.#length(type - 0xc4));
      case 0xca:
        return view.getFloat32(this.#take(4));
      case 0xcb:
        return view.getFloat64(this.#take(8));
      case 0xcc:
        return view.getUint8(this.#take(1));
      case 0xcd:
        return view.getUint16(this.#take(2));
      case 0xce:
        return view.getUint32(this.#take(4));
      case 0xcf:
        return narrow(view.getBigUint64(this.#take(8)));
      case 0xd0:
        return view.getInt8(this.#take(1));
      case 0xd1:
        return view.getInt16(this.#take(2));
      case 0xd2:
        return view.getInt32(this.#take(4));
      case 0xd3:
        return narrow(view.getBigInt64(this.#take(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#length(type - 0xd9));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#length(type - 0xdc + 1), start);
      case 0xde:
      case 0xdf:
        return this.#map(this.#length(type - 0xde + 1), start);
      default: // 0xc1 is reserved, the others are extension types
        return this.#fail("malformed", `type byte 0x${type.toString(16)}`, start, "a type that openpi's protocol has");
    }
  }

  /** A length of 2^`power` bytes. */
  #length(power: number): number {
    if (power === 0) return this.#view.getUint8(this.#take(1));
    return power === 1 ? this.#view.getUint16(this.#take(2)) : this.#view.getUint32(this.#take(4));
  }

  /** Steps over `count` bytes. @returns where they start. */
  #take(count: number): number {
    const start = this.#offset;
    const left = this.#bytes.length - start;
    if (count > left) this.#fail("truncated", `${left} bytes left`, start, `${count} or more`);
    this.#offset = start + count;
    return start;
  }

  #binary(length: number): Bytes {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  #text(length: number): string {
    const start = this.#offset;
    const bytes = this.#binary(length);
    const text = readShortAscii(bytes);
    if (text !== undefined) return text;
    try {
      return utf8Decoder.decode(bytes);
    } catch (cause) {
      return this.#fail("malformed", `${length} bytes of text`, start, "UTF-8", cause);
    }
  }

  #array(length: number, start: number): ValueArray {
    this.#enter(length, start);
    const values: Value[] = [];
    for (let i = 0; i < length; i++) {
      this.#path.push(i);
      values.push(this.#value());
      this.#path.pop();
    }
    return values;
  }

  #map(length: number, start: number): Value {
    this.#enter(2 * length, start);
    const entries = new Map<string | BinaryKey, Value>();
    // By the bytes as text: finds numpy's tags and repeated keys.
    let binaryEntries: Map<string, Value> | undefined;
    for (let i = 0; i < length; i++) {
      const keyStart = this.#offset;
      const key = this.#key();
      const name = typeof key === "string" ? key : readShortAscii(key) ?? byteDecoder.decode(key);
      if (typeof key === "string" ? entries.has(key) : binaryEntries?.has(name)) {
        this.#fail("malformed", `the key ${quote(name)} again`, keyStart, "keys that differ");
      }
      this.#path.push(name);
      const value = this.#value();
      this.#path.pop();
      if (typeof key === "string") {
        entries.set(key, value);
      } else {
        entries.set(new BinaryKey(key), value);
        (binaryEntries ??= new Map()).set(name, value);
      }
    }
    if (binaryEntries?.has(ARRAY_TAG)) return this.#ndarray(binaryEntries, start);
    if (binaryEntries?.has(SCALAR_TAG)) return this.#scalar(binaryEntries, start);
    return entries;
  }

  #key(): string | Bytes {
    const start = this.#take(1);
    const type = this.#bytes[start]!;
    if (type >= 0xa0 && type <= 0xbf) return this.#text(type & 0x1f);
    if (type >= 0xd9 && type <= 0xdb) return this.#text(this.#length(type - 0xd9));
    if (type >= 0xc4 && type <= 0xc6) return this.#binary(this.#length(type - 0xc4));
    return this.#fail("malformed", `a map key of type 0x${type.toString(16)}`, start, "text or bytes");
  }

  /** Admits a container of `count` values. None takes less than a byte, so a header cannot promise more than follows. */
  #enter(count: number, start: number): void {
    const left = this.#bytes.length - this.#offset;
    if (count > left) this.#fail("truncated", `${count} values announced, ${left} bytes left`, start);
    if (this.#path.length >= this.#maxDepth) {
      this.#fail("too_deep", "one more array or map", start, `at most ${this.#maxDepth} inside each other`);
    }
    this.#valuesLeft -= count;
    if (this.#valuesLeft < 0) this.#fail("too_large", `${count} more values`, start, "fewer in one message");
  }

  /** As openpi's decoder, looks for the tag only, whatever its value is, and past any key that is not numpy's. */
  #ndarray(parts: ReadonlyMap<string, Value>, start: number): NdArray {
    const dtype = this.#dtype(parts, start);
    const shape = this.#part(parts, "shape", start);
    if (!Array.isArray(shape)) return this.#failPart("shape", start, "an array");
    const data = this.#part(parts, "data", start);
    if (!(data instanceof Uint8Array)) return this.#failPart("data", start, "bytes");
    const mismatch = findMismatch(dtype, shape, data.length);
    if (mismatch !== undefined) return this.#fail(mismatch.code, mismatch.found, start, mismatch.expected);
    return new NdArray(dtype, shape, data);
  }

  #scalar(parts: ReadonlyMap<string, Value>, start: number): NumpyScalar {
    const dtype = this.#dtype(parts, start);
    const value = this.#part(parts, "data", start);
    const mismatch = findScalarMismatch(dtype, value);
    if (mismatch !== undefined) return this.#fail(mismatch.code, mismatch.found, start, mismatch.expected);
    return new NumpyScalar(dtype, value as boolean | number | bigint);
  }

  #dtype(parts: ReadonlyMap<string, Value>, start: number): string {
    const dtype = this.#part(parts, "dtype", start);
    return typeof dtype === "string" ? dtype : this.#failPart("dtype", start, "text");
  }

  #part(parts: ReadonlyMap<string, Value>, name: string, start: number): Value {
    const value = parts.get(name);
    if (value !== undefined) return value;
    this.#path.push(name);
    return this.#fail("missing_field", "no such key", start, `the bytes "${name}" as a key`);
  }

  #failPart(name: string, start: number, expected: string): never {
    this.#path.push(name);
    return this.#fail("wrong_type", "another type", start, expected);
  }

  #fail(code: WireErrorCode, found: string, offset: number, expected?: string, cause?: unknown): never {
    throw new WireError(
      code,
      {
        ...(this.#path.length > 0 ? { field: formatPath(this.#path) } : {}),
        found: `${found} at byte ${offset}`,
        ...(expected === undefined ? {} : { expected }),
      },
      cause === undefined ? undefined : { cause },
    );
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Most keys and dtypes. Without this, decoding an observation takes 9 µs instead of 3. */
function readShortAscii(bytes: Bytes): string | undefined {
  if (bytes.length > 32) return undefined;
  let text = "";
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** `images.cam_high`, `limits[0][1]`; keys that are not plain words are quoted and cut. */
function formatPath(path: readonly (string | number)[]): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else text += (text === "" ? "" : ".") + (/^[\w/-]{1,40}$/.test(step) ? step : quote(step));
  }
  return text;
}

/** Bytes of the first buffer; the first picture makes it grow. */
const INITIAL_CAPACITY = 4096;

/** Arrays and maps inside each other: what no reader takes is not written, and a value inside itself comes to an end. */
const MAX_ENCODED_DEPTH = DEFAULT_LIMITS.maxDepth;

/** The constant parts of numpy's maps, with the keys in the order of the reference. */
const ARRAY_HEAD = concatenate([0x84], binaryKey(ARRAY_TAG), [0xc3], binaryKey("data"));
const SCALAR_HEAD = concatenate([0x83], binaryKey(SCALAR_TAG), [0xc3], binaryKey("data"));
const DTYPE_KEY = concatenate(binaryKey("dtype"));
const SHAPE_KEY = concatenate(binaryKey("shape"));

/** Writes messages into one buffer that is kept and grows as needed, because fresh memory costs more than the copy. */
export class Encoder {
  #bytes: Bytes = new Uint8Array(INITIAL_CAPACITY);
  #view = new DataView(this.#bytes.buffer);
  #offset = 0;

  /**
   * Writes one message. Integral numbers go out as the shortest integer, all others (−0, too) as float64.
   *
   * @returns a view of the buffer, valid until the next call.
   * @throws {TypeError} for a value that has no place in a message: undefined, functions, other classes, text with half
   *   of a surrogate pair, more than 32 arrays or maps inside each other.
   * @throws {RangeError} for a bigint of more than 64 bits.
   */
  encode(value: Encodable): Bytes {
    this.#offset = 0;
    this.#write(value, 0);
    return this.#bytes.subarray(0, this.#offset);
  }

  #write(value: Encodable, depth: number): void {
    switch (typeof value) {
      case "number":
        return this.#writeNumber(value);
      case "string":
        return this.#writeText(value);
      case "boolean":
        return this.#writeByte(value ? 0xc3 : 0xc2);
      case "bigint":
        return this.#writeBigInt(value);
      case "object":
        return value === null ? this.#writeByte(0xc0) : this.#writeObject(value, depth);
      default:
        throw new TypeError(`Cannot encode a value of type ${typeof value}: leave it out or use null`);
    }
  }

  #writeObject(value: Encodable & object, depth: number): void {
    if (value instanceof NdArray) return this.#writeNdArray(value);
    if (value instanceof Uint8Array) return this.#writeBinary(value);
    if (value instanceof Float) return this.#writeFloat(value.value);
    if (value instanceof NumpyScalar) return this.#writeScalar(value);
    if (depth >= MAX_ENCODED_DEPTH) {
      throw new TypeError(`Cannot encode more than ${MAX_ENCODED_DEPTH} arrays or maps inside each other`);
    }
    if (isArray(value)) {
      this.#writeArrayHead(value.length);
      for (const item of value) this.#write(item, depth + 1);
    } else if (value instanceof Map) {
      this.#writeMapHead(value.size);
      for (const [key, item] of value) {
        if (key instanceof BinaryKey) this.#writeBinary(key.bytes);
        else if (typeof key === "string") this.#writeText(key);
        else throw new TypeError(`Cannot encode a map key of type ${typeof key}: use text or a BinaryKey`);
        this.#write(item, depth + 1);
      }
    } else {
      this.#writeRecord(value as { readonly [key: string]: Encodable | undefined }, depth);
    }
  }

  #writeRecord(record: { readonly [key: string]: Encodable | undefined }, depth: number): void {
    const prototype: unknown = Object.getPrototypeOf(record);
    if (prototype !== Object.prototype && prototype !== null) {
      throw new TypeError(`Cannot encode an object of class ${record.constructor?.name}: use plain values`);
    }
    const entries = Object.entries(record).filter((entry): entry is [string, Encodable] => entry[1] !== undefined);
    this.#writeMapHead(entries.length);
    for (const [key, item] of entries) {
      this.#writeText(key);
      this.#write(item, depth + 1);
    }
  }

  #writeNdArray(array: NdArray): void {
    this.#writeRaw(ARRAY_HEAD);
    this.#writeBinary(array.data);
    this.#writeRaw(DTYPE_KEY);
    this.#writeText(array.dtype);
    this.#writeRaw(SHAPE_KEY);
    this.#writeArrayHead(array.shape.length);
    for (const size of array.shape) this.#writeNumber(size);
  }

  #writeScalar({ dtype, value }: NumpyScalar): void {
    this.#writeRaw(SCALAR_HEAD);
    if (dtype[1] === "f") this.#writeFloat(Number(value));
    else this.#write(value, 0);
    this.#writeRaw(DTYPE_KEY);
    this.#writeText(dtype);
  }

  #writeNumber(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) return this.#writeFloat(value);
    if (value >= 0) {
      if (value < 0x80) this.#writeByte(value);
      else if (value <= 0xffffffff) this.#writeSized(0xcc, value);
      else this.#writeBigInt(BigInt(value));
    } else if (value >= -0x20) {
      this.#writeByte(value + 0x100);
    } else if (value >= -0x80) {
      const start = this.#open(0xd0, 1);
      this.#view.setInt8(start, value);
    } else if (value >= -0x8000) {
      const start = this.#open(0xd1, 2);
      this.#view.setInt16(start, value);
    } else if (value >= -0x80000000) {
      const start = this.#open(0xd2, 4);
      this.#view.setInt32(start, value);
    } else {
      this.#writeBigInt(BigInt(value));
    }
  }

  #writeBigInt(value: bigint): void {
    if (value >= -0x80000000n && value <= 0xffffffffn) return this.#writeNumber(Number(value));
    if (BigInt.asUintN(64, value) === value) {
      const start = this.#open(0xcf, 8);
      this.#view.setBigUint64(start, value);
    } else if (BigInt.asIntN(64, value) === value) {
      const start = this.#open(0xd3, 8);
      this.#view.setBigInt64(start, value);
    } else {
      throw new RangeError(`Cannot encode the integer ${value}: MessagePack has 64 bits`);
    }
  }

  #writeFloat(value: number): void {
    const start = this.#open(0xcb, 8);
    this.#view.setFloat64(start, value);
  }

  #writeText(text: string): void {
    const start = this.#offset;
    const length = text.length;
    this.#writeTextHead(length);
    this.#reserve(length);
    const bytes = this.#bytes;
    let offset = this.#offset;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) {
        this.#offset = start;
        return this.#writeUnicode(text);
      }
      bytes[offset++] = unit;
    }
    this.#offset = offset;
  }

  /** Text whose number of bytes is not that of its characters. */
  #writeUnicode(text: string): void {
    if (!text.isWellFormed()) throw new TypeError("Cannot encode text with half of a surrogate pair: remove it");
    const bytes = utf8Encoder.encode(text);
    this.#writeTextHead(bytes.length);
    this.#writeRaw(bytes);
  }

  #writeTextHead(length: number): void {
    if (length < 32) this.#writeByte(0xa0 | length);
    else this.#writeSized(0xd9, length);
  }

  #writeBinary(bytes: Bytes): void {
    this.#writeSized(0xc4, bytes.length);
    this.#writeRaw(bytes);
  }

  #writeArrayHead(length: number): void {
    if (length < 16) this.#writeByte(0x90 | length);
    else if (length <= 0xffff) this.#write16(0xdc, length);
    else this.#write32(0xdd, length);
  }

  #writeMapHead(length: number): void {
    if (length < 16) this.#writeByte(0x80 | length);
    else if (length <= 0xffff) this.#write16(0xde, length);
    else this.#write32(0xdf, length);
  }

  /** `value` in one, two or four bytes, after `type8` or the two types that follow it. */
  #writeSized(type8: number, value: number): void {
    if (value <= 0xff) this.#write8(type8, value);
    else if (value <= 0xffff) this.#write16(type8 + 1, value);
    else this.#write32(type8 + 2, value);
  }

  #write8(type: number, value: number): void {
    const start = this.#open(type, 1);
    this.#bytes[start] = value;
  }

  #write16(type: number, value: number): void {
    const start = this.#open(type, 2);
    this.#view.setUint16(start, value);
  }

  #write32(type: number, value: number): void {
    const start = this.#open(type, 4);
    this.#view.setUint32(start, value);
  }

  #writeByte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#offset++] = byte;
  }

  #writeRaw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#offset);
    this.#offset += bytes.length;
  }

  /**
   * Writes a type byte and makes room for what follows. May replace the buffer: read `#bytes` and `#view` after it.
   *
   * @returns where that starts.
   */
  #open(type: number, length: number): number {
    this.#reserve(1 + length);
    this.#bytes[this.#offset] = type;
    const start = this.#offset + 1;
    this.#offset = start + length;
    return start;
  }

  #reserve(length: number): void {
    const needed = this.#offset + length;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#offset));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** `Array.isArray` leaves readonly arrays out of its type. */
function isArray(value: Encodable & object): value is readonly Encodable[] {
  return Array.isArray(value);
}

function binaryKey(name: string): number[] {
  return [0xc4, name.length, ...utf8Encoder.encode(name)];
}

function concatenate(...parts: number[][]): Bytes {
  return Uint8Array.from(parts.flat());
}
