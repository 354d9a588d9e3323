/**
 * A benchmark as one JSON file: what was asked, where it ran, what came out, and every raw sample.
 *
 * `results.schema.json` beside this file is its published shape.
 *
 * @module
 */

import type { ConnectSample, LatencySample, PingSample } from "../measure/sample.ts";
import type { TransportSummary } from "../measure/statistics.ts";
import type { Warning } from "../measure/verdict.ts";
import type { Metadata } from "../types.ts";
import { writeWhole } from "./file.ts";

/** Name and version of the shape. The version changes when a reader of the old shape would misread the new one. */
export const RESULTS_SCHEMA = "pi0.bench/1";

/** One run of `pi0 bench`. */
export interface BenchResults {
  readonly schema: typeof RESULTS_SCHEMA;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** What was typed, without secrets. */
  readonly command: readonly string[];
  readonly seed: number;
  /** The options in force, defaults included. */
  readonly options: Metadata;
  /** Versions, operating system, processor, congestion control: whatever may explain a number. */
  readonly environment: Readonly<Record<string, string | number>>;
  /** What the server says of itself; null where it says nothing. */
  readonly server: Metadata | null;
  readonly summaries: readonly TransportSummary[];
  readonly warnings: readonly Warning[];
  /** In the order in which they finished. */
  readonly samples: readonly LatencySample[];
  readonly pings: readonly PingSample[];
  readonly connects: readonly ConnectSample[];
  /** The run was stopped before its end; what was measured until then is here. */
  readonly interrupted: boolean;
}

/** Writes the file whole or not at all. @throws {Error} that names the path, where it cannot be written. */
export async function writeResults(path: string, results: BenchResults): Promise<void> {
  await writeWhole(path, `${JSON.stringify(results, null, 1)}\n`, "results");
}
