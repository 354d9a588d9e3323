import type { LatencySample } from "../../src/measure/sample.ts";
import { summarizeTransport, type TransportRun } from "../../src/measure/statistics.ts";
import { type BenchResults, RESULTS_SCHEMA } from "../../src/report/results.ts";
import type { Timing } from "../../src/types.ts";

/**
 * An answered request whose parts are known: 1 ms to encode, 0.5 ms to decode, the server's stages and 0.5 ms between
 * them, and what is left of the round trip on the network.
 */
export function answeredSample(
  { transport, index, roundTripMs, timing = { queue: 0.5, decode: 1, infer: 6, encode: 0.5 }, lateMs = 0 }: {
    readonly transport: string;
    readonly index: number;
    readonly roundTripMs: number;
    readonly timing?: Timing;
    readonly lateMs?: number;
  },
): LatencySample {
  const scheduledMs = 100 * index;
  const startedMs = scheduledMs + lateMs;
  const finishedMs = startedMs + roundTripMs;
  return {
    transport,
    round: 0,
    index,
    worker: 0,
    scheduledMs,
    startedMs,
    sentMs: startedMs + 1,
    receivedMs: finishedMs - 0.5,
    finishedMs,
    timing,
    residenceMs: 0.5 + Object.values(timing).reduce((sum, ms) => sum + ms, 0),
  };
}

/** The same request at a server that says nothing but how long it inferred, as openpi's. */
export function withoutResidence({ residenceMs: _, ...sample }: LatencySample): LatencySample {
  return { ...sample, timing: { infer: sample.timing.infer! } };
}

/** A request that passed its limit of 50 ms. */
export function failedSample(transport: string, index: number): LatencySample {
  const startedMs = 100 * index;
  const error = { code: "deadline", message: "No reply within 50 ms", timedOut: true };
  return {
    transport,
    round: 0,
    index,
    worker: 0,
    scheduledMs: startedMs,
    startedMs,
    finishedMs: startedMs + 50,
    timing: {},
    error,
  };
}

/** Results of a benchmark with these samples. */
export function benchResults(
  samples: Readonly<Record<string, readonly LatencySample[]>>,
  run: Pick<TransportRun, "periodMs"> = {},
): BenchResults {
  const summaries = Object.entries(samples).map(([transport, samples]) =>
    summarizeTransport({ transport, url: `${transport}://127.0.0.1:9`, connects: [], pings: [], samples, ...run })
  );
  return {
    schema: RESULTS_SCHEMA,
    startedAt: "2026-01-02T03:04:05.678Z",
    command: ["bench"],
    seed: 1,
    options: {},
    environment: {},
    server: { policy: "π₀ mini" },
    summaries,
    warnings: [],
    samples: Object.values(samples).flat(),
    pings: [],
    connects: [],
    interrupted: false,
  };
}
