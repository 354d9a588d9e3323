/**
 * What `pi0 record --from` reads: episodes of `pi0 sim` and `pi0 eval`, and results of `pi0 bench`.
 *
 * @module
 */

import { basename, dirname } from "node:path";
import { type BenchResults, RESULTS_SCHEMA } from "../report/results.ts";
import { SCENE_NAMES, type SceneName, TASK_NAMES } from "../sim/mod.ts";
import type { TaskName } from "../sim/task.ts";
import type { RecordedEpisode } from "./record_track.ts";

const EPISODE_SCHEMA = "pi0.episode/1";

/** An episode, and what files about it are called. */
export interface NamedEpisode {
  readonly name: string;
  /** What videos call it. */
  readonly mode: string;
  readonly episode: RecordedEpisode & { readonly task: TaskName; readonly scene: SceneName };
  /** Why it broke off. */
  readonly error?: string;
}

export type Source =
  | ({ readonly kind: "episode" } & NamedEpisode)
  | { readonly kind: "bench"; readonly results: BenchResults };

/** Reads one file. @throws {Error} that names the file and what is wrong with it. */
export async function readSource(path: string): Promise<Source> {
  const fail = (why: string, cause?: unknown) => new Error(`Cannot use --from "${path}": ${why}`, { cause });
  let value: unknown;
  try {
    value = JSON.parse(await Deno.readTextFile(path));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw fail("it is no JSON", cause);
    if (cause instanceof Deno.errors.NotFound) throw fail("there is no such file", cause);
    throw fail("it cannot be read", cause);
  }
  const schema = isRecord(value) ? value.schema : undefined;
  if (schema === RESULTS_SCHEMA) {
    const { summaries, samples } = value as unknown as BenchResults;
    if (!Array.isArray(summaries) || !Array.isArray(samples)) throw fail("it has no summaries and samples");
    return { kind: "bench", results: value as unknown as BenchResults };
  }
  if (schema !== EPISODE_SCHEMA) {
    const found = typeof schema === "string" ? `it is ${schema}` : "it does not say what it is";
    throw fail(`${found}; expected an episode of pi0 sim or pi0 eval --records, or results of pi0 bench --out`);
  }
  const wrong = faultOf(value as Record<string, unknown>);
  if (wrong !== undefined) throw fail(wrong);
  const episode = value as unknown as NamedEpisode["episode"] & { readonly error?: string };
  const name = nameOf(path);
  // Records of pi0 eval begin with the mode.
  const mode = name.split(`_${episode.task}_`)[0]!;
  return { kind: "episode", name, mode, episode, ...(episode.error === undefined ? {} : { error: episode.error }) };
}

/** `cube/episode.json` → `cube`; `ws_transfer_cube_000_7.json` → `ws_transfer_cube_000_7`. */
function nameOf(path: string): string {
  const name = basename(path, ".json");
  const folder = basename(dirname(path));
  return name === "episode" && folder !== "." && folder !== "" ? folder : name;
}

function faultOf(record: Record<string, unknown>): string | undefined {
  const { task, scene, seed, policy, controlHz, pace, start, requests, steps } = record;
  if (!(TASK_NAMES as readonly unknown[]).includes(task)) return `it has no task of ${TASK_NAMES.join(", ")}`;
  if (!(SCENE_NAMES as readonly unknown[]).includes(scene)) return `it has no scene of ${SCENE_NAMES.join(", ")}`;
  if (!Number.isInteger(seed) || typeof policy !== "string") return "it has no seed or policy";
  if (typeof controlHz !== "number" || !(controlHz > 0)) return "it has no controlHz";
  const fast = isRecord(pace) && pace.kind === "fast" && Number.isFinite(pace.delayMs);
  if (!fast && !(isRecord(pace) && pace.kind === "real")) return "it has no pace";
  const isPose = (value: unknown) => isRecord(value) && Array.isArray(value.qpos) && value.qpos.every(Number.isFinite);
  if (!isPose(start)) return "its start has no joint positions (qpos)";
  if (!Array.isArray(steps) || steps.length === 0) return "it has no steps";
  const isStep = (step: unknown) => isPose(step) && Number.isFinite((step as { reward?: unknown }).reward);
  const bad = steps.findIndex((step) => !isStep(step));
  if (bad >= 0) return `step ${bad} has no joint positions (qpos) or no reward`;
  if (fast) return Array.isArray(requests) ? undefined : "it has no requests";
  const untimed = steps.findIndex((step) => !Number.isFinite(step.atMs));
  if (untimed >= 0) return `step ${untimed} of a run in real pace does not say when it was (atMs)`;
  const isAsked = (request: unknown) => isRecord(request) && Number.isFinite(request.askedMs);
  return Array.isArray(requests) && requests.every(isAsked) ? undefined : "its requests do not say when they were";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
