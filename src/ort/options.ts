/**
 * How a model is loaded: plain values, as the main thread sends them to the thread that owns the library.
 *
 * @module
 */

import type { TensorInfo } from "./element_type.ts";

/** What runs a model. */
export type Provider =
  | { readonly name: "cpu" }
  | { readonly name: "webgpu"; readonly options?: ProviderOptions }
  | CudaProvider;

export interface CudaProvider {
  readonly name: "cuda";
  /** Number of the GPU; 0 without it. */
  readonly device?: number;
  /** Records the kernels of the third run and replays them from then on. */
  readonly graph: boolean;
  /** Further options of ONNX Runtime's CUDA provider, for example `gpu_mem_limit`. */
  readonly options?: ProviderOptions;
}

export type ProviderName = Provider["name"];
export type ProviderOptions = Readonly<Record<string, string>>;

/** What ONNX Runtime may rewrite in a graph before it runs it. */
export type Optimization = keyof typeof OPTIMIZATION_LEVELS;

/** GraphOptimizationLevel of the C API. */
export const OPTIMIZATION_LEVELS = { none: 0, basic: 1, extended: 2, all: 99 } as const;

/** A model file, or the bytes of one. */
export type Model = { readonly path: string } | { readonly bytes: Uint8Array<ArrayBuffer> };

/** A constant of the model that lies in a file of its own, for several sessions to share. */
export interface SharedWeight extends Omit<TensorInfo, "length"> {
  /** First byte in the file. */
  readonly offset: number;
}

/** Weights of one file that all sessions of a runtime share: one memory, whatever the number of sessions. */
export interface SharedWeights {
  /** The file, absolute. */
  readonly path: string;
  readonly tensors: readonly SharedWeight[];
}

export interface LoadOptions {
  readonly model: Model;
  readonly provider: Provider;
  /** Threads of one operation; as many as there are cores without it. */
  readonly threads?: number;
  /** Whether idle threads wait busily, which answers faster and takes whole cores; yes without it. */
  readonly spinning?: boolean;
  /** `all` without it. */
  readonly optimization?: Optimization;
  /** Whether weights are copied into the order the kernels like best; yes without it. */
  readonly prepacking?: boolean;
  /** The folder that the model's external data is relative to; the model file's own without it. */
  readonly initializersFolder?: string;
  /** Weights to share with the runtime's other sessions, instead of reading them for this one; one entry per file. */
  readonly sharedWeights?: readonly SharedWeights[];
  /** Further entries of ONNX Runtime's session configuration, for example `session.use_env_allocators`. */
  readonly config?: Readonly<Record<string, string>>;
}

/** How many nodes of the optimised graph each provider got: `{CPUExecutionProvider: {MatMul: 12}}`. */
export type Assignment = Readonly<Record<string, Readonly<Record<string, number>>>>;
