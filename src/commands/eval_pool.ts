/**
 * Threads that play episodes side by side. Which thread plays which episode makes no difference to any of them.
 *
 * @module
 */

import { PolicyError, SimulationError, TransportError, UsageError } from "../errors.ts";
import type { EpisodeOutcome } from "../measure/evaluation.ts";
import type { EvalJob } from "./eval_plan.ts";
import type { EvalAnswer, EvalOrder, EvalSetup, PolicyFacts } from "./eval_worker.ts";

/** Errors of the program's own that a thread can report, so that the exit code is the same as without threads. */
const KINDS: Readonly<Record<string, (message: string) => Error>> = {
  UsageError: (message) => new UsageError(message),
  SimulationError: (message) => new SimulationError(message),
  TransportError: (message) => new TransportError("disconnected", message),
  PolicyError: (message) => new PolicyError("policy_failed", message),
};

class Thread {
  readonly #worker = new Worker(new URL("./eval_worker.ts", import.meta.url).href, { type: "module" });
  #answered: PromiseWithResolvers<EvalAnswer> | undefined;

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<EvalAnswer>) => this.#answered?.resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#answered?.reject(new Error(`A thread that plays episodes broke down: ${event.message}`));
    };
  }

  /** Gives an order and waits for the answer. @throws the signal's reason, at once, or what the thread failed with. */
  async order(order: EvalOrder, signal: AbortSignal): Promise<Exclude<EvalAnswer, { kind: "failed" }>> {
    signal.throwIfAborted();
    const answered = this.#answered = Promise.withResolvers<EvalAnswer>();
    const onAbort = () => answered.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    this.#worker.postMessage(order);
    try {
      const answer = await answered.promise;
      if (answer.kind !== "failed") return answer;
      throw KINDS[answer.name]?.(answer.message) ?? new Error(answer.message);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  end(): void {
    this.#worker.terminate();
  }
}

export class EvalPool implements Disposable {
  readonly #threads: readonly Thread[];
  readonly #setup: EvalSetup;

  /** @param threads at least 1. */
  constructor(setup: EvalSetup, threads: number) {
    this.#setup = setup;
    this.#threads = Array.from({ length: threads }, () => new Thread());
  }

  /** Sets the threads up, and asks one of them about the policy of each mode, in the order of the ways. */
  async open(signal: AbortSignal): Promise<PolicyFacts[]> {
    const setup = this.#setup;
    await Promise.all(this.#threads.map((thread) => thread.order({ kind: "setup", setup }, signal)));
    const facts: PolicyFacts[] = [];
    for (const { mode } of setup.ways) {
      const answer = await this.#threads[0]!.order({ kind: "describe", mode }, signal);
      if (answer.kind === "facts") facts.push(answer.facts);
    }
    return facts;
  }

  /**
   * Plays the jobs, and hands each outcome over as it comes.
   *
   * @throws the signal's reason; what a thread failed with; {@linkcode TransportError} where an episode broke off
   *   because the far policy could not be reached any more: the later ones would fare no better.
   */
  async play(
    jobs: readonly EvalJob[],
    onOutcome: (outcome: EpisodeOutcome) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const waiting = jobs.values();
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    await Promise.all(this.#threads.map(async (thread) => {
      try {
        // One iterator for all threads: each takes the next job that nobody has.
        for (const job of waiting) {
          const answer = await thread.order({ kind: "play", job }, either);
          if (answer.kind !== "outcome") throw new Error(`A thread answered an episode with ${answer.kind}`);
          const { outcome } = answer;
          if (outcome.errorName === "TransportError") {
            throw new TransportError("disconnected", `Cannot go on with ${outcome.mode}: ${outcome.error}`);
          }
          onOutcome(outcome);
        }
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    }));
  }

  /** Ends the threads, wherever they are. */
  [Symbol.dispose](): void {
    for (const thread of this.#threads) thread.end();
  }
}
