/**
 * What an error message calls a value that does not fit.
 *
 * @module
 */

import type { Value } from "./msgpack.ts";
import { NdArray, NumpyScalar, quote } from "./ndarray.ts";

/** Names a value in a few words: its kind and its size, or itself where it is small. */
export function describe(value: Value): string {
  if (value === null) return "nil";
  if (value instanceof NdArray) return `an array ${value.dtype} [${value.shape.join(", ")}]`;
  if (value instanceof NumpyScalar) return `a scalar ${value.dtype}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Map) return "a map";
  return typeof value === "string" ? `the text ${quote(value)}` : `the ${typeof value} ${value}`;
}
