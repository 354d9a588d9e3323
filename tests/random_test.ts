import assert from "node:assert/strict";
import { seededRandom } from "../src/random.ts";

const draw = (seed: number, count: number) => Array.from({ length: count }, seededRandom(seed));

Deno.test("seededRandom() repeats itself for a seed, and differs for another", () => {
  assert.deepEqual(draw(7, 20), draw(7, 20));
  assert.notDeepEqual(draw(7, 20), draw(8, 20));
});

Deno.test("seededRandom() keeps its numbers from version to version, because seeds are written into results", () => {
  assert.deepEqual(draw(0, 3).map((value) => value * 2 ** 32), [2462723854, 1020716019, 454327756]);
});

Deno.test("seededRandom() is even over [0, 1), also over neighbouring seeds", () => {
  const firsts = Array.from({ length: 10_000 }, (_, seed) => draw(seed, 1)[0]!);
  for (const values of [draw(1, 10_000), firsts]) {
    assert.ok(values.every((value) => value >= 0 && value < 1));
    const counts = new Array<number>(10).fill(0);
    for (const value of values) counts[Math.floor(10 * value)]!++;
    // 1000 each; the standard deviation is 30.
    assert.ok(counts.every((count) => Math.abs(count - 1000) < 150), counts.join(" "));
  }
});

Deno.test("seededRandom() does not lean on the number before", () => {
  const values = draw(3, 10_000);
  const products = values.slice(1).map((value, i) => (value - 0.5) * (values[i]! - 0.5));
  const correlation = 12 * products.reduce((sum, product) => sum + product, 0) / products.length;
  assert.ok(Math.abs(correlation) < 0.05, `correlation ${correlation}`);
});
