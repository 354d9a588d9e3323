/**
 * Weights from files: the checkpoint, the file of derived tensors beside it, or both.
 *
 * @module
 */
import { isFloatType, type SafetensorsFile, type TensorPlace, type TensorType } from "../checkpoint/safetensors.ts";
import type { ExternalBytes } from "../onnx/model.ts";
import type { Pi0Config } from "./config.ts";
import { LAYER_TYPES, scalesName, servesAsItLies, sourceName } from "./derive.ts";
import {
  type Fusion,
  listWeights,
  type MatrixSpec,
  type Pi0Weights,
  pickWeights,
  type Precision,
  type StoredMatrix,
} from "./weights.ts";

/**
 * A file and what the runtime calls it: its path from the folder of external data. Null for a file that the runtime shall
 * not need: its matrices are read into memory.
 */
export interface WeightFile {
  readonly file: SafetensorsFile;
  readonly location: string | null;
}

/** Where {@linkcode openWeights} looks, in this order. */
export interface WeightFiles {
  /** What {@linkcode deriveWeights} made. */
  readonly derived?: WeightFile;
  /** What it was made from; needed where the derived file leaves tensors there. */
  readonly checkpoint?: WeightFile;
}

/**
 * Finds every tensor and reads the vectors. The files stay open as long as {@linkcode Pi0Weights.readMatrix} is used.
 *
 * @throws {TypeError} where a tensor is in neither file as it is needed.
 */
export async function openWeights(
  config: Pi0Config,
  precision: Precision,
  fusion: Fusion,
  files: WeightFiles,
): Promise<Pi0Weights> {
  const { matrices, vectors } = listWeights(config, fusion);
  const stored = new Map<string, StoredMatrix>();
  const readers = new Map<string, () => Promise<Float32Array<ArrayBuffer>>>();
  for (const spec of matrices) {
    const { from, name } = find(files, spec, precision);
    const place = from.file.place(name);
    const expected: readonly TensorType[] = spec.use === "layer"
      ? LAYER_TYPES[precision]
      : spec.use === "exact" || spec.use === "patch"
      ? ["F32"]
      : ["F32", "F16", "BF16"];
    if (
      !expected.includes(place.type) ||
      place.shape.reduce((product, size) => product * size, 1) !== spec.rows * spec.columns
    ) {
      throw new TypeError(
        `Cannot use "${name}" of "${from.file.path}": ${
          expected.join(" or ")
        } with ${spec.rows} × ${spec.columns} values is ` +
          `needed, it is ${place.type} [${place.shape}]; export the model again`,
      );
    }
    stored.set(spec.name, {
      rows: spec.rows,
      columns: spec.columns,
      type: place.type,
      order: isFloatType(place.type) ? "rows" : "columns",
      bytes: from.location === null ? await from.file.readBytes(name) : externalBytes(from.location, place),
      ...(!isFloatType(place.type) && { scales: await from.file.readFloats(scalesName(name)) }),
    });
    readers.set(spec.name, () => from.file.readFloats(name));
  }
  const values = new Map<string, Float32Array<ArrayBuffer>>();
  for (const spec of vectors) {
    const vector = new Float32Array(spec.length);
    let filled = 0;
    for (const part of files.derived?.file.tensors.has(spec.name) ? [spec.name] : spec.sources) {
      const from = files.derived?.file.tensors.has(spec.name) ? files.derived : files.checkpoint;
      if (from === undefined) throw missing(spec.name, files);
      const read = await from.file.readFloats(part);
      vector.set(read, filled);
      filled += read.length;
    }
    values.set(spec.name, vector);
  }
  return {
    config,
    precision,
    fusion,
    matrix: (name) => pickWeights(stored, name),
    vector: (name) => pickWeights(values, name),
    readMatrix: (name) => pickWeights(readers, name)(),
  };
}

function find(files: WeightFiles, spec: MatrixSpec, precision: Precision): { from: WeightFile; name: string } {
  const { derived, checkpoint } = files;
  if (derived?.file.tensors.has(spec.name)) return { from: derived, name: spec.name };
  if (checkpoint === undefined || !servesAsItLies(checkpoint.file, spec, precision)) throw missing(spec.name, files);
  return { from: checkpoint, name: sourceName(checkpoint.file, spec.sources[0]!) };
}

function missing(name: string, files: WeightFiles): TypeError {
  const paths = [files.derived, files.checkpoint].flatMap((from) => from === undefined ? [] : [`"${from.file.path}"`]);
  return new TypeError(`Cannot find the weights "${name}" in ${paths.join(" or ")}; export the model again`);
}

function externalBytes(file: string, { offset, length }: TensorPlace): ExternalBytes {
  return { file, offset, length };
}
