import assert from "node:assert/strict";
import {
  compareModes,
  type Condition,
  type EpisodeOutcome,
  keyOf,
  summarizeConditions,
} from "../../src/measure/evaluation.ts";

const near: Condition = { mode: "local", task: "transfer_cube", delayMs: 0 };
const far: Condition = { ...near, mode: "ws" };

function outcome(condition: Condition, index: number, about: Partial<EpisodeOutcome> = {}): EpisodeOutcome {
  return {
    ...condition,
    index,
    seed: 1000 + index,
    success: true,
    maxReward: 4,
    steps: 200,
    worldMs: 4000,
    inferenceMs: [10, 20],
    executedRows: 200,
    staleRows: 0,
    heldSteps: 0,
    exhaustedSteps: 0,
    stallMs: 0,
    trajectory: "00".repeat(32),
    ...about,
  };
}

const failed = { success: false, maxReward: 1, steps: 400, worldMs: 8000 };

Deno.test("summarizeConditions() counts successes, waiting and breaking off", () => {
  const outcomes = [
    outcome(near, 0, { steps: 210 }),
    outcome(near, 1, { steps: 290, heldSteps: 10, staleRows: 3, stallMs: 200 }),
    outcome(near, 2, { ...failed, executedRows: 100, exhaustedSteps: 300, stallMs: 6000, inferenceMs: [30] }),
    outcome(near, 3, { ...failed, error: "The physics broke down", errorName: "SimulationError" }),
  ];
  const [summary] = summarizeConditions([near], outcomes);
  const { inferenceMs, interval, ...rest } = summary!;
  assert.deepEqual(rest, {
    ...near,
    episodes: 4,
    successes: 2,
    successRate: 0.5,
    meanMaxReward: 2.5,
    stepsToSuccess: { min: 210, median: 250, max: 290 },
    meanStallMs: 1550,
    effectiveHz: 700 / 24,
    executedRows: 700,
    staleRows: 3,
    heldSteps: 10,
    exhaustedSteps: 300,
    errors: 1,
  });
  assert.ok(interval[0] > 0.1 && interval[1] < 0.9);
  assert.deepEqual([inferenceMs!.count, inferenceMs!.p50Ms], [7, 20]);
});

Deno.test("summarizeConditions() leaves out what was not measured, and conditions without an episode", () => {
  const outcomes = [outcome(near, 0, { ...failed, inferenceMs: [], steps: 0, worldMs: 0, executedRows: 0 })];
  const summaries = summarizeConditions([near, far], outcomes);
  assert.equal(summaries.length, 1);
  for (const key of ["inferenceMs", "stepsToSuccess", "effectiveHz", "missedDeadlines"]) {
    assert.ok(!(key in summaries[0]!), key);
  }
  const { delayMs: _, ...real } = near;
  const [late] = summarizeConditions([real], [0, 1].map((i) => ({ ...outcome(real, i), missedDeadlines: i + 1 })));
  assert.equal(late!.missedDeadlines, 3);
  assert.ok(!("delayMs" in late!));
});

Deno.test("compareModes() pairs episodes by their place, whatever order they came in", () => {
  const outcomes = [
    outcome(far, 2, { success: false }),
    outcome(near, 0),
    outcome(near, 1),
    outcome(far, 1, { trajectory: "11".repeat(32) }),
    outcome(far, 0),
    outcome(near, 2),
    outcome(near, 3, { success: false }),
  ];
  assert.deepEqual(compareModes([near, far], outcomes), [{
    task: "transfer_cube",
    delayMs: 0,
    baseline: "local",
    mode: "ws",
    pairs: 3,
    bothSucceed: 2,
    onlyBaseline: 1,
    onlyMode: 0,
    neither: 0,
    pValue: 1,
    identical: 2,
  }]);
});

Deno.test("compareModes() compares within a task and a delay, with the first mode there", () => {
  const conditions = ["transfer_cube", "insertion"].flatMap((task) =>
    ["local", "ws", "tcp"].flatMap((mode) => [0, 100].map((delayMs) => ({ mode, task, delayMs })))
  );
  const outcomes = conditions.map((condition) => outcome(condition, 0));
  assert.deepEqual(
    compareModes(conditions, outcomes).map(({ task, baseline, mode, delayMs }) => [task, baseline, mode, delayMs]),
    ["transfer_cube", "insertion"].flatMap((task) =>
      ["ws", "tcp"].flatMap((mode) => [0, 100].map((delayMs) => [task, "local", mode, delayMs]))
    ),
  );
  assert.deepEqual(compareModes(conditions, outcomes.slice(0, 1)), []);
});

Deno.test("keyOf() tells a delay of 0 from a real one", () => {
  assert.notEqual(keyOf({ mode: "ws", task: "insertion" }), keyOf({ mode: "ws", task: "insertion", delayMs: 0 }));
});
