/**
 * Runs a session on an NVIDIA GPU: inputs and outputs in memory of the device that never moves, so that the kernels of a
 * run can be recorded once and replayed.
 *
 * Everything here happens on one thread. ONNX Runtime keeps recorded graphs per thread and would record anew on another.
 *
 * @module
 */

import { OrtError } from "../errors.ts";
import { byteLengthOf } from "./layout.ts";
import { ELEMENT_TYPES, type Elements, type TensorInfo } from "./element_type.ts";
import { encodeText, readText } from "./native.ts";
import type { CudaProvider } from "./options.ts";
import { type Runner, type RunnerParts, wrapMemory } from "./runner.ts";
import { listHostInputs } from "./tensor_info.ts";

/** Memory is allocated and kernels are chosen in the first runs; a recording must find all that done. */
const WARM_UP_RUNS = 2;

/** The run configuration that selects a recorded graph. */
const GRAPH_ENTRY = "gpu_graph_id";
const NO_GRAPH = "-1";
/** Each session has its own graphs, so one number serves all. */
const OUR_GRAPH = "1";

/** cudaMemcpyKind */
const TO_DEVICE = 1;
const TO_HOST = 2;

/** OrtAllocatorType and OrtMemType of plain device memory. */
const DEVICE_ALLOCATOR = 0;
const DEFAULT_MEMORY = 0;

export interface CudaRunnerParts extends RunnerParts {
  readonly provider: CudaProvider;
}

/** A tensor on the device and its twin in the processor's memory. */
interface Twin {
  readonly name: string;
  readonly device: Deno.PointerValue;
  readonly host: Elements<SharedArrayBuffer>;
  readonly bytes: bigint;
}

export class CudaRunner implements Runner {
  readonly #parts: CudaRunnerParts;
  readonly #owned: DisposableStack;
  readonly #binding: Deno.PointerValue;
  readonly #inputs: Twin[] = [];
  readonly #outputs: Twin[] = [];
  readonly #cuda: CudaRuntime;
  #runs = 0;

