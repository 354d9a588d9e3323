/**
 * A graph written top to bottom: each call adds something and returns the name of the value it makes.
 *
 * @module
 */
import {
  type Attribute,
  ELEMENT_TYPES,
  type ElementType,
  encodeModel,
  type ExternalBytes,
  type GraphPort,
  type Initializer,
  type OnnxNode,
} from "./model.ts";

/** The domain of ONNX Runtime's own operators. */
export const MICROSOFT = "com.microsoft";

/** What a node may have besides its operator and inputs. */
export interface NodeOptions {
  /** {@linkcode MICROSOFT}, or ONNX's own operators where absent. */
  readonly domain?: string;
  /** For each output whether it is wanted; the first alone where absent. */
  readonly outputs?: readonly boolean[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

/** Collects nodes, constants, inputs and outputs, and encodes them. */
export class GraphBuilder {
  readonly #name: string;
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers = new Map<string, Initializer>();
  readonly #inputs: GraphPort[] = [];
  readonly #outputs: GraphPort[] = [];
  readonly #taken = new Set<string>();
  #scope = "";

  constructor(name: string) {
    this.#name = name;
  }

  /** Nodes so far. */
  get nodeCount(): number {
    return this.#nodes.length;
  }

  /** Runs `write` with `scope/` in front of every name it makes, so that a profile reads like the model. */
  within<T>(scope: string, write: () => T): T {
    const outer = this.#scope;
    this.#scope = `${outer}${scope}/`;
    try {
      return write();
    } finally {
      this.#scope = outer;
    }
  }

  /** Declares an input of the model. */
  input(name: string, type: ElementType, shape: readonly number[]): string {
    this.#claim(name);
    this.#inputs.push({ name, type, shape });
    return name;
  }

  /** Makes `value` an output of the model under `name`. */
  output(value: string, name: string, type: ElementType, shape: readonly number[]): void {
    this.#claim(name);
    this.#nodes.push({
      name: `${name}/output`,
      operator: "Identity",
      domain: "",
      inputs: [value],
      outputs: [name],
      attributes: {},
    });
    this.#outputs.push({ name, type, shape });
  }

  /**
   * Adds a constant whose bytes are in the model file (an array) or beside it. Names are the caller's own; the same
   * name again is the same constant, whatever the scope.
   *
   * @throws {RangeError} where the bytes do not fill the shape.
   */
  constant(
    name: string,
    type: ElementType,
    shape: readonly number[],
    content: ArrayBufferView<ArrayBufferLike> | ExternalBytes,
  ): string {
    if (this.#initializers.has(name)) return name;
    this.#claim(name);
    const bytes = ArrayBuffer.isView(content)
      ? new Uint8Array(content.buffer, content.byteOffset, content.byteLength)
      : content;
    const expected = shape.reduce((product, size) => product * size, ELEMENT_TYPES[type].bytes);
    if (bytes.length !== expected) {
      throw new RangeError(
        `Cannot add the constant "${name}" of ${type} [${shape}]: needs ${expected} bytes, has ${bytes.length}`,
      );
    }
    this.#initializers.set(name, { name, type, shape, content: bytes });
    return name;
  }

  /** A one-dimensional int64 constant (shapes, axes, lengths), one for equal values. */
  integers(values: readonly number[]): string {
    const name = `int64[${values.join()}]`;
    return this.constant(name, "int64", [values.length], BigInt64Array.from(values, BigInt));
  }

  /** A float32 constant without dimensions, one for equal values. */
  scalar(value: number): string {
    return this.constant(`float32(${value})`, "float32", [], Float32Array.of(value));
  }

  /** Adds a node and returns its first output. Absent inputs are empty strings. */
  node(operator: string, inputs: readonly string[], options: NodeOptions = {}): string {
    return this.nodes(operator, inputs, options)[0]!;
  }

  /** Adds a node and returns all of its outputs; one that is not wanted is an empty string. */
  nodes(operator: string, inputs: readonly string[], options: NodeOptions = {}): string[] {
    const name = this.#unused(`${this.#scope}${operator}`);
    const outputs = (options.outputs ?? [true]).map((wanted, index) =>
      wanted ? (index === 0 ? name : `${name}:${index}`) : ""
    );
    this.#nodes.push({
      name,
      operator,
      domain: options.domain ?? "",
      inputs,
      outputs,
      attributes: options.attributes ?? {},
    });
    return outputs;
  }

  /** The bytes of the `.onnx` file. */
  finish(): Uint8Array<ArrayBuffer> {
    return encodeModel({
      name: this.#name,
      operatorSets: { "": 24, [MICROSOFT]: 1 },
      nodes: this.#nodes,
      initializers: [...this.#initializers.values()],
      inputs: this.#inputs,
      outputs: this.#outputs,
    });
  }

  #claim(name: string): void {
    if (this.#taken.has(name)) throw new RangeError(`Cannot name a value "${name}" twice in one graph`);
    this.#taken.add(name);
  }

  #unused(wanted: string): string {
    let name = wanted;
    for (let count = 2; this.#taken.has(name); count++) name = `${wanted}_${count}`;
    this.#taken.add(name);
    return name;
  }
}
