/**
 * How the tensors of a session share one piece of memory that two threads see.
 *
 * @module
 */

import { ELEMENT_TYPES, type Elements, type TensorInfo } from "./element_type.ts";

/** Where a cache line, and the widest vector register, begin. */
const ALIGNMENT_BYTES = 64;

/** Bytes of one tensor. */
export function byteLengthOf({ type, length }: TensorInfo): number {
  return ELEMENT_TYPES[type].bytes * length;
}

/** Bytes that hold all tensors. */
export function measureMemory(tensors: readonly TensorInfo[]): number {
  return tensors.reduce((sum, tensor) => sum + align(byteLengthOf(tensor)), 0);
}

/** One view per tensor, in order. */
export function divideMemory<B extends ArrayBufferLike>(memory: B, tensors: readonly TensorInfo[]): Elements<B>[] {
  let at = 0;
  return tensors.map((tensor) => {
    const view: Elements<B> = ELEMENT_TYPES[tensor.type].view(memory, at, tensor.length);
    at += align(byteLengthOf(tensor));
    return view;
  });
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}
