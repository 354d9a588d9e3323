/**
 * Round trips and losses of datagrams on the way to a QUIC server, which connections hide: a packet of a version that
 * does not exist is answered by every server with the versions that it knows (RFC 9000, section 6.1), at once, each on
 * its own, without a handshake and without remembering anything.
 *
 * @module
 */

import { isIP } from "node:net";
import { type Clock, sleep } from "../clock.ts";
import type { Bytes } from "../types.ts";
import { concatenate } from "./stream.ts";

/** The least that a server answers, and what QUIC itself needs (RFC 9000, section 14.1). */
const DATAGRAM_BYTES = 1200;
/** One of the versions that are reserved for asking (RFC 9000, section 15). */
const NO_VERSION = 0x0a0a0a0a;
const ID_BYTES = 8;

export interface QuicPingOptions {
  /** Numeric address. */
  readonly hostname: string;
  readonly port: number;
  readonly count: number;
  /** Between two datagrams. */
  readonly intervalMs: number;
  /** For answers after the last one was sent. */
  readonly waitMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Sends datagrams of 1200 bytes and waits for their answers.
 *
 * @returns the round trip of each datagram in ms, in the order in which they were sent; undefined where nothing came
 *   back, whichever way it was lost.
 * @throws the signal's reason; errors of the operating system, where it cannot send there.
 */
export async function pingQuic(options: QuicPingOptions): Promise<(number | undefined)[]> {
  const { hostname, port, count, intervalMs, waitMs, clock, signal } = options;
  signal.throwIfAborted();
  const socket = Deno.listenDatagram({ transport: "udp", hostname: isIP(hostname) === 6 ? "::" : "0.0.0.0", port: 0 });
  const sentMs: number[] = [];
  const roundTripsMs: (number | undefined)[] = Array.from({ length: count });
  const all = Promise.withResolvers<void>();
  /** Tells this run's answers from those that others may send here. */
  const mark = crypto.getRandomValues(new Uint8Array(ID_BYTES - 4));
  const listening = (async () => {
    for (let missing = count; missing > 0;) {
      const [datagram] = await socket.receive(new Uint8Array(2048));
      const index = readAnswer(datagram, mark);
      if (index === undefined || sentMs[index] === undefined || roundTripsMs[index] !== undefined) continue;
      roundTripsMs[index] = clock.now() - sentMs[index];
      missing--;
    }
    all.resolve();
  })().catch(() => {
    // The socket is closed when nobody waits any more. An error before that is one that sending has, too.
  });
  try {
    for (let index = 0; index < count; index++) {
      sentMs.push(clock.now());
      await socket.send(makeQuestion(index, mark), { transport: "udp", hostname, port });
      if (index < count - 1) await sleep(clock, intervalMs, signal);
    }
    const enough = new AbortController();
    all.promise.then(() => enough.abort());
    await sleep(clock, waitMs, AbortSignal.any([signal, enough.signal])).catch((error) => {
      if (!enough.signal.aborted) throw error;
    });
    return roundTripsMs;
  } finally {
    socket.close();
    await listening;
  }
}

/** A long header with an id from which the server's answer tells which one it is for. */
function makeQuestion(index: number, mark: Uint8Array): Bytes {
  const header = new Uint8Array(5);
  header[0] = 0xc0;
  const view = new DataView(header.buffer);
  view.setUint32(1, NO_VERSION);
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, index);
  const id = concatenate([Uint8Array.of(ID_BYTES), mark, number]);
  const question = new Uint8Array(DATAGRAM_BYTES);
  question.set(concatenate([header, id, id]));
  return question;
}

/** The index in an answer; undefined for anything else. */
function readAnswer(datagram: Uint8Array, mark: Uint8Array): number | undefined {
  const from = 6 + mark.length;
  if (datagram.length < from + 4) return undefined;
  const view = new DataView(datagram.buffer, datagram.byteOffset);
  const isAnswer = (datagram[0]! & 0x80) !== 0 && view.getUint32(1) === 0 && datagram[5] === ID_BYTES &&
    mark.every((byte, i) => datagram[6 + i] === byte);
  return isAnswer ? view.getUint32(from) : undefined;
}
