/**
 * The random numbers of NumPy's `RandomState(seed)`, to the bit: gym-aloha draws the poses of its objects with them.
 *
 * @module
 */

/** Words of the Mersenne Twister's state, and the distance that its recurrence looks ahead (Matsumoto, Nishimura 1998). */
const WORDS = 624;
const AHEAD = 397;

/** MT19937, seeded with one 32-bit number. */
export class RandomState {
  readonly #words = new Uint32Array(WORDS);
  #next = WORDS;

  /** @throws {RangeError} where the seed is no whole number from 0 to 2³² − 1. */
  constructor(seed: number) {
    if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
      throw new RangeError(`Cannot seed with ${seed}: seeds are whole numbers from 0 to 4294967295`);
    }
    const words = this.#words;
    words[0] = seed;
    for (let i = 1; i < WORDS; i++) {
      const previous = words[i - 1]!;
      // Knuth's multiplier, as in the reference implementation of 2002.
      words[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  /** Even in [low, high), with 53 bits. */
  uniform(low: number, high: number): number {
    const upper = this.#word() >>> 5;
    const lower = this.#word() >>> 6;
    return low + (high - low) * ((upper * 2 ** 26 + lower) / 2 ** 53);
  }

  #word(): number {
    if (this.#next === WORDS) this.#refill();
    let word = this.#words[this.#next++]!;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  #refill(): void {
    const words = this.#words;
    for (let i = 0; i < WORDS; i++) {
      const joined = (words[i]! & 0x80000000) | (words[(i + 1) % WORDS]! & 0x7fffffff);
      words[i] = words[(i + AHEAD) % WORDS]! ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }
}
