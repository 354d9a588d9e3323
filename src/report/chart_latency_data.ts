/**
 * What the latency charts draw, read from a benchmark's results.
 *
 * @module
 */

import type { LatencySample } from "../measure/sample.ts";
import type { Decomposition, Summary, TransportSummary } from "../measure/statistics.ts";
import type { TimingStage } from "../types.ts";
import { nameRows } from "./chart_layout.ts";
import { type LineStyle, lineStyles, shorten } from "./chart_style.ts";
import type { BenchResults } from "./results.ts";

/** One transport of a benchmark. */
export interface TransportLatency {
  readonly name: string;
  readonly style: LineStyle;
  readonly summary: TransportSummary;
  /** Answered requests, in the order in which they were due. */
  readonly answered: readonly LatencySample[];
  /** Failed requests, in the order in which they were due. */
  readonly failed: readonly LatencySample[];
  /** Response times of the answered ones, ascending, counted from when each was due. */
  readonly sortedMs: readonly number[];
}

/** Parts of a round trip in the order in which they happen; the network's covers both ways. */
export const STAGES = {
  clientEncode: { label: "client encode", color: "#ddcc77" },
  network: { label: "network", color: "#332288" },
  queue: { label: "server queue", color: "#aa4499" },
  decode: { label: "server decode", color: "#88ccee" },
  preprocess: { label: "preprocess", color: "#44aa99" },
  infer: { label: "infer", color: "#117733" },
  postprocess: { label: "postprocess", color: "#999933" },
  encode: { label: "server encode", color: "#cc6677" },
  rest: { label: "rest", color: "#bbbbbb" },
  clientDecode: { label: "client decode", color: "#882255" },
} as const satisfies Record<string, { readonly label: string; readonly color: string }>;
export type Stage = keyof typeof STAGES;
export const STAGE_NAMES = Object.keys(STAGES) as Stage[];

/** One part of one request. */
export interface StageShare {
  readonly stage: Stage;
  /** Absent where it was not measured. */
  readonly ms?: number;
}

/**
 * The transports of a run, the fastest median first, those without an answer last.
 *
 * @param results with samples after `attachPrevious`.
 * @throws {RangeError} where samples are as they were recorded: what a server said of a reply is then with the next one.
 */
export function latencyByTransport({ summaries, samples }: BenchResults): TransportLatency[] {
  if (samples.some(({ previous }) => previous !== undefined)) {
    throw new RangeError("Cannot chart samples as they were recorded: treat them with attachPrevious first");
  }
  const styles = lineStyles(summaries.map(({ transport }) => transport));
  const byTransport = Map.groupBy(samples, ({ transport }) => transport);
  return summaries.map((summary) => {
    const own = (byTransport.get(summary.transport) ?? []).toSorted((a, b) => a.scheduledMs - b.scheduledMs);
    const answered = own.filter(({ error }) => error === undefined);
    return {
      name: summary.transport,
      style: styles.get(summary.transport)!,
      summary,
      answered,
      failed: own.filter(({ error }) => error !== undefined),
      sortedMs: answered.map(responseMs).sort((a, b) => a - b),
    };
  }).sort((a, b) => medianOf(a) - medianOf(b));
}

/** From when the request was due until it was answered, or failed. */
export function responseMs({ scheduledMs, finishedMs }: LatencySample): number {
  return finishedMs - scheduledMs;
}

/** From when the request was started until it was answered; a paced run may start one late. */
export function roundTripMs({ startedMs, finishedMs }: LatencySample): number {
  return finishedMs - startedMs;
}

/** How round trips of a transport are spread; undefined without an answer. */
export function roundTrips({ serviceMs, latencyMs }: TransportSummary): Summary | undefined {
  return serviceMs ?? latencyMs;
}

/**
 * The request whose round trip is closest to the median one of the fastest transport. A request that tells how long it
 * was at the server goes before others. What ran without any transport ("local") counts only where nothing else did.
 *
 * @param transports the fastest first, as from {@linkcode latencyByTransport}.
 * @returns undefined where no request was answered.
 */
