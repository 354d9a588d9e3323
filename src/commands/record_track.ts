/**
 * From an episode as it was recorded to what a video shows of it, moment by moment. Pure.
 *
 * @module
 */

import type { EpisodeTrack, Moment, Stretch } from "../report/comparison.ts";
import type { Episode } from "../rollout/episode.ts";
import { MAX_REWARD } from "../sim/task.ts";

/** What a video needs of an episode. */
export type RecordedEpisode = Pick<
  Episode,
  "task" | "scene" | "seed" | "policy" | "controlHz" | "pace" | "durationMs" | "start" | "requests" | "steps"
>;

/** A track without the pictures, and the joint positions to draw them from, one for each moment. */
export interface PosedTrack extends Omit<EpisodeTrack, "picture"> {
  readonly poses: readonly (readonly number[])[];
}

/**
 * Lays an episode out on its clock. In the fast pace that is the world's time: a step takes one period, an answer the
 * delay that was simulated.
 *
 * @param mode who acts, as the video says it. @param maxSteps what its steps are counted towards.
 */
export function trackOf(episode: RecordedEpisode, mode: string, maxSteps: number): PosedTrack {
  const { steps, start, controlHz } = episode;
  const periodMs = 1000 / controlHz;
  const beganMs = steps.map(({ atMs }, i) => atMs ?? i * periodMs);
  // A step begins with an action; what comes of it is seen when the step is over.
  const moments: Moment[] = [
    { atMs: 0, step: 0, reward: 0 },
    ...steps.map(({ reward }, i) => ({ atMs: beganMs[i]! + periodMs, step: i + 1, reward })),
  ];
  const held = steps.flatMap(({ held }, i): Stretch[] =>
    held === undefined ? [] : [{ startMs: beganMs[i]!, endMs: beganMs[i + 1] ?? beganMs[i]! + periodMs }]
  );
  return {
    mode,
    maxSteps,
    maxReward: MAX_REWARD,
    moments,
    requests: requestsOf(episode, periodMs),
    freezes: joined(held),
    endMs: moments.at(-1)!.atMs,
    poses: [start.qpos, ...steps.map(({ qpos }) => qpos)],
  };
}

/** An answer that never came is under way until the end. */
function requestsOf({ requests, pace }: RecordedEpisode, periodMs: number): Stretch[] {
  return requests.map(({ step, askedMs, answeredMs }) => {
    if (answeredMs === undefined) {
      return { startMs: pace.kind === "real" ? askedMs : step * periodMs, endMs: Infinity };
    }
    return pace.kind === "real"
      ? { startMs: askedMs, endMs: answeredMs }
      : { startMs: step * periodMs, endMs: step * periodMs + pace.delayMs };
  });
}

/** Stretches that follow one another without a gap become one. */
function joined(stretches: readonly Stretch[]): Stretch[] {
  const whole: Stretch[] = [];
  for (const { startMs, endMs } of stretches) {
    const last = whole.at(-1);
    if (last !== undefined && startMs <= last.endMs) whole[whole.length - 1] = { startMs: last.startMs, endMs };
    else whole.push({ startMs, endMs });
  }
  return whole;
}

/** What all of them show: `transfer_cube · seed 7`. */
export function titleOf(episodes: readonly RecordedEpisode[]): string {
  const tasks = [...new Set(episodes.map(({ task }) => task))];
  const seeds = [...new Set(episodes.map(({ seed }) => seed))];
  return `${tasks.join(", ")} · seed${seeds.length > 1 ? "s" : ""} ${seeds.join(", ")}`;
}
