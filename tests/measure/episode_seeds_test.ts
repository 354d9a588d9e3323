import assert from "node:assert/strict";
import { episodeSeeds } from "../../src/measure/episode_seeds.ts";

// `[int(r.integers(2**32 - 1)) for _ in range(6)]` with r = numpy.random.default_rng(seed), NumPy 2.4.6.
const NUMPY: readonly (readonly [seed: number, seeds: readonly number[]])[] = [
  [0, [3653403230, 2735729614, 2195314464, 1158725111, 1322117303, 175979944]],
  [1, [2032329982, 2198257138, 3243419749, 4082210490, 149690572, 619160821]],
  [42, [383329927, 3324115916, 2811363264, 1884968544, 1859786275, 3687649985]],
  [2 ** 32 - 1, [819527070, 1082089384, 3110619137, 940880429, 3906526356, 1233878477]],
];

for (const [seed, seeds] of NUMPY) {
  Deno.test(`episodeSeeds() of ${seed} are NumPy's`, () => assert.deepEqual(episodeSeeds(seed, 6), seeds));
}

Deno.test("episodeSeeds() begin alike however many are asked for", () => {
  assert.deepEqual(episodeSeeds(7, 100).slice(0, 3), episodeSeeds(7, 3));
  assert.deepEqual(episodeSeeds(7, 0), []);
});

Deno.test("episodeSeeds() refuses a seed of more than 32 bits", () => {
  for (const seed of [-1, 0.5, 2 ** 32, NaN]) assert.throws(() => episodeSeeds(seed, 1), RangeError);
});
