/**
 * `pi0 eval`: how often a policy succeeds, near or far, and what latency costs it.
 *
 * @module
 */

import { TransportError, UsageError } from "../errors.ts";
import { compareModes, type EpisodeOutcome, keyOf, summarizeConditions } from "../measure/evaluation.ts";
import {
  type EvaluatedMode,
  EVALUATION_SCHEMA,
  type EvaluationResults,
  writeEvaluation,
} from "../report/evaluation.ts";
import { comparisonTable, successTable } from "../report/evaluation_table.ts";
import { makeFolder } from "../report/file.ts";
import { ROBOTS } from "../robot/mod.ts";
import { WHILE_WAITING } from "../rollout/chunking.ts";
import { SCENE_NAMES } from "../sim/mod.ts";
import { TRANSPORT_NAMES } from "../transport/mod.ts";
import type { Metadata } from "../types.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { describeEnvironment } from "./environment.ts";
import { type EvalJournal, openEvalJournal, refuseExisting } from "./eval_journal.ts";
import { type EvalJob, listConditions, listJobs, parseDelays } from "./eval_plan.ts";
import { EvalPool } from "./eval_pool.ts";
import { findWays, type Way } from "./eval_ways.ts";
import type { EvalSetup, PolicyFacts } from "./eval_worker.ts";
import { COMMON_OPTIONS, type OptionTable, type OptionValues } from "./options.ts";
import { POLICY_OPTIONS } from "./policies.ts";
import { SCENE_OPTIONS, sceneFolderOf } from "./scenes.ts";
import { createProgress } from "./terminal.ts";

