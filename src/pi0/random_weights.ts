/**
 * Weights without a checkpoint: seeded random numbers, for trying the program and measuring its speed.
 *
 * The full π₀ has 13 GB of weights. Here one pool file of 0.2 GB serves: every tensor is a window of it that starts
 * elsewhere, so no two tensors have equal contents and no cache is flattered. Pools of different types hold the same
 * numbers, rounded, so that an 8-bit model can be compared with its float32 one.
 *
 * @module
 */
import { encodeFloats, TENSOR_TYPES, type TensorType } from "../checkpoint/safetensors.ts";
import { seededRandom } from "../random.ts";
import type { Pi0Config } from "./config.ts";
import { type ByteType, LARGEST_STEP, ZERO_POINT } from "./quantize.ts";
import {
  type Fusion,
  listWeights,
  type MatrixSpec,
  type Pi0Weights,
  pickWeights,
  type Precision,
  type StoredMatrix,
} from "./weights.ts";

/** What to make up. */
export interface RandomWeightsOptions {
  readonly precision: Precision;
  readonly fusion: Fusion;
  readonly seed: number;
  /** Where the pools are, or shall be made: a folder that exists. */
  readonly folder: string;
  /** For int8; see saturation.ts. */
  readonly byteType?: ByteType;
  /** Called while a pool is made, with its bytes. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** The largest of a matrix row of 2,048 normal numbers lies here; the 8-bit scale of every row is this large. */
const LARGEST_DEVIATIONS = 3.5;

/** Windows start at multiples of this many values: memory pages, even for bytes. */
const PAGE_VALUES = 4096;

/** Random numbers are drawn from a table of this many samples of the normal distribution, with 16 bits each. */
const SAMPLES = 65536;

/** Values made at a time. */
const CHUNK_VALUES = 1 << 20;

/** Changes with the pools' contents, so that pools of an older program are not mistaken for these. */
const POOL_VERSION = 1;

/**
 * Makes up weights for a configuration, and the pool files that hold them where they are not there yet. A pool is made
 * in about a second.
 */
export async function makeRandomWeights(config: Pi0Config, options: RandomWeightsOptions): Promise<Pi0Weights> {
  const { precision, fusion, seed, folder } = options;
  const { matrices, vectors } = listWeights(config, fusion);
  const windows = placeWindows(matrices, [...matrices, ...vectors].map(({ name }) => name), seed);
  const layerType = layerTypeOf(precision, options.byteType ?? "U8");
  const lookupType = TENSOR_TYPES[layerType] === 1 ? "F32" : layerType;
  const poolName = (type: TensorType) =>
    `random-${POOL_VERSION}-${seed}-${config.prefix.width}-${windows.poolValues}.${type.toLowerCase()}`;
  const samples = drawSamples(config);
  const largest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  for (const type of new Set<TensorType>(["F32", lookupType, layerType])) {
    const values = encodeSamples(samples, type, largest);
    // The embedding table is larger than the pool; what lies behind is a hole in the file, tokens that nobody sends.
    const lookups = matrices.filter(({ use }) => use === "lookup" && type === lookupType);
    const tail = Math.max(0, ...lookups.map(({ rows, columns }) => rows * columns)) * TENSOR_TYPES[type];
    await makePool(`${folder}/${poolName(type)}`, values, windows.poolValues, tail, options);
  }

  const typeOf = (use: MatrixSpec["use"]) => use === "layer" ? layerType : use === "lookup" ? lookupType : "F32";
  const stored = new Map<string, StoredMatrix>();
  for (const { name, rows, columns, use } of matrices) {
    const type = typeOf(use);
    const bytes = TENSOR_TYPES[type];
    const offset = use === "lookup" ? 0 : windows.starts.get(name)! * bytes;
    stored.set(name, {
      rows,
      columns,
      type,
      // Integer products need columns; so float32 has them too, and both are the same model.
      order: use === "layer" ? "columns" : "rows",
      bytes: { file: poolName(type), offset, length: rows * columns * bytes },
      ...(bytes === 1 && { scales: new Float32Array(rows).fill(largest / LARGEST_STEP) }),
    });
  }
  const read = (name: string, count: number) =>
    readWindow(`${folder}/${poolName("F32")}`, windows.starts.get(name)! * 4, count);
  const values = new Map<string, Float32Array<ArrayBuffer>>();
  for (const { name, length, kind } of vectors) {
    const window = await read(name, length);
    values.set(name, kind === "scale" ? window.map((value) => 1 + value) : window);
  }
  return {
    config,
    precision,
    fusion,
    matrix: (name) => pickWeights(stored, name),
    vector: (name) => pickWeights(values, name),
    readMatrix(name) {
      const { rows, columns } = pickWeights(stored, name);
      return read(name, rows * columns);
    },
  };
}

function layerTypeOf(precision: Precision, byteType: ByteType): TensorType {
  return precision === "int8" ? byteType : precision === "float16" ? "F16" : precision === "bfloat16" ? "BF16" : "F32";
}

/** Gives every tensor a start of its own in a pool with room for the largest one behind any start. */
function placeWindows(
  matrices: readonly MatrixSpec[],
  names: readonly string[],
  seed: number,
): { starts: Map<string, number>; poolValues: number } {
  const random = seededRandom(seed);
  const pages = 2 * names.length;
  const taken = new Set<number>();
  const starts = new Map<string, number>();
  for (const name of names) {
    let page: number;
    do page = Math.floor(random() * pages); while (taken.has(page));
    taken.add(page);
    starts.set(name, page * PAGE_VALUES);
  }
  const largest = Math.max(
    ...matrices.filter(({ use }) => use !== "lookup").map(({ rows, columns }) => rows * columns),
  );
  return { starts, poolValues: pages * PAGE_VALUES + largest };
}

/**
 * Normally distributed numbers, by Box and Muller's formula, none beyond {@linkcode LARGEST_DEVIATIONS}. A product with
 * as many as the prefix is wide keeps the size of what it multiplies; the norms do the rest.
 */
function drawSamples(config: Pi0Config): Float32Array<ArrayBuffer> {
  const deviation = 1 / Math.sqrt(config.prefix.width);
  const random = seededRandom(0);
  const draw = (): number => {
    const sample = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Math.abs(sample) > LARGEST_DEVIATIONS ? draw() : sample * deviation;
  };
  return Float32Array.from({ length: SAMPLES }, draw);
}

/** The samples in a type, as bit patterns. */
function encodeSamples(
  samples: Float32Array<ArrayBuffer>,
  type: TensorType,
  largest: number,
): Uint32Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint8Array<ArrayBuffer> {
  if (type === "I8" || type === "U8") {
    const zero = type === "U8" ? ZERO_POINT : 0;
    return Uint8Array.from(samples, (sample) => Math.round(sample / largest * LARGEST_STEP) + zero);
  }
  const bytes = encodeFloats(samples, type);
  return type === "F32" ? new Uint32Array(bytes.buffer) : new Uint16Array(bytes.buffer);
}

async function makePool(
  path: string,
  samples: Uint32Array | Uint16Array | Uint8Array,
  count: number,
  leastBytes: number,
  { seed, onProgress }: RandomWeightsOptions,
): Promise<void> {
  const dataBytes = count * samples.BYTES_PER_ELEMENT;
  const totalBytes = Math.max(dataBytes, leastBytes);
  const existing = await Deno.stat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  // A hole may be larger than needed: another vocabulary has used the same pool.
  if (existing !== undefined && existing.size >= totalBytes) return;
  // Written under another name first, so that a pool that is there is whole.
  const unfinished = `${path}.${crypto.randomUUID()}`;
  try {
    using file = await Deno.open(unfinished, { write: true, createNew: true });
    const random = seededRandom(seed);
    for (let done = 0; done < count; done += CHUNK_VALUES) {
      const chunk = emptyLike(samples, Math.min(CHUNK_VALUES, count - done));
      for (let i = 0; i < chunk.length; i++) chunk[i] = samples[random() * SAMPLES >>> 0]!;
      const bytes = new Uint8Array(chunk.buffer);
      for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
      onProgress?.((done + chunk.length) * samples.BYTES_PER_ELEMENT, dataBytes);
    }
    await file.truncate(totalBytes);
  } catch (error) {
    await Deno.remove(unfinished);
    throw error;
  }
  await Deno.rename(unfinished, path);
}

function emptyLike(samples: Uint32Array | Uint16Array | Uint8Array, length: number) {
  if (samples instanceof Uint32Array) return new Uint32Array(length);
  return samples instanceof Uint16Array ? new Uint16Array(length) : new Uint8Array(length);
}

async function readWindow(path: string, offset: number, count: number): Promise<Float32Array<ArrayBuffer>> {
  using file = await Deno.open(path);
  await file.seek(offset, Deno.SeekMode.Start);
  const values = new Float32Array(count);
  const bytes = new Uint8Array(values.buffer);
  for (let done = 0; done < bytes.length;) {
    const read = await file.read(bytes.subarray(done));
    if (read === null) {
      throw new RangeError(`Cannot read ${bytes.length} bytes at ${offset} of "${path}": it is cut off`);
    }
    done += read;
  }
  return values;
}
