/**
 * What the main thread and the thread that owns the library say to each other.
 *
 * @module
 */

import type { OrtErrorCode } from "../errors.ts";
import type { TensorInfo } from "./element_type.ts";
import type { Address } from "./native.ts";
import type { Assignment, LoadOptions } from "./options.ts";

/** Requests by kind, each with the reply it gets. */
export interface Exchanges {
  /** Opens the library and tests it; first of all. */
  open: { request: { libraryPath: string }; reply: Opened };
  load: { request: { options: LoadOptions; cudaLibraries: readonly CudaPreload[] }; reply: Loaded };
  /** Inputs and outputs are in the session's memory. */
  run: { request: { session: number }; reply: undefined };
  release: { request: { session: number }; reply: undefined };
  /** Releases everything, in order; last of all. */
  close: { request: Record<never, never>; reply: undefined };
}

export type Kind = keyof Exchanges;

export interface Opened {
  readonly version: string;
  readonly apiVersion: number;
  /** What ONNX Runtime says about how it was built. */
  readonly build: string;
  /** Execution providers that the library knows, in its own words; knowing one is not having it. */
  readonly providers: readonly string[];
}

/** A library of CUDA to open before the provider that needs it. */
export interface CudaPreload {
  readonly name: string;
  readonly path: string;
  readonly optional: boolean;
}

export interface Loaded {
  readonly session: number;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly memory: SharedArrayBuffer;
  readonly runOptions: Address;
  readonly assignment: Assignment | undefined;
}

export type RequestMessage = {
  [K in Kind]: { readonly id: number; readonly kind: K } & Readonly<Exchanges[K]["request"]>;
}[Kind];

export type ReplyMessage =
  | { readonly id: number; readonly value: Exchanges[Kind]["reply"] }
  | { readonly id: number; readonly error: { readonly code: OrtErrorCode | "unexpected"; readonly message: string } };
