/**
 * What a MessagePack message can hold, and how numpy's arrays are marked in it.
 *
 * @module
 */

import type { Bytes } from "../types.ts";
import type { NdArray, NumpyScalar } from "./ndarray.ts";

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

/** How deep arrays and maps may lie inside each other. A request has a depth of 4. */
export const MAX_DEPTH = 32;

/** Binary keys by which `msgpack_numpy` marks arrays and scalars. */
export const ARRAY_TAG = "__ndarray__";
export const SCALAR_TAG = "__npgeneric__";
