/**
 * The thread in which `pi0 eval` plays episodes: it has a world, a renderer, and policies or connections of its own.
 *
 * @module
 */

/// <reference lib="deno.worker" />
import { systemClock } from "../clock.ts";
import type { EpisodeOutcome } from "../measure/evaluation.ts";
import { ROBOTS } from "../robot/mod.ts";
import type { WhileWaiting } from "../rollout/chunking.ts";
import { playEpisode } from "../rollout/episode.ts";
import type { Pace } from "../rollout/pacer.ts";
import { openEnvironment, type SceneName } from "../sim/mod.ts";
import type { TaskName } from "../sim/task.ts";
import type { Environment, Metadata, Policy } from "../types.ts";
import { remotePolicy } from "./connect.ts";
import { writeEpisode } from "./episode_file.ts";
import { outcomeOf } from "./eval_outcome.ts";
import type { EvalJob } from "./eval_plan.ts";
import type { Way, WayOptions } from "./eval_ways.ts";
import { createPolicy, makeReady } from "./policies.ts";

/** What all episodes have in common. */
export interface EvalSetup {
  readonly ways: readonly Way[];
  readonly options: Omit<WayOptions, "mode" | "url" | "transport">;
  readonly scene: SceneName;
  readonly sceneFolder: string;
  readonly observed: readonly string[];
  readonly maxSteps: number;
  readonly replanSteps: number;
  readonly whileWaiting: WhileWaiting;
  /** The step before which the task's first object is put elsewhere. */
  readonly pushAt?: number;
  /** Folder that every episode is written to. */
  readonly records?: string;
  /** Of this program, for those files. */
  readonly version: string;
}

/** What a policy says of itself. */
export interface PolicyFacts {
  readonly mode: string;
  readonly policy: string;
  readonly checkpointHash: string | null;
  readonly metadata: Metadata;
}

/** What a thread is told, one at a time. */
export type EvalOrder =
  | { readonly kind: "setup"; readonly setup: EvalSetup }
  | { readonly kind: "describe"; readonly mode: string }
  | { readonly kind: "play"; readonly job: EvalJob };

/** What it answers. */
export type EvalAnswer =
  | { readonly kind: "done" }
  | { readonly kind: "facts"; readonly facts: PolicyFacts }
  | { readonly kind: "outcome"; readonly outcome: EpisodeOutcome }
  | { readonly kind: "failed"; readonly name: string; readonly message: string };

const readVariable = (name: string) => Deno.env.get(name);
/** The thread has no line of its own on the terminal. */
const NO_PROGRESS = { start: () => undefined, advance: () => undefined, end: () => undefined };

class Player {
  readonly #setup: EvalSetup;
  readonly #environments = new Map<string, Promise<Environment>>();
  readonly #policies = new Map<string, Promise<Policy>>();
  /** Never aborted: a thread that is not wanted any more is ended as a whole. */
  readonly #signal = new AbortController().signal;

  constructor(setup: EvalSetup) {
    this.#setup = setup;
  }

  async describe(mode: string): Promise<PolicyFacts> {
    const { name, checkpointHash, metadata } = await this.#policyOf(mode);
    return { mode, policy: name, checkpointHash, metadata };
  }

  async play(job: EvalJob): Promise<EpisodeOutcome> {
    const { replanSteps, whileWaiting, pushAt, records, version } = this.#setup;
    const { mode, task, delayMs } = job.condition;
    const environment = await this.#environmentOf(task as TaskName);
    const pace: Pace = delayMs === undefined ? { kind: "real" } : { kind: "fast", delayMs };
    const episode = await playEpisode({
      environment,
      policy: await this.#policyOf(mode),
      seed: job.seed,
      replanSteps,
      whileWaiting,
      pace,
      ...(pushAt === undefined ? {} : { pushAt }),
      stopAtSuccess: true,
      clock: systemClock,
      signal: this.#signal,
    });
    if (records !== undefined) {
      const versions = { pi0: version, deno: Deno.version.deno, physics: environment.engine };
      await writeEpisode(`${records}/${recordNameOf(job)}`, episode, versions);
    }
    return outcomeOf(job, episode);
  }

  #environmentOf(task: TaskName): Promise<Environment> {
    const { scene, sceneFolder, maxSteps, observed } = this.#setup;
    const opened = this.#environments.get(task) ?? openEnvironment({ task, scene, sceneFolder, maxSteps, observed });
    this.#environments.set(task, opened);
    return opened;
  }

  #policyOf(mode: string): Promise<Policy> {
    const opened = this.#policies.get(mode) ?? this.#openPolicy(mode);
    this.#policies.set(mode, opened);
    return opened;
  }

  async #openPolicy(mode: string): Promise<Policy> {
    const { ways, options } = this.#setup;
    const { url, trust } = ways.find((way) => way.mode === mode)!;
    const { token, openpi, congestion, noWarm, connectTimeoutMs, timeoutMs } = options;
    const profile = ROBOTS.aloha;
    const clock = systemClock;
    if (url === undefined) {
      const upstream = { token, trust: undefined, openpi: false, warm: !noWarm };
      const surroundings = { onRetry: () => undefined, env: readVariable, progress: NO_PROGRESS, log: () => undefined };
      const policy = await createPolicy({ profile, clock, options, upstream, ...surroundings });
      await makeReady(policy, this.#signal);
      return policy;
    }
    const limits = { connectMs: connectTimeoutMs, requestMs: timeoutMs };
    const connection = { token, trust, congestion, openpi, warm: !noWarm, timing: true, exact: true };
    const policy = remotePolicy({ url, profile, clock, ...limits, ...connection });
    // A server that is gone is told to the user, not waited for.
    await policy.open(this.#signal);
    await policy.warmUp(this.#signal);
    return policy;
  }
}

/** `ws_transfer_cube_300ms_007_1234.json`: mode, task, simulated delay, place in the list of seeds, and the seed. */
function recordNameOf({ condition: { mode, task, delayMs }, index, seed }: EvalJob): string {
  const delay = delayMs === undefined ? "" : `_${delayMs}ms`;
  return `${mode}_${task}${delay}_${String(index).padStart(3, "0")}_${seed}.json`;
}

const scope = self as unknown as Worker;
let player: Player | undefined;

async function answer(order: EvalOrder): Promise<EvalAnswer> {
  try {
    if (order.kind === "setup") {
      player = new Player(order.setup);
      return { kind: "done" };
    }
    if (order.kind === "describe") return { kind: "facts", facts: await player!.describe(order.mode) };
    return { kind: "outcome", outcome: await player!.play(order.job) };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { kind: "failed", name, message };
  }
}

scope.onmessage = async ({ data }: MessageEvent<EvalOrder>) => scope.postMessage(await answer(data));
