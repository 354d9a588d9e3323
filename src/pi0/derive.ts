/**
 * Makes the weights that a checkpoint does not hold as the graph wants them (converted, fused, quantised) and writes
 * them to a second safetensors file beside it, one matrix in memory at a time.
 *
 * @module
 */
import {
  encodeFloats,
  encodeHeader,
  type FloatTensorType,
  isFloatType,
  type SafetensorsFile,
  TENSOR_TYPES,
  tensorBytes,
  type TensorDescription,
  type TensorType,
} from "../checkpoint/safetensors.ts";
import type { Pi0Config } from "./config.ts";
import { type ByteType, quantizeTransposed } from "./quantize.ts";
import {
  EMBEDDING_SOURCES,
  type Fusion,
  listWeights,
  type MatrixSpec,
  type Precision,
  type VectorSpec,
} from "./weights.ts";

/** The element types that `layer` matrices may have. */
export const LAYER_TYPES = {
  float32: ["F32"],
  float16: ["F16"],
  bfloat16: ["BF16"],
  int8: ["I8", "U8"],
} as const satisfies Record<Precision, readonly TensorType[]>;

/** How the weights shall be. */
export interface DeriveOptions {
  readonly precision: Precision;
  readonly fusion: Fusion;
  /** Whether tensors that serve as they lie in the checkpoint are left there; if not, the new file is all one needs. */
  readonly refer: boolean;
  /** For int8: what the weights' bytes shall be; see saturation.ts for which is right on a processor. */
  readonly byteType?: ByteType;
}

/** What would be written. */
export interface DerivedFile {
  readonly tensors: readonly TensorDescription[];
  /** Of the whole file. */
  readonly bytes: number;
  /** Makes the file's bytes, in order; a chunk is one matrix at most. */
  chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>>;
}

/** Values turned to another type at a time: 16 MB of float32. */
const CHUNK_VALUES = 1 << 22;

/** The name under which the scales of an int8 matrix are stored. */
export function scalesName(matrix: string): string {
  return `${matrix}.scales`;
}

/**
 * Plans the file of derived tensors; nothing is read but the header.
 *
 * @throws {TypeError} where the checkpoint lacks a tensor, or has it in another shape than the configuration says.
 */
export function deriveWeights(config: Pi0Config, checkpoint: SafetensorsFile, options: DeriveOptions): DerivedFile {
  const { matrices, vectors } = listWeights(config, options.fusion);
  const jobs: Job[] = [];
  for (const spec of vectors) {
    checkSources(checkpoint, spec, spec.length);
    if (!options.refer) jobs.push(vectorJob(checkpoint, spec));
  }
  for (const spec of matrices) {
    checkSources(checkpoint, spec, spec.rows * spec.columns);
    if (options.refer && servesAsItLies(checkpoint, spec, options.precision)) continue;
    jobs.push(matrixJob(checkpoint, spec, options));
  }
  // Widest elements first, so that every matrix is aligned to its elements.
  jobs.sort((a, b) => TENSOR_TYPES[b.tensors[0]!.type] - TENSOR_TYPES[a.tensors[0]!.type]);
  const tensors = jobs.flatMap((job) => job.tensors);
  const header = encodeHeader(tensors);
  return {
    tensors,
    bytes: tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), header.length),
    async *chunks() {
      yield header;
      for (const job of jobs) yield* job.chunks();
    },
  };
}

/** Whether the graph can use the checkpoint's bytes untouched. */
export function servesAsItLies(checkpoint: SafetensorsFile, spec: MatrixSpec, precision: Precision): boolean {
  const type = floatType(checkpoint, spec, precision);
  return type !== undefined && spec.use !== "patch" && spec.sources.length === 1 &&
    checkpoint.place(sourceName(checkpoint, spec.sources[0]!)).type === type;
}

/** The name that the checkpoint has for a source; the embedding table has two. */
export function sourceName(checkpoint: SafetensorsFile, source: string): string {
  if (source !== EMBEDDING_SOURCES[0]) return source;
  return EMBEDDING_SOURCES.find((name) => checkpoint.tensors.has(name)) ?? source;
}

/** Tensors that are made together. */
interface Job {
  readonly tensors: readonly TensorDescription[];
  chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>>;
}

