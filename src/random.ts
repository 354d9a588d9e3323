/**
 * Numbers that look random and come out the same for the same seed, on every machine.
 *
 * @module
 */

/**
 * A generator of numbers, even in [0, 1), with 32 bits each.
 *
 * Steele and Vigna's SplitMix idea on 32 bits: a counter that grows by the golden ratio, hashed with the constants of
 * MurmurHash3's finaliser.
 */
export function seededRandom(seed: number): () => number {
  let counter = seed >>> 0;
  return () => {
    counter = (counter + 0x9e3779b9) >>> 0;
    let hash = counter;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
  };
}
