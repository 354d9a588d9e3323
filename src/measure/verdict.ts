/**
 * What a careful reader would object to in a result, as values with a suggestion each.
 *
 * @module
 */

import { P99_NEEDS, type TransportSummary } from "./statistics.ts";

/** What is wrong, for programs. */
export type WarningCode =
  | "few_samples" // p99 cannot be given
  | "slow_start" // the first request is much slower than the later ones
  | "outliers" // the slowest is far from the median
  | "saturated" // answers come slower than requests are due
  | "errors" // something failed
  | "below_ping" // faster than the path allows
  | "delayed_ack"; // the gap looks like a delayed acknowledgement

/** One objection to one transport's numbers. */
export interface Warning {
  readonly code: WarningCode;
  readonly transport: string;
  /** For people: the finding with its numbers, a colon, what to do. */
  readonly message: string;
}

/** Slow start costs a 150 kB request two to four round trips instead of one. */
const SLOW_START_TIMES = 2;
const OUTLIER_TIMES = 5;
/** Differences below this are the machine's noise, not worth a warning. */
const NOISE_MS = 1;
const SATURATED_SHARE = 0.95;
/** Linux acknowledges after 40 ms at the earliest; connections that wait for it were measured at 41 to 44 ms. */
const DELAYED_ACK_MS = { from: 38, to: 46 };

/** All warnings, by transport in the order given. */
export function findWarnings(summaries: readonly TransportSummary[]): Warning[] {
  return summaries.flatMap((summary) =>
    CHECKS.flatMap(([code, check]) => {
      const message = check(summary);
      return message === undefined ? [] : [{ code, transport: summary.transport, message }];
    })
  );
}

/** Each looks at one summary and says what is wrong, or nothing. */
const CHECKS: readonly [WarningCode, (summary: TransportSummary) => string | undefined][] = [
  ["errors", ({ errors, timeouts, errorCodes }) => {
    if (errors === 0) return undefined;
    const codes = Object.entries(errorCodes).map(([code, count]) => `${count} × ${code}`).join(", ");
    return `${errors} failed (${codes}), ${timeouts} of them by the time limit; latencies are of answered requests only: ` +
      "look at the errors before comparing";
  }],
  ["few_samples", ({ count }) => {
    if (count >= P99_NEEDS) return undefined;
    return `${count} answered requests do not support a p99: measure at least ${P99_NEEDS}`;
  }],
  ["slow_start", (summary) => {
    const firstMs = summary.firstRequestMs?.p50Ms;
    const steadyMs = steadyTime(summary);
    if (firstMs === undefined || steadyMs === undefined) return undefined;
    if (firstMs <= SLOW_START_TIMES * steadyMs || firstMs - steadyMs < NOISE_MS) return undefined;
    return `the first request took ${ms(firstMs)}, later ones ${ms(steadyMs)}: ` +
      "keep the connection open and warm it up before the robot moves";
  }],
  ["outliers", ({ latencyMs }) => {
    if (latencyMs === undefined) return undefined;
    const { maxMs, p50Ms } = latencyMs;
    if (maxMs <= OUTLIER_TIMES * p50Ms || maxMs - p50Ms < NOISE_MS) return undefined;
    return `the slowest request took ${ms(maxMs)}, ${(maxMs / p50Ms).toFixed(1)} times the median of ${ms(p50Ms)}: ` +
      "measure again on a quiet machine and network, and trust the median more than the mean";
  }],
  ["saturated", ({ hz, periodMs }) => {
    if (hz === undefined || periodMs === undefined) return undefined;
    const askedHz = 1000 / periodMs;
    if (hz >= SATURATED_SHARE * askedHz) return undefined;
    return `answered ${hz.toFixed(2)} Hz of the ${
      askedHz.toFixed(2)
    } Hz asked for, so latency mostly shows the backlog: ` +
      "lower the rate or use more connections";
  }],
  ["below_ping", (summary) => {
    const steadyMs = steadyTime(summary);
    const { rttFloorMs } = summary;
    if (steadyMs === undefined || rttFloorMs === undefined || steadyMs > rttFloorMs) return undefined;
    return `the median request (${ms(steadyMs)}) is not slower than the fastest ping (${ms(rttFloorMs)}): ` +
      "check that requests reach the server, and measure more pings";
  }],
  ["delayed_ack", ({ decomposition, rttFloorMs, overheadMs }) => {
    if (rttFloorMs === undefined) return undefined;
    // The network part leaves out everything at the server; without it the overhead has to do.
    const aboveMs = decomposition.networkMs === undefined ? overheadMs : decomposition.networkMs - rttFloorMs;
    if (aboveMs === undefined || aboveMs < DELAYED_ACK_MS.from || aboveMs > DELAYED_ACK_MS.to) return undefined;
    return `requests take ${
      ms(aboveMs)
    } more than the ping, which looks like Nagle's algorithm waiting for a delayed ` +
      "acknowledgement: set TCP_NODELAY on both ends";
  }],
];

/** Median time of a request once started; the backlog of a paced run would hide a slow start. */
function steadyTime({ serviceMs, latencyMs }: TransportSummary): number | undefined {
  return (serviceMs ?? latencyMs)?.p50Ms;
}

function ms(value: number): string {
  return `${value < 10 ? value.toPrecision(3) : value.toFixed(1)} ms`;
}
