import assert from "node:assert/strict";
import { mcnemarExact, wilsonInterval } from "../../src/measure/proportion.ts";

const near = (found: number, expected: number, message: string) =>
  assert.ok(Math.abs(found - expected) < 1e-12, `${message}: ${found}, not ${expected}`);

Deno.test("wilsonInterval() contains the rates that a test of 95 % does not refuse", () => {
  // Where |rate − r| = z √(r (1 − r) / n), by definition.
  const z = 1.959963984540054;
  for (const [successes, trials] of [[8, 10], [45, 50], [437, 500], [1, 3]] as const) {
    for (const rate of wilsonInterval(successes, trials)) {
      near(Math.abs(successes / trials - rate), z * Math.sqrt(rate * (1 - rate) / trials), `${successes}/${trials}`);
    }
  }
  const [low, high] = wilsonInterval(8, 10);
  near(low, 0.49016247153664183, "low");
  near(high, 0.9433178485456247, "high");
});

Deno.test("wilsonInterval() touches 0 and 1 where nothing or everything succeeded, and is no point there", () => {
  assert.deepEqual(wilsonInterval(0, 10)[0], 0);
  near(wilsonInterval(0, 10)[1], 0.2775327998628892, "high");
  assert.deepEqual(wilsonInterval(10, 10)[1], 1);
  near(wilsonInterval(10, 10)[0], 0.7224672001371107, "low");
});

Deno.test("wilsonInterval() refuses what no trials can give", () => {
  for (const [successes, trials] of [[0, 0], [2, 1], [-1, 3]] as const) {
    assert.throws(() => wilsonInterval(successes, trials), RangeError);
  }
});

Deno.test("mcnemarExact() is the two-sided binomial test of the trials that differ", () => {
  const cases: readonly (readonly [onlyFirst: number, onlySecond: number, p: number])[] = [
    [0, 0, 1],
    [1, 0, 1],
    [5, 0, 2 / 32],
    [0, 6, 2 / 64],
    [1, 5, 14 / 64],
    [3, 3, 1],
    [10, 2, 2 * (1 + 12 + 66) / 4096],
  ];
  for (const [first, second, p] of cases) near(mcnemarExact(first, second), p, `${first}:${second}`);
});

Deno.test("mcnemarExact() has numbers small enough for thousands of trials", () => {
  const exact = 2.1817026407914712e-5; // by Python's whole numbers
  assert.ok(Math.abs(mcnemarExact(1000, 1200) / exact - 1) < 1e-9);
});
