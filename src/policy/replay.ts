/**
 * A policy that repeats the actions of a recorded episode, row by row.
 *
 * @module
 */

import { PolicyError } from "../errors.ts";
import type { ActionChunk, Metadata, Observation, Policy } from "../types.ts";

/** As long as the chunks of π₀ on ALOHA. */
const ACTION_HORIZON = 50;

export class ReplayPolicy implements Policy {
  readonly name: string;
  readonly actionHorizon = ACTION_HORIZON;
  readonly actionDim: number;
  readonly checkpointHash = null;
  readonly metadata: Metadata;
  readonly looks = false;
  readonly #rows: readonly (readonly number[])[];

  constructor(name: string, rows: readonly (readonly number[])[]) {
    this.name = name;
    this.#rows = rows;
    this.actionDim = rows[0]!.length;
    this.metadata = { recordedSteps: rows.length };
  }

  warmUp(): Promise<void> {
    return Promise.resolve();
  }

  /** The rows from the episode's present step on; after the end, the last row again and again. */
  infer({ simulation }: Observation, signal: AbortSignal): Promise<ActionChunk> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (simulation === undefined) {
      const message = "A recording is repeated in simulated worlds only: the observation does not tell its step";
      return Promise.reject(new PolicyError("policy_failed", message));
    }
    const { actionHorizon, actionDim } = this;
    const actions = new Float64Array(actionHorizon * actionDim);
    for (let i = 0; i < actionHorizon; i++) {
      actions.set(this.#rows[Math.min(simulation.step + i, this.#rows.length - 1)]!, i * actionDim);
    }
    return Promise.resolve({ actions, actionHorizon, actionDim, timing: {} });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * Reads the actions of an `episode.json`: of each entry of `steps` the numbers under `action`.
 *
 * @param actionDim numbers that each action must have.
 * @throws {Error} that names the file and what is wrong with it.
 */
export async function readRecording(path: string, actionDim: number): Promise<ReplayPolicy> {
  const fail = (why: string, cause?: unknown) => new Error(`Cannot replay "${path}": ${why}`, { cause });
  let record: unknown;
  try {
    record = JSON.parse(await Deno.readTextFile(path));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw fail("it is no JSON (expected an episode.json of pi0 sim)", cause);
    throw fail(cause instanceof Deno.errors.NotFound ? "there is no such file" : "it cannot be read", cause);
  }
  const steps = typeof record === "object" && record !== null && "steps" in record ? record.steps : undefined;
  if (!Array.isArray(steps) || steps.length === 0) throw fail("it has no steps (expected an episode.json of pi0 sim)");
  const rows = steps.map((step: unknown, i) => {
    const action = typeof step === "object" && step !== null && "action" in step ? step.action : undefined;
    const numbers = Array.isArray(action) && action.length === actionDim && action.every(Number.isFinite);
    if (!numbers) throw fail(`step ${i} has no action of ${actionDim} numbers`);
    return action as number[];
  });
  return new ReplayPolicy(`replay:${path}`, rows);
}
