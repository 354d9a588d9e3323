/**
 * Asks a QUIC server for its certificate, without believing it: begins a handshake, reads the certificate out of it and
 * goes. The runtime tells neither what a server has shown nor does it connect to one that it cannot verify.
 *
 * @module
 */

import { createECDH } from "node:crypto";
import { isIP } from "node:net";
import { type Clock, sleep } from "../clock.ts";
import { TransportError } from "../errors.ts";
import type { Bytes } from "../types.ts";
import {
  cryptoOf,
  expandLabel,
  extract,
  hash,
  initialKeys,
  keysOf,
  openPackets,
  PACKET,
  type PacketKeys,
  Reader,
  sealInitial,
} from "./quic_packet.ts";
import { concatenate } from "./stream.ts";

/** A client's first datagrams have this length at least (RFC 9000, section 14.1). */
const DATAGRAM_BYTES = 1200;
/** Header, number and tag of an Initial packet with ids of 8 bytes. */
const INITIAL_OVERHEAD_BYTES = 46;
/** Nothing is heard for so long: asked again. */
const REPEAT_MS = 400;
/** A certificate and what comes before it are a few kB; a server that goes on is no server of ours. */
const MAX_DATAGRAMS = 64;

const HELLO = { client: 1, server: 2, certificate: 11 } as const;
const EXTENSION = {
  serverName: 0,
  supportedGroups: 10,
  signatureAlgorithms: 13,
  alpn: 16,
  supportedVersions: 43,
  keyShare: 51,
  quicTransportParameters: 57,
} as const;
const AES_128_GCM_SHA256 = 0x1301;
const SECP256R1 = 0x0017;
const TLS_1_3 = 0x0304;
/** What a certificate may be signed with: ECDSA, Ed25519 and RSA in their usual forms. Nothing is verified here. */
const SIGNATURES = [0x0403, 0x0503, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501];
const INITIAL_SOURCE_CONNECTION_ID = 0x0f;

export interface QuicServer {
  /** Numeric address. */
  readonly hostname: string;
  readonly port: number;
  /** Name that is asked for. */
  readonly serverName: string;
  readonly alpn: string;
}

/**
 * Fetches the certificate that a server shows, in DER. Nothing about it is verified.
 *
 * @throws {TransportError} not_speaking where the answer is no handshake that this can read.
 * @throws the signal's reason when it is aborted; until then it asks again and again.
 */
export async function fetchQuicCertificate(server: QuicServer, clock: Clock, signal: AbortSignal): Promise<Bytes> {
  if (signal.aborted) throw signal.reason;
  const { hostname, port } = server;
  const remote: Deno.NetAddr = { transport: "udp", hostname, port };
  const socket = Deno.listenDatagram({ transport: "udp", hostname: isIP(hostname) === 6 ? "::" : "0.0.0.0", port: 0 });
  const done = new AbortController();
  const stop = AbortSignal.any([signal, done.signal]);
  stop.addEventListener("abort", () => socket.close(), { once: true });
  const inquiry = new Inquiry(server);
  const asking = (async () => {
    while (!stop.aborted) {
      await socket.send(inquiry.ask(), remote);
      await sleep(clock, REPEAT_MS, stop);
    }
  })();
  let failure: unknown;
  const asked = asking.catch((error) => {
    if (!stop.aborted) failure = error;
    done.abort();
  });
  try {
    for (let count = 0; count < MAX_DATAGRAMS; count++) {
      const [datagram] = await socket.receive(new Uint8Array(2048));
      const certificate = inquiry.hear(datagram.slice());
      if (certificate === undefined) continue;
      await socket.send(inquiry.leave(), remote);
      return certificate;
    }
    throw new TransportError("not_speaking", `Cannot read a certificate from quic://${hostname}:${port}`);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw failure ?? error;
  } finally {
    done.abort();
    await asked;
  }
}

/** One handshake, up to the certificate. */
class Inquiry {
  readonly #source = crypto.getRandomValues(new Uint8Array(8));
  /** The server's name for the connection, once it has said so. */
  #destination = crypto.getRandomValues(new Uint8Array(8));
  readonly #keys = initialKeys(this.#destination);
  readonly #exchange = createECDH("prime256v1");
  readonly #hello: Bytes;
  #number = 0;
  #handshakeKeys: PacketKeys | undefined;
  /** Datagrams whose packets may be of use once there are keys for them. */
  readonly #heard: Bytes[] = [];

  constructor({ serverName, alpn }: QuicServer) {
    this.#hello = clientHello(serverName, alpn, this.#source, new Uint8Array(this.#exchange.generateKeys()));
  }

