/**
 * What the ways of running a session have in common.
 *
 * @module
 */

import type { Api } from "./api.ts";
import { ELEMENT_TYPES, type Elements, type TensorInfo } from "./element_type.ts";
import { byteLengthOf } from "./layout.ts";
import { addressOf, pointerTo } from "./native.ts";
import type { WeightStore } from "./shared_weights.ts";

/** What all sessions of a thread have in common. */
export interface Surroundings {
  readonly api: Api;
  readonly environment: Deno.PointerValue;
  /** Describes the processor's memory. */
  readonly memoryInfo: Deno.PointerValue;
  /** Made on first use. */
  readonly weights: () => WeightStore;
  /** The CUDA runtime library (libcudart), where CUDA is asked for. */
  readonly cudaRuntimePath?: string | undefined;
}

/** Runs a session once, between its inputs and outputs in memory. */
export interface Runner extends Disposable {
  /** @throws {StatusError} */
  run(): void;
}

export interface RunnerParts {
  readonly surroundings: Surroundings;
  readonly session: Deno.PointerValue;
  readonly runOptions: Deno.PointerValue;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** The memory of inputs, then outputs. */
  readonly views: readonly Elements<SharedArrayBuffer>[];
}

/** Makes a tensor of memory that JavaScript owns; whoever releases it also keeps the memory. */
export function wrapMemory(
  { api, memoryInfo }: Surroundings,
  info: TensorInfo,
  view: Elements<SharedArrayBuffer>,
): Deno.PointerValue {
  const start = pointerTo(addressOf(view));
  const shape = BigInt64Array.from(info.shape, BigInt);
  const bytes = BigInt(byteLengthOf(info));
  const { code } = ELEMENT_TYPES[info.type];
  const rank = BigInt(shape.length);
  return api.make((cell) =>
    api.functions.CreateTensorWithDataAsOrtValue(memoryInfo, start, bytes, shape, rank, code, cell)
  );
}
