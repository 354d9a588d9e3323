/**
 * Numbers from samples. Pure: the same samples always give the same numbers.
 *
 * A value that was not measured, or that too few samples support, is absent and never 0.
 *
 * @module
 */

import { seededRandom } from "../random.ts";
import type { TimingStage } from "../types.ts";
import { attachPrevious, type ConnectSample, type LatencySample, type PingSample, type SampleError } from "./sample.ts";

/** How a set of times is spread. */
export interface Summary {
  readonly count: number;
  readonly minMs: number;
  readonly meanMs: number;
  /** 95 % bootstrap interval of the mean; needs two values. */
  readonly intervalMs?: readonly [lowMs: number, highMs: number];
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p95Ms: number;
  /** Needs {@linkcode P99_NEEDS} values. */
  readonly p99Ms?: number;
  /** Needs 10 000 values. */
  readonly p999Ms?: number;
  readonly maxMs: number;
}

/** Where the time of a request goes: the median of each part. */
export interface Decomposition {
  readonly clientEncodeMs?: number;
  /** Both ways together: round trip less the time at the server. One way cannot be known from two clocks. */
  readonly networkMs?: number;
  readonly queueMs?: number;
  readonly decodeMs?: number;
  readonly preprocessMs?: number;
  readonly inferMs?: number;
  readonly postprocessMs?: number;
  readonly serverEncodeMs?: number;
  readonly clientDecodeMs?: number;
}

/** Everything measured of one transport in all rounds. */
export interface TransportRun {
  readonly transport: string;
  readonly url: string;
  /** Time between two sends; absent in a closed loop. */
  readonly periodMs?: number;
  readonly connects: readonly ConnectSample[];
  readonly pings: readonly PingSample[];
  /** In the order in which they finished. */
  readonly samples: readonly LatencySample[];
}

/** What one transport costs. */
export interface TransportSummary {
  readonly transport: string;
  readonly url: string;
  /** Requests that were measured and answered. */
  readonly count: number;
  /** Requests that were sent to warm up and thrown away. */
  readonly discarded: number;
  readonly connectMs?: Summary;
  /** How many connections were granted 0-RTT, so that connecting took no round trip; absent where none was. */
  readonly zeroRttConnects?: number;
  /** Median time spent on opening the congestion window. */
  readonly warmUpMs?: number;
  readonly firstRequestMs?: Summary;
  /** Response time of answered requests, from the moment they should have started. */
  readonly latencyMs?: Summary;
  /** The same from the moment they did start; paced only, as a closed loop knows no difference. */
  readonly serviceMs?: Summary;
  /** The fastest ping. */
  readonly rttFloorMs?: number;
  readonly pingP50Ms?: number;
  /**
   * What the transport adds: median time of a request once started less {@linkcode rttFloorMs} less the median inference.
   * Waiting for a free connection is no cost of the transport.
   */
  readonly overheadMs?: number;
  readonly decomposition: Decomposition;
  /** Answers per second while it was this transport's turn. */
  readonly hz?: number;
  /** Median size of a request. */
  readonly bytesOut?: number;
  /** Median size of a reply. */
  readonly bytesIn?: number;
  /** Failed requests, connections and pings. */
  readonly errors: number;
  /** Those of {@linkcode errors} that passed their time limit. */
  readonly timeouts: number;
  /** {@linkcode errors} by code. */
  readonly errorCodes: Readonly<Record<string, number>>;
  readonly periodMs?: number;
  /** See {@linkcode missedDeadlines}; paced only. */
  readonly late?: number;
  /** See {@linkcode missedDeadlines}; paced only. */
  readonly missed?: number;
}

/** The runtime's timers alone were measured at 0.4 to 1.4 ms late on a quiet machine; a later start is a late one. */
const LATE_AFTER_MS = 2;
/** Values that a p99 needs, 1/(1−p): with fewer it lies beside the maximum. */
export const P99_NEEDS = 100;
/** Values that a p99.9 needs, 10/(1−p): ten lie above it. */
const P999_NEEDS = 10_000;
/** Fixed, so that a file of samples always gives the same interval. */
const BOOTSTRAP = { level: 0.95, resamples: 2000, seed: 1 };

/**
 * The value below which the share `p` lies, by linear interpolation between the closest ranks (numpy's default).
 *
 * @param sorted ascending, at least one value.
 * @param p from 0 to 1.
 * @throws {RangeError} without values or with another `p`.
 */
