/**
 * `pi0 eval`: how often a policy succeeds, near or far, and what latency costs it.
 *
 * @module
 */

import { TransportError } from "../errors.ts";
import { compareModes, type EpisodeOutcome, keyOf, summarizeConditions } from "../measure/evaluation.ts";
import {
  type EvaluatedMode,
  EVALUATION_SCHEMA,
  type EvaluationResults,
  writeEvaluation,
} from "../report/evaluation.ts";
import { makeFolder } from "../report/file.ts";
import type { Metadata } from "../types.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { describeEnvironment } from "./environment.ts";
import { type EvalJournal, openEvalJournal, refuseExisting } from "./eval_journal.ts";
import {
  completed,
  type CompleteOptions,
  decisiveOptions,
  delaysOf,
  EVAL_OPTIONS,
  plainOptions,
} from "./eval_options.ts";
import { type EvalJob, listConditions, listJobs } from "./eval_plan.ts";
import { EvalPool } from "./eval_pool.ts";
import { printEvaluation } from "./eval_print.ts";
import { sweepChartPaths, writeSweepChart } from "./eval_sweep.ts";
import { findWays, type Way } from "./eval_ways.ts";
import type { EvalSetup, PolicyFacts } from "./eval_worker.ts";
import { checkScene, sceneFolderOf, USUAL_SCENE } from "./scenes.ts";
import { withoutSecrets } from "./secrets.ts";
import { createProgress } from "./terminal.ts";

export const evaluate = defineCommand({
  name: "eval",
  summary: "measure how often a policy succeeds, near or far, and what latency costs",
  description:
    "Plays episodes of gym-aloha's tasks in closed loop. An episode ends with its first success or after --max-steps. " +
    "Every mode plays the same seeds, so that modes are compared pair by pair.\n\n" +
    "The world never waits for an answer. A request at step t whose answer takes d steps is there at t + d: hold " +
    "repeats the last action d times; continue executes the old chunk meanwhile and drops the first d rows of the new " +
    "one (stale), or holds where the old chunk ends before (exhausted). The first chunk is waited for in the start " +
    "pose. The table counts all of these.\n\n" +
    "The policy options are for the policy that runs here.",
  options: EVAL_OPTIONS,
  examples: [
    { command: "pi0 eval", text: "Ten episodes of the model that comes with pi0." },
    {
      command: "pi0 eval --mode compare",
      text: "The same policy beside the world and through every transport of a server on this machine.",
    },
    {
      command: "pi0 eval --url ws://gpu-box:8000 --pace real -n 50 --min-success 0.9 --out ws.json",
      text: "A far policy in real time; exit code 1 below 90 %.",
    },
    {
      command: "pi0 eval --url near=tcp://10.0.0.7:8765 --url far=tcp://gpu-box:8765",
      text: "Two servers, on the same seeds.",
    },
    {
      command: "pi0 eval --sweep-delay 0,100,200,400,800 --while-waiting continue --out sweep.json",
      text: "Success versus latency, with the reasons; drawn in sweep.png and sweep.svg.",
    },
  ],
  async run(typed, context) {
    const options = completed(typed);
    const { signal, env, terminal, version } = context;
    const delaysMs = delaysOf(options);
    const scene = options.scene ?? USUAL_SCENE;
    const sceneFolder = sceneFolderOf({ scene, sceneDir: options.sceneDir }, env);
    if (options.out !== undefined && !options.force) {
      for (const path of [options.out, ...sweepChartPaths(options)]) await refuseExisting(path);
    }
    await using found = await findWays(options, context);
    const conditions = listConditions(found.ways.map(({ mode }) => mode), [...new Set(options.task)], delaysMs);
    const jobs = listJobs(conditions, options.episodes, options.seed);
    const { mode: _, url: __, transport: ___, ...plain } = options;
    const setup: EvalSetup = {
      ways: found.ways,
      options: plain,
      scene,
      sceneFolder,
      observed: options.observe,
      maxSteps: options.maxSteps,
      replanSteps: options.replanSteps,
      whileWaiting: options.whileWaiting,
      ...(options.pushAt === undefined ? {} : { pushAt: options.pushAt }),
      ...(options.records === undefined ? {} : { records: options.records }),
      version,
    };
    const threads = options.workers ?? (options.pace === "real" ? 1 : navigator.hardwareConcurrency);
    using pool = new EvalPool(setup, Math.min(threads, jobs.length));
    const facts = await pool.open(signal);
    const modes = found.ways.map((way, i) => describeMode(way, facts[i]!));
    const warnings = [...checkScene(options.scene, facts), ...findPolicyWarnings(modes)];
    const command = ["eval", ...withoutSecrets(context.argv)];
    using journal = await openEvalJournal(options.out, {
      command,
      force: options.force,
      plan: { policies: modes.map(decidingPolicy), conditions, options: decisiveOptions(options) },
    });
    if (options.records !== undefined) {
      await makeFolder(options.records, { overwrite: options.force || journal.finished.length > 0 });
    }
    const outcomes = await playAll({ pool, jobs, journal, options, context });
    const summaries = summarizeConditions(conditions, outcomes);
    const results: EvaluationResults = {
      schema: EVALUATION_SCHEMA,
      startedAt: journal.startedAt,
      command,
      options: plainOptions(options),
      environment: await describeEnvironment(version),
      scene,
      modes,
      summaries,
      comparisons: compareModes(conditions, outcomes),
      warnings,
      episodes: conditions.flatMap((condition) => outcomes.filter((outcome) => keyOf(outcome) === keyOf(condition))),
      interrupted: signal.aborted,
    };
    if (options.out !== undefined && !signal.aborted) {
      await writeEvaluation(options.out, results);
      await writeSweepChart(results, options);
    }
    if (!signal.aborted) journal.discard();
    if (options.json) terminal.stdout(`${JSON.stringify(results)}\n`);
    else printEvaluation(results, options, context);
    const { minSuccess } = options;
    const failed = minSuccess === undefined ? [] : summaries.filter(({ successRate }) => successRate < minSuccess);
    for (const { mode, task, delayMs, successRate } of failed) {
      const delay = delayMs ? ` with ${delayMs} ms` : "";
      const rate = `${(100 * successRate).toFixed(1)} %`;
      terminal.stderr(`pi0: ${mode} in ${task}${delay} succeeds in ${rate}, below --min-success ${minSuccess}\n`);
    }
    return signal.aborted || failed.length > 0 || outcomes.some(({ error }) => error !== undefined) ? 1 : 0;
  },
});

