/**
 * The one loop that measures: a schedule says when, `ask` says how, and samples come out.
 *
 * @module
 */

import { type Clock, sleep } from "../clock.ts";
import { type Attempt, describeError, type LatencySample } from "./sample.ts";
import type { Schedule } from "./schedule.ts";

/**
 * Makes one request on connection `worker`: encodes, sends, receives, decodes, and reads the clock in between.
 * Time limits and reconnecting are its business. It must settle soon after `signal` is aborted.
 */
export type Ask = (worker: number, index: number, signal: AbortSignal) => Promise<Attempt>;

/** One transport's share of one round. */
export interface Load {
  /** Copied into each sample. */
  readonly transport: string;
  /** Copied into each sample. */
  readonly round: number;
  readonly schedule: Schedule;
  /** Number of connections, each with one request in flight. */
  readonly concurrency: number;
  readonly ask: Ask;
  /** The clock that `ask` reads, too. */
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** What the clock showed when the whole run started: the zero of all stamps. */
  readonly startMs: number;
}

/**
 * Yields each sample as it finishes. The schedule starts when the first one is asked for.
 *
 * A connection waits for its sample to be taken before it goes on, so that writing a sample down is not measured as
 * latency of the next one. A failed request is a sample with an error. When the signal is aborted the loop ends, and
 * requests in flight that fail by it are not counted.
 *
 * @throws {RangeError} where `concurrency` is not a whole number from 1.
 */
export async function* runLoad(load: Load): AsyncGenerator<LatencySample, void, void> {
  const { schedule, concurrency, clock } = load;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new RangeError(`Cannot measure with ${concurrency} connections: use a whole number from 1`);
  }
  const abandoned = new AbortController();
  const signal = AbortSignal.any([load.signal, abandoned.signal]);
  const originMs = clock.now();
  let next = 0;

  // A free connection takes the next request and waits for its time, so a later one never starts first.
  const turn = async (worker: number): Promise<{ worker: number; sample?: LatencySample }> => {
    if (next >= schedule.count || signal.aborted) return { worker };
    const index = next++;
    const afterMs = schedule.dueMs(index);
    const dueMs = afterMs === undefined ? undefined : originMs + afterMs;
    if (dueMs !== undefined) await waitUntil(clock, dueMs, signal);
    if (signal.aborted) return { worker };
    const sample = await measure(load, { worker, index, dueMs, signal });
    return sample === undefined ? { worker } : { worker, sample };
  };

  const turns = new Map<number, ReturnType<typeof turn>>();
  for (let worker = 0; worker < concurrency; worker++) turns.set(worker, turn(worker));
  try {
    while (turns.size > 0) {
      const { worker, sample } = await Promise.race(turns.values());
      turns.delete(worker);
      if (sample === undefined) continue;
      yield sample;
      turns.set(worker, turn(worker));
    }
  } finally {
    abandoned.abort();
    await Promise.all(turns.values());
  }
}

/** Returns early when the signal is aborted. Timers may fire a little early, hence the loop. */
async function waitUntil(clock: Clock, dueMs: number, signal: AbortSignal): Promise<void> {
  while (clock.now() < dueMs && !signal.aborted) {
    try {
      await sleep(clock, dueMs - clock.now(), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

/** One sample; undefined when the request failed because the run was stopped. */
async function measure(
  { transport, round, ask, clock, startMs }: Load,
  { worker, index, dueMs, signal }: { worker: number; index: number; dueMs: number | undefined; signal: AbortSignal },
): Promise<LatencySample | undefined> {
  const beforeMs = clock.now();
  const label = { transport, round, index, worker };
  try {
    const { startedMs, sentMs, receivedMs, finishedMs, ...rest } = await ask(worker, index, signal);
    return {
      ...label,
      scheduledMs: (dueMs ?? startedMs) - startMs,
      startedMs: startedMs - startMs,
      ...(sentMs === undefined ? {} : { sentMs: sentMs - startMs }),
      ...(receivedMs === undefined ? {} : { receivedMs: receivedMs - startMs }),
      finishedMs: finishedMs - startMs,
      ...rest,
    };
  } catch (error) {
    if (signal.aborted) return undefined;
    return {
      ...label,
      scheduledMs: (dueMs ?? beforeMs) - startMs,
      startedMs: beforeMs - startMs,
      finishedMs: clock.now() - startMs,
      timing: {},
      error: describeError(error),
    };
  }
}