export function percentile(sorted: ArrayLike<number>, p: number): number {
  if (sorted.length === 0) throw new RangeError("Cannot take a percentile of no values: measure at least one");
  if (!(p >= 0 && p <= 1)) throw new RangeError(`Cannot take percentile ${p}: use a share from 0 to 1`);
  const rank = p * (sorted.length - 1);
  const below = Math.floor(rank);
  const low = sorted[below]!;
  const high = sorted[Math.ceil(rank)]!;
  return low + (high - low) * (rank - below);
}

/** @throws {RangeError} without values. */
export function mean(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("Cannot take the mean of no values: measure at least one");
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** @throws {RangeError} without values. */
export function median(values: readonly number[]): number {
  return percentile(ascending(values), 0.5);
}

/**
 * Percentile bootstrap: the middle `level` of the means of `resamples` draws with replacement.
 *
 * @throws {RangeError} without values.
 */
export function bootstrapMeanInterval(
  values: readonly number[],
  { level, resamples, seed }: { readonly level: number; readonly resamples: number; readonly seed: number },
): [lowMs: number, highMs: number] {
  if (values.length === 0) throw new RangeError("Cannot resample no values: measure at least one");
  const random = seededRandom(seed);
  const drawn = Float64Array.from(values);
  const means = new Float64Array(resamples);
  for (let i = 0; i < resamples; i++) {
    let sum = 0;
    for (let j = 0; j < drawn.length; j++) sum += drawn[Math.floor(random() * drawn.length)]!;
    means[i] = sum / drawn.length;
  }
  means.sort();
  const tail = (1 - level) / 2;
  return [percentile(means, tail), percentile(means, 1 - tail)];
}

/**
 * 95 % interval of the median, from the order of the values alone: whatever their distribution, the median of what they
 * were drawn from lies between these two with that probability at least. Absent below 6 values, which cannot say so.
 */
export function medianInterval(values: readonly number[]): [low: number, high: number] | undefined {
  const sorted = ascending(values);
  const count = sorted.length;
  const cut = count > MANY ? Math.floor(count / 2 - 0.98 * Math.sqrt(count)) : tailOf(count);
  return cut === 0 ? undefined : [sorted[cut - 1]!, sorted[count - cut]!];
}

/** From so many values on the normal distribution serves for the binomial one, whose terms get too small to compute. */
const MANY = 1000;

/** How many values on one side of the median are so rare that fewer come in one of 40 cases: throws of a fair coin. */
function tailOf(count: number): number {
  let probability = 0.5 ** count;
  let below = probability;
  let cut = 0;
  while (below <= 0.025) {
    cut++;
    probability *= (count - cut + 1) / cut;
    below += probability;
  }
  return cut;
}

/** Undefined where there is nothing to summarize. */
export function summarize(values: readonly number[]): Summary | undefined {
  if (values.length === 0) return undefined;
  const sorted = ascending(values);
  const count = sorted.length;
  return {
    count,
    minMs: sorted[0]!,
    meanMs: mean(sorted),
    ...(count < 2 ? {} : { intervalMs: bootstrapMeanInterval(sorted, BOOTSTRAP) }),
    p50Ms: percentile(sorted, 0.5),
    p90Ms: percentile(sorted, 0.9),
    p95Ms: percentile(sorted, 0.95),
    ...(count < P99_NEEDS ? {} : { p99Ms: percentile(sorted, 0.99) }),
    ...(count < P999_NEEDS ? {} : { p999Ms: percentile(sorted, 0.999) }),
    maxMs: sorted[count - 1]!,
  };
}

/**
 * Medians of the parts of answered requests.
 *
 * Stamps are only compared with stamps of the same clock; the server's share enters as a duration.
 *
 * @param samples after {@linkcode attachPrevious}, without which the server's encoding and the network are absent.
 */
export function decompose(samples: readonly LatencySample[]): Decomposition {
  const ok = answered(samples);
  const stage = (name: TimingStage) => medianOf(ok, ({ timing }) => timing[name]);
  return present({
    clientEncodeMs: medianOf(ok, ({ startedMs, sentMs }) => difference(sentMs, startedMs)),
    networkMs: medianOf(
      ok,
      ({ sentMs, receivedMs, residenceMs }) => difference(difference(receivedMs, sentMs), residenceMs),
    ),
    queueMs: stage("queue"),
    decodeMs: stage("decode"),
    preprocessMs: stage("preprocess"),
    inferMs: stage("infer"),
    postprocessMs: stage("postprocess"),
    serverEncodeMs: stage("encode"),
    clientDecodeMs: medianOf(ok, ({ receivedMs, finishedMs }) => difference(finishedMs, receivedMs)),
  });
}

/**
 * Answers per second of one transport: answers after the first of a round over the time since that first, all rounds
 * together, so that the turns of other transports between the rounds do not count.
 *
 * Undefined where no round has two answers.
 */
export function achievedHz(samples: readonly LatencySample[]): number | undefined {
  const byRound = Map.groupBy(answered(samples), ({ round }) => round);
  let intervals = 0;
  let spanMs = 0;
  for (const round of byRound.values()) {
    const sorted = ascending(round.map(({ finishedMs }) => finishedMs));
    intervals += sorted.length - 1;
    spanMs += sorted[sorted.length - 1]! - sorted[0]!;
  }
  return spanMs > 0 ? 1000 * intervals / spanMs : undefined;
}

/**
 * Counts requests of a paced run that did not keep its beat.
 *
 * `late`: started more than 2 ms after the intended time. `missed`: not answered within one period of the intended
 * time; a failed request always is.
 */
export function missedDeadlines(
  samples: readonly LatencySample[],
  periodMs: number,
): { late: number; missed: number } {
  return {
    late: samples.filter(({ startedMs, scheduledMs }) => startedMs - scheduledMs > LATE_AFTER_MS).length,
    missed:
      samples.filter(({ finishedMs, scheduledMs, error }) => error !== undefined || finishedMs - scheduledMs > periodMs)
        .length,
  };
}

/** Boils one transport's run down to what a table shows. */
export function summarizeTransport(run: TransportRun): TransportSummary {
  const { transport, url, connects, pings, periodMs } = run;
  const samples = attachPrevious(run.samples);
  const ok = answered(samples);
  const latencyMs = summarize(ok.map(({ finishedMs, scheduledMs }) => finishedMs - scheduledMs));
  const serviceMs = periodMs === undefined
    ? undefined
    : summarize(ok.map(({ finishedMs, startedMs }) => finishedMs - startedMs));
  const pingMs = summarize(measured(pings, ({ sentMs, receivedMs }) => difference(receivedMs, sentMs)));
  const decomposition = decompose(samples);
  const errors = [...samples, ...connects, ...pings].flatMap(({ error }) => error === undefined ? [] : [error]);
  return {
    transport,
    url,
    count: ok.length,
    discarded: connects.reduce((sum, { discarded }) => sum + discarded, 0),
    decomposition,
    errors: errors.length,
    timeouts: errors.filter(({ timedOut }) => timedOut).length,
    errorCodes: countCodes(errors),
    ...present({
      connectMs: summarize(measured(connects, ({ connectMs }) => connectMs)),
      zeroRttConnects: connects.filter(({ zeroRtt }) => zeroRtt).length || undefined,
      warmUpMs: medianOf(connects, ({ windowWarmUpMs }) => windowWarmUpMs),
      firstRequestMs: summarize(measured(connects, ({ firstRequestMs }) => firstRequestMs)),
      latencyMs,
      serviceMs,
      rttFloorMs: pingMs?.minMs,
      pingP50Ms: pingMs?.p50Ms,
      overheadMs: difference(difference((serviceMs ?? latencyMs)?.p50Ms, pingMs?.minMs), decomposition.inferMs),
      hz: achievedHz(ok),
      bytesOut: medianOf(ok, ({ bytesOut }) => bytesOut),
      bytesIn: medianOf(ok, ({ bytesIn }) => bytesIn),
      periodMs,
    }),
    ...(periodMs === undefined ? {} : missedDeadlines(samples, periodMs)),
  };
}

function ascending(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b);
}

function answered(samples: readonly LatencySample[]): LatencySample[] {
  return samples.filter(({ error }) => error === undefined);
}

/** The values of those that have one. */
function measured<T>(items: readonly T[], value: (item: T) => number | undefined): number[] {
  return items.map(value).filter((number) => number !== undefined);
}

function medianOf<T>(items: readonly T[], value: (item: T) => number | undefined): number | undefined {
  const values = measured(items, value);
  return values.length === 0 ? undefined : median(values);
}

/** `a − b`, absent where either is. */
function difference(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a - b;
}

function countCodes(errors: readonly SampleError[]): Record<string, number> {
  const codes = Map.groupBy(errors, ({ code }) => code);
  return Object.fromEntries([...codes].map(([code, all]) => [code, all.length]));
}

/** Leaves out what is undefined, as absent values are absent keys. */
function present<T extends object>(fields: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>;
  };
}
