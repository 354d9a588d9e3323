/**
 * The chart of `pi0 eval --sweep-delay`: success versus latency.
 *
 * @module
 */

import { chartPaths, writeChart } from "../report/chart_file.ts";
import { successChart, type SuccessCurve } from "../report/chart_success.ts";
import type { EvaluationResults } from "../report/evaluation.ts";
import type { CompleteOptions } from "./eval_options.ts";

type SweepOptions = Pick<CompleteOptions, "out" | "sweepDelay" | "seed" | "whileWaiting" | "replanSteps">;

/** Where the chart goes: beside the results, named as they are; nowhere without a sweep or without --out. */
export function sweepChartPaths(options: Pick<SweepOptions, "out" | "sweepDelay">): string[] {
  const base = sweepChartBase(options);
  return base === undefined ? [] : chartPaths(base);
}

/**
 * Draws the chart and writes it to {@linkcode sweepChartPaths}, where there are any.
 *
 * @throws {Error} that names the path that cannot be written.
 */
export async function writeSweepChart(results: EvaluationResults, options: SweepOptions): Promise<void> {
  const base = sweepChartBase(options);
  if (base === undefined) return;
  await writeChart(base, await successChart({ subject: subjectOf(results, options), curves: sweepCurves(results) }));
}

function sweepChartBase({ out, sweepDelay }: Pick<SweepOptions, "out" | "sweepDelay">): string | undefined {
  return sweepDelay === undefined ? undefined : out?.replace(/\.json$/i, "");
}

/** A curve for each mode in each task, named by what differs. */
export function sweepCurves({ summaries }: Pick<EvaluationResults, "summaries">): SuccessCurve[] {
  const modes = new Set(summaries.map(({ mode }) => mode));
  const tasks = new Set(summaries.map(({ task }) => task));
  const nameOf = (mode: string, task: string) =>
    tasks.size === 1 ? mode : modes.size === 1 ? task : `${mode} · ${task}`;
  const curves = Map.groupBy(summaries, ({ mode, task }) => nameOf(mode, task));
  return [...curves].map(([name, points]) => ({
    name,
    points: points.map(({ delayMs, episodes, successes, interval }) => ({
      delayMs: delayMs ?? 0,
      episodes,
      successes,
      interval,
    })),
  }));
}

function subjectOf({ modes, summaries, scene }: EvaluationResults, options: SweepOptions): string {
  return [
    [...new Set(modes.map(({ policy }) => policy))].join(", "),
    [...new Set(summaries.map(({ task }) => task))].join(" and "),
    `${scene} scene`,
    `seed ${options.seed}`,
    `${options.whileWaiting} while waiting`,
    `${options.replanSteps} rows of each chunk`,
  ].join(" · ");
}
