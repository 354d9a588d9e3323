/**
 * How the clients of each transport speak, written out so that `fuzz.ts` can break it.
 *
 * @module
 */

import { readFrame, writeFrames } from "../src/transport/framing.ts";
import { readBody, readHead } from "../src/transport/http_message.ts";
import type { TransportName } from "../src/transport/mod.ts";
import { QUIC_ALPN } from "../src/transport/quic.ts";
import { QuicSocket } from "../src/transport/quic_socket.ts";
import { type ByteStream, concatenate, type Socket } from "../src/transport/stream.ts";
import type { Identity, Listener } from "../src/transport/transport.ts";
import { OPCODE, readMessage, writeFrame } from "../src/transport/ws_frame.ts";
import type { Bytes } from "../src/types.ts";
import { hex, latin1 } from "../tests/support/scripted_socket.ts";

const MAX_REPLY_BYTES = 1 << 20;

/** One transport's client. */
export interface Peer {
  /** Opens what its bytes go over; absent where that is a TCP connection. */
  connect?(listener: Listener, identity: Identity): Promise<Socket>;
  /** Only broken conversations are sent: there is nothing that a message could be put into. */
  readonly opaque?: boolean;
  /** What is sent before the first message. */
  opening(openpi: boolean): Uint8Array;
  /** Reads what is sent before the first reply. */
  opened(stream: ByteStream, openpi: boolean): Promise<void>;
  /** Sends a message in a frame that is whole. */
  send(stream: ByteStream, message: Bytes): Promise<void>;
  /** What else may be said. */
  readonly asides: readonly Uint8Array[];
  /**
   * Reads a reply.
   *
   * @returns false where the connection ended instead.
   */
  receive(stream: ByteStream): Promise<boolean>;
}

/** The frames of tcp, which quic has on its stream. */
const FRAMES = {
  opening: () => concatenate([Uint8Array.of(0, 0, 0, 24), latin1('{"pi0":1,"client":"arm"}')]),
  opened: () => Promise.resolve(),
  send: (stream: ByteStream, message: Bytes) => writeFrames(stream, [message]),
  asides: [hex("00000000")],
  receive: async (stream: ByteStream) => await readFrame(stream, MAX_REPLY_BYTES, {}) !== undefined,
} satisfies Peer;

const LIMITS = { masked: false, maxBytes: MAX_REPLY_BYTES };

/** By transport. */
export const PEERS: Readonly<Record<TransportName, Peer>> = {
  "tcp": FRAMES,
  "quic": {
    ...FRAMES,
    async connect({ hostname, port }, identity) {
      const caCerts = [identity.certPem];
      const connection = await Deno.connectQuic({ hostname, port, caCerts, alpnProtocols: [QUIC_ALPN] });
      return new QuicSocket(connection, await connection.createBidirectionalStream());
    },
  },
  "quic-tcp": {
    opaque: true,
    opening: () => new Uint8Array(0),
    opened: () => Promise.resolve(),
    /** Datagrams that look like QUIC's first ones, which nobody has sealed. */
    async send(stream, message) {
      const datagrams: Uint8Array[] = [];
      for (let at = 0; at < message.length; at += 1200) {
        const payload = message.subarray(at, at + 1200);
        const length = payload.length + 22;
        const header = hex("c3 00000001 08 0102030405060708 00 00 44b0 0000");
        datagrams.push(concatenate([Uint8Array.of(length >> 8, length & 0xff), header, payload]));
      }
      await stream.write(concatenate(datagrams));
    },
    asides: [hex("0001 c0"), hex("0007 80 00000000 0000"), hex("0005 40 01020304")],
    receive: () => Promise.resolve(false),
  },
  "http": {
    opening: () => new Uint8Array(0),
    opened: () => Promise.resolve(),
    async send(stream, message) {
      const head = `POST /infer HTTP/1.1\r\nHost: here\r\nPi0-Protocol: 1\r\nContent-Length: ${message.length}\r\n\r\n`;
      await stream.write(concatenate([latin1(head), message]));
    },
    asides: [
      "POST /infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n6;a=b\r\n\x81\xa4info\r\n1\r\n\xc3\r\n0\r\nA: b\r\n\r\n",
      "POST /infer HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n\xc3",
      "POST /infer HTTP/1.0\r\nAuthorization: Bearer x\r\nPi0-Client: y\r\nContent-Length: 1\r\n\r\n\xc3",
      "GET /metrics HTTP/1.1\r\nOrigin: http://here\r\nHost: here\r\n\r\n",
      "HEAD http://here/healthz?x HTTP/1.1\r\nConnection: close\r\n\r\n",
    ].map(latin1),
    async receive(stream) {
      const head = await readHead(stream, {});
      if (head === undefined) return false;
      await readBody(stream, head.headers, MAX_REPLY_BYTES, {}, true);
      return true;
    },
  },
  "ws": {
    opening: (openpi) =>
      latin1(
        `GET ${openpi ? "/" : "/ws"} HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
      ),
    async opened(stream, openpi) {
      await readHead(stream, {});
      if (openpi) await readMessage(stream, LIMITS, () => Promise.resolve());
    },
    send: (stream, message) => writeFrame(stream, OPCODE.binary, message, { masked: true }),
    // Masked with zeros: a ping, a pong, a close with a code, a text, a message in three parts with a ping inside.
    asides: [
      "89 82 00000000 0102",
      "8a 80 00000000",
      "88 82 00000000 03e8",
      "81 82 00000000 7b7d",
      "02 81 00000000 81 00 80 00000000 89 80 00000000 80 82 00000000 a0c0",
    ].map(hex),
    async receive(stream) {
      if (!await stream.ready(1)) return false;
      const { opcode } = await readMessage(stream, LIMITS, () => Promise.resolve());
      // openpi's protocol ends with an error in text.
      if (opcode === OPCODE.text) stream.close();
      return opcode !== OPCODE.close;
    },
  },
};
