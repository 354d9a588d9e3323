/**
 * What can be typed after `pi0 eval`, and what follows from it.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import type { Metadata } from "../types.ts";
import { checkObserved, EPISODE_OPTIONS } from "./episode_options.ts";
import { parseDelays } from "./eval_plan.ts";
import { COMMON_OPTIONS, type OptionTable, type OptionValues } from "./options.ts";
import { SCENE_OPTIONS, TYPED_SCENE_OPTION } from "./scenes.ts";
import { POLICY_OPTIONS } from "./policies.ts";
import { refuseOwnPolicy, SERVER_OPTIONS } from "./server_options.ts";

export const EVAL_OPTIONS = {
  "mode": {
    kind: "choice",
    choices: ["local", "remote", "compare"],
    group: "Where",
    help: "local: the policy runs here, beside the world; remote: behind --url; compare: both, on the same seeds " +
      "[remote with --url, else local]",
  },
  ...SERVER_OPTIONS,
  "url": {
    ...SERVER_OPTIONS.url,
    help: "Server to evaluate, and what to call it in the results; compare without one opens a server here",
  },
  "transport": {
    ...SERVER_OPTIONS.transport,
    help: "How to reach it, each way a mode of its own [the URL's scheme; all where a server is opened here]",
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
    ...EPISODE_OPTIONS.seed,
    group: "How much",
    help: "Decides the episodes: number i is reset with the i-th of numpy's default_rng(SEED).integers(2**32 - 1), " +
      "as openpi does",
  },
  "max-steps": { ...EPISODE_OPTIONS["max-steps"], group: "How much" },
  "workers": {
    kind: "integer",
    min: 1,
    max: 256,
    group: "How much",
    help: "Episodes played at once, each in a thread with its own world and policy or connection; the results do not " +
      "depend on it in fast pace [the machine's cores; 1 in real pace]",
  },
  "task": { ...SCENE_OPTIONS.task, multiple: true, default: ["transfer_cube"] },
  "scene": TYPED_SCENE_OPTION,
  "scene-dir": SCENE_OPTIONS["scene-dir"],
  "observe": EPISODE_OPTIONS.observe,
  "push-at": EPISODE_OPTIONS["push-at"],
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
    help:
      "Evaluate with each of these delays: success versus latency, such as 0,100,200,400,800; with --out also as a " +
      "chart beside that file, .png and .svg",
  },
  "while-waiting": EPISODE_OPTIONS["while-waiting"],
  "replan-steps": EPISODE_OPTIONS["replan-steps"],
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
  "force": {
    kind: "flag",
    group: "Results",
    help: "Overwrite --out and its charts, and write into --records that holds files",
  },
  "min-success": {
    kind: "number",
    min: 0,
    max: 1,
    metavar: "SHARE",
    group: "Results",
    help: "Exit with 1 where a line of the table has a lower success rate, such as 0.9",
  },
  ...POLICY_OPTIONS,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

type EvalOptions = OptionValues<typeof EVAL_OPTIONS>;

/** With the mode, which follows from --url where it is not typed. */
export type CompleteOptions = EvalOptions & { readonly mode: "local" | "remote" | "compare" };

/** Fills in what follows from other options. @throws {UsageError} where options contradict each other. */
export function completed(options: EvalOptions): CompleteOptions {
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
  if (mode === "remote") refuseOwnPolicy(options);
  checkObserved(options.observe);
  if (!options.observe.includes("cam_high")) {
    throw new UsageError("Cannot evaluate without the camera cam_high: add --observe cam_high");
  }
  return { ...options, mode };
}

/**
 * The simulated delays, in ms; none where delays are real.
 *
 * @throws {UsageError} where both are asked for.
 */
export function delaysOf({ pace, delayMs, sweepDelay }: CompleteOptions): readonly number[] | undefined {
  if (pace === "fast") return sweepDelay === undefined ? [delayMs ?? 0] : parseDelays(sweepDelay);
  const flag = delayMs === undefined ? sweepDelay === undefined ? undefined : "--sweep-delay" : "--delay-ms";
  if (flag === undefined) return undefined;
  throw new UsageError(`Cannot use ${flag} with --pace real: delays are what they are; leave one of them out`);
}

/** The options in force, for files: without secrets. */
export function plainOptions(options: CompleteOptions): Metadata {
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, value]) =>
      value === undefined || name === "token" || name === "help" ? [] : [[name, value]]
    ),
  ) as Metadata;
}

/** The options that an episode's course depends on. */
export function decisiveOptions(options: CompleteOptions): Metadata {
  const free = ["out", "force", "records", "workers", "quiet", "json", "minSuccess", "episodes", "timeoutMs"];
  return Object.fromEntries(Object.entries(plainOptions(options)).filter(([name]) => !free.includes(name)));
}
