/**
 * Safetensors files: eight bytes of header length, a JSON header, raw little-endian tensors.
 *
 * The file is read tensor by tensor, so a checkpoint may be larger than memory, and every tensor's place is known, so
 * that a runtime can map it as it lies. A small one may be in memory as a whole.
 *
 * @module
 */
import { narrowToBfloat16, narrowToFloat16, widenBfloat16, widenFloat16 } from "./half.ts";

/** Element types that this reader knows, with the bytes per element. */
export const TENSOR_TYPES = { F32: 4, F16: 2, BF16: 2, I8: 1, U8: 1 } as const;
export type TensorType = keyof typeof TENSOR_TYPES;

/** The types that hold weights as floating point numbers. */
export type FloatTensorType = Exclude<TensorType, "I8" | "U8">;

/** Whether a type holds floating point numbers. */
export function isFloatType(type: TensorType): type is FloatTensorType {
  return type !== "I8" && type !== "U8";
}

/** One tensor's description and place. */
export interface TensorPlace {
  readonly name: string;
  readonly type: TensorType;
  readonly shape: readonly number[];
  /** From the start of the file. */
  readonly offset: number;
  /** In bytes. */
  readonly length: number;
}

/** A header is refused beyond this size, as the format's own reader does; π₀'s has 100 kB. */
const MAX_HEADER_BYTES = 100_000_000;

/** The data of a written file starts at a multiple of this, which every reader's alignment divides. */
const DATA_ALIGNMENT_BYTES = 64;

/** Where the bytes of a file come from. */
interface Source extends Disposable {
  readonly size: number;
  /** Fills `into` with the bytes from `offset` on. */
  read(offset: number, into: Uint8Array): Promise<void>;
}

/** An open file. Close it with `using`. */
export class SafetensorsFile {
  readonly path: string;
  /** By name; another name that the metadata gives a tensor (an alias) is here too. */
  readonly tensors: ReadonlyMap<string, TensorPlace>;
  /** The header's `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly #source: Source;

  private constructor(path: string, source: Source, header: SafetensorsHeader) {
    this.path = path;
    this.#source = source;
    this.tensors = header.tensors;
    this.metadata = header.metadata;
  }

  /**
   * Opens a file and reads its header.
   *
   * @throws {Deno.errors.NotFound} where there is none, {@linkcode TypeError} where it is not a safetensors file.
   */
  static async open(path: string): Promise<SafetensorsFile> {
    return await SafetensorsFile.#from(path, await openSource(path));
  }

  /**
   * Takes the bytes of a whole file; `name` is for errors.
   *
   * @throws {TypeError} where they are not a safetensors file.
   */
  static async fromBytes(name: string, bytes: Uint8Array): Promise<SafetensorsFile> {
    const read = (offset: number, into: Uint8Array) => {
      into.set(bytes.subarray(offset, offset + into.length));
      return Promise.resolve();
    };
    return await SafetensorsFile.#from(name, { size: bytes.length, read, [Symbol.dispose]: () => {} });
  }

  static async #from(path: string, source: Source): Promise<SafetensorsFile> {
    try {
      const { size } = source;
      const start = new Uint8Array(8);
      if (size < 8) throw new TypeError(`Cannot read "${path}": a safetensors file has 8 bytes at least, this ${size}`);
      await source.read(0, start);
      const length = Number(new DataView(start.buffer).getBigUint64(0, true));
      if (length > MAX_HEADER_BYTES || length > size - 8) {
        throw new TypeError(
          `Cannot read "${path}": its header claims ${length} bytes of ${size}; the file is cut off or not safetensors`,
        );
      }
      const header = new Uint8Array(length);
      await source.read(8, header);
      return new SafetensorsFile(path, source, parseHeader(header, path, size));
    } catch (error) {
      source[Symbol.dispose]();
      throw error;
    }
  }

  /** @throws {TypeError} where the file has no such tensor. */
  place(name: string): TensorPlace {
    const place = this.tensors.get(name);
    if (place === undefined) throw new TypeError(`Cannot find the tensor "${name}" in "${this.path}"`);
    return place;
  }

  /** Reads a tensor's bytes, or `length` of them from `start` on. */
  async readBytes(name: string, start = 0, length?: number): Promise<Uint8Array<ArrayBuffer>> {
    const place = this.place(name);
    const count = length ?? place.length - start;
    if (start < 0 || count < 0 || start + count > place.length) {
      throw new RangeError(`Cannot read bytes ${start} to ${start + count} of "${name}": it has ${place.length}`);
    }
    const bytes = new Uint8Array(count);
    await this.#source.read(place.offset + start, bytes);
    return bytes;
  }

  /** Reads a tensor, or `count` elements from element `first` on, as float32. @throws {TypeError} for 8-bit types */
  async readFloats(name: string, first = 0, count?: number): Promise<Float32Array<ArrayBuffer>> {
    const { type } = this.place(name);
    if (!isFloatType(type)) throw new TypeError(`Cannot read "${name}" of "${this.path}" as float32: it is ${type}`);
    const width = TENSOR_TYPES[type];
    const bytes = await this.readBytes(name, first * width, count === undefined ? undefined : count * width);
    return decodeFloats(bytes, type);
  }

  [Symbol.dispose](): void {
    this.#source[Symbol.dispose]();
  }
}

