/**
 * An evaluation in words and tables.
 *
 * @module
 */

import type { EvaluationResults } from "../report/evaluation.ts";
import { comparisonTable, successTable } from "../report/evaluation_table.ts";
import type { CommandContext } from "./command.ts";
import type { CompleteOptions } from "./eval_options.ts";
import { sweepChartPaths } from "./eval_sweep.ts";

/** Prints the results on stdout, and what went wrong, and where files are, on stderr. */
export function printEvaluation(
  results: EvaluationResults,
  options: CompleteOptions,
  { terminal, signal }: CommandContext,
): void {
  const { color } = terminal;
  const { modes, summaries, comparisons, warnings, scene } = results;
  const policies = [...new Set(modes.map(({ policy }) => policy))].join(", ");
  const pace = options.pace === "real"
    ? "real pace"
    : options.sweepDelay !== undefined
    ? `delays of ${options.sweepDelay} ms`
    : `answers after ${options.delayMs ?? 0} ms`;
  const push = options.pushAt === undefined ? "" : `, pushed away at step ${options.pushAt}`;
  terminal.stdout(
    `${policies} in ${[...new Set(options.task)].join(" and ")} (${scene} scene), seed ${options.seed}; ${pace}, ` +
      `${options.whileWaiting} while waiting, ${options.replanSteps} rows of each chunk${push}\n\n`,
  );
  if (summaries.length > 0) terminal.stdout(successTable(summaries, { color }));
  if (comparisons.length > 0) terminal.stdout(`\n${comparisonTable(comparisons, { color })}`);
  if (warnings.length > 0) terminal.stdout(`\n${warnings.map((warning) => `${warning}\n`).join("")}`);
  const broken = results.episodes.filter(({ error }) => error !== undefined);
  for (const message of new Set(broken.map(({ mode, error }) => `${mode}: an episode broke off: ${error}`))) {
    terminal.stderr(`pi0: ${message}\n`);
  }
  if (signal.aborted) {
    const remedy = options.out === undefined ? "add --out to be able to go on" : "the same command goes on from there";
    terminal.stderr(`pi0: interrupted; the table shows what was played until then (${remedy})\n`);
  } else if (!options.quiet) {
    if (options.out !== undefined) terminal.stderr(`pi0: every episode is in ${options.out}\n`);
    const charts = sweepChartPaths(options).join(" and ");
    if (charts !== "") terminal.stderr(`pi0: success versus latency is drawn in ${charts}\n`);
    if (options.records !== undefined) terminal.stderr(`pi0: every step of them is in ${options.records}\n`);
  }
}
