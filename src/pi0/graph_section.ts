/**
 * The operations that every part of the graph is written with: products with weights in any precision, norms, rotary
 * positions, attention.
 *
 * Hidden values are `[1, tokens, width]` in the graph's type throughout, so that no operator needs another shape.
 *
 * @module
 */
import { type GraphBuilder, MICROSOFT } from "../onnx/graph_builder.ts";
import type { ElementType } from "../onnx/model.ts";
import { encodeFloats } from "../checkpoint/safetensors.ts";
import { LARGEST_STEP, ZERO_POINT } from "./quantize.ts";
import type { Pi0Weights, StoredMatrix } from "./weights.ts";

/** What all sections of one graph share. */
export interface GraphContext {
  readonly graph: GraphBuilder;
  readonly weights: Pi0Weights;
  /** Quantised rows and their factors by the value they were made from, so that fused inputs are quantised once. */
  readonly quantized: Map<string, QuantizedRows>;
}

interface QuantizedRows {
  readonly values: string;
  /** `[1, tokens, 1]` float32. */
  readonly scale: string;
}

/** A residual stream: what came before, and what the last block adds to it (the next norm does the addition). */
export interface Stream {
  readonly sum: string;
  readonly delta?: string;
}

/** Cosine and sine tables, and the position of each token. */
export interface Rotation {
  readonly cosines: string;
  readonly sines: string;
  /** int64 `[1, tokens]`. */
  readonly positions: string;
}

/** Element types of matrices in files, as the graph names them. */
export const GRAPH_TYPES = { F32: "float32", F16: "float16", BF16: "bfloat16", I8: "int8", U8: "uint8" } as const;

/** Keeps the scale of a row of zeros above zero; the smallest normal float32 is 1.2e-38. */
const SMALLEST_SCALE = 1e-30;

/** Writes a section of the graph in which every hidden value has the same number of tokens. */
export class GraphSection {
  readonly context: GraphContext;
  readonly graph: GraphBuilder;
  readonly weights: Pi0Weights;
  readonly tokens: number;

  constructor(context: GraphContext, tokens: number) {
    this.context = context;
    this.graph = context.graph;
    this.weights = context.weights;
    this.tokens = tokens;
  }

  /** The type of hidden values: that of the weights, and float32 between 8-bit products. */
  get type(): ElementType {
    const { precision } = this.weights;
    return precision === "int8" ? "float32" : precision;
  }

  /** Casts between float32 and the graph's type; nothing where they are the same. */
  cast(value: string, from: ElementType, to: ElementType): string {
    if (from === to) return value;
    const codes = { float32: 1, float16: 10, bfloat16: 16, int64: 7 } as Partial<Record<ElementType, number>>;
    return this.graph.node("Cast", [value], { attributes: { to: { int: codes[to]! } } });
  }

  /** A constant in the graph's type (or another), from float32 values. */
  constant(
    name: string,
    shape: readonly number[],
    values: Float32Array<ArrayBuffer>,
    type: ElementType = this.type,
  ): string {
    const stored = type === "float16" ? "F16" : type === "bfloat16" ? "BF16" : "F32";
    return this.graph.constant(name, type, shape, encodeFloats(values, stored));
  }

  /** A vector of the weights, in the graph's type. */
  vector(name: string): string {
    const values = this.weights.vector(name);
    return this.constant(name, [values.length], values);
  }

  /** A norm's factors: 1 + w, as Gemma means it. */
  offsetScale(name: string): string {
    const values = this.weights.vector(name).map((value) => 1 + value);
    return this.constant(name, [values.length], values);
  }

  /** A matrix of the weights as it lies in its file. */
  matrix(name: string): string {
    const { type, order, rows, columns, bytes } = this.weights.matrix(name);
    const shape = order === "rows" ? [rows, columns] : [columns, rows];
    return this.graph.constant(name, GRAPH_TYPES[type], shape, bytes);
  }

  /** `value · matrixᵀ`, without bias: `[1, tokens, columns]` → `[1, tokens, rows]`. */
  product(value: string, name: string): string {
    const stored = this.weights.matrix(name);
    if (stored.scales !== undefined) return this.#integerProduct(value, name, stored);
    return this.graph.node("FusedMatMul", [value, this.matrix(name)], {
      domain: MICROSOFT,
      attributes: { transB: { int: stored.order === "rows" ? 1 : 0 } },
    });
  }

