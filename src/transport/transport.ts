/**
 * Moving whole messages between a client and a server. The vocabulary of this room; it has never heard of a robot.
 *
 * A connection has one request in flight at a time: replies carry no number, so more at once means more connections.
 * Read next: `tcp.ts`, the shortest of the transports.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import type { Bytes } from "../types.ts";

/** Version of pi0's own protocol, sent by both sides; see `wire/PROTOCOL.md`. */
export const PROTOCOL_VERSION = 1;

/** How a client decides whether a server is the right one, on transports that have TLS. */
export type Trust =
  /** A root that the system trusts signed the certificate, and it names the host. */
  | { readonly kind: "system" }
  /** One of these roots did, and no other will do. */
  | { readonly kind: "roots"; readonly pem: string }
  /** The certificate is this one, by the SHA-256 of its DER (64 lower-case hex digits); nothing else about it matters. */
  | { readonly kind: "pin"; readonly sha256: string }
  /** Whoever answers is believed. */
  | { readonly kind: "insecure" };

/** A certificate with its key, by which a server proves who it is. */
export interface Identity {
  /** PEM; the server's own certificate first, those that lead to its root behind it. */
  readonly certPem: string;
  /** PEM, PKCS #8. */
  readonly keyPem: string;
}

/** Who may decide how fast QUIC sends. */
export const CONGESTION_NAMES = ["cubic", "bbr"] as const;
export type Congestion = typeof CONGESTION_NAMES[number];

/** How a client introduces itself and how long it is willing to wait. */
export interface ConnectOptions {
  readonly clock: Clock;
  /** Limit for the connection to stand, in ms. */
  readonly connectMs: number;
  /** Largest reply that is accepted. */
  readonly maxMessageBytes: number;
  readonly token?: string;
  /** Name under which the server keeps one client's requests apart from another's. */
  readonly client?: string;
  /** Speak openpi's protocol: the server sends its metadata first, and says errors in text. WebSocket only. */
  readonly openpi?: boolean;
  /** Absent: the system's roots. */
  readonly trust?: Trust;
  /** QUIC only; absent: what the transport thinks best. */
  readonly congestion?: Congestion;
  readonly signal?: AbortSignal;
}

/** The client's end of a connection. */
export interface Connection extends AsyncDisposable {
  /** What the server sent before the first request; absent on transports where the client speaks first. */
  readonly greeting?: Bytes;
  /** Bytes sent and received on the wire so far, framing included. */
  readonly bytesOut: number;
  readonly bytesIn: number;
  /** True once nothing can be asked any more: closed here, by the server, or by a request that was cut short. */
  readonly closed: boolean;
  /**
   * The first request travelled as 0-RTT data, within the handshake, and the server took it. Absent on transports
   * without such a thing, and where nothing is known yet.
   */
  readonly zeroRtt?: boolean | undefined;
  /** How much padding opens its window; absent where as much helps as TCP needs. */
  readonly warmUpBytes?: number;
  /**
   * Sends a message and waits for its reply. The reply is valid until the next request.
   *
   * A request that is aborted closes the connection: what arrives later could only be taken for another's reply.
   *
   * @throws {TransportError} disconnected, not_speaking.
   * @throws the signal's reason when it is aborted.
   */
  request(message: Bytes, signal?: AbortSignal): Promise<Bytes>;
  /** Round trip of the smallest message that the protocol itself has; absent where it has none. */
  ping?(signal?: AbortSignal): Promise<void>;
}

/** A way of reaching a server. */
export interface Transport {
  /** URL schemes that mean this transport, without the colon; the last one where the portal speaks TLS. */
  readonly schemes: readonly string[];
  /** Path that a URL without one is completed with. */
  readonly path?: string;
  /** Port of a URL that names none. */
  readonly defaultPort: number;
  /**
   * @throws {TransportError} unreachable, deadline, refused, not_speaking, untrusted.
   * @throws {PolicyError} unauthorized, busy, protocol_mismatch, where the server refuses before the first request.
   */
  connect(url: URL, options: ConnectOptions): Promise<Connection>;
}

/** Who calls, as far as the transport can tell. */
export interface Caller {
  /** Name of the transport. */
  readonly transport: string;
  /** Address of the far end. */
  readonly remote: string;
  readonly token?: string;
  readonly client?: string;
  /** Version of pi0's protocol that the caller speaks, where it said so. */
  readonly version?: number;
  /** The caller speaks openpi's protocol: it waits for the metadata. */
  readonly openpi?: boolean;
  /** Its first request came as 0-RTT data, within the handshake. */
  readonly zeroRtt?: boolean;
}

/** An answer, ready for the wire. */
export interface Reply {
  /** Valid until the session handles its next message. */
  readonly bytes: Bytes;
  /** Present where the answer is a failure; transports with a failure of their own (HTTP status, close code) use it. */
  readonly error?: { readonly code: string; readonly message: string };
}

/** The server's side of one connection. */
export interface Session {
  /**
   * What is sent before the first request, for callers of openpi's protocol; waits until the server is ready.
   *
   * @throws {PolicyError} where the session ends before.
   */
  greet?(): Promise<Bytes>;
  /** Answers one message. Never rejects: a failure is an answer. The message stays untouched until it resolves. */
  handle(message: Bytes, receivedMs: number): Promise<Reply>;
  /** Answers what cannot be a message: too long, or text. */
  reject(error: Error): Reply;
  /** The last byte of the reply was handed to the socket at `sentMs`; message and reply had so many bytes on the wire. */
  sent(sentMs: number, bytesIn: number, bytesOut: number): void;
  /** The far end is gone; whatever it still waits for is forgotten. */
  close(): void;
}

/** A page for people and monitoring, on transports that have such a thing. */
export interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** What a listener serves. */
export interface Service {
  /** @throws {PolicyError} unauthorized, protocol_mismatch, busy, draining. */
  open(caller: Caller): Session;
  /** Answers a caller for whom there is no session. */
  reject(error: Error, caller: Caller): Reply;
  /** @returns undefined where there is no such page. */
  page(path: string, caller: Caller): Page | undefined;
}

/** Bounds on what a far end may make a listener hold or wait for. */
export interface ListenLimits {
  readonly maxMessageBytes: number;
  readonly maxConnections: number;
  /** A message (or a reply) must have travelled this long after its first byte. */
  readonly messageMs: number;
  /** A connection may be silent this long between messages. */
  readonly idleMs: number;
}

export interface ListenOptions {
  readonly hostname: string;
  readonly port: number;
  readonly clock: Clock;
  readonly limits: ListenLimits;
  /** Present: the portal speaks TLS. QUIC needs it always. */
  readonly identity?: Identity;
  /** QUIC only; absent: what the transport thinks best. */
  readonly congestion?: Congestion;
}

/** A portal that is open. */
export interface Listener {
  readonly hostname: string;
  readonly port: number;
  /** Connections that stand now. */
  readonly connections: number;
  /** Stops accepting, lets what is being answered finish, and closes everything after `graceMs` at the latest. */
  close(graceMs: number): Promise<void>;
}
