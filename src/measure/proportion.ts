/**
 * How sure one can be of a success rate, and of the difference between two.
 *
 * @module
 */

/** Half of 95 % of the normal distribution lies below this on either side. */
const Z_95 = 1.959963984540054;

/**
 * Wilson's score interval of 95 % for a rate (Wilson 1927). Unlike the textbook's ±, it stays between 0 and 1 and is not
 * empty where everything, or nothing, succeeded.
 *
 * @throws {RangeError} without trials, or with more successes than trials.
 */
export function wilsonInterval(successes: number, trials: number): [low: number, high: number] {
  if (!(trials > 0) || successes < 0 || successes > trials) {
    throw new RangeError(`Cannot take the interval of ${successes} successes in ${trials} trials`);
  }
  const rate = successes / trials;
  const weight = Z_95 ** 2 / trials;
  const middle = (rate + weight / 2) / (1 + weight);
  const half = Z_95 * Math.sqrt(rate * (1 - rate) / trials + weight / (4 * trials)) / (1 + weight);
  // Rounding errors must not leave a hair of 0 or 1.
  return [successes === 0 ? 0 : middle - half, successes === trials ? 1 : middle + half];
}

/**
 * McNemar's test, exact and two-sided, for trials that were made twice under the same conditions: the probability of a
 * split at least as uneven, if neither side were better. Trials that went alike on both sides tell nothing.
 *
 * @param onlyFirst trials that succeeded on the first side only. @param onlySecond those on the second only.
 */
export function mcnemarExact(onlyFirst: number, onlySecond: number): number {
  const trials = onlyFirst + onlySecond;
  const fewer = Math.min(onlyFirst, onlySecond);
  // Binomial terms by their logarithms: 2⁻ⁿ is too small a number for n above 1074.
  let logTerm = -trials * Math.LN2;
  let tail = 0;
  for (let k = 0; k <= fewer; k++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((trials - k) / (k + 1));
  }
  return Math.min(1, 2 * tail);
}
