/**
 * What `pi0 record` plays itself: one episode in real pace on each way to a policy, by the code of `pi0 eval`.
 *
 * @module
 */

import { PolicyError } from "../errors.ts";
import type { EpisodeOutcome } from "../measure/evaluation.ts";
import type { EvalPool } from "./eval_pool.ts";
import { LOCAL, type Way } from "./eval_ways.ts";
import { type NamedEpisode, readSource } from "./record_source.ts";

export interface LiveParts {
  readonly pool: EvalPool;
  readonly ways: readonly Way[];
  readonly task: string;
  readonly seed: number;
  /** The folder that the pool writes records to: empty, and of nobody else. */
  readonly records: string;
  /** The folder that they are kept in. */
  readonly kept: string;
  /** Goes into the names of files; shown in the videos where the user chose it. */
  readonly label: string;
  readonly showLabel: boolean;
  readonly signal: AbortSignal;
  readonly onPlayed: (played: number, mode: string) => void;
}

/**
 * Plays them one after the other, so that none disturbs the next.
 *
 * @throws {PolicyError} where there is nothing to show, because the first request failed.
 * @throws {TransportError} where a far policy cannot be reached any more; the signal's reason.
 */
export async function playLive(parts: LiveParts): Promise<NamedEpisode[]> {
  const { pool, ways, task, seed, records, kept, label, showLabel, signal, onPlayed } = parts;
  const episodes: NamedEpisode[] = [];
  for (const { mode } of ways) {
    onPlayed(episodes.length, mode);
    const onOutcome = ({ steps, error }: EpisodeOutcome) => {
      if (steps === 0) throw new PolicyError("policy_failed", `Cannot record ${mode}: ${error}`);
    };
    await pool.play([{ condition: { mode, task }, index: 0, seed }], onOutcome, signal);
    const [written] = await Array.fromAsync(Deno.readDir(records));
    const name = nameOf(mode, label);
    const path = `${kept}/${name}.json`;
    await Deno.rename(`${records}/${written!.name}`, path);
    const source = await readSource(path);
    if (source.kind !== "episode") throw new Error(`Cannot show "${path}": it is no episode`);
    const words = mode === LOCAL ? [LOCAL] : ["remote", mode];
    const shown = [words[0]!, ...(showLabel ? [label] : []), ...words.slice(1)].join(" · ");
    episodes.push({ ...source, name, mode: shown });
  }
  return episodes;
}

/** `local_LABEL`, `remote_LABEL_TRANSPORT`. */
function nameOf(mode: string, label: string): string {
  return mode === LOCAL ? `local_${label}` : `remote_${label}_${mode}`;
}