  /**
   * @throws {OrtError} provider_unavailable without CUDA's runtime library; bad_model where a recording would not see
   *   an input change.
   */
  constructor(parts: CudaRunnerParts) {
    this.#parts = parts;
    const { surroundings, provider, session, inputs, outputs, views } = parts;
    const { api, cudaRuntimePath } = surroundings;
    const { functions } = api;
    if (cudaRuntimePath === undefined) {
      throw new OrtError("provider_unavailable", "Cannot use cuda: its runtime library (libcudart) is unknown");
    }
    const hostInputs = api.has("SessionGetMemoryInfoForInputs") ? listHostInputs(api, session, inputs) : [];
    if (provider.graph && hostInputs.length > 0) {
      throw new OrtError(
        "bad_model",
        `Cannot record the model as a CUDA graph: the processor reads ${hostInputs.join(", ")}, which a recording ` +
          "would never read again. Load it without a graph",
      );
    }

    using owned = new DisposableStack();
    this.#cuda = owned.use(new CudaRuntime(cudaRuntimePath, provider.device ?? 0));
    const place = owned.adopt(
      api.make((cell) =>
        functions.CreateMemoryInfo(
          encodeText("Cuda"),
          DEVICE_ALLOCATOR,
          provider.device ?? 0,
          DEFAULT_MEMORY,
          cell,
        )
      ),
      functions.ReleaseMemoryInfo,
    );
    const allocator = owned.adopt(
      api.make((cell) => functions.CreateAllocator(session, place, cell)),
      functions.ReleaseAllocator,
    );
    this.#binding = owned.adopt(
      api.make((cell) => functions.CreateIoBinding(session, cell)),
      functions.ReleaseIoBinding,
    );
    const allocate = (info: TensorInfo) => {
      const shape = BigInt64Array.from(info.shape, BigInt);
      const { code } = ELEMENT_TYPES[info.type];
      const value = owned.adopt(
        api.make((cell) => functions.CreateTensorAsOrtValue(allocator, shape, BigInt(shape.length), code, cell)),
        functions.ReleaseValue,
      );
      return { value, device: api.make((cell) => functions.GetTensorMutableData(value, cell)) };
    };
    for (const [i, info] of inputs.entries()) {
      const { name } = info;
      const host = views[i]!;
      if (hostInputs.includes(name)) {
        const value = owned.adopt(wrapMemory(surroundings, info, host), functions.ReleaseValue);
        api.check(functions.BindInput(this.#binding, encodeText(name), value));
        continue;
      }
      const { value, device } = allocate(info);
      api.check(functions.BindInput(this.#binding, encodeText(name), value));
      this.#inputs.push({ name, device, host, bytes: BigInt(byteLengthOf(info)) });
    }
    for (const [i, info] of outputs.entries()) {
      const { name } = info;
      const { value, device } = allocate(info);
      api.check(functions.BindOutput(this.#binding, encodeText(name), value));
      this.#outputs.push({ name, device, host: views[inputs.length + i]!, bytes: BigInt(byteLengthOf(info)) });
    }
    this.#owned = owned.move();
  }

  run(): void {
    const { surroundings: { api }, provider, session, runOptions } = this.#parts;
    const { functions } = api;
    if (provider.graph && (this.#runs === 0 || this.#runs === WARM_UP_RUNS)) {
      const graph = this.#runs < WARM_UP_RUNS ? NO_GRAPH : OUR_GRAPH;
      api.check(functions.AddRunConfigEntry(runOptions, encodeText(GRAPH_ENTRY), encodeText(graph)));
    }
    for (const input of this.#inputs) this.#cuda.copyToDevice(input);
    // A copy from ordinary memory may still be under way when it returns, and the model runs on a stream of its own.
    this.#cuda.finishCopies();
    api.check(functions.RunWithBinding(session, runOptions, this.#binding));
    for (const output of this.#outputs) this.#cuda.copyToHost(output);
    // A run that was stopped or failed has not warmed anything up.
    this.#runs++;
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }
}

/** The few functions of CUDA's runtime library that ONNX Runtime has no words for. */
class CudaRuntime implements Disposable {
  readonly #library: ReturnType<typeof openCudaRuntime>;

  constructor(path: string, device: number) {
    this.#library = openCudaRuntime(path);
    this.#check(this.#library.symbols.cudaSetDevice(device), `use GPU ${device}`);
  }

  copyToDevice({ name, device, host, bytes }: Twin): void {
    const status = this.#library.symbols.cudaMemcpy(device, pointerOf(host), bytes, TO_DEVICE);
    this.#check(status, `copy input "${name}" to the GPU`);
  }

  copyToHost({ name, device, host, bytes }: Twin): void {
    const status = this.#library.symbols.cudaMemcpy(pointerOf(host), device, bytes, TO_HOST);
    this.#check(status, `copy output "${name}" from the GPU`);
  }

  finishCopies(): void {
    this.#check(this.#library.symbols.cudaStreamSynchronize(null), "finish copies to the GPU");
  }

  #check(status: number, what: string): void {
    if (status === 0) return;
    const reason = readText(this.#library.symbols.cudaGetErrorString(status));
    throw new OrtError("run_failed", `Cannot ${what}: ${reason} (CUDA error ${status})`);
  }

  [Symbol.dispose](): void {
    this.#library.close();
  }
}

function pointerOf(view: Elements<SharedArrayBuffer>): Deno.PointerValue {
  return Deno.UnsafePointer.of(view as unknown as BufferSource);
}

function openCudaRuntime(path: string) {
  return Deno.dlopen(path, {
    cudaSetDevice: { parameters: ["i32"], result: "i32" },
    cudaMemcpy: { parameters: ["pointer", "pointer", "usize", "i32"], result: "i32" },
    cudaStreamSynchronize: { parameters: ["pointer"], result: "i32" },
    cudaGetErrorString: { parameters: ["i32"], result: "pointer" },
  });
}
