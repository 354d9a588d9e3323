/**
 * Writing MessagePack.
 *
 * @module
 */

import type { Bytes } from "../types.ts";
import { ARRAY_TAG, BinaryKey, type Encodable, Float, MAX_DEPTH, SCALAR_TAG } from "./msgpack_value.ts";
import { NdArray, NumpyScalar } from "./ndarray.ts";

const utf8Encoder = new TextEncoder();

/** Bytes of the first buffer; the first picture makes it grow. */
const INITIAL_CAPACITY = 4096;

/** Arrays and maps inside each other: what no reader takes is not written, and a value inside itself comes to an end. */
const MAX_ENCODED_DEPTH = MAX_DEPTH;

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
