/**
 * Success rates from episodes. Pure: the same episodes always give the same numbers.
 *
 * @module
 */

import { mcnemarExact, wilsonInterval } from "./proportion.ts";
import { mean, median, summarize, type Summary } from "./statistics.ts";

/** What is evaluated: a way to a policy, in a task, with answers that take so long. */
export interface Condition {
  /** For example `local` or `ws`. */
  readonly mode: string;
  readonly task: string;
  /** Simulated delay of each answer; absent where delays are real. */
  readonly delayMs?: number;
}

/** How one episode went. */
export interface EpisodeOutcome extends Condition {
  /** From 0: place in the list of seeds. */
  readonly index: number;
  /** What the world was reset with. */
  readonly seed: number;
  readonly success: boolean;
  readonly maxReward: number;
  /** Steps that were played; an episode ends with its first success. */
  readonly steps: number;
  /** Time that passed in the world: steps by the control rate, or in real pace by the clock. */
  readonly worldMs: number;
  /** From each question to its answer in hand, by the client's clock. */
  readonly inferenceMs: readonly number[];
  /** Rows of chunks that were executed, and rows that came too late for their steps. */
  readonly executedRows: number;
  readonly staleRows: number;
  /** Steps that repeated an action because an answer was waited for, and because a chunk had ended meanwhile. */
  readonly heldSteps: number;
  readonly exhaustedSteps: number;
  /** Time in which nothing new was executed: {@linkcode heldSteps} and {@linkcode exhaustedSteps}. */
  readonly stallMs: number;
  /** Steps that began more than 2 ms late; real pace only. */
  readonly missedDeadlines?: number;
  /** SHA-256 of all actions and joint positions: the same where an episode was the same to the bit. */
  readonly trajectory: string;
  /** Why it broke off. */
  readonly error?: string;
  /** What broke it off, for example `PolicyError`. */
  readonly errorName?: string;
}

/** Everything about one condition that a table shows. */
export interface ConditionSummary extends Condition {
  readonly episodes: number;
  readonly successes: number;
  readonly successRate: number;
  /** Wilson's, 95 %. */
  readonly interval: readonly [low: number, high: number];
  readonly meanMaxReward: number;
  /** Of the episodes that succeeded; absent where none did. */
  readonly stepsToSuccess?: { readonly min: number; readonly median: number; readonly max: number };
  readonly inferenceMs?: Summary;
  /** Per episode. */
  readonly meanStallMs: number;
  /** Rows executed per second of the world's time. */
  readonly effectiveHz?: number;
  readonly executedRows: number;
  readonly staleRows: number;
  readonly heldSteps: number;
  readonly exhaustedSteps: number;
  readonly missedDeadlines?: number;
  /** Episodes that broke off. */
  readonly errors: number;
}

/** Two modes on the same episodes. */
export interface Comparison {
  readonly task: string;
  readonly delayMs?: number;
  readonly baseline: string;
  readonly mode: string;
  /** Episodes that both have played. */
  readonly pairs: number;
  readonly bothSucceed: number;
  readonly onlyBaseline: number;
  readonly onlyMode: number;
  readonly neither: number;
  /** McNemar's exact test, two-sided. */
  readonly pValue: number;
  /** Pairs that are the same episode to the bit. */
  readonly identical: number;
}

/** One text per condition, as a key. */
export function keyOf({ mode, task, delayMs }: Condition): string {
  return JSON.stringify([mode, task, delayMs ?? null]);
}

/** One summary per condition, in the order given; conditions without an episode are left out. */
export function summarizeConditions(
  conditions: readonly Condition[],
  outcomes: readonly EpisodeOutcome[],
): ConditionSummary[] {
  const groups = Map.groupBy(outcomes, keyOf);
  return conditions.flatMap((condition) => {
    const group = groups.get(keyOf(condition));
    return group === undefined ? [] : [summarizeCondition(condition, group)];
  });
}

function summarizeCondition(condition: Condition, outcomes: readonly EpisodeOutcome[]): ConditionSummary {
  const total = (value: (outcome: EpisodeOutcome) => number) => outcomes.reduce((sum, one) => sum + value(one), 0);
  const succeeded = outcomes.filter(({ success }) => success);
  const steps = succeeded.map(({ steps }) => steps);
  const inferenceMs = summarize(outcomes.flatMap(({ inferenceMs }) => inferenceMs));
  const executedRows = total((outcome) => outcome.executedRows);
  const worldMs = total((outcome) => outcome.worldMs);
  const { mode, task, delayMs } = condition;
  return {
    mode,
    task,
    ...(delayMs === undefined ? {} : { delayMs }),
    episodes: outcomes.length,
    successes: succeeded.length,
    successRate: succeeded.length / outcomes.length,
    interval: wilsonInterval(succeeded.length, outcomes.length),
    meanMaxReward: mean(outcomes.map(({ maxReward }) => maxReward)),
    ...(steps.length === 0
      ? {}
      : { stepsToSuccess: { min: Math.min(...steps), median: median(steps), max: Math.max(...steps) } }),
    ...(inferenceMs === undefined ? {} : { inferenceMs }),
    meanStallMs: total((outcome) => outcome.stallMs) / outcomes.length,
    ...(worldMs > 0 ? { effectiveHz: 1000 * executedRows / worldMs } : {}),
    executedRows,
    staleRows: total((outcome) => outcome.staleRows),
    heldSteps: total((outcome) => outcome.heldSteps),
    exhaustedSteps: total((outcome) => outcome.exhaustedSteps),
    ...(outcomes.every(({ missedDeadlines }) => missedDeadlines === undefined)
      ? {}
      : { missedDeadlines: total(({ missedDeadlines }) => missedDeadlines ?? 0) }),
    errors: outcomes.filter(({ error }) => error !== undefined).length,
  };
}

/** Each condition with another mode of the same task and delay that comes first in the list. */
export function compareModes(
  conditions: readonly Condition[],
  outcomes: readonly EpisodeOutcome[],
): Comparison[] {
  const groups = Map.groupBy(outcomes, keyOf);
  const settingOf = ({ task, delayMs }: Condition) => JSON.stringify([task, delayMs ?? null]);
  return conditions.flatMap((condition) => {
    const baseline = conditions.find((other) => settingOf(other) === settingOf(condition))!;
    if (baseline.mode === condition.mode) return [];
    const first = new Map(groups.get(keyOf(baseline))?.map((outcome) => [outcome.index, outcome]));
    const pairs = (groups.get(keyOf(condition)) ?? []).flatMap((second) => {
      const partner = first.get(second.index);
      return partner === undefined ? [] : [{ first: partner, second }];
    });
    if (pairs.length === 0) return [];
    const count = (firstSucceeds: boolean, secondSucceeds: boolean) =>
      pairs.filter(({ first, second }) => first.success === firstSucceeds && second.success === secondSucceeds).length;
    const onlyBaseline = count(true, false);
    const onlyMode = count(false, true);
    return [{
      task: condition.task,
      ...(condition.delayMs === undefined ? {} : { delayMs: condition.delayMs }),
      baseline: baseline.mode,
      mode: condition.mode,
      pairs: pairs.length,
      bothSucceed: count(true, true),
      onlyBaseline,
      onlyMode,
      neither: count(false, false),
      pValue: mcnemarExact(onlyBaseline, onlyMode),
      identical: pairs.filter(({ first, second }) => first.trajectory === second.trajectory).length,
    }];
  });
}