  /** A datagram that asks. */
  ask(): Bytes {
    const frame = concatenate([Uint8Array.of(0x06, 0), varint(this.#hello.length), this.#hello]);
    return this.#seal(frame);
  }

  /** A datagram that takes leave, so that the server does not wait. */
  leave(): Bytes {
    return this.#seal(Uint8Array.of(0x1c, 0, 0, 0));
  }

  #seal(frame: Uint8Array): Bytes {
    const payload = new Uint8Array(DATAGRAM_BYTES - INITIAL_OVERHEAD_BYTES);
    payload.set(frame);
    const ids = { destination: this.#destination, source: this.#source };
    return sealInitial(this.#keys.client, ids, this.#number++, payload);
  }

  /** Hears a datagram; returns the certificate once all of it is there. */
  hear(datagram: Bytes): Bytes | undefined {
    this.#heard.push(datagram);
    const serverHello = this.#messages(PACKET.initial, this.#keys.server).get(HELLO.server);
    if (serverHello === undefined) return undefined;
    this.#handshakeKeys ??= this.#agree(serverHello);
    const certificate = this.#messages(PACKET.handshake, this.#handshakeKeys).get(HELLO.certificate);
    if (certificate === undefined) return undefined;
    const reader = new Reader(certificate.subarray(4));
    reader.take(reader.byte());
    reader.uint(3);
    return reader.take(reader.uint(3)).slice();
  }

  /** The TLS messages, with their heads, that packets of one kind have brought so far, by type. */
  #messages(kind: number, keys: PacketKeys): Map<number, Uint8Array> {
    const packets = this.#heard
      .flatMap((datagram) => openPackets(datagram, (other) => other === kind ? keys : undefined));
    const last = packets.at(-1);
    if (last !== undefined) this.#destination = new Uint8Array(last.source);
    const parts = packets.flatMap(({ payload }) => cryptoOf(payload)).sort((a, b) => a.offset - b.offset);
    let stream = new Uint8Array(0);
    for (const { offset, bytes } of parts) {
      const known = stream.length - offset;
      if (known < 0) break;
      if (known < bytes.length) stream = concatenate([stream, bytes.subarray(known)]);
    }
    const messages = new Map<number, Uint8Array>();
    for (const reader = new Reader(stream); stream.length - reader.at >= 4;) {
      const start = reader.at;
      const type = reader.byte();
      const length = reader.uint(3);
      if (stream.length - reader.at < length) break;
      reader.take(length);
      messages.set(type, stream.subarray(start, reader.at));
    }
    return messages;
  }

  /** The keys of the server's next packets, which follow from both hellos. */
  #agree(serverHello: Uint8Array): PacketKeys {
    const zeros = new Uint8Array(32);
    const shared = new Uint8Array(this.#exchange.computeSecret(keyShareOf(serverHello)));
    const derived = expandLabel(extract(zeros, zeros), "derived", 32, hash());
    const transcript = hash(this.#hello, serverHello);
    return keysOf(expandLabel(extract(derived, shared), "s hs traffic", 32, transcript));
  }
}

function clientHello(serverName: string, alpn: string, source: Uint8Array, publicKey: Uint8Array): Bytes {
  const text = (value: string) => new TextEncoder().encode(value);
  const name = isIP(serverName) === 0
    ? [extension(EXTENSION.serverName, block(2, Uint8Array.of(0), block(2, text(serverName))))]
    : [];
  const extensions = [
    ...name,
    extension(EXTENSION.supportedGroups, block(2, uint16(SECP256R1))),
    extension(EXTENSION.signatureAlgorithms, block(2, ...SIGNATURES.map(uint16))),
    extension(EXTENSION.alpn, block(2, block(1, text(alpn)))),
    extension(EXTENSION.supportedVersions, block(1, uint16(TLS_1_3))),
    extension(EXTENSION.keyShare, block(2, uint16(SECP256R1), block(2, publicKey))),
    extension(
      EXTENSION.quicTransportParameters,
      Uint8Array.of(INITIAL_SOURCE_CONNECTION_ID, source.length),
      source,
    ),
  ];
  const body = concatenate([
    uint16(0x0303),
    crypto.getRandomValues(new Uint8Array(32)),
    Uint8Array.of(0), // no session id
    block(2, uint16(AES_128_GCM_SHA256)),
    Uint8Array.of(1, 0), // no compression
    block(2, ...extensions),
  ]);
  return concatenate([Uint8Array.of(HELLO.client), block(3, body)]);
}

/** The server's share of the key exchange. */
function keyShareOf(serverHello: Uint8Array): Uint8Array {
  const reader = new Reader(serverHello.subarray(4));
  reader.take(2 + 32);
  reader.take(reader.byte());
  reader.take(3);
  for (const extensions = new Reader(reader.take(reader.uint(2))); !extensions.ended;) {
    const type = extensions.uint(2);
    const content = new Reader(extensions.take(extensions.uint(2)));
    if (type === EXTENSION.keyShare && content.uint(2) === SECP256R1) return content.take(content.uint(2));
  }
  throw new TransportError("not_speaking", "The server answered without a key of P-256");
}

function extension(type: number, ...parts: Uint8Array[]): Uint8Array {
  return concatenate([uint16(type), block(2, ...parts)]);
}

/** Parts behind their length in so many bytes. */
function block(lengthBytes: number, ...parts: Uint8Array[]): Uint8Array {
  const content = concatenate(parts);
  const length = Uint8Array.from({ length: lengthBytes }, (_, i) => content.length >> (8 * (lengthBytes - 1 - i)));
  return concatenate([length, content]);
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value);
}

function varint(value: number): Uint8Array {
  return Uint8Array.of(0x40 | (value >> 8), value);
}
