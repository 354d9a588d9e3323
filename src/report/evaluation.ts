/**
 * An evaluation as one JSON file: what was asked, who decided, what came out, and every episode.
 *
 * `evaluation.schema.json` beside this file is its published shape.
 *
 * @module
 */

import type { Comparison, ConditionSummary, EpisodeOutcome } from "../measure/evaluation.ts";
import type { Metadata } from "../types.ts";
import { writeWhole } from "./file.ts";

/** Name and version of the shape. The version changes when a reader of the old shape would misread the new one. */
export const EVALUATION_SCHEMA = "pi0.eval/1";

/** A way to a policy, and who was at its end. */
export interface EvaluatedMode {
  readonly mode: string;
  /** Absent where the policy ran beside the world. */
  readonly url?: string;
  readonly transport?: string;
  readonly policy: string;
  readonly checkpointHash: string | null;
  /** What the server says of itself. */
  readonly server?: Metadata;
}

/** One run of `pi0 eval`. */
export interface EvaluationResults {
  readonly schema: typeof EVALUATION_SCHEMA;
  /** ISO 8601, UTC: when it was begun, the first time where it was stopped in between. */
  readonly startedAt: string;
  /** What was typed, without secrets. */
  readonly command: readonly string[];
  /** The options in force, defaults included. */
  readonly options: Metadata;
  readonly environment: Readonly<Record<string, string | number>>;
  readonly scene: string;
  readonly modes: readonly EvaluatedMode[];
  /** Per condition: a mode in a task with a delay. */
  readonly summaries: readonly ConditionSummary[];
  /** Between modes, on the same seeds. */
  readonly comparisons: readonly Comparison[];
  /** What a careful reader would object to. */
  readonly warnings: readonly string[];
  /** Condition by condition, in the order of their seeds. */
  readonly episodes: readonly EpisodeOutcome[];
  /** The run was stopped before its end; what was played until then is here. */
  readonly interrupted: boolean;
}

/** Writes the file whole or not at all. @throws {Error} that names the path, where it cannot be written. */
export async function writeEvaluation(path: string, { episodes, ...about }: EvaluationResults): Promise<void> {
  const head = JSON.stringify(about, null, 1).slice(0, -2);
  // One line per episode: what is measured in numbers is not read in columns of one number each.
  const lines = episodes.map((episode) => `  ${JSON.stringify(episode)}`).join(",\n");
  await writeWhole(path, `${head},\n "episodes": [${lines === "" ? "" : `\n${lines}\n `}]\n}\n`, "results");
}
