import assert from "node:assert/strict";
import { type RecordedEpisode, titleOf, trackOf } from "../../src/commands/record_track.ts";
import type { EpisodeRequest } from "../../src/rollout/conversation.ts";
import type { EpisodeStep } from "../../src/rollout/episode.ts";

function step(at: number, more: Partial<EpisodeStep> = {}): EpisodeStep {
  return { action: [0], agent_pos: [0], qpos: [at], qvel: [0], reward: 0, ...more };
}

function request(more: Partial<EpisodeRequest>): EpisodeRequest {
  const rows = { rows: 50, executedRows: 10, staleRows: 0, heldSteps: 0, exhaustedSteps: 0 };
  return { step: 0, observeMs: 0, askedMs: 0, timing: {}, ...rows, ...more };
}

function episode(more: Partial<RecordedEpisode>): RecordedEpisode {
  return {
    task: "transfer_cube",
    scene: "builtin",
    seed: 7,
    policy: "expert",
    controlHz: 50,
    pace: { kind: "fast", delayMs: 0 },
    durationMs: 0,
    start: { agent_pos: [0], qpos: [-1], qvel: [0] },
    requests: [],
    steps: [step(0), step(1)],
    ...more,
  };
}

Deno.test("trackOf() shows what came of a step when the step is over, and the start pose before", () => {
  const steps = [step(0, { atMs: 3 }), step(1, { atMs: 23.5, reward: 2 })];
  const track = trackOf(episode({ pace: { kind: "real" }, steps }), "local", 400);
  assert.deepEqual(track.moments, [
    { atMs: 0, step: 0, reward: 0 },
    { atMs: 23, step: 1, reward: 0 },
    { atMs: 43.5, step: 2, reward: 2 },
  ]);
  assert.deepEqual(track.poses, [[-1], [0], [1]]);
  assert.equal(track.endMs, 43.5);
  assert.equal(track.maxSteps, 400);
  assert.equal(track.mode, "local");
});

Deno.test("trackOf() takes requests of a run in real pace as long as they took, and those without an answer until the end", () => {
  const requests = [request({ askedMs: 5, answeredMs: 47 }), request({ step: 9, askedMs: 180 })];
  const track = trackOf(episode({ pace: { kind: "real" }, requests, steps: [step(0, { atMs: 0 })] }), "remote", 1);
  assert.deepEqual(track.requests, [{ startMs: 5, endMs: 47 }, { startMs: 180, endMs: Infinity }]);
});

Deno.test("trackOf() counts the world's time where a delay was simulated", () => {
  const requests = [request({ step: 4, askedMs: 1.5, answeredMs: 1.75 })];
  const track = trackOf(episode({ pace: { kind: "fast", delayMs: 90 }, requests }), "remote", 2);
  assert.deepEqual(track.requests, [{ startMs: 80, endMs: 170 }]);
  assert.deepEqual(track.moments.map(({ atMs }) => atMs), [0, 20, 40]);
});

Deno.test("trackOf() joins held steps that follow one another into one freeze, until the next action", () => {
  const held = { held: "waiting" as const };
  const steps = [
    step(0, { atMs: 0, ...held }),
    step(1, { atMs: 21, ...held }),
    step(2, { atMs: 41 }),
    step(3, { atMs: 61, held: "exhausted" }),
  ];
  const track = trackOf(episode({ pace: { kind: "real" }, steps }), "remote", 4);
  assert.deepEqual(track.freezes, [{ startMs: 0, endMs: 41 }, { startMs: 61, endMs: 81 }]);
});

Deno.test("titleOf() names every task and seed once", () => {
  assert.equal(titleOf([episode({}), episode({})]), "transfer_cube · seed 7");
  assert.equal(
    titleOf([episode({}), episode({ task: "insertion", seed: 8 })]),
    "transfer_cube, insertion · seeds 7, 8",
  );
});
