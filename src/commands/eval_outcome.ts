/**
 * What an evaluation keeps of an episode.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { EpisodeOutcome } from "../measure/evaluation.ts";
import type { Episode } from "../rollout/episode.ts";
import type { EvalJob } from "./eval_plan.ts";

export function outcomeOf({ condition, index, seed }: EvalJob, episode: Episode): EpisodeOutcome {
  const { requests, steps, controlHz, error, errorName, missedDeadlines } = episode;
  const total = (value: (request: Episode["requests"][number]) => number) =>
    requests.reduce((sum, request) => sum + value(request), 0);
  const heldSteps = total((request) => request.heldSteps);
  const exhaustedSteps = total((request) => request.exhaustedSteps);
  return {
    ...condition,
    index,
    seed,
    success: episode.success,
    maxReward: episode.maxReward,
    steps: steps.length,
    worldMs: episode.pace.kind === "real" ? episode.durationMs : 1000 * steps.length / controlHz,
    inferenceMs: requests.flatMap(({ askedMs, answeredMs }) => answeredMs === undefined ? [] : [answeredMs - askedMs]),
    executedRows: total((request) => request.executedRows),
    staleRows: total((request) => request.staleRows),
    heldSteps,
    exhaustedSteps,
    stallMs: 1000 * (heldSteps + exhaustedSteps) / controlHz,
    ...(missedDeadlines === undefined ? {} : { missedDeadlines }),
    trajectory: trajectoryOf(episode),
    ...(error === undefined ? {} : { error }),
    ...(errorName === undefined ? {} : { errorName }),
  };
}

/** SHA-256 of every action and the joint positions after it, as float64. */
function trajectoryOf({ steps }: Episode): string {
  const hash = createHash("sha256");
  for (const { action, qpos } of steps) hash.update(new Uint8Array(Float64Array.from([...action, ...qpos]).buffer));
  return hash.digest("hex");
}
