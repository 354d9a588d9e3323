/**
 * Datagrams on a stream of bytes: a length (u16, big-endian), then that many bytes; and the way between such a stream
 * and a UDP socket. It knows nothing of what is in them.
 *
 * @module
 */

import { TransportError } from "../errors.ts";
import type { Bytes } from "../types.ts";
import type { ByteStream } from "./stream.ts";

const HEADER_BYTES = 2;
/** QUIC's own packets have 1472 bytes at most where the network carries 1500. */
export const MAX_DATAGRAM_BYTES = 1500;
/** What may wait for a slow stream. What comes then is left to the socket's own buffer, and lost when that is full. */
const BURST_BYTES = 256 * 1024;
/** Nobody at either end keeps so quiet while a connection stands. */
const SILENCE_MS = 30_000;

/** Where datagrams on this machine come from and go to. */
export interface Peer {
  /** Absent until the peer has sent something: then it is whoever that was. */
  address?: Deno.NetAddr;
}

/**
 * Carries datagrams both ways until the stream or the socket ends, and closes both.
 *
 * @param messageMs how long the stream may take to accept a burst.
 * @param before what the stream says first, which is no datagram: nothing is taken from it earlier.
 * @throws {TransportError} not_speaking for a length that no datagram has, disconnected, deadline.
 */
export async function carryDatagrams(
  stream: ByteStream,
  socket: Deno.DatagramConn,
  peer: Peer,
  messageMs: number,
  before: Promise<unknown> = Promise.resolve(),
): Promise<void> {
  const up = intoStream(stream, socket, peer, messageMs);
  const down = before.then(() => outOfStream(stream, socket, peer));
  try {
    await Promise.race([up, down]);
  } finally {
    stream.close();
    closeSocket(socket);
    await Promise.allSettled([up, down]);
  }
}

/** From the stream to the socket. */
async function outOfStream(stream: ByteStream, socket: Deno.DatagramConn, peer: Peer): Promise<void> {
  for (let needed = HEADER_BYTES; await stream.ready(needed, SILENCE_MS);) {
    const sending: Promise<unknown>[] = [];
    needed = HEADER_BYTES;
    while (stream.unread >= needed) {
      const [high, low] = stream.peek(HEADER_BYTES);
      const length = high! * 256 + low!;
      if (length === 0 || length > MAX_DATAGRAM_BYTES) throw noDatagram(length);
      needed = HEADER_BYTES + length;
      if (stream.unread < needed) break;
      const datagram = stream.peek(needed).subarray(HEADER_BYTES);
      stream.skip(needed);
      needed = HEADER_BYTES;
      // Datagrams may get lost, here as everywhere.
      if (peer.address !== undefined) sending.push(socket.send(datagram, peer.address).catch(() => undefined));
    }
    // They lie in the stream's memory until they are gone.
    await Promise.all(sending);
  }
}

/** From the socket to the stream: what comes while a write is under way goes with the next. */
async function intoStream(stream: ByteStream, socket: Deno.DatagramConn, peer: Peer, messageMs: number): Promise<void> {
  let filling: Bytes = new Uint8Array(BURST_BYTES);
  let flying: Bytes = new Uint8Array(BURST_BYTES);
  let filled = 0;
  let flight: Promise<void> | undefined;
  const fly = async () => {
    while (filled > 0) {
      const burst = filling.subarray(0, filled);
      [filling, flying] = [flying, filling];
      filled = 0;
      await stream.write(burst, messageMs);
    }
    flight = undefined;
  };
  for (;;) {
    // One byte more than is allowed tells a datagram that was too long.
    const room = filling.subarray(filled + HEADER_BYTES, filled + HEADER_BYTES + MAX_DATAGRAM_BYTES + 1);
    const [datagram, from] = await socket.receive(room);
    const address = from as Deno.NetAddr;
    peer.address ??= address;
    if (address.port !== peer.address.port || datagram.length === 0 || datagram.length > MAX_DATAGRAM_BYTES) continue;
    // The buffers may have changed places while this one waited.
    if (datagram.buffer !== filling.buffer || datagram.byteOffset !== filled + HEADER_BYTES) {
      filling.set(datagram, filled + HEADER_BYTES);
    }
    filling[filled] = datagram.length >> 8;
    filling[filled + 1] = datagram.length & 0xff;
    filled += HEADER_BYTES + datagram.length;
    if (flight === undefined) {
      flight = fly();
      // Without its stream the socket has nothing to wait for.
      flight.catch(() => closeSocket(socket));
    }
    if (filled + HEADER_BYTES + MAX_DATAGRAM_BYTES + 1 > BURST_BYTES) await flight;
  }
}

function closeSocket(socket: Deno.DatagramConn): void {
  try {
    socket.close();
  } catch {
    // Closed already.
  }
}

function noDatagram(length: number): TransportError {
  return new TransportError(
    "not_speaking",
    `Cannot read a datagram of ${length} bytes: the far end is no quic-tcp portal, whose datagrams have 1 to ` +
      `${MAX_DATAGRAM_BYTES}`,
  );
}