const OPTIONS = {
  "mode": {
    kind: "choice",
    choices: ["local", "remote", "compare"],
    group: "Where",
    help: "local: the policy runs here, beside the world; remote: behind --url; compare: both, on the same seeds " +
      "[remote with --url, else local]",
  },
  "url": {
    kind: "string",
    metavar: "[NAME=]URL",
    multiple: true,
    group: "Where",
    help: "Server to evaluate, and what to call it in the results; compare without one opens a server here",
  },
  "transport": {
    kind: "choice",
    choices: [...TRANSPORT_NAMES, "all"],
    group: "Where",
    help: "How to reach it, each way a mode of its own [the URL's scheme; all where a server is opened here]",
  },
  "openpi": { kind: "flag", group: "Where", requires: ["url"], help: "The URLs are servers of openpi's own protocol" },
  "token": { kind: "string", env: "PI0_TOKEN", group: "Where", help: "The servers' token" },
  "no-warm": { kind: "flag", group: "Where", help: "Do not open the connections' windows after connecting" },
  "timeout-ms": {
    kind: "integer",
    min: 1,
    max: 3_600_000,
    default: 30_000,
    metavar: "MS",
    group: "Where",
    help: "For each request, a lost connection's replacement included",
  },
  "connect-timeout-ms": {
    kind: "integer",
    min: 1,
    max: 3_600_000,
    default: 5000,
    metavar: "MS",
    group: "Where",
    help: "For each connection",
  },
  "episodes": {
    kind: "integer",
    short: "n",
    min: 1,
    max: 100_000,
    default: 10,
    group: "How much",
    help: "Episodes of each mode, task and delay",
  },
  "seed": {
    kind: "integer",
    min: 0,
    max: 2 ** 32 - 1,
    default: 0,
    group: "How much",
    help: "Decides the episodes: number i is reset with the i-th of numpy's default_rng(SEED).integers(2**32 - 1), " +
      "as openpi does",
  },
  "max-steps": {
    kind: "integer",
    min: 1,
    max: 100_000,
    default: 400,
    group: "How much",
    help: "Length of an episode without a success, at 50 steps per second",
  },
  "workers": {
    kind: "integer",
    min: 1,
    max: 256,
    group: "How much",
    help: "Episodes played at once, each in a thread with its own world and policy or connection; the results do not " +
      "depend on it in fast pace [the machine's cores; 1 in real pace]",
  },
  "task": { ...SCENE_OPTIONS.task, multiple: true, default: ["transfer_cube"], group: "World" },
  "scene": {
    kind: "choice",
    choices: SCENE_NAMES,
    group: "World",
    help: "Looks of the world: pi0's own, or gym-aloha's official ones (see pi0 assets) [builtin]",
  },
  "scene-dir": SCENE_OPTIONS["scene-dir"],
  "observe": {
    kind: "string",
    metavar: "NAME",
    multiple: true,
    default: ["cam_high"],
    group: "World",
    help: "What the policy sees, 224 × 224: cam_high (the top camera), cam_low, cam_left_wrist, cam_right_wrist",
  },
  "pace": {
    kind: "choice",
    choices: ["fast", "real"],
    default: "fast",
    group: "Time",
    help: "real: 50 steps per second by the clock, answers take as long as they take; fast: as fast as it goes, " +
      "answers take --delay-ms of the world's time",
  },
  "delay-ms": {
    kind: "number",
    min: 0,
    max: 60_000,
    metavar: "MS",
    group: "Time",
    help: "Simulated time of every answer in fast pace; a step of 20 ms that has begun is over [0]",
  },
  "sweep-delay": {
    kind: "string",
    metavar: "MS,MS,…",
    group: "Time",
    conflicts: ["delay-ms"],
    help: "Evaluate with each of these delays: success versus latency, such as 0,100,200,400,800",
  },
  "while-waiting": {
    kind: "choice",
    choices: WHILE_WAITING,
    default: "hold",
    group: "Time",
    help: "hold: repeat the last action until the answer is here; continue: go on with the old chunk, and enter the " +
      "new one at the present step. The world goes on in both",
  },
  "replan-steps": {
    kind: "integer",
    min: 1,
    max: 1000,
    default: 10,
    group: "Time",
    help: "Actions executed before the policy is asked again",
  },
  "out": {
    kind: "string",
    metavar: "FILE",
    group: "Results",
    help: "Write everything to a JSON file; after Ctrl-C, the same command goes on where it was",
  },
  "records": {
    kind: "string",
    metavar: "DIR",
    group: "Results",
    help: "Write each episode whole, with every step and request, 0.3 MB each (see --policy replay:FILE)",
  },
  "force": { kind: "flag", group: "Results", help: "Overwrite --out, and write into --records that holds files" },
  "min-success": {
    kind: "number",
    min: 0,
    max: 1,
    metavar: "SHARE",
    group: "Results",
    help: "Exit with 1 where a line of the table has a lower success rate, such as 0.9",
  },
  ...POLICY_OPTIONS,
  "policy": { ...POLICY_OPTIONS.policy, default: "expert" },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

type EvalOptions = OptionValues<typeof OPTIONS>;

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
  options: OPTIONS,
  examples: [
    { command: "pi0 eval", text: "Ten episodes of the scripted expert." },
    {
      command: "pi0 eval --mode compare --policy expert",
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
      text: "Success versus latency, with the reasons.",
    },
  ],
  async run(typed, context) {
    const options = completed(typed);
    const { signal, env, terminal, version } = context;
    const delaysMs = delaysOf(options);
    const scene = options.scene ?? "builtin";
    const sceneFolder = sceneFolderOf({ scene, sceneDir: options.sceneDir }, env);
    if (options.out !== undefined && !options.force) await refuseExisting(options.out);
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
      ...(options.records === undefined ? {} : { records: options.records }),
      version,
    };
    const threads = options.workers ?? (options.pace === "real" ? 1 : navigator.hardwareConcurrency);
    using pool = new EvalPool(setup, Math.min(threads, jobs.length));
    const facts = await pool.open(signal);
    const modes = found.ways.map((way, i) => describeMode(way, facts[i]!));
    const warnings = [...checkScene(facts, scene, options), ...findPolicyWarnings(modes)];
    const command = ["eval", ...withoutSecrets(context.argv)];
    using journal = await openEvalJournal(options.out, {
      command,
      force: options.force,
      plan: { policies: modes.map(decidingPolicy), conditions, options: decisive(options) },
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
    if (options.out !== undefined && !signal.aborted) await writeEvaluation(options.out, results);
    if (!signal.aborted) journal.discard();
    if (options.json) terminal.stdout(`${JSON.stringify(results)}\n`);
    else print(results, options, context);
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

type CompleteOptions = EvalOptions & { readonly mode: "local" | "remote" | "compare" };

/** Fills in what follows from other options. @throws {UsageError} where options contradict each other. */
function completed(options: EvalOptions): CompleteOptions {
  const remote = options.url.length > 0;
  const mode = options.mode ?? (remote ? "remote" : "local");
  if (mode === "local" && remote) {
    throw new UsageError("Cannot use --url with --mode local: nothing is reached; use compare for both");
  }
  if (mode === "remote" && !remote) {
    throw new UsageError("Cannot evaluate without a server: give --url, for example --url ws://127.0.0.1:8000");
  }
  if (mode === "local" && options.transport !== undefined) {
    throw new UsageError("Cannot use --transport with --mode local: add --mode compare, or a --url");
  }
  const own = options.actionHorizon !== undefined || options.actionDim !== undefined ||
    options.nullDelayMs > 0 || options.nullJitterMs > 0 || options.nullBusy;
  if (mode === "remote" && (own || options.policy !== OPTIONS.policy.default)) {
    throw new UsageError("Cannot choose the policy of a far server: give its options to pi0 serve there");
  }
  const known = ROBOTS.aloha.cameras.map(({ name }) => name);
  const stray = options.observe.find((name) => !known.includes(name));
  if (stray !== undefined) throw new UsageError(`Cannot use --observe ${stray}: aloha sends ${known.join(", ")}`);
  if (!options.observe.includes("cam_high")) {
    throw new UsageError("Cannot evaluate without the camera cam_high: add --observe cam_high");
  }
  return { ...options, mode };
}

/** @throws {UsageError} where delays are simulated in real pace. */
function delaysOf({ pace, delayMs, sweepDelay }: EvalOptions): readonly number[] | undefined {
  if (pace === "fast") return sweepDelay === undefined ? [delayMs ?? 0] : parseDelays(sweepDelay);
  const flag = delayMs === undefined ? sweepDelay === undefined ? undefined : "--sweep-delay" : "--delay-ms";
  if (flag === undefined) return undefined;
  throw new UsageError(`Cannot use ${flag} with --pace real: delays are what they are; leave one of them out`);
}

/**
 * A model may tell in its metadata which scenes it was trained on.
 *
 * @returns a warning where it knows another one. @throws {UsageError} where it does, and the scene was not typed.
 */
function checkScene(facts: readonly PolicyFacts[], scene: string, options: EvalOptions): string[] {
  return facts.flatMap(({ mode, policy, metadata: { scenes } }) => {
    if (!Array.isArray(scenes) || scenes.includes(scene)) return [];
    const known = scenes.join(", ");
    if (options.scene === undefined) {
      throw new UsageError(
        `Cannot evaluate ${policy} in the scene ${scene} unasked: it was trained on pictures of ${known}; ` +
          `add --scene ${scenes[0] ?? scene}, or --scene ${scene} to see how it does there`,
      );
    }
    return [`${mode}: ${policy} was trained on pictures of ${known}, and is evaluated in the scene ${scene}`];
  });
}

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
  readonly options: EvalOptions;
  readonly context: CommandContext;
}

/** Plays what is not played yet, and shows how it goes. @returns all outcomes, in the order of the jobs. */
async function playAll({ pool, jobs, journal, options, context }: Play): Promise<EpisodeOutcome[]> {
  const { terminal, clock, signal } = context;
  const nameOf = (condition: EvalJob["condition"], index: number) => `${keyOf(condition)} ${index}`;
  const outcomes = new Map(journal.finished.map((outcome) => [nameOf(outcome, outcome.index), outcome]));
  const left = jobs.filter(({ condition, index }) => !outcomes.has(nameOf(condition, index)));
  if (outcomes.size > 0 && !options.quiet) {
    terminal.stderr(`pi0: ${outcomes.size} of ${jobs.length} episodes are played already; going on with the rest\n`);
  }
  const inOrder = () => jobs.flatMap(({ condition, index }) => outcomes.get(nameOf(condition, index)) ?? []);
  const progress = createProgress(terminal, clock, options);
  progress.start(jobs.length, "eval");
  let successes = journal.finished.filter(({ success }) => success).length;
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

function print(results: EvaluationResults, options: EvalOptions, { terminal, signal }: CommandContext): void {
  const { color } = terminal;
  const { modes, summaries, comparisons, warnings, scene } = results;
  const policies = [...new Set(modes.map(({ policy }) => policy))].join(", ");
  const pace = options.pace === "real"
    ? "real pace"
    : options.sweepDelay !== undefined
    ? `delays of ${options.sweepDelay} ms`
    : `answers after ${options.delayMs ?? 0} ms`;
  terminal.stdout(
    `${policies} in ${[...new Set(options.task)].join(" and ")} (${scene} scene), seed ${options.seed}; ${pace}, ` +
      `${options.whileWaiting} while waiting, ${options.replanSteps} rows of each chunk\n\n`,
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
    if (options.records !== undefined) terminal.stderr(`pi0: every step of them is in ${options.records}\n`);
  }
}

/** The words after `--token` stay out of files. */
function withoutSecrets(argv: readonly string[]): string[] {
  return argv.map((word, i) => argv[i - 1] === "--token" ? "…" : word.replace(/^(--token=).*/s, "$1…"));
}

function plainOptions(options: EvalOptions): Metadata {
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, value]) =>
      value === undefined || name === "token" || name === "help" ? [] : [[name, value]]
    ),
  ) as Metadata;
}

/** Without the address: that of a server which is opened here is another one each time. */
function decidingPolicy({ mode, policy, checkpointHash }: EvaluatedMode): Metadata {
  return { mode, policy, checkpointHash };
}

/** The options that an episode's course depends on. */
function decisive(options: EvalOptions): Metadata {
  const free = ["out", "force", "records", "workers", "quiet", "json", "minSuccess", "episodes", "timeoutMs"];
  return Object.fromEntries(Object.entries(plainOptions(options)).filter(([name]) => !free.includes(name)));
}
