/**
 * From what was typed for `pi0 eval` to a list of episodes. Pure.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import type { Condition } from "../measure/evaluation.ts";
import { episodeSeeds } from "../measure/episode_seeds.ts";

/** A server, and the name that was given to it. */
export interface NamedUrl {
  readonly name?: string;
  readonly url: string;
}

/**
 * Reads `NAME=URL`, or a URL alone.
 *
 * @throws {UsageError} where it is neither.
 */
export function parseNamedUrl(text: string): NamedUrl {
  const [, name, url] = /^(?:([^=/:?]*)=)?(.*)$/s.exec(text)!;
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(url!) || !URL.parse(url!)?.hostname) {
    throw new UsageError(`Cannot use --url ${text}: write a URL such as ws://127.0.0.1:8000, or NAME=URL`);
  }
  if (name === undefined) return { url: url! };
  if (!/^[\w.-]+$/.test(name)) {
    throw new UsageError(`Cannot use --url ${text}: names are letters, digits, dots, - and _`);
  }
  return { name, url: url! };
}

/**
 * Reads delays such as `0,100,200`.
 *
 * @returns milliseconds, ascending. @throws {UsageError} where they are not numbers from 0 to 60 000, or repeat.
 */
export function parseDelays(text: string): number[] {
  const delays = text.split(",").map((word) => /^\s*(\d+\.?\d*|\.\d+)\s*$/.test(word) ? Number(word) : NaN);
  const good = delays.every((delayMs) => delayMs <= 60_000) && new Set(delays).size === delays.length;
  if (!good) {
    const rule = "different numbers of milliseconds from 0 to 60000, such as 0,100,200,400";
    throw new UsageError(`Cannot use --sweep-delay ${text}: write ${rule}`);
  }
  return delays.toSorted((a, b) => a - b);
}

/** One episode that is to be played. */
export interface EvalJob {
  readonly condition: Condition;
  /** From 0: place in the list of seeds. */
  readonly index: number;
  readonly seed: number;
}

/** Every mode in every task with every delay; without delays where they are real. */
export function listConditions(
  modes: readonly string[],
  tasks: readonly string[],
  delaysMs: readonly number[] | undefined,
): Condition[] {
  return tasks.flatMap((task) =>
    modes.flatMap((mode): Condition[] => delaysMs?.map((delayMs) => ({ mode, task, delayMs })) ?? [{ mode, task }])
  );
}

/** The episodes, seed by seed: whenever it is stopped, all conditions have met (nearly) the same seeds. */
export function listJobs(conditions: readonly Condition[], episodes: number, seed: number): EvalJob[] {
  return episodeSeeds(seed, episodes).flatMap((seed, index) =>
    conditions.map((condition) => ({ condition, index, seed }))
  );
}
