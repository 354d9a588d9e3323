import assert from "node:assert/strict";
import { Ajv2020 } from "ajv";
import type { Comparison, ConditionSummary, EpisodeOutcome } from "../../src/measure/evaluation.ts";
import type { Summary } from "../../src/measure/statistics.ts";
import {
  type EvaluatedMode,
  EVALUATION_SCHEMA,
  type EvaluationResults,
  writeEvaluation,
} from "../../src/report/evaluation.ts";
import schema from "../../src/report/evaluation.schema.json" with { type: "json" };

const validate = new Ajv2020({ strict: true, strictRequired: true, allowUnionTypes: true }).compile(schema);

// Typed as Required, so that a new field fails here until the schema has it, too.
const times: Required<Summary> = {
  count: 10_000,
  minMs: 1,
  meanMs: 2,
  intervalMs: [1.9, 2.1],
  p50Ms: 2,
  p90Ms: 3,
  p95Ms: 3,
  p99Ms: 3,
  p999Ms: 3,
  maxMs: 4,
};
const mode: Required<EvaluatedMode> = {
  mode: "ws",
  url: "ws://127.0.0.1:8000/ws",
  transport: "ws",
  policy: "expert",
  checkpointHash: null,
  server: { ready: true },
};
const episode: Required<EpisodeOutcome> = {
  mode: "ws",
  task: "transfer_cube",
  delayMs: 100,
  index: 0,
  seed: 2 ** 32 - 2,
  success: true,
  maxReward: 4,
  steps: 214,
  worldMs: 4280,
  inferenceMs: [1.5, 2],
  executedRows: 200,
  staleRows: 5,
  heldSteps: 5,
  exhaustedSteps: 9,
  stallMs: 280,
  missedDeadlines: 1,
  trajectory: "0a".repeat(32),
  error: "The physics broke down",
  errorName: "SimulationError",
};
const summary: Required<ConditionSummary> = {
  mode: "ws",
  task: "transfer_cube",
  delayMs: 100,
  episodes: 1,
  successes: 1,
  successRate: 1,
  interval: [0.2, 1],
  meanMaxReward: 4,
  stepsToSuccess: { min: 214, median: 214.5, max: 215 },
  inferenceMs: times,
  meanStallMs: 280,
  effectiveHz: 46.5,
  executedRows: 200,
  staleRows: 5,
  heldSteps: 5,
  exhaustedSteps: 9,
  missedDeadlines: 1,
  errors: 1,
};
const comparison: Required<Comparison> = {
  task: "transfer_cube",
  delayMs: 100,
  baseline: "local",
  mode: "ws",
  pairs: 1,
  bothSucceed: 1,
  onlyBaseline: 0,
  onlyMode: 0,
  neither: 0,
  pValue: 1,
  identical: 1,
};
const results: EvaluationResults = {
  schema: EVALUATION_SCHEMA,
  startedAt: "2026-01-02T03:04:05.678Z",
  command: ["eval"],
  options: { seed: 0, url: [] },
  environment: { cores: 2, os: "linux" },
  scene: "builtin",
  modes: [mode],
  summaries: [summary],
  comparisons: [comparison],
  warnings: ["local: tiny was trained elsewhere"],
  episodes: [episode],
  interrupted: false,
};

/** The same without one field. */
function without<T extends object>(value: T, field: string): T {
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== field)) as T;
}

async function written(value: EvaluationResults): Promise<unknown> {
  const path = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await writeEvaluation(path, value);
    return JSON.parse(await Deno.readTextFile(path));
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("writeEvaluation() writes all of it as JSON, with one line per episode", async () => {
  const path = await Deno.makeTempFile();
  await writeEvaluation(path, { ...results, episodes: [episode, { ...episode, index: 1 }] });
  const text = await Deno.readTextFile(path);
  await Deno.remove(path);
  assert.deepEqual(JSON.parse(text).episodes.length, 2);
  assert.equal(text.split("\n").filter((line) => line.includes('"trajectory"')).length, 2);
  assert.deepEqual(await written(results), results);
  assert.deepEqual(await written({ ...results, episodes: [] }), { ...results, episodes: [] });
});

Deno.test("results of an evaluation fit the published schema", async () => {
  assert.ok(validate(await written(results)), JSON.stringify(validate.errors));
});

Deno.test("the schema of evaluations knows which fields may be absent", () => {
  const optional: readonly [keyof EvaluationResults, readonly string[], object][] = [
    ["modes", ["url", "transport", "server"], mode],
    ["summaries", ["delayMs", "stepsToSuccess", "inferenceMs", "effectiveHz", "missedDeadlines"], summary],
    ["comparisons", ["delayMs"], comparison],
    ["episodes", ["delayMs", "missedDeadlines", "error", "errorName"], episode],
  ];
  for (const [list, absent, whole] of optional) {
    for (const field of Object.keys(whole)) {
      const fits = validate({ ...results, [list]: [without(whole, field)] });
      assert.equal(fits, absent.includes(field), `${list} without ${field}`);
    }
  }
  for (const field of Object.keys(results)) assert.ok(!validate(without(results, field)), `without ${field}`);
});

Deno.test("the schema of evaluations refuses fields that nobody declared", () => {
  assert.ok(!validate({ ...results, extra: 1 }));
  assert.ok(!validate({ ...results, episodes: [{ ...episode, extra: 1 }] }));
  assert.ok(!validate({ ...results, summaries: [{ ...summary, successRate: 100 }] }));
});
