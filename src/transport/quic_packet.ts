/**
 * Packets of QUIC version 1 with long headers, as far as asking for a server's certificate needs them (RFC 9000,
 * RFC 9001).
 *
 * @module
 */

import { createCipheriv, createDecipheriv, createHash, createHmac } from "node:crypto";
import type { Bytes } from "../types.ts";
import { concatenate } from "./stream.ts";

/** Of RFC 9001, section 5.2. */
const INITIAL_SALT = Uint8Array.from(
  [
    0x38,
    0x76,
    0x2c,
    0xf7,
    0xf5,
    0x59,
    0x34,
    0xb3,
    0x4d,
    0x17,
    0x9a,
    0xe6,
    0xa4,
    0xc8,
    0x0c,
    0xad,
    0xcc,
    0xbb,
    0x7f,
    0x0a,
  ],
);
const VERSION_1 = 1;
const TAG_BYTES = 16;
const NUMBER_BYTES = 4;

/** What protects the packets of one side, with AES-128-GCM and SHA-256. */
export interface PacketKeys {
  readonly key: Bytes;
  readonly iv: Bytes;
  readonly headerKey: Bytes;
}

/** Kinds of packets that open a connection, by their two bits. */
export const PACKET = { initial: 0, handshake: 2, retry: 3 } as const;

/** A packet that could be read. */
export interface Packet {
  readonly kind: number;
  readonly source: Bytes;
  readonly payload: Bytes;
}

/** HKDF-Extract with SHA-256. */
export function extract(salt: Uint8Array, secret: Uint8Array): Bytes {
  return new Uint8Array(createHmac("sha256", salt).update(secret).digest());
}

/** HKDF-Expand-Label of TLS 1.3, for up to 32 bytes. */
export function expandLabel(secret: Uint8Array, label: string, length: number, context = new Uint8Array(0)): Bytes {
  const name = new TextEncoder().encode(`tls13 ${label}`);
  const info = concatenate([
    Uint8Array.of(length >> 8, length & 0xff, name.length),
    name,
    Uint8Array.of(context.length),
    context,
    Uint8Array.of(1),
  ]);
  return new Uint8Array(createHmac("sha256", secret).update(info).digest()).slice(0, length);
}

/** SHA-256 of parts that follow each other. */
export function hash(...parts: readonly Uint8Array[]): Bytes {
  const digest = createHash("sha256");
  for (const part of parts) digest.update(part);
  return new Uint8Array(digest.digest());
}

/** The keys that follow from a secret of TLS. */
export function keysOf(secret: Uint8Array): PacketKeys {
  return {
    key: expandLabel(secret, "quic key", 16),
    iv: expandLabel(secret, "quic iv", 12),
    headerKey: expandLabel(secret, "quic hp", 16),
  };
}

/** The keys of the first packets, which follow from the connection id that the client has thought of. */
export function initialKeys(destination: Uint8Array): { readonly client: PacketKeys; readonly server: PacketKeys } {
  const secret = extract(INITIAL_SALT, destination);
  return {
    client: keysOf(expandLabel(secret, "client in", 32)),
    server: keysOf(expandLabel(secret, "server in", 32)),
  };
}

/**
 * An Initial packet of the client.
 *
 * @param number of the packet; each is used once.
 */
