/**
 * The seeds of an evaluation's episodes, as openpi draws them: NumPy's `default_rng(seed).integers(2**32 - 1)`, to the
 * bit. That is PCG64, seeded by a SeedSequence, and Lemire's way to numbers below a bound.
 *
 * @module
 */

const MASK_64 = 2n ** 64n - 1n;
const MASK_128 = 2n ** 128n - 1n;

/** PCG's multiplier for 128 bits (O'Neill 2014). */
const PCG_MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

/** The seeds are below this. */
const BOUND = 2 ** 32 - 1;

/**
 * The first seeds of episodes.
 *
 * @param seed of the evaluation: a whole number from 0 to 2³² − 1.
 * @throws {RangeError} where it is not.
 */
export function episodeSeeds(seed: number, count: number): number[] {
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new RangeError(`Cannot seed with ${seed}: seeds are whole numbers from 0 to 4294967295`);
  }
  const next = pcg64(spreadSeed(seed));
  return Array.from({ length: count }, () => below(BOUND, next));
}

/** NumPy's SeedSequence for a seed of one word: four words of 64 bits. Its constants are Melissa O'Neill's `seed_seq_fe`. */
function spreadSeed(seed: number): bigint[] {
  let constant = 0x43b0d7e5;
  const hash = (value: number) => {
    const mixed = value ^ constant;
    constant = Math.imul(constant, 0x931e8875);
    const product = Math.imul(mixed, constant);
    return product ^ (product >>> 16);
  };
  const pool = [seed, 0, 0, 0].map(hash);
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) {
      if (from === to) continue;
      const mixed = Math.imul(0xca01f9dd, pool[to]!) - Math.imul(0x4973f715, hash(pool[from]!));
      pool[to] = mixed ^ (mixed >>> 16);
    }
  }
  constant = 0x8b51f9dd;
  const words = Array.from({ length: 8 }, (_, i) => {
    const mixed = pool[i % 4]! ^ constant;
    constant = Math.imul(constant, 0x58f38ded);
    const product = Math.imul(mixed, constant);
    return BigInt((product ^ (product >>> 16)) >>> 0);
  });
  return [0, 2, 4, 6].map((i) => words[i]! | (words[i + 1]! << 32n));
}

/** PCG64 (XSL-RR), 32 bits at a time: the lower half of each number first, as NumPy hands them out. */
function pcg64([state1, state0, stream1, stream0]: readonly bigint[]): () => number {
  const increment = ((((stream1! << 64n) | stream0!) << 1n) | 1n) & MASK_128;
  let state = (increment + ((state1! << 64n) | state0!)) & MASK_128;
  const step = () => state = (state * PCG_MULTIPLIER + increment) & MASK_128;
  step();
  let kept: number | undefined;
  return () => {
    if (kept !== undefined) {
      const upper = kept;
      kept = undefined;
      return upper;
    }
    step();
    const folded = ((state >> 64n) ^ state) & MASK_64;
    const turn = state >> 122n;
    const output = ((folded >> turn) | (folded << (64n - turn))) & MASK_64;
    kept = Number(output >> 32n);
    return Number(output & 0xffffffffn);
  };
}

/** Even in [0, bound), from 32 random bits at a time (Lemire 2019): the few that would tip the balance are drawn anew. */
function below(bound: number, next: () => number): number {
  const unfair = 2 ** 32 % bound;
  for (;;) {
    const product = BigInt(next()) * BigInt(bound);
    if (Number(product & 0xffffffffn) >= unfair) return Number(product >> 32n);
  }
}
