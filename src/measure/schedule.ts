/**
 * When to send. A schedule knows nothing of connections or of how requests are made.
 *
 * @module
 */

/** Send times of a fixed number of requests. */
export interface Schedule {
  /** Number of requests. */
  readonly count: number;
  /** Time between two sends; absent in a closed loop. */
  readonly periodMs?: number;
  /**
   * When request `index` should start, in milliseconds since the schedule's start.
   * Undefined: as soon as a connection is free.
   */
  dueMs(index: number): number | undefined;
}

/**
 * Each connection sends again as soon as its reply is there: one robot that does not think.
 *
 * @throws {RangeError} where `count` is not a whole number from 0.
 */
export function closedLoop(count: number): Schedule {
  checkCount(count);
  return { count, dueMs: () => undefined };
}

/**
 * One request every `1000 / hz` milliseconds, shared among the connections, whether or not earlier ones were answered:
 * an open model. A request that finds every connection busy waits, and its waiting counts.
 *
 * @throws {RangeError} where `hz` is not above 0 or `count` is not a whole number from 0.
 */
export function paced({ hz, count }: { readonly hz: number; readonly count: number }): Schedule {
  checkCount(count);
  if (!(hz > 0 && Number.isFinite(hz))) throw new RangeError(`Cannot pace at ${hz} Hz: use a number above 0`);
  return { count, periodMs: 1000 / hz, dueMs: (index) => index * 1000 / hz };
}

function checkCount(count: number): void {
  if (!Number.isInteger(count) || count < 0) {
    throw new RangeError(`Cannot schedule ${count} requests: use a whole number from 0`);
  }
}