/** A foreign server does not tell its policy's name, and its URL says nothing about it. */
function findPolicyWarnings(modes: readonly EvaluatedMode[]): string[] {
  const known = modes.filter(({ policy }) => !policy.includes("://"));
  const differ = new Set(known.map(({ policy, checkpointHash }) => `${policy} ${checkpointHash}`)).size > 1;
  if (!differ) return [];
  const names = known.map(({ mode, policy, checkpointHash }) =>
    `${mode}: ${policy}${checkpointHash === null ? "" : ` (${checkpointHash.slice(0, 8)})`}`
  );
  return [`What differs may be the policy and not the way (${names.join(", ")})`];
}

interface Play {
  readonly pool: EvalPool;
  readonly jobs: readonly EvalJob[];
  readonly journal: EvalJournal;
  readonly options: CompleteOptions;
  readonly context: CommandContext;
}

/** Plays what is not played yet, and shows how it goes. @returns all outcomes, in the order of the jobs. */
async function playAll({ pool, jobs, journal, options, context }: Play): Promise<EpisodeOutcome[]> {
  const { terminal, clock, signal } = context;
  const nameOf = (condition: EvalJob["condition"], index: number) => `${keyOf(condition)} ${index}`;
  // An earlier run may have been asked for more episodes.
  const wanted = new Set(jobs.map(({ condition, index }) => nameOf(condition, index)));
  const outcomes = new Map(
    journal.finished.map((outcome) => [nameOf(outcome, outcome.index), outcome] as const).filter(([name]) =>
      wanted.has(name)
    ),
  );
  const left = jobs.filter(({ condition, index }) => !outcomes.has(nameOf(condition, index)));
  if (outcomes.size > 0 && !options.quiet) {
    terminal.stderr(`pi0: ${outcomes.size} of ${jobs.length} episodes are played already; going on with the rest\n`);
  }
  const inOrder = () => jobs.flatMap(({ condition, index }) => outcomes.get(nameOf(condition, index)) ?? []);
  const progress = createProgress(terminal, clock, options);
  progress.start(jobs.length, "eval");
  let successes = [...outcomes.values()].filter(({ success }) => success).length;
  try {
    await pool.play(left, (outcome) => {
      journal.append(outcome);
      outcomes.set(nameOf(outcome, outcome.index), outcome);
      if (outcome.success) successes++;
      const rate = `${(100 * successes / outcomes.size).toFixed(1)} % succeed`;
      progress.advance(outcomes.size, `${rate}; ${outcome.mode}, seed ${outcome.seed}`);
    }, signal);
  } catch (error) {
    if (signal.aborted) return inOrder();
    if (!(error instanceof TransportError) || outcomes.size === 0 || options.out === undefined) throw error;
    const played = `${outcomes.size} of ${jobs.length} episodes are played, and the same command goes on from there`;
    throw new TransportError(error.code, `${error.message} (${played})`, { cause: error });
  } finally {
    progress.end();
  }
  return inOrder();
}

function describeMode({ mode, url, transport, server }: Way, { policy, checkpointHash }: PolicyFacts): EvaluatedMode {
  return {
    mode,
    ...(url === undefined ? {} : { url }),
    ...(transport === undefined ? {} : { transport }),
    // Of a far policy the URL is known already.
    policy: typeof server?.policy === "string" ? server.policy : policy,
    checkpointHash,
    ...(server === undefined ? {} : { server }),
  };
}

/** Without the address: that of a server which is opened here is another one each time. */
function decidingPolicy({ mode, policy, checkpointHash }: EvaluatedMode): Metadata {
  return { mode, policy, checkpointHash };
}
