/**
 * A loaded model as the main thread sees it.
 *
 * @module
 */

import { OrtError } from "../errors.ts";
import type { Api } from "./api.ts";
import { ELEMENT_TYPES, type Elements, type TensorInfo } from "./element_type.ts";
import { divideMemory } from "./layout.ts";
import type { Link } from "./link.ts";
import type { Loaded } from "./messages.ts";
import { pointerTo } from "./native.ts";
import type { Assignment, ProviderName } from "./options.ts";
import type { Turns } from "./turns.ts";

/** Values by the name of an input or output, flattened, in the order of the shape. */
export type Tensors<B extends ArrayBufferLike = ArrayBufferLike> = Readonly<Record<string, Elements<B>>>;

export interface SessionParts {
  readonly loaded: Loaded;
  readonly provider: ProviderName;
  readonly link: Link;
  readonly turns: Turns;
  /** The library, opened on this thread as well: only from here can a run be told to stop. */
  readonly api: Api;
  /** Called once, when the session is let go. */
  readonly onClose: () => void;
}

export class Session implements AsyncDisposable {
  readonly provider: ProviderName;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** Which provider got which nodes; undefined where the library cannot tell. */
  readonly assignment: Assignment | undefined;
  readonly #parts: SessionParts;
  readonly #views: readonly Elements<SharedArrayBuffer>[];
  #stopped: { readonly reason: unknown } | undefined;
  #running = false;
  #closed = false;

  constructor(parts: SessionParts) {
    const { inputs, outputs, memory, assignment } = parts.loaded;
    this.#parts = parts;
    this.provider = parts.provider;
    this.inputs = inputs;
    this.outputs = outputs;
    this.assignment = assignment;
    this.#views = divideMemory(memory, [...inputs, ...outputs]);
  }

  /**
   * Runs the model once. Runs of all sessions of a runtime take turns; inputs are read when the turn begins.
   *
   * When the signal is aborted a run that waits for its turn is given up at once, and one that has begun is stopped:
   * the promise settles when it has, which takes as long as the operation it is in.
   *
   * @param inputs every input of the model, with its element type and length.
   * @returns every output, in memory of its own.
   * @throws {OrtError} bad_input, run_failed, closed, crashed; or the signal's reason.
   */
  async run(inputs: Tensors, signal?: AbortSignal): Promise<Record<string, Elements<ArrayBuffer>>> {
    const { link, turns, loaded } = this.#parts;
    this.#refuseIfClosed();
    const values = this.#matchInputs(inputs);
    await turns.take(signal);
    try {
      turns.throwIfOver(signal);
      this.#refuseIfClosed();
      for (const [i, value] of values.entries()) copyElements(value, this.#views[i]!);
      const onAbort = () => this.stop(signal!.reason);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#running = true;
      try {
        await link.request("run", { session: loaded.session });
      } catch (error) {
        // A stopped run fails, and says so in ONNX Runtime's words.
        if (this.#stopped === undefined) throw error;
      } finally {
        this.#running = false;
        signal?.removeEventListener("abort", onAbort);
      }
      this.#throwIfStopped();
      return this.#readOutputs();
    } finally {
      turns.give();
    }
  }

  /** Tells the current run, if there is one, to end, and what to reject it with. */
  stop(reason: unknown): void {
    if (!this.#running || this.#stopped !== undefined) return;
    this.#stopped = { reason };
    // A GPU is done before it could be told, and a recording must not be cut short.
    if (this.provider !== "cuda") this.#setTerminate(true);
  }

  #throwIfStopped(): void {
    if (this.#stopped === undefined) return;
    const { reason } = this.#stopped;
    this.#stopped = undefined;
    if (this.provider !== "cuda") this.#setTerminate(false);
    throw reason;
  }

  /** Runs on another thread than the session's, which the C API allows for this flag. */
  #setTerminate(value: boolean): void {
    const { api, loaded } = this.#parts;
    const { RunOptionsSetTerminate, RunOptionsUnsetTerminate } = api.functions;
    const call = value ? RunOptionsSetTerminate : RunOptionsUnsetTerminate;
    api.check(call(pointerTo(loaded.runOptions)));
  }

  /** The given values in the order of the model's inputs. */
  #matchInputs(given: Tensors): Elements[] {
    for (const name of Object.keys(given)) {
      if (this.inputs.some((input) => input.name === name)) continue;
      const names = this.inputs.map((input) => input.name).join(", ");
      throw new OrtError("bad_input", `Cannot run the model: it has no input "${name}". Its inputs are ${names}`);
    }
    return this.inputs.map(({ name, type, shape, length }, i) => {
      const value = Object.hasOwn(given, name) ? given[name] : undefined;
      if (value === undefined) throw new OrtError("bad_input", `Cannot run the model: input "${name}" is missing`);
      if (value.constructor !== this.#views[i]!.constructor || value.length !== length) {
        const wanted = `${length} elements of ${type} (${this.#views[i]!.constructor.name}, shape [${shape}])`;
        throw new OrtError(
          "bad_input",
          `Cannot run the model: input "${name}" has ${value.length} elements in a ${value.constructor.name}. ` +
            `Give ${wanted}`,
        );
      }
      return value;
    });
  }

  #readOutputs(): Record<string, Elements<ArrayBuffer>> {
    const outputs: Record<string, Elements<ArrayBuffer>> = {};
    for (const [i, { name, type, length }] of this.outputs.entries()) {
      const { bytes, view } = ELEMENT_TYPES[type];
      const output: Elements<ArrayBuffer> = view(new ArrayBuffer(bytes * length), 0, length);
      copyElements(this.#views[this.inputs.length + i]!, output);
      outputs[name] = output;
    }
    return outputs;
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new OrtError("closed", "Cannot run the model: its session has been closed");
  }

  /** Releases the model after the current run. What the runtime has released already is left alone. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { link, turns, loaded, onClose } = this.#parts;
    onClose();
    try {
      await turns.take();
    } catch {
      // The runtime has been closed, and this session with it.
      return;
    }
    try {
      await link.request("release", { session: loaded.session });
    } catch (error) {
      // With its thread the session is gone as well.
      if (!(error instanceof OrtError && (error.code === "crashed" || error.code === "closed"))) throw error;
    } finally {
      turns.give();
    }
  }
}

/** Copies between views of the same element type and length, shared or not. */
function copyElements(from: Elements, to: Elements): void {
  const bytes = new Uint8Array(to.buffer, to.byteOffset, to.byteLength);
  bytes.set(new Uint8Array(from.buffer, from.byteOffset, from.byteLength));
}