export function sealInitial(
  keys: PacketKeys,
  ids: { readonly destination: Uint8Array; readonly source: Uint8Array },
  number: number,
  payload: Uint8Array,
): Bytes {
  const length = NUMBER_BYTES + payload.length + TAG_BYTES;
  const numberBytes = uint32(number);
  const header = concatenate([
    Uint8Array.of(0xc0 | (NUMBER_BYTES - 1)),
    uint32(VERSION_1),
    Uint8Array.of(ids.destination.length),
    ids.destination,
    Uint8Array.of(ids.source.length),
    ids.source,
    Uint8Array.of(0, 0x40 | (length >> 8), length & 0xff),
    numberBytes,
  ]);
  const cipher = createCipheriv("aes-128-gcm", keys.key, nonceOf(keys, number));
  cipher.setAAD(header);
  const packet = concatenate([header, cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
  const at = header.length - NUMBER_BYTES;
  const mask = maskOf(keys, packet, at);
  packet[0] = packet[0]! ^ (mask[0]! & 0x0f);
  for (let i = 0; i < NUMBER_BYTES; i++) packet[at + i] = packet[at + i]! ^ mask[1 + i]!;
  return packet;
}

/**
 * Reads the packets of a datagram, as far as there are keys for them; what makes no sense is left out, since anybody
 * can send anything.
 */
export function openPackets(datagram: Uint8Array, keysFor: (kind: number) => PacketKeys | undefined): Packet[] {
  const packets: Packet[] = [];
  for (let rest = datagram; rest.length > 0 && (rest[0]! & 0x80) !== 0;) {
    const reader = new Reader(rest);
    try {
      const kind = (reader.byte() >> 4) & 3;
      if (reader.uint(4) !== VERSION_1) break;
      reader.take(reader.byte());
      const source = reader.take(reader.byte()).slice();
      if (kind === PACKET.retry) break;
      if (kind === PACKET.initial) reader.take(reader.varint());
      const length = reader.varint();
      const at = reader.at;
      reader.take(length);
      const keys = keysFor(kind);
      const packet = rest.slice(0, at + length);
      rest = rest.subarray(at + length);
      if (keys !== undefined) packets.push({ kind, source, payload: open(keys, packet, at) });
    } catch {
      // Cut short, or sealed with other keys.
      break;
    }
  }
  return packets;
}

function open(keys: PacketKeys, packet: Bytes, at: number): Bytes {
  const mask = maskOf(keys, packet, at);
  packet[0] = packet[0]! ^ (mask[0]! & 0x0f);
  const numberBytes = (packet[0]! & 3) + 1;
  for (let i = 0; i < numberBytes; i++) packet[at + i] = packet[at + i]! ^ mask[1 + i]!;
  // The first packets of a connection have small numbers: what is cut off their front is zero.
  const number = packet.subarray(at, at + numberBytes).reduce((sum, byte) => sum * 256 + byte, 0);
  const decipher = createDecipheriv("aes-128-gcm", keys.key, nonceOf(keys, number));
  decipher.setAAD(packet.subarray(0, at + numberBytes));
  decipher.setAuthTag(packet.subarray(packet.length - TAG_BYTES));
  const sealed = packet.subarray(at + numberBytes, packet.length - TAG_BYTES);
  return concatenate([decipher.update(sealed), decipher.final()]);
}

function nonceOf(keys: PacketKeys, number: number): Bytes {
  const nonce = keys.iv.slice();
  uint32(number).forEach((byte, i) => nonce[8 + i] = nonce[8 + i]! ^ byte);
  return nonce;
}

/** The mask over a header, from a sample behind the longest packet number that could be at `at`. */
function maskOf(keys: PacketKeys, packet: Uint8Array, at: number): Uint8Array {
  const cipher = createCipheriv("aes-128-ecb", keys.headerKey, new Uint8Array(0));
  cipher.setAutoPadding(false);
  const mask = cipher.update(packet.subarray(at + NUMBER_BYTES, at + NUMBER_BYTES + 16));
  // Adds nothing, but an older runtime holds the cipher until then.
  cipher.final();
  return mask;
}

/** The parts of TLS messages inside the CRYPTO frames of a payload, with their places in the stream of them. */
export function cryptoOf(payload: Uint8Array): { readonly offset: number; readonly bytes: Uint8Array }[] {
  const parts: { offset: number; bytes: Uint8Array }[] = [];
  for (const reader = new Reader(payload); !reader.ended;) {
    const type = reader.varint();
    if (type === 0x00 || type === 0x01) continue; // PADDING, PING
    if (type === 0x06) {
      const offset = reader.varint();
      parts.push({ offset, bytes: reader.take(reader.varint()) });
    } else if (type === 0x02 || type === 0x03) { // ACK
      reader.varint();
      reader.varint();
      for (let ranges = 2 * reader.varint() + 1; ranges > 0; ranges--) reader.varint();
      if (type === 0x03) { for (let i = 0; i < 3; i++) reader.varint(); }
    } else {
      // CONNECTION_CLOSE, or what has no place here.
      break;
    }
  }
  return parts;
}

/** Takes numbers and bytes from the front. Every method throws a RangeError where there is less. */
export class Reader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get ended(): boolean {
    return this.at >= this.#bytes.length;
  }

  take(count: number): Uint8Array {
    if (this.at + count > this.#bytes.length) throw new RangeError("cut short");
    this.at += count;
    return this.#bytes.subarray(this.at - count, this.at);
  }

  byte(): number {
    return this.take(1)[0]!;
  }

  /** Big-endian. */
  uint(count: number): number {
    return this.take(count).reduce((sum, byte) => sum * 256 + byte, 0);
  }

  /** A number whose first two bits say how long it is. */
  varint(): number {
    const first = this.byte();
    return this.take((1 << (first >> 6)) - 1).reduce((sum, byte) => sum * 256 + byte, first & 0x3f);
  }
}

function uint32(value: number): Bytes {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
