/**
 * ONNX Runtime as the rest of the program uses it: open it, load models, run them, close it.
 *
 * @module
 */

import { OrtError } from "../errors.ts";
import { Api } from "./api.ts";
import { type CudaLibrary, type CudaReport, findCuda, type ReadVariable } from "./cuda_libraries.ts";
import { findLibrary, type LibraryReport, PACKAGE_URLS } from "./library.ts";
import { Link } from "./link.ts";
import { openForGood } from "./loader.ts";
import type { Opened } from "./messages.ts";
import type { LoadOptions } from "./options.ts";
import { Session } from "./session.ts";
import { Turns } from "./turns.ts";

export interface RuntimeOptions {
  /** The only folder to take the library from; see library.ts for what happens without it. */
  readonly libraryFolder?: string | undefined;
  /** The process's environment without it. */
  readonly readVariable?: ReadVariable;
}

/**
 * Finds ONNX Runtime, starts the thread that owns it, and makes sure that it works.
 *
 * @throws {OrtError} no_library, bad_library
 */
export async function openRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  const readVariable = options.readVariable ?? ((name) => Deno.env.get(name));
  const library = await findLibrary({
    folder: options.libraryFolder,
    readVariable,
    programPath: Deno.execPath(),
    packageUrls: PACKAGE_URLS,
    packed: Deno.build.standalone,
  });
  try {
    return await startRuntime(library, readVariable);
  } finally {
    // What is open stays open without its file, except on Windows, which would refuse.
    if (library.temporaryFolder !== undefined && Deno.build.os !== "windows") {
      await Deno.remove(library.temporaryFolder, { recursive: true });
    }
  }
}

async function startRuntime(library: LibraryReport, readVariable: ReadVariable): Promise<Runtime> {
  const api = new Api(library.path);
  let link: Link | undefined;
  try {
    // Its threads outlive the isolate that started them by a moment, so the library must not go with that isolate.
    const problem = openForGood(library.path);
    if (problem !== undefined) {
      throw new OrtError("bad_library", `Cannot open ${library.path} as ONNX Runtime: ${problem}`);
    }
    link = new Link(new URL("./worker.ts", import.meta.url));
    const description = await link.request("open", { libraryPath: library.path });
    return new Runtime({ library, readVariable, api, link, description });
  } catch (error) {
    link?.terminate();
    api[Symbol.dispose]();
    throw error;
  }
}

interface RuntimeParts {
  readonly library: LibraryReport;
  readonly readVariable: ReadVariable;
  readonly api: Api;
  readonly link: Link;
  readonly description: Opened;
}

/** Made by {@linkcode openRuntime}. */
export class Runtime implements AsyncDisposable {
  /** Where the library is, and which places were passed over. */
  readonly library: LibraryReport;
  /** Version, build, and the providers that the library knows. */
  readonly description: Opened;
  readonly #parts: RuntimeParts;
  readonly #turns = new Turns();
  readonly #sessions = new Set<Session>();
  #end: Promise<void> | undefined;

  constructor(parts: RuntimeParts) {
    this.#parts = parts;
    this.library = parts.library;
    this.description = parts.description;
  }

  /** What CUDA needs here, and what of that is missing. */
  findCuda(): Promise<CudaReport> {
    return findCuda(this.library.path, { readVariable: this.#parts.readVariable });
  }

  /**
   * Loads a model. What it is asked to run on is what it runs on: a provider that cannot be had is an error.
   *
   * @throws {OrtError} bad_model, provider_unavailable, closed, crashed
   */
  async load(options: LoadOptions): Promise<Session> {
    const { link, api } = this.#parts;
    const cudaLibraries = options.provider.name === "cuda" ? await this.#listCudaLibraries() : [];
    await this.#turns.take();
    try {
      this.#turns.throwIfOver();
      const found = cudaLibraries.flatMap(({ name, path, optional }) =>
        path === undefined ? [] : [{ name, path, optional }]
      );
      const loaded = await link.request("load", { options, cudaLibraries: found });
      const provider = options.provider.name;
      const onClose = () => this.#sessions.delete(session);
      const session = new Session({ loaded, provider, link, turns: this.#turns, api, onClose });
      this.#sessions.add(session);
      return session;
    } catch (error) {
      const absent = cudaLibraries.filter(({ path }) => path === undefined).map(({ name }) => name);
      if (!(error instanceof OrtError) || absent.length === 0) throw error;
      // ONNX Runtime opens these only for kernels that want them, and does not always say what it missed.
      throw new OrtError(error.code, `${error.message} (not found here: ${absent.join(", ")})`, { cause: error });
    } finally {
      this.#turns.give();
    }
  }

  async #listCudaLibraries(): Promise<readonly CudaLibrary[]> {
    const { problem, libraries } = await this.findCuda();
    if (problem !== undefined) throw new OrtError("provider_unavailable", problem);
    return libraries;
  }

  /** Stops the current run, releases everything in order and ends the thread. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#end ??= this.#close();
  }

  async #close(): Promise<void> {
    const { link, api } = this.#parts;
    const closed = new OrtError("closed", "Cannot use ONNX Runtime: it has been closed");
    const quiet = this.#turns.close(closed);
    for (const session of this.#sessions) session.stop(closed);
    await quiet;
    try {
      await link.request("close", {});
    } catch (error) {
      // A thread that has died has nothing that could still be released.
      if (!(error instanceof OrtError && error.code === "crashed")) throw error;
    } finally {
      link.terminate();
      api[Symbol.dispose]();
    }
  }
}
