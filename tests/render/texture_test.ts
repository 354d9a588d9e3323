/**
 * Textures: smaller versions and filtering.
 */

import assert from "node:assert/strict";
import { makeTexture, sampleTexture } from "../../src/render/texture.ts";

const grey = (...values: number[]) => Uint8Array.from(values.flatMap((value) => [value, value, value]));

function sampled(texture: ReturnType<typeof makeTexture>, u: number, v: number, perPixel: number): number {
  const colours = new Float64Array(6);
  sampleTexture(texture, u, v, perPixel, colours, 3);
  assert.deepEqual(Array.from(colours.subarray(0, 3)), [0, 0, 0]);
  return colours[4]!;
}

Deno.test("makeTexture() halves a picture down to one texel, each the mean of four", () => {
  const { levels } = makeTexture(4, 2, grey(0, 100, 8, 8, 100, 200, 8, 10));
  assert.deepEqual(levels.map(({ widthPx, heightPx }) => [widthPx, heightPx]), [[4, 2], [2, 1], [1, 1]]);
  assert.deepEqual(levels.map(({ data }) => Array.from(data.filter((_, i) => i % 3 === 0))).slice(1), [[100, 9], [55]]);
});

Deno.test("makeTexture() handles odd sizes: a texel is what lies at its middle", () => {
  const { levels } = makeTexture(3, 1, grey(0, 60, 240));
  assert.deepEqual(Array.from(levels[1]!.data), [60, 60, 60]);
});

Deno.test("sampleTexture() mixes neighbouring texels and repeats beyond the edge", () => {
  const texture = makeTexture(4, 1, grey(0, 40, 80, 200));
  // Middles of texels are at 1/8, 3/8, 5/8 and 7/8.
  assert.deepEqual([0.125, 0.375, 0.25, 0.5].map((u) => sampled(texture, u, 0.5, 1)), [0, 40, 20, 60]);
  assert.deepEqual([0, 1, -3, 1.125].map((u) => sampled(texture, u, 7.25, 1)), [100, 100, 100, 0]);
});

Deno.test("sampleTexture() mixes the two versions that fit the pixel best", () => {
  const texture = makeTexture(4, 4, grey(...Array.from({ length: 16 }, (_, i) => (i % 2) * 200)));
  assert.equal(sampled(texture, 0.125, 0.125, 0.1), 0);
  assert.equal(sampled(texture, 0.125, 0.125, 2), 100);
  assert.equal(sampled(texture, 0.125, 0.125, Math.SQRT2), 50);
  assert.equal(sampled(texture, 0.125, 0.125, 1000), 100);
});
