/**
 * What a path is like, from round trips of small messages that were sent one by one.
 *
 * @module
 */

import { mean, median } from "./statistics.ts";

/** A path as it was seen. */
export interface Path {
  readonly sent: number;
  /** Of {@linkcode sent}, those that never came back, whichever way they were lost. */
  readonly lost: number;
  /** 95 % interval (Wilson) of the share that is lost, in percent. */
  readonly lossIntervalPercent: readonly [low: number, high: number];
  /** The fastest round trip. Absent, like what follows, where nothing came back. */
  readonly floorMs?: number;
  readonly p50Ms?: number;
  /** Mean difference between a round trip and the one before it. */
  readonly jitterMs?: number;
  /** Those that came back {@linkcode SLOW_MS} later than the fastest, or more. */
  readonly slow: number;
}

/** TCP sends a lost packet again after 200 ms at the earliest where nothing else follows it (Linux). */
export const SLOW_MS = 150;

/**
 * @param roundTripsMs in the order in which they were sent; undefined for those that were lost.
 * @throws {RangeError} without any.
 */
export function describePath(roundTripsMs: readonly (number | undefined)[]): Path {
  const sent = roundTripsMs.length;
  if (sent === 0) throw new RangeError("Cannot describe a path without round trips: measure at least one");
  const came = roundTripsMs.filter((ms) => ms !== undefined);
  const lost = sent - came.length;
  const loss = { sent, lost, lossIntervalPercent: wilsonPercent(lost, sent) };
  if (came.length === 0) return { ...loss, slow: 0 };
  const floorMs = Math.min(...came);
  const differences = came.slice(1).map((ms, i) => Math.abs(ms - came[i]!));
  return {
    ...loss,
    floorMs,
    p50Ms: median(came),
    ...(differences.length === 0 ? {} : { jitterMs: mean(differences) }),
    slow: came.filter((ms) => ms - floorMs >= SLOW_MS).length,
  };
}

/** 95 % score interval of a share (Wilson, 1927), in percent. */
function wilsonPercent(hits: number, count: number): [low: number, high: number] {
  const z = 1.96;
  const share = hits / count;
  const scale = 1 + z * z / count;
  const middle = (share + z * z / (2 * count)) / scale;
  const half = z * Math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / scale;
  return [Math.max(0, 100 * (middle - half)), Math.min(100, 100 * (middle + half))];
}
