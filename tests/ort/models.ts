/**
 * Small ONNX models, encoded field by field (https://github.com/onnx/onnx, onnx.proto3).
 *
 * @module
 */

import { ELEMENT_TYPES, type ElementType } from "../../src/ort/element_type.ts";

type Encoded = number[];

function varint(value: number): Encoded {
  const bytes: Encoded = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push(value % 128 + 128);
  return [...bytes, value];
}
const whole = (field: number, value: number): Encoded => [field << 3, ...varint(value)];
const part = (field: number, content: Encoded): Encoded => [field << 3 | 2, ...varint(content.length), ...content];
const text = (field: number, value: string): Encoded => part(field, [...new TextEncoder().encode(value)]);

export interface TensorSpec {
  readonly name: string;
  readonly type: ElementType;
  /** A text is a dimension that is not fixed. */
  readonly shape: readonly (number | string)[];
}

export interface NodeSpec {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** A constant whose bytes are in another file. */
export interface ExternalSpec extends TensorSpec {
  readonly location: string;
  readonly offset: number;
}

function encodeTensorSpec({ name, type, shape }: TensorSpec): Encoded {
  const dimensions = shape.flatMap((size) => part(1, typeof size === "number" ? whole(1, size) : text(2, size)));
  return [...text(1, name), ...part(2, part(1, [...whole(1, ELEMENT_TYPES[type].code), ...part(2, dimensions)]))];
}

function encodeExternal({ name, type, shape, location, offset }: ExternalSpec): Encoded {
  const entry = (key: string, value: string) => part(13, [...text(1, key), ...text(2, value)]);
  return [
    ...shape.flatMap((size) => whole(1, size as number)),
    ...whole(2, ELEMENT_TYPES[type].code),
    ...text(8, name),
    ...entry("location", location),
    ...entry("offset", String(offset)),
    ...whole(14, 1),
  ];
}

export function encodeModel(
  { inputs, outputs, nodes, external = [] }: {
    inputs: readonly TensorSpec[];
    outputs: readonly TensorSpec[];
    nodes: readonly NodeSpec[];
    external?: readonly ExternalSpec[];
  },
): Uint8Array<ArrayBuffer> {
  const graph = [
    ...nodes.flatMap(({ operator, inputs, outputs }) =>
      part(1, [
        ...inputs.flatMap((name) => text(1, name)),
        ...outputs.flatMap((name) => text(2, name)),
        ...text(4, operator),
      ])
    ),
    ...text(2, "graph"),
    ...external.flatMap((constant) => part(5, encodeExternal(constant))),
    ...inputs.flatMap((input) => part(11, encodeTensorSpec(input))),
    ...outputs.flatMap((output) => part(12, encodeTensorSpec(output))),
  ];
  return Uint8Array.from([...whole(1, 8), ...part(7, graph), ...part(8, whole(2, 17))]);
}

/** y = x + x for four numbers. */
export const DOUBLING = encodeModel({
  inputs: [{ name: "x", type: "float32", shape: [4] }],
  outputs: [{ name: "y", type: "float32", shape: [4] }],
  nodes: [{ operator: "Add", inputs: ["x", "x"], outputs: ["y"] }],
});

/** y = x · x · … · x, so often that a run takes about a second; 384 numbers square. */
export const SLOW_SIZE = 384;
const SLOW_NODES = 400;
export const SLOW = encodeModel({
  inputs: [{ name: "x", type: "float32", shape: [SLOW_SIZE, SLOW_SIZE] }],
  outputs: [{ name: "y", type: "float32", shape: [SLOW_SIZE, SLOW_SIZE] }],
  nodes: Array.from({ length: SLOW_NODES }, (_, i) => ({
    operator: "MatMul",
    inputs: [i === 0 ? "x" : `y${i - 1}`, "x"],
    outputs: [i === SLOW_NODES - 1 ? "y" : `y${i}`],
  })),
});
