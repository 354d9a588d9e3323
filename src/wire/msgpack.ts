/**
 * MessagePack as openpi's `msgpack_numpy` writes and reads it: plain MessagePack, in which arrays and scalars of numpy
 * are maps with binary keys. Libraries refuse such keys or lose them, hence this one. Decoding is total: any bytes give
 * a value or a {@linkcode WireError}, in time and memory proportional to their number.
 *
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * @module
 */

export * from "./msgpack_value.ts";
export { decode, type DecodeLimits } from "./msgpack_decode.ts";
export { Encoder } from "./msgpack_encode.ts";
