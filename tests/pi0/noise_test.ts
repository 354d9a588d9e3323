/**
 * The noise of JAX. See `tests/fixtures/pi0/README.md`.
 */

import assert from "node:assert/strict";
import { WireError } from "../../src/errors.ts";
import {
  type Key,
  keyOfSeed,
  noiseFor,
  NoiseStream,
  normalNoise,
  randomBits,
  splitKey,
  toUniform,
} from "../../src/pi0/noise.ts";
import { GOLDEN_SETS, largestDifference, readFloat32, readJson } from "../support/golden_openpi.ts";

interface Golden {
  first_request_key0: { bits: number[]; uniform: number[] };
  requests: {
    file: string;
    seed: number;
    request: number;
    shape: [number, number, number];
    key_before: Key;
    key_carried: Key;
    key_used: Key;
  }[];
}

for (const { name, folder, isMissing } of GOLDEN_SETS) {
  const load = () => readJson<Golden>(`${folder}/noise/noise.json`);

  Deno.test({
    name: `splitKey() and randomBits() give JAX's words exactly (${name})`,
    ignore: isMissing,
    async fn() {
      const { requests, first_request_key0: { bits, uniform } } = await load();
      for (const { key_before, key_carried, key_used } of requests) {
        assert.deepEqual(splitKey(key_before), { carried: key_carried, used: key_used });
      }
      const { used } = splitKey(keyOfSeed(0));
      assert.deepEqual(bits.map((_, i) => randomBits(used, i)), bits);
      assert.deepEqual(bits.map(toUniform), uniform);
    },
  });

  Deno.test({
    name: `NoiseStream draws what openpi's server draws, request by request (${name})`,
    ignore: isMissing,
    async fn() {
      const streams = new Map<number, NoiseStream>();
      for (const { file, seed, shape: [_, rows, dim] } of (await load()).requests) {
        const stream = streams.get(rows) ?? new NoiseStream(seed);
        streams.set(rows, stream);
        const difference = largestDifference(stream.next(rows * dim), await readFloat32(`${folder}/noise/${file}`));
        assert.ok(difference <= 5e-7, `${file} differs by ${difference}`);
      }
    },
  });
}

Deno.test("toUniform() stays inside (−1, 1) at both ends", () => {
  assert.equal(toUniform(0), -(1 - 2 ** -24));
  const highest = toUniform(0xffffffff);
  assert.ok(highest > 0.999999 && highest < 1);
});

Deno.test("normalNoise() is standard normal, tails included", () => {
  const noise = normalNoise([7, 11], 200_000);
  const mean = noise.reduce((sum, value) => sum + value, 0) / noise.length;
  const variance = noise.reduce((sum, value) => sum + value ** 2, 0) / noise.length;
  assert.ok(Math.abs(mean) < 0.01 && Math.abs(variance - 1) < 0.02, `${mean}, ${variance}`);
  const beyond3 = noise.filter((value) => Math.abs(value) > 3).length / noise.length;
  assert.ok(Math.abs(beyond3 - 0.0027) < 5e-4, `${beyond3} beyond 3 deviations`);
});

Deno.test("keyOfSeed() keeps all 32 bits of a seed", () => {
  assert.deepEqual(keyOfSeed(4294967295), [0, 4294967295]);
});

Deno.test("noiseFor() prefers a request's own noise, then its seed, and leaves the server's stream alone then", () => {
  const stream = new NoiseStream(0);
  const noise = Float32Array.of(1, 2, 3, 4, 5, 6);
  assert.equal(noiseFor({ noise }, [2, 3], stream), noise);
  const seeded = noiseFor({ seed: 5 }, [2, 3], stream);
  assert.deepEqual(seeded, noiseFor({ seed: 5 }, [2, 3], stream));
  assert.deepEqual(
    noiseFor({}, [2, 3], stream),
    noiseFor({ seed: 0 }, [2, 3], stream),
    "the first of the server is seed 0's",
  );
  assert.notDeepEqual(noiseFor({}, [2, 3], stream), noiseFor({ seed: 0 }, [2, 3], stream), "the second is another");
});

Deno.test("noiseFor() refuses noise whose numbers are enough and whose shape is another", () => {
  const noise = new Float32Array(1600);
  const stream = new NoiseStream(0);
  assert.equal(noiseFor({ noise, noiseShape: [50, 32] }, [50, 32], stream), noise);
  for (const noiseShape of [[32, 50], [1, 1600], [1600]]) {
    assert.throws(() => noiseFor({ noise, noiseShape }, [50, 32], stream), WireError);
  }
});

Deno.test("noiseFor() refuses noise of another size, naming what the model needs", () => {
  assert.throws(
    () => noiseFor({ noise: new Float32Array(700) }, [50, 32], new NoiseStream(0)),
    (error) =>
      error instanceof WireError && error.code === "wrong_shape" && error.details.field === "noise" &&
      error.message.includes("[50, 32]"),
  );
});
