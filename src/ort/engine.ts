/**
 * Everything that belongs to one opened library: its environment, its sessions, its shared weights. Lives on the thread
 * that owns them, and knows nothing of messages.
 *
 * @module
 */

import { OrtError } from "../errors.ts";
import { Api } from "./api.ts";
import { returnFreedMemory } from "./freed_memory.ts";
import { openForGood } from "./loader.ts";
import type { CudaPreload, Loaded, Opened } from "./messages.ts";
import { encodeText, makeCell, pointerIn, readPointers, readText } from "./native.ts";
import { NativeSession } from "./native_session.ts";
import type { LoadOptions } from "./options.ts";
import type { Surroundings } from "./runner.ts";
import { testLibrary } from "./self_test.ts";
import { WeightStore } from "./shared_weights.ts";

/** OrtLoggingLevel: errors reach the caller as statuses, so the library need not print them as well. */
const LOG_FATAL = 4;

/** OrtAllocatorType and OrtMemType of ordinary memory. */
const ARENA_ALLOCATOR = 1;
const DEFAULT_MEMORY = 0;

export class Engine implements Disposable {
  readonly description: Opened;
  readonly #surroundings: Surroundings;
  readonly #sessions = new Map<number, NativeSession>();
  readonly #owned: DisposableStack;
  #loads = 0;

  /**
   * Opens a library and tests it.
   *
   * @throws {OrtError} bad_library
   */
  constructor(libraryPath: string) {
    using owned = new DisposableStack();
    const api = owned.use(new Api(libraryPath));
    const { functions } = api;
    const environment = owned.adopt(
      api.make((cell) => functions.CreateEnv(LOG_FATAL, encodeText("pi0"), cell)),
      functions.ReleaseEnv,
    );
    // For Windows, where the variable that api.ts sets has no meaning.
    api.check(functions.DisableTelemetryEvents(environment));
    const memoryInfo = owned.adopt(
      api.make((cell) => functions.CreateCpuMemoryInfo(ARENA_ALLOCATOR, DEFAULT_MEMORY, cell)),
      functions.ReleaseMemoryInfo,
    );
    let weights: WeightStore | undefined;
    this.#surroundings = {
      api,
      environment,
      memoryInfo,
      weights: () => weights ??= this.#owned.use(new WeightStore(api, memoryInfo)),
    };
    testLibrary(this.#surroundings);
    this.description = {
      version: api.version,
      apiVersion: api.apiVersion,
      build: readText(functions.GetBuildInfoString()),
      providers: listProviders(api),
    };
    this.#owned = owned.move();
  }

  /** @throws {OrtError} provider_unavailable, bad_model */
  load(options: LoadOptions, cudaLibraries: readonly CudaPreload[]): Loaded {
    openCudaLibraries(cudaLibraries);
    const cudaRuntimePath = cudaLibraries.find(({ name }) => name.startsWith("libcudart.so"))?.path;
    const native = new NativeSession({ ...this.#surroundings, cudaRuntimePath }, options);
    returnFreedMemory();
    const session = this.#loads++;
    this.#sessions.set(session, native);
    const { inputs, outputs, memory, runOptions, assignment } = native;
    return { session, inputs, outputs, memory, runOptions, assignment };
  }

  /** @throws {OrtError} run_failed, closed */
  run(session: number): void {
    const native = this.#sessions.get(session);
    if (native === undefined) throw new OrtError("closed", `Cannot run session ${session}: it has been released`);
    native.run();
  }

  release(session: number): void {
    this.#sessions.get(session)?.[Symbol.dispose]();
    this.#sessions.delete(session);
  }

  [Symbol.dispose](): void {
    for (const session of [...this.#sessions.keys()].reverse()) this.release(session);
    this.#owned.dispose();
  }
}

function listProviders(api: Api): string[] {
  const list = makeCell();
  const count = new Int32Array(1);
  api.check(api.functions.GetAvailableProviders(list, count));
  const names = readPointers(pointerIn(list), count[0]!).map(readText);
  api.check(api.functions.ReleaseAvailableProviders(pointerIn(list), count[0]!));
  return names;
}

/**
 * Opens libraries by path, so that the system finds them loaded when the provider asks for them by name.
 *
 * They need each other in an order that is their own business: what fails is tried again after the others.
 */
function openCudaLibraries(libraries: readonly CudaPreload[]): void {
  let waiting = [...libraries];
  for (;;) {
    const failed = waiting.flatMap((library) => {
      const problem = openForGood(library.path);
      return problem === undefined ? [] : [{ ...library, problem }];
    });
    if (failed.length === waiting.length) {
      const fatal = failed.filter(({ optional }) => !optional).map(({ problem }) => problem);
      if (fatal.length === 0) return;
      throw new OrtError("provider_unavailable", `Cannot use cuda: ${fatal.join("; ")}`);
    }
    waiting = failed;
  }
}
