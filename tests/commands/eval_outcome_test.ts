import assert from "node:assert/strict";
import { outcomeOf } from "../../src/commands/eval_outcome.ts";
import type { EvalJob } from "../../src/commands/eval_plan.ts";
import type { EpisodeRequest } from "../../src/rollout/conversation.ts";
import type { Episode, EpisodeStep } from "../../src/rollout/episode.ts";

const job: EvalJob = { condition: { mode: "ws", task: "transfer_cube", delayMs: 40 }, index: 3, seed: 9 };

const request: EpisodeRequest = {
  step: 0,
  observeMs: 80,
  askedMs: 10,
  answeredMs: 35,
  timing: {},
  rows: 50,
  executedRows: 1,
  staleRows: 2,
  heldSteps: 1,
  exhaustedSteps: 0,
};
const step: EpisodeStep = { action: [1, 2], agent_pos: [1, 2], qpos: [1, 2, 3], qvel: [0, 0, 0], reward: 1, atMs: 5 };

const episode: Episode = {
  task: "transfer_cube",
  scene: "builtin",
  seed: 9,
  prompt: "Transfer cube",
  policy: "expert",
  controlHz: 50,
  replanSteps: 10,
  whileWaiting: "continue",
  pace: { kind: "fast", delayMs: 40 },
  durationMs: 123,
  start: { agent_pos: [0, 0], qpos: [0, 0, 0], qvel: [0, 0, 0] },
  requests: [request, { ...request, step: 4, exhaustedSteps: 2, askedMs: 50, answeredMs: 51 }],
  steps: Array.from({ length: 6 }, () => step),
  maxReward: 1,
  success: false,
  firstStepOfReward: { 1: 1, 2: null, 3: null, 4: null },
};

Deno.test("outcomeOf() counts what an episode waited for", () => {
  const { trajectory, ...outcome } = outcomeOf(job, episode);
  assert.deepEqual(outcome, {
    mode: "ws",
    task: "transfer_cube",
    delayMs: 40,
    index: 3,
    seed: 9,
    success: false,
    maxReward: 1,
    steps: 6,
    worldMs: 120,
    inferenceMs: [25, 1],
    executedRows: 2,
    staleRows: 4,
    heldSteps: 2,
    exhaustedSteps: 2,
    stallMs: 80,
  });
  assert.match(trajectory, /^[0-9a-f]{64}$/);
});

Deno.test("outcomeOf() goes by the clock in real pace, and keeps errors and missed deadlines", () => {
  const { answeredMs: _, ...unanswered } = request;
  const broken = {
    ...episode,
    pace: { kind: "real" },
    missedDeadlines: 2,
    requests: [unanswered],
    error: "The server is gone",
    errorName: "TransportError",
  } as const;
  const { worldMs, missedDeadlines, inferenceMs, error, errorName } = outcomeOf(job, broken);
  assert.deepEqual([worldMs, missedDeadlines, inferenceMs], [123, 2, []]);
  assert.deepEqual([error, errorName], ["The server is gone", "TransportError"]);
});

Deno.test("outcomeOf() tells trajectories apart by one bit of an action or a joint, and by nothing else", () => {
  const of = (steps: readonly EpisodeStep[], about: Partial<Episode> = {}) =>
    outcomeOf(job, { ...episode, ...about, steps }).trajectory;
  const same = of([step, step]);
  assert.equal(of([{ ...step, atMs: 99, request: 0, row: 4 }, step], { durationMs: 5, policy: "far" }), same);
  assert.notEqual(of([step]), same);
  assert.notEqual(of([step, { ...step, action: [1, 2 + 2 ** -51] }]), same);
  assert.notEqual(of([step, { ...step, qpos: [1, 2, 3 + 2 ** -51] }]), same);
});
