/**
 * The numbers that a tensor can hold, as ONNX names them and as JavaScript holds them.
 *
 * @module
 */

/** A tensor's element type. Half precision has no arithmetic in JavaScript: its bits travel as 16-bit integers. */
export type ElementType = keyof typeof ELEMENT_TYPES;

/** A view on elements; `float16` and `bfloat16` are Uint16Array, `bool` is Uint8Array. */
export type Elements<B extends ArrayBufferLike = ArrayBufferLike> =
  | Float32Array<B>
  | Float64Array<B>
  | Uint8Array<B>
  | Int8Array<B>
  | Uint16Array<B>
  | Int16Array<B>
  | Uint32Array<B>
  | Int32Array<B>
  | BigUint64Array<B>
  | BigInt64Array<B>;

interface ElementTypeFacts {
  /** ONNX' TensorProto.DataType, which ONNX Runtime's C API uses as well. */
  readonly code: number;
  readonly bytes: number;
  /** A view on part of a memory. */
  view<B extends ArrayBufferLike>(buffer: B, byteOffset: number, length: number): Elements<B>;
}

export const ELEMENT_TYPES = {
  float32: { code: 1, bytes: 4, view: (buffer, at, length) => new Float32Array(buffer, at, length) },
  uint8: { code: 2, bytes: 1, view: (buffer, at, length) => new Uint8Array(buffer, at, length) },
  int8: { code: 3, bytes: 1, view: (buffer, at, length) => new Int8Array(buffer, at, length) },
  uint16: { code: 4, bytes: 2, view: (buffer, at, length) => new Uint16Array(buffer, at, length) },
  int16: { code: 5, bytes: 2, view: (buffer, at, length) => new Int16Array(buffer, at, length) },
  int32: { code: 6, bytes: 4, view: (buffer, at, length) => new Int32Array(buffer, at, length) },
  int64: { code: 7, bytes: 8, view: (buffer, at, length) => new BigInt64Array(buffer, at, length) },
  bool: { code: 9, bytes: 1, view: (buffer, at, length) => new Uint8Array(buffer, at, length) },
  float16: { code: 10, bytes: 2, view: (buffer, at, length) => new Uint16Array(buffer, at, length) },
  float64: { code: 11, bytes: 8, view: (buffer, at, length) => new Float64Array(buffer, at, length) },
  uint32: { code: 12, bytes: 4, view: (buffer, at, length) => new Uint32Array(buffer, at, length) },
  uint64: { code: 13, bytes: 8, view: (buffer, at, length) => new BigUint64Array(buffer, at, length) },
  bfloat16: { code: 16, bytes: 2, view: (buffer, at, length) => new Uint16Array(buffer, at, length) },
} satisfies Record<string, ElementTypeFacts>;

/** The element type of a code of the C API; undefined where it has no JavaScript form (strings, 4-bit numbers …). */
export function elementTypeOf(code: number): ElementType | undefined {
  return (Object.keys(ELEMENT_TYPES) as ElementType[]).find((type) => ELEMENT_TYPES[type].code === code);
}

/** What a model says about one of its inputs or outputs. */
export interface TensorInfo {
  readonly name: string;
  readonly type: ElementType;
  /** Sizes of the dimensions, outermost first; all fixed. Empty for a single number. */
  readonly shape: readonly number[];
  /** The product of the dimensions. */
  readonly length: number;
}
