/**
 * A loaded model on the thread that owns the library. Its inputs and outputs are fixed pieces of one shared memory, and
 * a run reads and writes them in place.
 *
 * @module
 */

import { OrtError } from "../errors.ts";
import { StatusError } from "./api.ts";
import { readAssignment } from "./assignment.ts";
import { CudaRunner } from "./cuda_runner.ts";
import type { TensorInfo } from "./element_type.ts";
import { HostRunner } from "./host_runner.ts";
import { divideMemory, measureMemory } from "./layout.ts";
import { type Address, encodePath } from "./native.ts";
import type { Assignment, LoadOptions, Model } from "./options.ts";
import type { Runner, Surroundings } from "./runner.ts";
import { makeSessionOptions } from "./session_options.ts";
import { readTensorInfos } from "./tensor_info.ts";

/** More than any policy's inputs and outputs; a damaged model may ask for anything. */
const MOST_BYTES = 2 ** 30;

export class NativeSession implements Disposable {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** Inputs, then outputs; see layout.ts. */
  readonly memory: SharedArrayBuffer;
  /** Which provider got which nodes; undefined where the library cannot tell. */
  readonly assignment: Assignment | undefined;
  /** What another thread sets the terminate flag of. */
  readonly runOptions: Address;
  readonly #runner: Runner;
  readonly #owned: DisposableStack;

  /** @throws {OrtError} bad_model, provider_unavailable */
  constructor(surroundings: Surroundings, options: LoadOptions) {
    const { api } = surroundings;
    const { functions } = api;
    using owned = new DisposableStack();
    const provider = options.provider.name;
    try {
      const session = owned.adopt(createSession(surroundings, options), functions.ReleaseSession);
      this.inputs = readTensorInfos(api, session, "input");
      this.outputs = readTensorInfos(api, session, "output");
      const tensors = [...this.inputs, ...this.outputs];
      this.memory = allocate(measureMemory(tensors));
      const views = divideMemory(this.memory, tensors);
      this.assignment = api.has("SessionGetEpGraphAssignmentInfo") ? readAssignment(api, session) : undefined;
      const runOptions = owned.adopt(api.make((cell) => functions.CreateRunOptions(cell)), functions.ReleaseRunOptions);
      this.runOptions = Deno.UnsafePointer.value(runOptions);
      const { inputs, outputs } = this;
      this.#runner = owned.use(
        options.provider.name === "cuda"
          ? new CudaRunner({ surroundings, provider: options.provider, session, runOptions, inputs, outputs, views })
          : new HostRunner({ surroundings, session, runOptions, inputs, outputs, views }),
      );
    } catch (cause) {
      if (!(cause instanceof StatusError)) throw cause;
      throw new OrtError("bad_model", `Cannot load ${describe(options.model)} on ${provider}: ${cause.message}`, {
        cause,
      });
    }
    this.#owned = owned.move();
  }

  /** @throws {OrtError} run_failed */
  run(): void {
    try {
      this.#runner.run();
    } catch (cause) {
      if (!(cause instanceof StatusError)) throw cause;
      throw new OrtError("run_failed", `Cannot run the model: ${cause.message}`, { cause });
    }
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }
}

function allocate(bytes: number): SharedArrayBuffer {
  if (bytes <= MOST_BYTES) return new SharedArrayBuffer(bytes);
  throw new OrtError(
    "bad_model",
    `Cannot load the model: its inputs and outputs take ${bytes} bytes. Export a smaller one`,
  );
}

function describe(model: Model): string {
  return "path" in model ? model.path : "the model";
}

function createSession(surroundings: Surroundings, options: LoadOptions): Deno.PointerValue {
  const { api, environment } = surroundings;
  const { functions } = api;
  const { model, sharedWeights } = options;
  const made = makeSessionOptions(api, options);
  try {
    if (sharedWeights !== undefined) {
      const store = surroundings.weights();
      for (const weights of sharedWeights) store.addTo(made, weights);
      return "path" in model
        ? api.make((cell) =>
          functions.CreateSessionWithPrepackedWeightsContainer(
            environment,
            encodePath(model.path),
            made,
            store.container,
            cell,
          )
        )
        : api.make((cell) =>
          functions.CreateSessionFromArrayWithPrepackedWeightsContainer(
            environment,
            model.bytes,
            BigInt(model.bytes.length),
            made,
            store.container,
            cell,
          )
        );
    }
    return "path" in model
      ? api.make((cell) => functions.CreateSession(environment, encodePath(model.path), made, cell))
      : api.make((cell) =>
        functions.CreateSessionFromArray(environment, model.bytes, BigInt(model.bytes.length), made, cell)
      );
  } finally {
    functions.ReleaseSessionOptions(made);
  }
}
