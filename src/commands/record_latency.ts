/**
 * The chart of latencies that `pi0 record` draws, and the short bench behind it.
 *
 * @module
 */

import { gather } from "../measure/gather.ts";
import { runRounds } from "../measure/rounds.ts";
import { attachPrevious } from "../measure/sample.ts";
import { closedLoop } from "../measure/schedule.ts";
import { summarizeTransport } from "../measure/statistics.ts";
import { findWarnings } from "../measure/verdict.ts";
import { seededRandom } from "../random.ts";
import { chartPaths, writeChart } from "../report/chart_file.ts";
import { latencyChart } from "../report/chart_latency.ts";
import { type BenchResults, RESULTS_SCHEMA } from "../report/results.ts";
import { ROBOTS } from "../robot/mod.ts";
import type { Congestion } from "../transport/transport.ts";
import type { Environment, Observation } from "../types.ts";
import { measuredClient } from "./client.ts";
import type { CommandContext } from "./command.ts";
import { remotePolicy } from "./connect.ts";
import { describeEnvironment } from "./environment.ts";
import type { Way } from "./eval_ways.ts";
import type { RecordedEpisode } from "./record_track.ts";
import { withoutSecrets } from "./secrets.ts";

/** Enough for a p95 and a curve; a policy of 100 ms takes ten seconds for them. */
const REQUESTS = 100;
const ROUNDS = 5;
const WARM_UP = 3;
const PINGS = 10;

/** Different observations, so that nothing along the way can remember the answer. */
const OBSERVATIONS = 8;

export interface LatencyOptions {
  readonly token: string | undefined;
  readonly openpi: boolean;
  readonly congestion: Congestion | undefined;
  readonly noWarm: boolean;
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly seed: number;
}

/** What the policy saw when it was asked in that episode: its actions are executed again. */
export function observationsOf(
  environment: Environment,
  { seed, requests, steps }: Pick<RecordedEpisode, "seed" | "requests" | "steps">,
): Observation[] {
  environment.reset(seed);
  return requests.slice(0, OBSERVATIONS).map(({ step }) => {
    while (environment.stepCount < step) environment.step(Float64Array.from(steps[environment.stepCount]!.action));
    return environment.observe();
  });
}

/** Measures the ways that lead somewhere, with these observations. @throws the signal's reason. */
export async function measureLatency(
  ways: readonly Way[],
  observations: readonly Observation[],
  options: LatencyOptions,
  { clock, signal, version, argv }: CommandContext,
  onSample: (done: number, total: number, transport: string) => void,
): Promise<BenchResults> {
  const { token, openpi, congestion, noWarm, timeoutMs, connectTimeoutMs, seed } = options;
  const targets = ways.flatMap(({ mode, url, trust }) => {
    if (url === undefined) return [];
    const limits = { connectMs: connectTimeoutMs, requestMs: timeoutMs };
    const connection = { token, trust, congestion, openpi, warm: !noWarm, timing: true, exact: true };
    const open = () =>
      measuredClient(remotePolicy({ url, profile: ROBOTS.aloha, clock, ...limits, ...connection }), observations, {
        warm: !noWarm && !openpi,
      });
    return [{ transport: mode, url, open }];
  });
  const startedAt = new Date().toISOString();
  const { runs, add } = gather(targets, undefined);
  let done = 0;
  const load = { rounds: ROUNDS, count: REQUESTS, warmUp: WARM_UP, pings: PINGS, concurrency: 1 };
  const time = { clock, random: seededRandom(seed), signal, startMs: clock.now() };
  for await (const measured of runRounds({ targets, ...load, schedule: closedLoop, ...time })) {
    add(measured);
    if (measured.event === "sample") onSample(++done, REQUESTS * targets.length, measured.transport);
  }
  signal.throwIfAborted();
  const summaries = runs.map(summarizeTransport);
  return {
    schema: RESULTS_SCHEMA,
    startedAt,
    command: ["record", ...withoutSecrets(argv)],
    seed,
    options: { robot: ROBOTS.aloha.name, requests: REQUESTS, rounds: ROUNDS, warmup: WARM_UP, concurrency: 1 },
    environment: await describeEnvironment(version),
    server: ways.find(({ server }) => server !== undefined)?.server ?? null,
    summaries,
    warnings: findWarnings(summaries),
    samples: runs.flatMap(({ samples }) => samples),
    pings: runs.flatMap(({ pings }) => pings),
    connects: runs.flatMap(({ connects }) => connects),
    interrupted: false,
  };
}

/** Draws the five panels. @returns the files' paths. @throws {Error} that names the path that cannot be written. */
export async function drawLatency(results: BenchResults, pathWithoutExtension: string): Promise<string[]> {
  const chart = await latencyChart({ ...results, samples: attachPrevious(results.samples) });
  await writeChart(pathWithoutExtension, chart);
  return chartPaths(pathWithoutExtension);
}
