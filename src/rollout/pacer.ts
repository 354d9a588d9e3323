/**
 * How the world's time passes, and a steady beat by the clock.
 *
 * @module
 */

import { type Clock, sleep } from "../clock.ts";

/**
 * How the world's time passes. `real`: a step begins when its moment has come by the clock, and an answer takes as long
 * as it takes. `fast`: as fast as it goes, and every answer takes `delayMs` of the world's time. In both, the world does
 * not wait for an answer.
 */
export type Pace = { readonly kind: "fast"; readonly delayMs: number } | { readonly kind: "real" };

/** The runtime's timers alone are up to 1.4 ms late on a quiet machine; a later step has missed its deadline. */
const LATE_AFTER_MS = 2;

export class Pacer {
  /** Beats that came more than 2 ms late. */
  missed = 0;
  readonly #clock: Clock;
  readonly #periodMs: number;
  #dueMs: number | undefined;

  /** The first beat is the moment of the first {@linkcode tick}. */
  constructor(clock: Clock, controlHz: number) {
    this.#clock = clock;
    this.#periodMs = 1000 / controlHz;
  }

  /**
   * Waits for the next beat. A beat that comes late by a whole period or more moves all later ones: a robot does not
   * hurry to make up for what its computer slept through.
   *
   * @throws the signal's reason, at once, when it is aborted.
   */
  async tick(signal: AbortSignal): Promise<void> {
    if (this.#dueMs === undefined) {
      this.#dueMs = this.#clock.now();
      return;
    }
    this.#dueMs += this.#periodMs;
    // Also where the beat is overdue: an answer that has come must get its turn. Timers may fire a little early.
    do {
      await sleep(this.#clock, Math.max(0, this.#dueMs - this.#clock.now()), signal);
    } while (this.#clock.now() < this.#dueMs);
    const lateMs = this.#clock.now() - this.#dueMs;
    if (lateMs > LATE_AFTER_MS) this.missed++;
    if (lateMs >= this.#periodMs) this.#dueMs = this.#clock.now();
  }
}
