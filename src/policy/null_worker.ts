/**
 * The thread on which the null policy burns processor time, as a model on this machine would.
 *
 * @module
 */

/// <reference lib="deno.worker" />
import { systemClock } from "../clock.ts";

const scope = self as unknown as Worker;
scope.onmessage = (event: MessageEvent<{ id: number; burnMs: number }>) => {
  const end = systemClock.now() + event.data.burnMs;
  let value = 0.5;
  while (systemClock.now() < end) {
    // Arithmetic that the compiler cannot leave out, a few microseconds at a time.
    for (let i = 0; i < 1000; i++) value = 3.9 * value * (1 - value);
  }
  scope.postMessage({ id: event.data.id, value });
};
