/**
 * The golden data of openpi: the part that is kept here, and all of it where `PI0_SHARED` names a folder that has it.
 *
 * @module
 */

import { existsSync } from "node:fs";
import type { Bytes } from "../../src/types.ts";

/** Where golden data may be. */
export interface GoldenSet {
  /** For the names of tests. */
  readonly name: string;
  readonly folder: string;
  /** The pictures are there, too. */
  readonly isWhole: boolean;
  /** Tests that read it are ignored. */
  readonly isMissing: boolean;
}

const sharedFolder = `${Deno.env.get("PI0_SHARED") ?? `${import.meta.dirname}/../../../shared`}/fixtures/openpi`;

/** The kept part, and the whole. */
export const GOLDEN_SETS: readonly GoldenSet[] = [
  { name: "kept data", folder: `${import.meta.dirname}/../fixtures/pi0`, isWhole: false, isMissing: false },
  { name: "PI0_SHARED", folder: sharedFolder, isWhole: true, isMissing: !existsSync(sharedFolder) },
];

/** Reads a JSON file. */
export async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await Deno.readTextFile(path));
}

/** Reads a file of little-endian singles. */
export async function readFloat32(path: string): Promise<Float32Array<ArrayBuffer>> {
  return new Float32Array((await Deno.readFile(path) as Bytes).buffer);
}

/** Reads a file of little-endian doubles. */
export async function readFloat64(path: string): Promise<Float64Array<ArrayBuffer>> {
  return new Float64Array((await Deno.readFile(path) as Bytes).buffer);
}

/** A number as the golden JSON has it, where strings stand for what JSON lacks. */
export function numberOf(value: number | string): number {
  return typeof value === "number" ? value : Number({ nan: NaN, inf: Infinity, "-inf": -Infinity }[value]);
}

/** The largest difference of two vectors; NaN where they differ in length or one has a NaN. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return NaN;
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}
