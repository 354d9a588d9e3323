/**
 * What an ONNX file says, as plain values, and its encoding. Field numbers and type codes are those of onnx.proto3.
 *
 * @module
 */
import { MessageWriter } from "./protobuf.ts";

/** Element types by name, with the code that the file carries and the bytes per element. */
export const ELEMENT_TYPES = {
  float32: { code: 1, bytes: 4 },
  uint8: { code: 2, bytes: 1 },
  int8: { code: 3, bytes: 1 },
  int32: { code: 6, bytes: 4 },
  int64: { code: 7, bytes: 8 },
  float16: { code: 10, bytes: 2 },
  bfloat16: { code: 16, bytes: 2 },
} as const satisfies Record<string, { code: number; bytes: number }>;

export type ElementType = keyof typeof ELEMENT_TYPES;

/** A node's setting. The kind is written out because a JavaScript number does not tell int from float. */
export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly ints: readonly number[] }
  | { readonly text: string };

/** One operation; outputs that are not wanted and inputs that are absent are empty strings. */
export interface OnnxNode {
  readonly name: string;
  readonly operator: string;
  /** Empty for ONNX's own operators. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** Where the bytes of a tensor are that is not inside the model file. */
export interface ExternalBytes {
  /** Path relative to the folder that the runtime looks in; it refuses absolute paths and `..`. */
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

/** A constant tensor: row-major little-endian bytes, here or in another file. */
export interface Initializer {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly content: Uint8Array | ExternalBytes;
}

/** A model's input or output; the shape is static. */
export interface GraphPort {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
}

/** One graph and the versions of the operator sets it is written in. */
export interface OnnxModel {
  readonly name: string;
  /** Version by domain; the empty domain is ONNX's own. */
  readonly operatorSets: Readonly<Record<string, number>>;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly Initializer[];
  readonly inputs: readonly GraphPort[];
  readonly outputs: readonly GraphPort[];
}

/** IR version 11 belongs to opset 24; ONNX Runtime 1.25 and later read it. */
const IR_VERSION = 11;

/** Encodes a model as the bytes of an `.onnx` file. */
export function encodeModel(model: OnnxModel): Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter(1 << 16);
  writer.integer(1, IR_VERSION);
  writer.text(2, "pi0");
  writer.message(7, (graph) => {
    for (const node of model.nodes) graph.message(1, (message) => writeNode(message, node));
    graph.text(2, model.name);
    for (const tensor of model.initializers) graph.message(5, (message) => writeInitializer(message, tensor));
    for (const port of model.inputs) graph.message(11, (message) => writePort(message, port));
    for (const port of model.outputs) graph.message(12, (message) => writePort(message, port));
  });
  for (const [domain, version] of Object.entries(model.operatorSets)) {
    writer.message(8, (set) => {
      if (domain !== "") set.text(1, domain);
      set.integer(2, version);
    });
  }
  return writer.finish();
}

function writeNode(message: MessageWriter, node: OnnxNode): void {
  for (const input of node.inputs) message.text(1, input);
  for (const output of node.outputs) message.text(2, output);
  message.text(3, node.name);
  message.text(4, node.operator);
  for (const [name, value] of Object.entries(node.attributes)) {
    message.message(5, (attribute) => writeAttribute(attribute, name, value));
  }
  if (node.domain !== "") message.text(7, node.domain);
}

function writeAttribute(message: MessageWriter, name: string, value: Attribute): void {
  const typeField = 20;
  message.text(1, name);
  if ("float" in value) {
    message.float(2, value.float);
    message.integer(typeField, 1);
  } else if ("int" in value) {
    message.integer(3, value.int);
    message.integer(typeField, 2);
  } else if ("text" in value) {
    message.text(4, value.text);
    message.integer(typeField, 3);
  } else {
    for (const item of value.ints) message.integer(8, item);
    message.integer(typeField, 7);
  }
}

function writeInitializer(message: MessageWriter, tensor: Initializer): void {
  for (const size of tensor.shape) message.integer(1, size);
  message.integer(2, ELEMENT_TYPES[tensor.type].code);
  message.text(8, tensor.name);
  const { content } = tensor;
  if (content instanceof Uint8Array) return message.bytes(9, content);
  const entries = { location: content.file, offset: String(content.offset), length: String(content.length) };
  for (const [key, value] of Object.entries(entries)) {
    message.message(13, (entry) => {
      entry.text(1, key);
      entry.text(2, value);
    });
  }
  message.integer(14, 1);
}

function writePort(message: MessageWriter, port: GraphPort): void {
  message.text(1, port.name);
  message.message(2, (type) =>
    type.message(1, (tensor) => {
      tensor.integer(1, ELEMENT_TYPES[port.type].code);
      tensor.message(2, (shape) => {
        for (const size of port.shape) shape.message(1, (dimension) => dimension.integer(1, size));
      });
    }));
}
