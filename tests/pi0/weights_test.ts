import assert from "node:assert/strict";
import { PI0_CONFIGS } from "../../src/pi0/config.ts";
import { listWeights } from "../../src/pi0/weights.ts";

const APART = { attention: false, gate: false };
const FUSED = { attention: true, gate: true };

function countValues(config: Parameters<typeof listWeights>[0], fusion = APART): number {
  const { matrices, vectors } = listWeights(config, fusion);
  return matrices.reduce((sum, { rows, columns }) => sum + rows * columns, 0) +
    vectors.reduce((sum, { length }) => sum + length, 0);
}

Deno.test("listWeights() has every parameter of the released models but those whose results nobody reads", () => {
  // In the prefix's last layer: query, output and MLP, the second norm; and the final norm.
  const { prefix: { width, mlpWidth } } = PI0_CONFIGS.pi0;
  const unread = 2 * width * width + 3 * width * mlpWidth + 2 * width;
  assert.equal(countValues(PI0_CONFIGS.pi0), 3_238_048_528 - unread);
  assert.equal(countValues(PI0_CONFIGS.pi05), 3_353_433_872 - unread);
});

Deno.test("listWeights() has the same values in fewer matrices when projections are fused", () => {
  for (const config of [PI0_CONFIGS.tiny, PI0_CONFIGS.pi05]) {
    assert.equal(countValues(config, FUSED), countValues(config, APART));
    assert.ok(listWeights(config, FUSED).matrices.length < listWeights(config, APART).matrices.length);
    const sources = (fusion: typeof APART) => listWeights(config, fusion).matrices.flatMap((spec) => spec.sources);
    assert.deepEqual(sources(FUSED).toSorted(), sources(APART).toSorted());
  }
});

Deno.test("listWeights() gives every tensor a name of its own", () => {
  const { matrices, vectors } = listWeights(PI0_CONFIGS.pi05, FUSED);
  const names = [...matrices, ...vectors].map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});
