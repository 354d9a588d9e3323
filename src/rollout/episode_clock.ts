/**
 * The time of an episode: that of the clock, without what it takes to draw pictures. On a robot the cameras take them,
 * and nothing waits.
 *
 * @module
 */

import type { Clock } from "../clock.ts";

export class EpisodeClock implements Clock {
  readonly #clock: Clock;
  /** What the clock showed at the start, and all time since then that does not count. */
  #zeroMs: number;

  /** Starts at 0. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#zeroMs = clock.now();
  }

  now(): number {
    return this.#clock.now() - this.#zeroMs;
  }

  after(ms: number, callback: () => void): () => void {
    return this.#clock.after(ms, callback);
  }

  /** Does some work, which takes no time by this clock. @returns its result, and the time it took by the other. */
  standStill<T>(work: () => T): { readonly result: T; readonly tookMs: number } {
    const beforeMs = this.#clock.now();
    const result = work();
    const tookMs = this.#clock.now() - beforeMs;
    this.#zeroMs += tookMs;
    return { result, tookMs };
  }
}
