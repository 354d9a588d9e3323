/**
 * A model that can be loaded: from a folder, made up, or the one inside the program.
 *
 * @module
 */
import { listInputs } from "./graph.ts";
import type { Variant } from "./model_folder.ts";
import type { Pipeline } from "./preprocess.ts";
import type { Pi0Config } from "./config.ts";
import { listWeights, type Pi0Weights, type Precision } from "./weights.ts";
import { GRAPH_TYPES } from "./graph_section.ts";
import type { ByteType } from "./quantize.ts";

/** An `.onnx` file, or the bytes of one. */
export type GraphFile = { readonly path: string } | { readonly bytes: Uint8Array<ArrayBuffer> };

/** Dispose of it when its graphs are loaded: it keeps the weight files open. */
export interface Pi0Model extends AsyncDisposable {
  /** As typed on the command line. */
  readonly name: string;
  readonly config: Pi0Config;
  readonly pipeline: Pipeline;
  readonly weights: Pi0Weights;
  readonly byteType: ByteType | null;
  /** Of the file that the weights come from; null where they are random. */
  readonly checkpointHash: string | null;
  /** Numbers that it has learned. */
  readonly parameters: number;
  /** Whether the graphs give the intermediate values, too. */
  readonly probes: boolean;
  /** The variants that come with the model. */
  readonly variants: readonly Variant[];
  /** The folder that the graphs' external data is relative to; null where they have none. */
  readonly folder: string | null;
  /** Absolute paths of the weight files, by the name that the graphs have for them. */
  readonly weightFiles: Readonly<Record<string, string>>;
  /** A variant's graph: the model's own, or one written now. */
  graph(variant: Variant): Promise<GraphFile>;
}

/** A matrix of the graphs, and where it lies. */
export interface ExternalTensor {
  readonly name: string;
  readonly type: (typeof GRAPH_TYPES)[keyof typeof GRAPH_TYPES];
  readonly shape: readonly number[];
  readonly file: string;
  readonly offset: number;
}

/** Every matrix that the graphs of a model refer to in a file. */
export function listExternalTensors(weights: Pi0Weights): ExternalTensor[] {
  const { matrices } = listWeights(weights.config, weights.fusion);
  return matrices.filter(({ use }) => use !== "fold").flatMap(({ name }) => {
    const { type, order, rows, columns, bytes } = weights.matrix(name);
    if (bytes instanceof Uint8Array) return [];
    const shape = order === "rows" ? [rows, columns] : [columns, rows];
    return { name, type: GRAPH_TYPES[type], shape, file: bytes.file, offset: bytes.offset };
  });
}

/** Bytes of the weights that all variants use, counted once. */
export function weightBytes(weights: Pi0Weights): number {
  const { matrices, vectors } = listWeights(weights.config, weights.fusion);
  const inFiles = matrices.reduce((sum, { name }) => sum + weights.matrix(name).bytes.length, 0);
  return vectors.reduce((sum, { length }) => sum + 4 * length, inFiles);
}

/** Numbers that openpi's model of a configuration has learned, those included that only training uses. */
export function countParameters(config: Pi0Config): number {
  const { matrices, vectors } = listWeights(config, { attention: false, gate: false });
  const inMatrices = matrices.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  const inUse = vectors.reduce((sum, { length }) => sum + length, inMatrices);
  // Of the prefix's last block the graph has keys and values only, and nothing of the norm behind it.
  const { width, mlpWidth } = config.prefix;
  const queryWidth = config.heads * config.headDim;
  return inUse + 2 * queryWidth * width + 3 * mlpWidth * width + 2 * width;
}

/** Inputs of zeros for a variant, with one prompt token: what a warm-up runs on. */
export function emptyInputs(
  config: Pi0Config,
  cameras: number,
): Record<string, Uint8Array | Int32Array | Float32Array> {
  const arrays = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array };
  return Object.fromEntries(
    listInputs(config, cameras).map(({ name, type, shape }) => {
      const values = new arrays[type](shape.reduce((product, size) => product * size, 1));
      return [name, name === "token_count" ? values.fill(1) : values];
    }),
  );
}

/** The fusion and precision names as people type them. */
export const PRECISIONS = {
  fp32: "float32",
  fp16: "float16",
  bf16: "bfloat16",
  int8: "int8",
} as const satisfies Record<string, Precision>;
export type PrecisionName = keyof typeof PRECISIONS;
