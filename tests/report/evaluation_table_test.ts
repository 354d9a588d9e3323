import assert from "node:assert/strict";
import type { Comparison, ConditionSummary } from "../../src/measure/evaluation.ts";
import { comparisonTable, successTable } from "../../src/report/evaluation_table.ts";

const plain = { color: false };

const summary: ConditionSummary = {
  mode: "local",
  task: "transfer_cube",
  delayMs: 0,
  episodes: 10,
  successes: 10,
  successRate: 1,
  interval: [0.7224672, 1],
  meanMaxReward: 4,
  stepsToSuccess: { min: 214, median: 214, max: 291 },
  inferenceMs: { count: 2, minMs: 1, meanMs: 2, p50Ms: 2, p90Ms: 3, p95Ms: 3.25, maxMs: 4 },
  meanStallMs: 0,
  effectiveHz: 50,
  executedRows: 2140,
  staleRows: 0,
  heldSteps: 0,
  exhaustedSteps: 0,
  errors: 0,
};
const { stepsToSuccess: _, inferenceMs: __, effectiveHz: ___, ...bare } = summary;
const nothing: ConditionSummary = { ...bare, mode: "ws", successes: 0, successRate: 0, interval: [0, 0.278] };

const comparison: Comparison = {
  task: "transfer_cube",
  delayMs: 0,
  baseline: "local",
  mode: "ws",
  pairs: 10,
  bothSucceed: 4,
  onlyBaseline: 5,
  onlyMode: 0,
  neither: 1,
  pValue: 0.0625,
  identical: 3,
};

Deno.test("successTable() shows success with its interval, and - for what was not measured", () => {
  assert.equal(
    successTable([summary, nothing], plain),
    `Success with Wilson's 95 % interval; stall: time per episode without a new action
                         95 %    max.       steps to   infer   infer  stall  eff.
mode   success    %  interval  reward        success  p50 ms  p95 ms      s    Hz
local    10/10  100  72.2–100    4.00  214 (214–291)    2.00    3.25   0.00  50.0
ws        0/10    0    0–27.8    4.00              -       -       -   0.00     -
`,
  );
});

Deno.test("successTable() shows and explains the reasons of waiting where there are any", () => {
  const delayed = { ...summary, delayMs: 500, heldSteps: 250, exhaustedSteps: 700, staleRows: 2000, meanStallMs: 1900 };
  const lines = successTable([summary, delayed], plain).split("\n");
  assert.equal(lines[1], "held: waited for an answer; exhausted: the chunk had ended; stale: came too late");
  assert.match(lines[2]!, /delay .* held {2}exhaust\. {2}stale$/);
  assert.match(lines[4]!, /^local +0 .* 0 +0 +0$/);
  assert.match(lines[5]!, /^local +500 .* 1\.90 .* 250 +700 +2000$/);
  assert.match(
    successTable([{ ...summary, missedDeadlines: 3, errors: 1 }], plain),
    /\nlate: began 2 ms late\n.*late\n.*errors\n/,
  );
});

Deno.test("successTable() names tasks where there are several, and delays where there is one", () => {
  assert.ok(!successTable([summary], plain).includes("transfer_cube"));
  assert.match(successTable([summary, { ...summary, task: "insertion" }], plain), /transfer_cube.*\n.*insertion/);
  const { delayMs: _, ...real } = summary;
  assert.ok(!successTable([real], plain).includes("delay"));
});

Deno.test("successTable() fits 120 columns with everything in it", () => {
  const full = {
    ...summary,
    mode: "gpu-box-quic-tcp",
    delayMs: 1000,
    episodes: 500,
    successes: 437,
    successRate: 0.874,
    interval: [0.842, 0.9] as const,
    heldSteps: 25_000,
    exhaustedSteps: 25_000,
    staleRows: 25_000,
    errors: 12,
  };
  for (const line of successTable([full], plain).split("\n")) assert.ok(line.length <= 120, `${line.length}: ${line}`);
});

Deno.test("comparisonTable() shows who succeeded where the other did not", () => {
  assert.equal(
    comparisonTable([comparison], plain),
    `The same episodes in two modes; p: McNemar's exact test that neither succeeds more often; identical: to the bit
                           both  only the  only the
modes         episodes  succeed     first    second  neither      p  identical
local and ws        10        4         5         0        1  0.063          3
`,
  );
  assert.equal(comparisonTable([], plain), "");
});
