/**
 * What one measurement leaves behind: moments as they were read, so that every number can be computed (again) later.
 *
 * All stamps of one run come from one clock and count from the start of that run.
 *
 * @module
 */

import type { Timing } from "../types.ts";

/** Why something that was measured gave no result. */
export interface SampleError {
  /** The error's own code (`deadline`, `busy`, `disconnected` …), or its class where it has none. */
  readonly code: string;
  readonly message: string;
  /** The time limit passed. */
  readonly timedOut: boolean;
}

/** What a server can tell about a reply only after it was sent: it comes with the next reply of the connection. */
export interface PreviousReply {
  /** Time the server took to turn the answer into bytes. */
  readonly encodeMs?: number;
  /** From the request's last byte arriving at the server to the reply's last byte handed to its socket, by the server's clock. */
  readonly residenceMs?: number;
}

/** One measured request. Stamps are milliseconds since the run's start. */
export interface LatencySample {
  /** Name of the transport, for example `tcp`. */
  readonly transport: string;
  /** From 0: each transport has its turn once per round. */
  readonly round: number;
  /** From 0: place in the schedule of this round. */
  readonly index: number;
  /** From 0: number of the connection. */
  readonly worker: number;
  /** When the request should have started; in a closed loop the same as {@linkcode startedMs}. */
  readonly scheduledMs: number;
  /** Before the request is encoded. */
  readonly startedMs: number;
  /** The request's bytes are handed to the transport. Absent on an error. */
  readonly sentMs?: number;
  /** The reply's bytes are in hand. Absent on an error. */
  readonly receivedMs?: number;
  /** The reply is decoded, or the error is known. */
  readonly finishedMs: number;
  readonly bytesOut?: number;
  readonly bytesIn?: number;
  /** The server's stages; empty on an error. */
  readonly timing: Timing;
  /** Time at the server, see {@linkcode PreviousReply}. */
  readonly residenceMs?: number;
  /** Came with this reply and belongs to the request before it, see {@linkcode attachPrevious}. */
  readonly previous?: PreviousReply;
  readonly error?: SampleError;
}

/** A request that was answered: readings of the clock as they are, not yet counted from the run's start. */
export type Attempt = Pick<
  LatencySample,
  "startedMs" | "sentMs" | "receivedMs" | "finishedMs" | "bytesOut" | "bytesIn" | "timing" | "previous"
>;

/** How one connection came to be. */
export interface ConnectSample {
  readonly transport: string;
  readonly round: number;
  readonly worker: number;
  /** Milliseconds since the run's start. */
  readonly startedMs: number;
  /** Until the transport said that it is connected. */
  readonly connectMs?: number;
  /** Bulk bytes sent to open the congestion window; absent when that was not asked for. */
  readonly windowWarmUpMs?: number;
  /** The first request, from before encoding to after decoding. */
  readonly firstRequestMs?: number;
  /**
   * The first request (padding, where the window was opened) travelled as 0-RTT data, within the handshake, so that
   * connecting took no round trip of its own. Absent on transports without such a thing.
   */
  readonly zeroRtt?: boolean;
  /** Requests after the first that were sent and thrown away. */
  readonly discarded: number;
  /** What stopped the connection from becoming ready. */
  readonly error?: SampleError;
}

/** The smallest possible message there and back. Stamps are milliseconds since the run's start. */
export interface PingSample {
  readonly transport: string;
  readonly round: number;
  readonly worker: number;
  readonly sentMs: number;
  /** Absent on an error. */
  readonly receivedMs?: number;
  readonly error?: SampleError;
}

/** Describes a thrown value as part of a sample. */
export function describeError(error: unknown): SampleError {
  if (!(error instanceof Error)) return { code: "unknown", message: String(error), timedOut: false };
  const own = "code" in error && typeof error.code === "string" ? error.code : undefined;
  const timedOut = own === "deadline" || error.name === "TimeoutError";
  return { code: own ?? error.name, message: error.message, timedOut };
}

/**
 * Moves what came with the next reply to the request that it belongs to.
 *
 * The last sample of each connection gets nothing, and neither do one that failed and the one before it: the server
 * may or may not have seen the failed one, so nobody knows what the next reply speaks of. Samples that were treated before come back as they are.
 *
 * @param samples in the order in which they finished.
 */
export function attachPrevious(samples: readonly LatencySample[]): LatencySample[] {
  const attached: LatencySample[] = samples.map(({ previous: _, ...sample }) => sample);
  const lastOfConnection = new Map<string, number>();
  samples.forEach(({ transport, round, worker, previous }, position) => {
    const connection = JSON.stringify([transport, round, worker]);
    const before = lastOfConnection.get(connection);
    lastOfConnection.set(connection, position);
    if (before === undefined || previous === undefined) return;
    const owner = attached[before]!;
    if (owner.error !== undefined) return;
    attached[before] = {
      ...owner,
      timing: previous.encodeMs === undefined ? owner.timing : { ...owner.timing, encode: previous.encodeMs },
      ...(previous.residenceMs === undefined ? {} : { residenceMs: previous.residenceMs }),
    };
  });
  return attached;
}
