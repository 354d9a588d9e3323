/**
 * Keeps the truth about a simulated world from a policy that shall decide by what it sees.
 *
 * @module
 */

import type { ActionChunk, Metadata, Observation, Policy } from "../types.ts";

/** The same policy, whose observations never hold {@linkcode Observation.simulation}. */
export function withoutSimulation(policy: Policy): Policy {
  return new SeeingPolicy(policy);
}

class SeeingPolicy implements Policy {
  readonly #policy: Policy;
  readonly model?: Metadata;

  constructor(policy: Policy) {
    this.#policy = policy;
    if (policy.model !== undefined) this.model = policy.model;
  }

  get name() {
    return this.#policy.name;
  }

  get actionHorizon() {
    return this.#policy.actionHorizon;
  }

  get actionDim() {
    return this.#policy.actionDim;
  }

  get checkpointHash() {
    return this.#policy.checkpointHash;
  }

  get metadata() {
    return this.#policy.metadata;
  }

  get looks() {
    return this.#policy.looks ?? true;
  }

  warmUp(signal: AbortSignal): Promise<void> {
    return this.#policy.warmUp(signal);
  }

  infer({ simulation: _, ...seen }: Observation, signal: AbortSignal): Promise<ActionChunk> {
    return this.#policy.infer(seen, signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#policy[Symbol.asyncDispose]();
  }
}
