/**
 * The line in front of the policy. One inference runs at a time; a bounded number waits; of one client only the newest
 * observation waits, because a robot has no use for an action on what it saw before.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { PolicyError, type PolicyErrorCode, WireError } from "../errors.ts";
import type { ActionChunk, Observation, Policy } from "../types.ts";

export interface Inference {
  readonly chunk: ActionChunk;
  /** Time spent waiting. */
  readonly queueMs: number;
  /** Time spent in the policy. */
  readonly policyMs: number;
}

interface Job {
  readonly client: string;
  readonly observation: Observation;
  readonly signal: AbortSignal;
  readonly submittedMs: number;
  readonly resolve: (inference: Inference) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Failures of a server behind this one that its clients can act on. Others, a wrong token for that server say, would be
 * taken for their own.
 */
const PASSED_ON: ReadonlySet<PolicyErrorCode> = new Set([
  "busy",
  "superseded",
  "not_ready",
  "draining",
  "policy_failed",
  "undeclared_variant",
]);

export class InferenceQueue {
  readonly #policy: Policy;
  readonly #capacity: number;
  readonly #clock: Clock;
  #waiting: Job[] = [];
  #running = false;

  /** @param capacity how many may wait beside the one that runs; at least 1. */
  constructor(policy: Policy, capacity: number, clock: Clock) {
    this.#policy = policy;
    this.#capacity = capacity;
    this.#clock = clock;
  }

  /** Requests that wait now. */
  get depth(): number {
    return this.#waiting.length;
  }

  /**
   * Runs the policy on an observation when its turn comes.
   *
   * @param client observations of one client replace each other.
   * @param signal forgets the request.
   * @throws {PolicyError} busy, superseded, policy_failed, undeclared_variant.
   * @throws {WireError} where the observation does not fit the policy.
   * @throws the signal's reason.
   */
  submit(client: string, observation: Observation, signal: AbortSignal): Promise<Inference> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<Inference>();
    const job: Job = { client, observation, signal, submittedMs: this.#clock.now(), resolve, reject };
    const older = this.#waiting.findIndex((other) => other.client === client);
    if (older >= 0) {
      const message = "A newer observation of the same client took the place of this one";
      this.#waiting[older]!.reject(new PolicyError("superseded", message));
      this.#waiting[older] = job;
    } else if (this.#waiting.length >= this.#capacity) {
      const message = `The queue is full (${this.#capacity} requests wait): send fewer at once, or try again later`;
      return Promise.reject(new PolicyError("busy", message));
    } else {
      this.#waiting.push(job);
    }
    const onAbort = () => {
      this.#waiting = this.#waiting.filter((other) => other !== job);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#next();
    return promise.finally(() => signal.removeEventListener("abort", onAbort));
  }

  #next(): void {
    if (this.#running) return;
    const job = this.#waiting.shift();
    if (job === undefined) return;
    this.#running = true;
    this.#run(job).finally(() => {
      this.#running = false;
      this.#next();
    });
  }

  async #run(job: Job): Promise<void> {
    const startedMs = this.#clock.now();
    try {
      const chunk = await this.#policy.infer(job.observation, job.signal);
      job.resolve({ chunk, queueMs: startedMs - job.submittedMs, policyMs: this.#clock.now() - startedMs });
    } catch (error) {
      // An observation that does not fit the policy is its sender's affair.
      const passes = error instanceof WireError || (error instanceof PolicyError && PASSED_ON.has(error.code));
      if (passes || job.signal.aborted) return job.reject(error);
      const message = `The policy failed: ${error instanceof Error ? error.message : error}`;
      job.reject(new PolicyError("policy_failed", message, { cause: error }));
    }
  }
}
