/**
 * The policy that does nothing: it asks the robot to stay where it is. With a delay it stands in for a model, so that
 * everything around a model can be measured without one.
 *
 * @module
 */

import { type Clock, sleep } from "../clock.ts";
import type { ActionChunk, Metadata, Observation, Policy } from "../types.ts";

export interface NullOptions {
  readonly actionHorizon: number;
  readonly actionDim: number;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** How long an inference takes. */
  readonly delayMs: number;
  /** Varies the delay by up to this much in both directions, evenly. */
  readonly jitterMs: number;
  /** Keeps one processor core busy for the delay, instead of sleeping. */
  readonly busy: boolean;
}

export class NullPolicy implements Policy {
  readonly name = "null";
  readonly actionHorizon: number;
  readonly actionDim: number;
  readonly checkpointHash = null;
  readonly metadata: Metadata = {};
  readonly looks = false;
  readonly #options: NullOptions;
  #worker: Worker | undefined;
  #burns = 0;

  constructor(options: NullOptions) {
    this.#options = options;
    this.actionHorizon = options.actionHorizon;
    this.actionDim = options.actionDim;
  }

  async warmUp(signal: AbortSignal): Promise<void> {
    if (this.#options.busy) await this.#burn(1, signal);
  }

  async infer(observation: Observation, signal: AbortSignal): Promise<ActionChunk> {
    signal.throwIfAborted();
    const { clock, delayMs, jitterMs, busy, random } = this.#options;
    const { actionHorizon, actionDim } = this;
    const startedMs = clock.now();
    const waitMs = Math.max(0, delayMs + jitterMs * (2 * random() - 1));
    if (waitMs > 0) await (busy ? this.#burn(waitMs, signal) : sleep(clock, waitMs, signal));
    const actions = new Float64Array(actionHorizon * actionDim);
    // States and actions of a robot have the same order; what the state lacks (droid's velocities) stays zero.
    const row = observation.state.subarray(0, actionDim);
    for (let i = 0; i < actionHorizon; i++) actions.set(row, i * actionDim);
    return { actions, actionHorizon, actionDim, timing: { infer: clock.now() - startedMs } };
  }

  /** The worker finishes what it began, like a model; an abandoned answer is not waited for. */
  #burn(burnMs: number, signal: AbortSignal): Promise<void> {
    const worker = this.#worker ??= new Worker(new URL("./null_worker.ts", import.meta.url).href, { type: "module" });
    const id = this.#burns++;
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        worker.removeEventListener("message", onMessage);
        worker.removeEventListener("error", onError);
        signal.removeEventListener("abort", onAbort);
        settle();
      };
      // The answer to a burn that was given up on must not end the next one early.
      const onMessage = (event: MessageEvent<{ id: number }>) => event.data.id === id && finish(resolve);
      const onError = (event: ErrorEvent) => finish(() => reject(new Error(event.message)));
      const onAbort = () => finish(() => reject(signal.reason));
      worker.addEventListener("message", onMessage);
      worker.addEventListener("error", onError);
      signal.addEventListener("abort", onAbort);
      worker.postMessage({ id, burnMs });
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#worker?.terminate();
    return Promise.resolve();
  }
}
