import assert from "node:assert/strict";
import { RandomState } from "../../src/sim/random_state.ts";

/** What NumPy 2.4 gives: `numpy.random.RandomState(seed).uniform(0, 1, 6)`. */
const NUMPY: readonly (readonly [seed: number, numbers: readonly number[]])[] = [
  [0, [
    0.5488135039273248,
    0.7151893663724195,
    0.6027633760716439,
    0.5448831829968969,
    0.4236547993389047,
    0.6458941130666561,
  ]],
  [1, [
    0.417022004702574,
    0.7203244934421581,
    0.00011437481734488664,
    0.30233257263183977,
    0.14675589081711304,
    0.0923385947687978,
  ]],
  [4294967295, [
    0.0976320289940138,
    0.9123828453026218,
    0.78903530185164,
    0.7800035981134678,
    0.01793967398674523,
    0.9695059322147525,
  ]],
];

for (const [seed, numbers] of NUMPY) {
  Deno.test(`RandomState(${seed}) draws the numbers that NumPy draws`, () => {
    const random = new RandomState(seed);
    assert.deepEqual(numbers.map(() => random.uniform(0, 1)), numbers);
  });
}

Deno.test("RandomState goes on as NumPy does after its 624 words are used up", () => {
  const random = new RandomState(5);
  const numbers = Array.from({ length: 1000 }, () => random.uniform(-2, 3));
  // numpy.random.RandomState(5).uniform(-2, 3, 1000)[[311, 312, 999]]
  assert.deepEqual([numbers[311], numbers[312], numbers[999]], [
    2.9925788363141708,
    -1.808290349199877,
    1.952965473218109,
  ]);
});

Deno.test("RandomState refuses seeds that NumPy refuses", () => {
  for (const seed of [-1, 2 ** 32, 1.5, NaN]) assert.throws(() => new RandomState(seed), RangeError);
});