  /** {@linkcode product} and the bias of the same name. */
  linear(value: string, name: string): string {
    return this.graph.node("Add", [this.product(value, name), this.vector(`${name}.bias`)]);
  }

  /** Cuts the last dimension into pieces of these sizes. */
  split(value: string, sizes: readonly number[]): string[] {
    return this.graph.nodes("Split", [value, this.graph.integers(sizes)], {
      attributes: { axis: { int: -1 } },
      outputs: sizes.map(() => true),
    });
  }

  reshape(value: string, shape: readonly number[]): string {
    return this.graph.node("Reshape", [value, this.graph.integers(shape)]);
  }

  /**
   * RMS norm of the stream: the normed values, and the stream with its delta added. `scale` is a constant. Addition and
   * norm are one operator for the sake of GPUs; the CPU's is slower than the two apart, by some 0.3 % of a run
   * (scripts/bench_graph.ts).
   */
  rmsNorm(stream: Stream, scale: string): { normed: string; sum: string } {
    const epsilon = { float: this.weights.config.normEpsilon };
    if (stream.delta === undefined) {
      const normed = this.graph.node("SimplifiedLayerNormalization", [stream.sum, scale], {
        attributes: { axis: { int: -1 }, epsilon },
      });
      return { normed, sum: stream.sum };
    }
    const [normed, , , sum] = this.graph.nodes("SkipSimplifiedLayerNormalization", [stream.delta, stream.sum, scale], {
      domain: MICROSOFT,
      attributes: { epsilon },
      outputs: [true, false, false, true],
    });
    return { normed: normed!, sum: sum! };
  }

  /** Turns queries or keys by their tokens' positions, halves paired as Gemma does. */
  rotate(value: string, rotation: Rotation, heads: number): string {
    return this.graph.node("RotaryEmbedding", [value, rotation.positions, rotation.cosines, rotation.sines], {
      domain: MICROSOFT,
      attributes: { num_heads: { int: heads }, interleaved: { int: 0 } },
    });
  }

  /**
   * Attention of `[batch, tokens, heads × headDim]`. No mask: with `validKeys` (int64 `[1]`), the keys beyond it count
   * for nothing.
   */
  attend(
    [query, key, value]: readonly [string, string, string],
    size: { readonly heads: number; readonly kvHeads: number; readonly headDim: number },
    validKeys?: string,
  ): string {
    const inputs = [query, key, value, ...(validKeys === undefined ? [] : ["", "", "", validKeys])];
    return this.graph.node("Attention", inputs, {
      attributes: {
        q_num_heads: { int: size.heads },
        kv_num_heads: { int: size.kvHeads },
        scale: { float: size.headDim ** -0.5 },
      },
    });
  }

  /** 8-bit product: `(a − zero)·(w − zero)` in integers, times the row's factor and the weight column's. */
  #integerProduct(value: string, name: string, { type, rows, scales }: StoredMatrix): string {
    const { values, scale } = this.#quantize(value);
    const zero = this.graph.constant("zero_point", "uint8", [], Uint8Array.of(ZERO_POINT));
    const factors = [this.graph.scalar(1), this.constant(`${name}.scales`, [rows], scales!)];
    const inputs = [values, this.matrix(name), ...factors, zero, ...(type === "U8" ? [zero] : [])];
    const product = this.graph.node("MatMulIntegerToFloat", inputs, { domain: MICROSOFT });
    return this.graph.node("Mul", [product, scale]);
  }

  /**
   * One factor per token: a few of Gemma's activations are so large that one factor for all would drown the rest.
   * Unsigned, since signed activations are twenty times as slow.
   */
  #quantize(value: string): QuantizedRows {
    const known = this.context.quantized.get(value);
    if (known !== undefined) return known;
    const { graph, tokens } = this;
    const largest = graph.node("ReduceMax", [graph.node("Abs", [value]), graph.integers([-1])]);
    const scaled = graph.node("Mul", [largest, graph.scalar(1 / LARGEST_STEP)]);
    const scale = graph.node("Max", [scaled, graph.scalar(SMALLEST_SCALE)]);
    const zeros = graph.constant(`zero_points[${tokens}]`, "uint8", [tokens], new Uint8Array(tokens).fill(ZERO_POINT));
    const values = graph.node("QuantizeLinear", [value, this.reshape(scale, [tokens]), zeros], {
      attributes: { axis: { int: 1 } },
    });
    const rows = { values, scale };
    this.context.quantized.set(value, rows);
    return rows;
  }
}