export function medianRequest(
  transports: readonly TransportLatency[],
): { readonly transport: TransportLatency; readonly sample: LatencySample } | undefined {
  const candidates = transports.filter(({ answered }) => answered.length > 0);
  const transport = candidates.find(({ name }) => name !== "local") ?? candidates[0];
  const medianMs = transport === undefined ? undefined : roundTrips(transport.summary)?.p50Ms;
  if (transport === undefined || medianMs === undefined) return undefined;
  const complete = transport.answered.filter(({ residenceMs }) => residenceMs !== undefined);
  const distance = (sample: LatencySample) => Math.abs(roundTripMs(sample) - medianMs);
  const sample = (complete.length > 0 ? complete : transport.answered)
    .reduce((best, other) => distance(other) < distance(best) ? other : best);
  return { transport, sample };
}

/**
 * Every stage of one answered request; together they are its {@linkcode roundTripMs}.
 *
 * `rest` is what no stage tells: at the server between its stages, and on the network, too, where that is not known. It
 * and the network's part can be slightly below 0, as they are differences of two clocks' durations.
 */
export function requestStages(sample: LatencySample): StageShare[] {
  const { startedMs, sentMs, receivedMs, finishedMs, residenceMs, timing } = sample;
  const onTheWayMs = difference(receivedMs, sentMs);
  const measured: { readonly [stage in Stage]?: number | undefined } = {
    ...timing,
    clientEncode: difference(sentMs, startedMs),
    network: difference(onTheWayMs, residenceMs),
    clientDecode: difference(finishedMs, receivedMs),
  };
  return complete(measured, roundTripMs(sample));
}

/**
 * Median of every stage of a transport, and the rest to the median round trip where they fall short of it.
 *
 * Medians do not add up exactly: the rest is only as good as that.
 */
export function medianStages(summary: TransportSummary): StageShare[] {
  const { decomposition } = summary;
  const measured = Object.fromEntries(
    STAGE_NAMES.map((stage) => [stage, stage === "rest" ? undefined : decomposition[DECOMPOSITION_KEYS[stage]]]),
  ) as { readonly [stage in Stage]?: number | undefined };
  const stages = complete(measured, roundTrips(summary)?.p50Ms);
  return stages.map(({ stage, ms }) => ms === undefined || (stage === "rest" && ms < 0) ? { stage } : { stage, ms });
}

/** A row for each transport, with its counts. */
export function transportRows(transports: readonly TransportLatency[]) {
  return nameRows(transports.map(({ name, summary: { count, errors } }) => ({ name, count, errors })));
}

/** Why nothing can be drawn. */
export function noAnswer(transports: readonly TransportLatency[]): string {
  const codes = transports.flatMap(({ name, summary }) =>
    Object.entries(summary.errorCodes).map(([code, count]) => `${name} ${count} × ${code}`)
  );
  return `not measured: no request was answered${codes.length > 0 ? ` (${shorten(codes.join(", "), 40)})` : ""}`;
}

/** `n = 200`, with the failed requests where there are some. */
export function countNote(transports: readonly TransportLatency[]): string {
  const sum = (count: (transport: TransportLatency) => number) =>
    transports.reduce((total, transport) => total + count(transport), 0);
  const failed = sum(({ summary }) => summary.errors);
  return `n = ${sum(({ summary }) => summary.count)}${failed > 0 ? `, without ${failed} that failed` : ""}`;
}

const DECOMPOSITION_KEYS = {
  clientEncode: "clientEncodeMs",
  network: "networkMs",
  queue: "queueMs",
  decode: "decodeMs",
  preprocess: "preprocessMs",
  infer: "inferMs",
  postprocess: "postprocessMs",
  encode: "serverEncodeMs",
  clientDecode: "clientDecodeMs",
} as const satisfies Record<Exclude<Stage, "rest">, keyof Decomposition> & Record<TimingStage, keyof Decomposition>;

/** Adds what is missing to the whole as `rest`. */
function complete(
  measured: { readonly [stage in Stage]?: number | undefined },
  wholeMs: number | undefined,
): StageShare[] {
  const knownMs = STAGE_NAMES.reduce((sum, stage) => sum + (measured[stage] ?? 0), 0);
  const all = { ...measured, rest: difference(wholeMs, knownMs) };
  return STAGE_NAMES.map((stage) => {
    const ms = all[stage];
    return ms === undefined ? { stage } : { stage, ms };
  });
}

/** `a − b`, absent where either is. */
function difference(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a - b;
}

function medianOf({ summary }: TransportLatency): number {
  return roundTrips(summary)?.p50Ms ?? Number.MAX_VALUE;
}
