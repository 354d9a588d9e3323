/**
 * One copy of the weights for all sessions of a runtime.
 *
 * Each session would otherwise keep its own prepacked copy of every weight. ONNX Runtime shares prepacked weights between
 * sessions only for initialisers that the program hands over itself (AddInitializer), and only through a container that
 * all of them name. So the file is mapped into memory, which costs nothing until it is read, and its tensors are handed
 * over; the prepacked form is then made once.
 *
 * @module
 */

import { OrtError } from "../errors.ts";
import type { Api } from "./api.ts";
import { ELEMENT_TYPES } from "./element_type.ts";
import { MappedFile } from "./mapped_file.ts";
import { encodeText, pointerTo } from "./native.ts";
import type { SharedWeights } from "./options.ts";

/** Weights in memory, by file; they stay until the runtime ends. */
export class WeightStore implements Disposable {
  readonly #api: Api;
  readonly #memoryInfo: Deno.PointerValue;
  readonly #files = new Map<string, MappedFile>();
  readonly #values = new Map<string, Deno.PointerValue>();
  /** What the sessions share their prepacked weights through. */
  readonly container: Deno.PointerValue;

  constructor(api: Api, memoryInfo: Deno.PointerValue) {
    this.#api = api;
    this.#memoryInfo = memoryInfo;
    this.container = api.make((cell) => api.functions.CreatePrepackedWeightsContainer(cell));
  }

  /**
   * Hands the tensors over to a session that is about to be made.
   *
   * @throws {OrtError} bad_model where a tensor is not within the file.
   */
  addTo(sessionOptions: Deno.PointerValue, { path, tensors }: SharedWeights): void {
    const { functions } = this.#api;
    let file = this.#files.get(path);
    if (file === undefined) this.#files.set(path, file = new MappedFile(path));
    for (const { name, type, shape, offset } of tensors) {
      const bytes = shape.reduce((product, size) => product * size, ELEMENT_TYPES[type].bytes);
      if (!(offset >= 0 && offset + bytes <= file.bytes)) {
        throw new OrtError(
          "bad_model",
          `Cannot load the model: weight "${name}" (bytes ${offset} to ${offset + bytes}) is not within ${path}, ` +
            `which has ${file.bytes}`,
        );
      }
      const key = `${path}\0${offset}\0${type}\0${shape}`;
      let value = this.#values.get(key);
      if (value === undefined) {
        const start = pointerTo(file.address + BigInt(offset));
        const dimensions = BigInt64Array.from(shape, BigInt);
        const rank = BigInt(shape.length);
        value = this.#api.make((cell) =>
          functions.CreateTensorWithDataAsOrtValue(
            this.#memoryInfo,
            start,
            BigInt(bytes),
            dimensions,
            rank,
            ELEMENT_TYPES[type].code,
            cell,
          )
        );
        this.#values.set(key, value);
      }
      this.#api.check(functions.AddInitializer(sessionOptions, encodeText(name), value));
    }
  }

  /** Only after every session that was made with it. */
  [Symbol.dispose](): void {
    const { functions } = this.#api;
    functions.ReleasePrepackedWeightsContainer(this.container);
    for (const value of this.#values.values()) functions.ReleaseValue(value);
    for (const file of this.#files.values()) file[Symbol.dispose]();
  }
}