async function openSource(path: string): Promise<Source> {
  const file = await Deno.open(path);
  // Reads take turns, since each moves the file's one position.
  let turn: Promise<unknown> = Promise.resolve();
  try {
    return {
      size: (await file.stat()).size,
      async read(offset, into) {
        const read = () => readAt(file, path, offset, into);
        const mine = turn.then(read, read);
        turn = mine;
        await mine;
      },
      [Symbol.dispose]: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Raw bytes as float32; exact. */
export function decodeFloats(bytes: Uint8Array<ArrayBuffer>, type: FloatTensorType): Float32Array<ArrayBuffer> {
  if (type === "F32") return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const bits = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  return type === "BF16" ? widenBfloat16(bits) : widenFloat16(bits);
}

/** Float32 as raw bytes of a type, rounded to nearest even; the same memory where nothing changes. */
export function encodeFloats(values: Float32Array<ArrayBuffer>, type: FloatTensorType): Uint8Array<ArrayBuffer> {
  const array = type === "F32" ? values : type === "BF16" ? narrowToBfloat16(values) : narrowToFloat16(values);
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** What a file to be written holds: names, types and shapes in the order of their data. */
export interface TensorDescription {
  readonly name: string;
  readonly type: TensorType;
  readonly shape: readonly number[];
}

/** Bytes of one tensor. */
export function tensorBytes({ type, shape }: Omit<TensorDescription, "name">): number {
  return shape.reduce((product, size) => product * size, TENSOR_TYPES[type]);
}

/** The bytes in front of the data: length and header, padded with spaces so that the data is aligned. */
export function encodeHeader(
  tensors: readonly TensorDescription[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header["__metadata__"] = metadata;
  let offset = 0;
  for (const tensor of tensors) {
    const end = offset + tensorBytes(tensor);
    header[tensor.name] = { dtype: tensor.type, shape: tensor.shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const total = Math.ceil((8 + json.length) / DATA_ALIGNMENT_BYTES) * DATA_ALIGNMENT_BYTES;
  const bytes = new Uint8Array(total).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(total - 8), true);
  bytes.set(json, 8);
  return bytes;
}

interface SafetensorsHeader {
  readonly tensors: Map<string, TensorPlace>;
  readonly metadata: Record<string, string>;
}

function parseHeader(bytes: Uint8Array, path: string, fileBytes: number): SafetensorsHeader {
  const fail = (reason: string, cause?: unknown): never => {
    throw new TypeError(`Cannot read the safetensors header of "${path}": ${reason}`, { cause });
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    fail("it is not JSON", error);
  }
  if (!isRecord(parsed)) return fail("it is not a JSON object");
  const { __metadata__: written = {}, ...entries } = parsed;
  if (!isRecord(written)) return fail("__metadata__ is not an object");
  const metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(written)) {
    metadata[key] = typeof value === "string" ? value : fail(`__metadata__ "${key}" is not a string`);
  }

  const tensors = new Map<string, TensorPlace>();
  const dataStart = 8 + bytes.length;
  for (const [name, entry] of Object.entries(entries)) {
    if (!isRecord(entry)) return fail(`"${name}" is not described by an object`);
    const { dtype, shape, data_offsets: offsets } = entry;
    // A type nobody here computes with is no error: the tensor stays unknown, and asking for it says so.
    if (typeof dtype !== "string") return fail(`"${name}" has no dtype`);
    if (!Object.hasOwn(TENSOR_TYPES, dtype)) continue;
    if (!isNaturals(shape)) return fail(`"${name}" has no shape of whole numbers`);
    if (!isNaturals(offsets) || offsets.length !== 2) return fail(`"${name}" has no data_offsets of two numbers`);
    const [begin, end] = offsets as [number, number];
    const type = dtype as TensorType;
    const length = tensorBytes({ type, shape });
    if (end - begin !== length) return fail(`"${name}" has ${end - begin} bytes, its shape [${shape}] needs ${length}`);
    if (dataStart + end > fileBytes) {
      return fail(`"${name}" ends at byte ${dataStart + end}, the file at ${fileBytes}: it is cut off`);
    }
    tensors.set(name, { name, type, shape, offset: dataStart + begin, length });
  }
  for (const [alias, name] of Object.entries(metadata)) {
    const place = tensors.get(name);
    if (place !== undefined && !tensors.has(alias)) tensors.set(alias, place);
  }
  return { tensors, metadata };
}

async function readAt(file: Deno.FsFile, path: string, offset: number, into: Uint8Array): Promise<void> {
  await file.seek(offset, Deno.SeekMode.Start);
  for (let done = 0; done < into.length;) {
    const count = await file.read(into.subarray(done));
    if (count === null) throw new TypeError(`Cannot read "${path}": it ends at byte ${offset + done}`);
    done += count;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNaturals(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}
