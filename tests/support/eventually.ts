/**
 * Waiting for what a real socket brings, with a safety net and without a word about how long it takes.
 *
 * @module
 */

import { sleep, systemClock, withDeadline } from "../../src/clock.ts";
import type { FakeClock } from "./fake_clock.ts";

/** Far more than anything on loopback takes; reached only where a test fails. */
const LIMIT_MS = 5000;

/** Waits for a promise. */
export function within<T>(what: string, promise: Promise<T>): Promise<T> {
  const late = () => new Error(`Waited ${LIMIT_MS} ms in vain: ${what}`);
  return withDeadline(systemClock, LIMIT_MS, late, () => promise);
}

/** Waits until a condition holds. */
export async function eventually(what: string, holds: () => boolean): Promise<void> {
  const endMs = systemClock.now() + LIMIT_MS;
  while (!holds()) {
    if (systemClock.now() > endMs) throw new Error(`Waited ${LIMIT_MS} ms in vain: ${what}`);
    await sleep(systemClock, 2);
  }
}

/** Lets fake time pass until a promise settles that also hangs on real sockets. */
export async function passing<T>(clock: FakeClock, promise: Promise<T>): Promise<T> {
  let settled = false;
  promise.then(() => settled = true, () => settled = true);
  const endMs = systemClock.now() + LIMIT_MS;
  while (!settled) {
    if (systemClock.now() > endMs) throw new Error("Let time pass in vain");
    await clock.advance(500);
    await sleep(systemClock, 1);
  }
  return await promise;
}
