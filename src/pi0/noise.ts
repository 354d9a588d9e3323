/**
 * Standard normal noise exactly as JAX draws it, so that actions can be compared with openpi's server: Threefry-2x32
 * in JAX's partitionable mode (its default since 0.5), and the inverse error function in single precision.
 *
 * Threefry is from Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).
 *
 * @module
 */

import { WireError } from "../errors.ts";
import type { Observation } from "../types.ts";

/** Two words of 32 bits, unsigned. */
export type Key = readonly [number, number];

/** JAX's key for a seed: `jax.random.key(seed)`. */
export function keyOfSeed(seed: number): Key {
  return [0, seed >>> 0];
}

/** Two new keys from one: `jax.random.split(key)`. openpi carries the first on and uses the second. */
export function splitKey(key: Key): { readonly carried: Key; readonly used: Key } {
  return { carried: threefry(key, 0, 0), used: threefry(key, 0, 1) };
}

/** `count` normal numbers for a key: `jax.random.normal(key, count)`. */
export function normalNoise(key: Key, count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => SQRT_2 * inverseError(toUniform(randomBits(key, i))));
}

/** The 32 random bits of element `i`, unsigned. */
export function randomBits(key: Key, i: number): number {
  const [high, low] = threefry(key, 0, i);
  return (high ^ low) >>> 0;
}

/** The noise of one server after another request: a fresh openpi server starts with seed 0. */
export class NoiseStream {
  #key: Key;

  constructor(seed: number) {
    this.#key = keyOfSeed(seed);
  }

  /** The noise of the next request. */
  next(count: number): Float32Array<ArrayBuffer> {
    const { carried, used } = splitKey(this.#key);
    this.#key = carried;
    return normalNoise(used, count);
  }
}

/** What a request may say of its noise. */
export type NoiseWish = Pick<Observation, "noise" | "noiseShape" | "seed">;

/**
 * The noise that a request starts from: its own, or that of a fresh stream with its seed, or the server's next.
 *
 * @param rows the model's action horizon. @param columns its action dimension (32, not the robot's).
 * @throws {WireError} where the request brings noise of another shape, or of another length where it tells no shape.
 */
export function noiseFor(
  { noise, noiseShape, seed }: NoiseWish,
  [rows, columns]: readonly [rows: number, columns: number],
  stream: NoiseStream,
): Float32Array {
  if (noise === undefined) return (seed === undefined ? stream : new NoiseStream(seed)).next(rows * columns);
  const fits = noiseShape === undefined ? true : String(noiseShape) === String([rows, columns]);
  if (fits && noise.length === rows * columns) return noise;
  const found = noiseShape === undefined ? `${noise.length} numbers` : `[${noiseShape.join(", ")}]`;
  const expected = `[${rows}, ${columns}], the model's rows and its action dimension`;
  throw new WireError("wrong_shape", { field: "noise", found, expected });
}

/** Rotations of the rounds, in two alternating groups of four. */
const ROTATIONS = [[13, 15, 26, 6], [17, 29, 16, 24]] as const;
/** Makes the third word of the key. */
const PARITY = 0x1bd11bda;

/** One block of Threefry-2x32 with 20 rounds. */
function threefry(key: Key, counterHigh: number, counterLow: number): Key {
  const words = [key[0], key[1], key[0] ^ key[1] ^ PARITY] as const;
  let x = (counterHigh + words[0]) | 0;
  let y = (counterLow + words[1]) | 0;
  for (let group = 0; group < 5; group++) {
    for (const rotation of ROTATIONS[group % 2]!) {
      x = (x + y) | 0;
      y = (y << rotation) | (y >>> (32 - rotation));
      y ^= x;
    }
    x = (x + words[(group + 1) % 3]!) | 0;
    y = (y + words[(group + 2) % 3]! + group + 1) | 0;
  }
  return [x >>> 0, y >>> 0];
}

/** The largest single below 1, negated: numbers are drawn from here, inclusive, to 1, exclusive. */
const LOWEST = -(1 - 2 ** -24);

/** 23 of the bits become the digits of a single in [0, 1), which is then stretched, rounded once. */
export function toUniform(bits: number): number {
  return Math.max(LOWEST, Math.fround((bits >>> 9) * 2 ** -22 + LOWEST));
}

const SQRT_2 = Math.fround(Math.SQRT2);

/**
 * Giles' polynomials for single precision ("Approximating the erfinv function", 2010), highest power first: for the
 * middle, and for the tails.
 */
const MIDDLE = [
  2.81022636e-08,
  3.43273939e-07,
  -3.5233877e-06,
  -4.39150654e-06,
  0.00021858087,
  -0.00125372503,
  -0.00417768164,
  0.246640727,
  1.50140941,
].map(Math.fround);
const TAILS = [
  -0.000200214257,
  0.000100950558,
  0.00134934322,
  -0.00367342844,
  0.00573950773,
  -0.0076224613,
  0.00943887047,
  1.00167406,
  2.83297682,
].map(Math.fround);

/** The inverse error function of a single in (−1, 1). */
function inverseError(value: number): number {
  const { fround } = Math;
  const w = fround(-Math.log1p(-fround(value * value)));
  const isMiddle = w < 5;
  const x = isMiddle ? fround(w - 2.5) : fround(fround(Math.sqrt(w)) - 3);
  let sum = 0;
  for (const coefficient of isMiddle ? MIDDLE : TAILS) sum = fround(sum * x + coefficient);
  return fround(sum * value);
}