/** The type that a matrix has, or undefined for bytes. */
function floatType(checkpoint: SafetensorsFile, spec: MatrixSpec, precision: Precision): FloatTensorType | undefined {
  if (spec.use === "layer") return precision === "int8" ? undefined : LAYER_TYPES[precision][0];
  if (spec.use === "exact" || spec.use === "patch") return "F32";
  const { type } = checkpoint.place(sourceName(checkpoint, spec.sources[0]!));
  if (!isFloatType(type)) throw new TypeError(`Cannot use "${spec.sources[0]}" of "${checkpoint.path}": it is ${type}`);
  return type;
}

/** Checks that the sources are there and together have as many values as the configuration says. */
function checkSources(checkpoint: SafetensorsFile, spec: MatrixSpec | VectorSpec, expected: number): void {
  const shapes = spec.sources.map((source) => checkpoint.place(sourceName(checkpoint, source)).shape);
  const counts = shapes.map((shape) => shape.reduce((product, size) => product * size, 1));
  const found = counts.reduce((sum, count) => sum + count, 0);
  const columns = "columns" in spec ? spec.columns : 1;
  // A patch kernel [width, 3, side, side] is a matrix of width rows; so the rows are counted, not the dimensions.
  const rowsFit = shapes.every((shape, i) => columns === 1 || shape[0]! * columns === counts[i]);
  if (found === expected && rowsFit) return;
  const wanted = "columns" in spec ? `${spec.rows} × ${spec.columns}` : `${spec.length}`;
  throw new TypeError(
    `Cannot use "${spec.sources.join(" + ")}" of "${checkpoint.path}": its shape is ` +
      `${shapes.map((shape) => `[${shape}]`).join(" + ")}, the configuration needs ${wanted} values; ` +
      `is it the configuration of this checkpoint?`,
  );
}

function vectorJob(checkpoint: SafetensorsFile, { name, length, sources }: VectorSpec): Job {
  return { tensors: [{ name, type: "F32", shape: [length] }], chunks: () => convert(checkpoint, sources, "F32") };
}

function matrixJob(checkpoint: SafetensorsFile, spec: MatrixSpec, options: DeriveOptions): Job {
  const { name, rows, columns } = spec;
  const type = floatType(checkpoint, spec, options.precision);
  const sources = spec.sources.map((source) => sourceName(checkpoint, source));
  if (spec.use === "patch") {
    return {
      tensors: [{ name, type: "F32", shape: [rows, columns] }],
      async *chunks() {
        yield encodeFloats(interleaveChannels(await checkpoint.readFloats(sources[0]!), rows, columns / 3), "F32");
      },
    };
  }
  if (type !== undefined) {
    return { tensors: [{ name, type, shape: [rows, columns] }], chunks: () => convert(checkpoint, sources, type) };
  }
  const byteType = options.byteType ?? "U8";
  return {
    tensors: [{ name, type: byteType, shape: [columns, rows] }, { name: scalesName(name), type: "F32", shape: [rows] }],
    async *chunks() {
      const matrix = new Float32Array(rows * columns);
      let filled = 0;
      for (const source of sources) {
        const values = await checkpoint.readFloats(source);
        matrix.set(values, filled);
        filled += values.length;
      }
      const { values, scales } = quantizeTransposed(matrix, rows, columns, byteType);
      yield new Uint8Array(values.buffer);
      yield encodeFloats(scales, "F32");
    },
  };
}

/** Kernels `[rows, 3, pixels]` to `[rows, pixels, 3]`. */
function interleaveChannels(kernels: Float32Array, rows: number, pixels: number): Float32Array<ArrayBuffer> {
  const result = new Float32Array(kernels.length);
  for (let row = 0; row < rows; row++) {
    for (let channel = 0; channel < 3; channel++) {
      for (let pixel = 0; pixel < pixels; pixel++) {
        result[(row * pixels + pixel) * 3 + channel] = kernels[(row * 3 + channel) * pixels + pixel]!;
      }
    }
  }
  return result;
}

async function* convert(
  checkpoint: SafetensorsFile,
  sources: readonly string[],
  type: FloatTensorType,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (const source of sources) {
    const count = checkpoint.place(source).shape.reduce((product, size) => product * size, 1);
    for (let first = 0; first < count; first += CHUNK_VALUES) {
      const values = await checkpoint.readFloats(source, first, Math.min(CHUNK_VALUES, count - first));
      yield encodeFloats(values, type);
    }
  }
}
