/**
 * Success rates as text tables of at most 120 columns.
 *
 * @module
 */

import type { Comparison, ConditionSummary } from "../measure/evaluation.ts";
import { type Column, formatNumber, renderTable, type TableOptions } from "./table.ts";

const ABSENT = "-";

/** What is counted over all episodes of a line, and shown where it is not 0. */
const COUNTS: readonly {
  readonly header: [string, string];
  readonly meaning?: string;
  readonly value: (summary: ConditionSummary) => number | undefined;
}[] = [
  { header: ["held", "steps"], meaning: "held: waited for an answer", value: ({ heldSteps }) => heldSteps },
  {
    header: ["exhaust.", "steps"],
    meaning: "exhausted: the chunk had ended",
    value: ({ exhaustedSteps }) => exhaustedSteps,
  },
  { header: ["stale", "rows"], meaning: "stale: came too late", value: ({ staleRows }) => staleRows },
  {
    header: ["late", "steps"],
    meaning: "late: began 2 ms late",
    value: ({ missedDeadlines }) => missedDeadlines,
  },
  { header: ["", "errors"], value: ({ errors }) => errors },
];

/**
 * How often each condition succeeded and what it cost, one line each in the order given. What is the same in all of them
 * (task, delay) is left out, and so are counts that are 0 everywhere; the others are explained.
 *
 * @returns lines that end with a newline each.
 */
export function successTable(summaries: readonly ConditionSummary[], options: TableOptions): string {
  const column = (header: [string, string], cell: (summary: ConditionSummary) => string): Column => ({
    header,
    cells: summaries.map(cell),
  });
  const counts = COUNTS.filter(({ value }) => summaries.some((summary) => value(summary)));
  const tasks = new Set(summaries.map(({ task }) => task));
  return renderTable(
    [
      "Success with Wilson's 95 % interval; stall: time per episode without a new action",
      counts.flatMap(({ meaning }) => meaning ?? []).join("; "),
    ].filter((line) => line !== "").join("\n"),
    [
      { ...column(["", "mode"], ({ mode }) => mode), align: "left" },
      ...(tasks.size > 1 ? [{ ...column(["", "task"], ({ task }) => task), align: "left" as const }] : []),
      ...(summaries.some(({ delayMs }) => delayMs)
        ? [column(["delay", "ms"], ({ delayMs }) => String(delayMs ?? ABSENT))]
        : []),
      column(["", "success"], ({ successes, episodes }) => `${successes}/${episodes}`),
      column(["", "%"], ({ successRate }) => formatPercent(successRate)),
      column(["95 %", "interval"], ({ interval: [low, high] }) => `${formatPercent(low)}–${formatPercent(high)}`),
      column(["max.", "reward"], ({ meanMaxReward }) => meanMaxReward.toFixed(2)),
      column(["steps to", "success"], ({ stepsToSuccess }) => formatSteps(stepsToSuccess)),
      column(["infer", "p50 ms"], ({ inferenceMs }) => formatNumber(inferenceMs?.p50Ms)),
      column(["infer", "p95 ms"], ({ inferenceMs }) => formatNumber(inferenceMs?.p95Ms)),
      column(["stall", "s"], ({ meanStallMs }) => (meanStallMs / 1000).toFixed(2)),
      column(["eff.", "Hz"], ({ effectiveHz }) => effectiveHz === undefined ? ABSENT : effectiveHz.toFixed(1)),
      ...counts.map(({ header, value }) => column(header, (summary) => String(value(summary) ?? 0))),
    ],
    options,
  );
}

/**
 * Modes against the first one, on the same seeds, one line each in the order given.
 *
 * @returns lines that end with a newline each; nothing where there is nothing to compare.
 */
export function comparisonTable(comparisons: readonly Comparison[], options: TableOptions): string {
  if (comparisons.length === 0) return "";
  const column = (header: [string, string], cell: (comparison: Comparison) => string): Column => ({
    header,
    cells: comparisons.map(cell),
  });
  const tasks = new Set(comparisons.map(({ task }) => task));
  return renderTable(
    "The same episodes in two modes; p: McNemar's exact test that neither succeeds more often; identical: to the bit",
    [
      { ...column(["", "modes"], ({ baseline, mode }) => `${baseline} and ${mode}`), align: "left" },
      ...(tasks.size > 1 ? [{ ...column(["", "task"], ({ task }) => task), align: "left" as const }] : []),
      ...(comparisons.some(({ delayMs }) => delayMs)
        ? [column(["delay", "ms"], ({ delayMs }) => String(delayMs ?? ABSENT))]
        : []),
      column(["", "episodes"], ({ pairs }) => String(pairs)),
      column(["both", "succeed"], ({ bothSucceed }) => String(bothSucceed)),
      column(["only the", "first"], ({ onlyBaseline }) => String(onlyBaseline)),
      column(["only the", "second"], ({ onlyMode }) => String(onlyMode)),
      column(["", "neither"], ({ neither }) => String(neither)),
      column(["", "p"], ({ pValue }) => formatNumber(pValue)),
      column(["", "identical"], ({ identical }) => String(identical)),
    ],
    options,
  );
}

function formatPercent(share: number): string {
  return (100 * share).toFixed(share === 0 || share === 1 ? 0 : 1);
}

function formatSteps(steps: ConditionSummary["stepsToSuccess"]): string {
  if (steps === undefined) return ABSENT;
  const { min, median, max } = steps;
  return min === max ? String(min) : `${Math.round(median)} (${min}–${max})`;
}
