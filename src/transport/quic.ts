/**
 * QUIC: one long-lived stream of frames over UDP, opened by the client. The only file that names the runtime's QUIC.
 *
 * A stream for each request would cost twice as much and has a limit of 100 unretired ones; the server never opens a
 * stream, because one that its opener has not written to is invisible to the other side.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import process from "node:process";
import { withDeadline } from "../clock.ts";
import { TransportError } from "../errors.ts";
import type { Bytes } from "../types.ts";
import { sha256 } from "./certificate.ts";
import { FramedConnection } from "./framed.ts";
import { acceptQuic } from "./quic_accept.ts";
import { fetchQuicCertificate } from "./quic_certificate.ts";
import { QuicSocket } from "./quic_socket.ts";
import { ByteStream } from "./stream.ts";
import { outsideDates, reason, requirePin, untrusted } from "./tls_client.ts";
import {
  type Congestion,
  type ConnectOptions,
  type Listener,
  type ListenOptions,
  type Service,
  type Transport,
  type Trust,
} from "./transport.ts";

/** What pi0 calls its protocol in the handshake; QUIC wants a name, and refuses who says another. */
export const QUIC_ALPN = "pi0";

const DEFAULT_PORT = 8767;
/** Nothing has come from the far end for so long: it is gone. Both sides say it, the lower one holds. */
const MAX_IDLE_MS = 15_000;
/**
 * Quinn lets 1.25 MB be under way, and its window is as wide after padding of 256 kB to 2 MB, doubled. More of it wins
 * 3 ms of 80, and risks a loss, which would take a third of the window: quinn sends what 2 ms of its window are in one
 * burst (125 kB at 20 ms), and Linux gives the far end's socket room for 90 packets (`net.core.rmem_default`, 208 kB),
 * which the runtime does not raise. (20 ms, Cubic: a request is 2 to 4 ms above the floor after 4 MB, 7 to 10 after 8.)
 */
const WARM_UP_BYTES = 3.75 * 1024 * 1024;
/** How often the client says that it is still there; three may get lost. */
const KEEP_ALIVE_MS = 4000;
/** Endpoints without a connection that are kept for their session tickets. */
const MAX_IDLE_ENDPOINTS = 8;

/**
 * BBR where nobody says: the first request of 150 kB takes less than two round trips instead of five, and half a
 * percent of loss costs little (measured at 20 and 80 ms; on a clean path Cubic is as good once it is warm).
 */
const DEFAULT_CONGESTION: Congestion = "bbr";

/**
 * The longest first message that travels as 0-RTT data; a longer one waits for the handshake. BBR sends slowly until it
 * has measured a round trip: 150 kB take five with the handshake, and not three if they wait for it. What fits into the
 * first window (14,720 bytes, RFC 9002) is sent at once anyway. Cubic gains a round trip with any length.
 */
const EARLY_BYTES = { cubic: Infinity, bbr: 10_000 } as const satisfies Record<Congestion, number>;

/** The runtime's words for congestion controls. */
const CONGESTION = { cubic: "throughput", bbr: "low-latency" } as const satisfies Record<Congestion, string>;

export const quic: Transport = {
  schemes: ["quic"],
  defaultPort: DEFAULT_PORT,
  async connect(url, options) {
    const serverName = url.hostname.replace(/^\[|\]$/g, "");
    const port = url.port === "" ? DEFAULT_PORT : Number(url.port);
    const where = `quic://${url.hostname}:${port}`;
    const { clock, connectMs } = options;
    const open = async (signal: AbortSignal) => {
      const hostname = await resolveHost(serverName, where);
      const server = { hostname, port, serverName, alpn: QUIC_ALPN };
      const fetch = (within: AbortSignal) => fetchQuicCertificate(server, clock, within);
      const certificate = () => withDeadline(clock, connectMs, () => noAnswer(where, options), fetch, signal);
      return await openQuic({ hostname, port, serverName, where, certificate }, options, signal);
    };
    return await withDeadline(clock, connectMs, () => noAnswer(where, options), open, options.signal);
  },
};

function noAnswer(where: string, { connectMs }: ConnectOptions): TransportError {
  return new TransportError(
    "deadline",
    `Cannot connect to ${where}: no answer within ${connectMs} ms (is the server running, and does the network carry ` +
      "UDP packets of 1200 bytes? quic-tcp and tcp need none)",
  );
}

/**
 * The numeric address of a host, IPv4 first: UDP does not tell that nobody listens, so a second one cannot be tried
 * in time. (The runtime would look the name up itself, and stand still meanwhile.)
 */
export async function resolveHost(hostname: string, where: string): Promise<string> {
  try {
    const flags = process as { noDeprecation?: boolean | undefined };
    const wasQuiet = flags.noDeprecation;
    // Deno 2.6.8 would say on stderr that a module of its own is deprecated.
    flags.noDeprecation = true;
    const looking = lookup(hostname, { all: true });
    flags.noDeprecation = wasQuiet;
    const addresses = await looking;
    addresses.sort((a, b) => a.family - b.family);
    return addresses[0]!.address;
  } catch (cause) {
    throw new TransportError("unreachable", `Cannot connect to ${where}: unknown host (${messageOf(cause)})`, {
      cause,
    });
  }
}

/** Where a client connects to. */
export interface QuicTarget {
  /** Numeric address and port that packets are sent to. */
  readonly hostname: string;
  readonly port: number;
  /** The name or address that the certificate must have. */
  readonly serverName: string;
  /** For messages and for telling servers apart: the URL without its path. */
  readonly where: string;
  /** Fetches the certificate (DER) that the server shows, unverified. */
  readonly certificate: () => Promise<Bytes>;
  /** Lets go of what the connection goes through, once it is gone. */
  readonly release?: () => Promise<void>;
}

/**
 * Connects. Where a session ticket of the same server is at hand, that takes no time: the first request travels with
 * the handshake, and whether the server is there is known with its reply.
 *
 * @param signal must be aborted when nobody waits any more; the attempt ends then.
 * @throws {TransportError} unreachable, untrusted, not_speaking, disconnected.
 */
export async function openQuic(
  target: QuicTarget,
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<QuicConnection> {
  const { trust = { kind: "system" }, congestion = DEFAULT_CONGESTION } = options;
  const hashes = await pinsOf(trust, target);
  if (signal.aborted) throw signal.reason;
  const door = takeDoor(`${target.where} ${JSON.stringify(trust)}`);
  const request: ConnectQuicOptions = {
    hostname: target.hostname,
    port: target.port,
    serverName: target.serverName,
    alpnProtocols: [QUIC_ALPN],
    endpoint: door.endpoint,
    keepAliveInterval: KEEP_ALIVE_MS,
    maxIdleTimeout: MAX_IDLE_MS,
    congestionControl: CONGESTION[congestion],
    zeroRtt: true,
    ...(trust.kind === "roots" ? { caCerts: [trust.pem] } : {}),
    ...(hashes === undefined ? {} : { serverCertificateHashes: hashes }),
  };
  let connecting: Deno.QuicConn | Promise<Deno.QuicConn> | undefined;
  try {
    connecting = Deno.connectQuic(request);
    const earlyBytes = connecting instanceof Promise ? undefined : EARLY_BYTES[congestion];
    const connection = await orAbort(connecting, signal);
    const stream = await orAbort(connection.createBidirectionalStream(), signal);
    connection.closed.catch(() => undefined).then(() => giveDoorBack(door));
    return new QuicConnection(connection, new QuicSocket(connection, stream, earlyBytes), options, {
      explain: (reason) => failure(reason, trust, target),
      late: () => noAnswer(target.where, options),
      release: target.release ?? (() => Promise.resolve()),
    });
  } catch (error) {
    // The runtime cannot give an attempt up; what comes of it later is closed.
    Promise.resolve(connecting).then((late) => late?.close(), () => undefined);
    giveDoorBack(door);
    if (signal.aborted) throw signal.reason;
    throw await failure(messageOf(error), trust, target) ?? unreachable(target, error);
  }
}

/** Waits no longer than until the signal is aborted. */
async function orAbort<T>(work: T | Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([aborted, work]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function unreachable({ where }: QuicTarget, cause: unknown): TransportError {
  return new TransportError("unreachable", `Cannot connect to ${where}: ${messageOf(cause)}`, { cause });
}

/**
 * Pins are not among the documented options of `connectQuic`, but the runtime's WebTransport passes them in the same
 * way. A runtime that forgot them would find no root for a self-signed certificate, and refuse.
 */
interface ConnectQuicOptions extends Deno.ConnectQuicOptions<boolean> {
  serverCertificateHashes?: { algorithm: "sha-256"; value: Bytes }[];
}

/**
 * The only certificates that will do; undefined where roots decide. The runtime cannot be told to believe anybody, so
 * who is believed whatever it shows is asked for its certificate first, which costs a round trip with each connection:
 * one that was remembered from before would refuse a server that was given a new one.
 */
async function pinsOf(trust: Trust, target: QuicTarget) {
  if (trust.kind === "system" || trust.kind === "roots") return undefined;
  const hash = trust.kind === "pin" ? trust.sha256 : sha256(await target.certificate());
  return [{ algorithm: "sha-256" as const, value: Uint8Array.fromHex(hash) }];
}

/** What the runtime's words mean, where they mean more than that nobody answered. */
async function failure(words: string, trust: Trust, target: QuicTarget): Promise<TransportError | undefined> {
  const { where } = target;
  if (/invalid peer certificate/.test(words)) {
    try {
      const certificate = await target.certificate();
      if (trust.kind === "pin") requirePin(target, trust.sha256, certificate);
      // Unlike TLS on TCP, the runtime's QUIC looks at the dates of a certificate that has the right hash, too.
      const renewal = outsideDates(certificate) === undefined ? undefined : "give the server a new certificate";
      return untrusted(target, trust, reason(words, certificate, trust), certificate, undefined, renewal);
    } catch (error) {
      if (error instanceof TransportError && error.code === "untrusted") return error;
      // What was shown would be good to know. That it cannot be trusted is known already.
      return new TransportError("untrusted", `Cannot trust ${where}: ${words}`, { cause: error });
    }
  }
  if (/error 120\b/.test(words)) {
    return new TransportError("not_speaking", `Cannot connect to ${where}: it speaks QUIC, but not pi0's protocol`);
  }
  if (/refused to accept/.test(words)) {
    return new TransportError(
      "disconnected",
      `Cannot connect to ${where}: the server has no room for another connection`,
    );
  }
  return undefined;
}

/** A connection over QUIC. */
export class QuicConnection extends FramedConnection {
  readonly #socket: QuicSocket;
  readonly #explain: (reason: string) => Promise<TransportError | undefined>;
  readonly #released: Promise<void>;
  #failure: Error | undefined;

  constructor(connection: Deno.QuicConn, socket: QuicSocket, options: ConnectOptions, words: {
    readonly explain: (reason: string) => Promise<TransportError | undefined>;
    readonly late: () => TransportError;
    readonly release: () => Promise<void>;
  }) {
    super(new ByteStream(socket, options.clock), options);
    this.#socket = socket;
    this.#explain = words.explain;
    this.#released = socket.gone.then(() => {
      this.stream.close();
      return words.release();
    });
    if (socket.zeroRtt === undefined) {
      // Nobody has answered yet, and the limit for connecting goes on.
      withDeadline(options.clock, options.connectMs, words.late, () => connection.handshake)
        .catch((error) => this.fail(error));
    }
  }

  get zeroRtt(): boolean | undefined {
    return this.#socket.zeroRtt;
  }

  get warmUpBytes(): number {
    return WARM_UP_BYTES;
  }

  /** Closes the connection; a request in flight throws the error. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.stream.close();
  }

  override async request(message: Bytes, signal?: AbortSignal): Promise<Bytes> {
    try {
      return await super.request(message, signal);
    } catch (error) {
      const reason = this.#socket.reason;
      if (reason === undefined || !(error instanceof TransportError)) throw error;
      // After a reconnect with a ticket the first request is what hears that the server is another one now.
      throw this.#failure ?? await this.#explain(reason) ?? error;
    }
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await this.#released;
  }
}

/**
 * An endpoint, which has one connection at a time. The runtime keeps session tickets with the endpoint, by the server's
 * name, so it is kept for the next connection to the same server. Who has a ticket is not asked for a certificate again:
 * no two ports and no two ways of trusting may share one.
 *
 * It is kept after a failure, too: the socket of an endpoint that is closed stays open until the runtime collects it,
 * which may be never, and a client may try to reach its server for days.
 */
interface Door {
  readonly key: string;
  readonly endpoint: Deno.QuicEndpoint;
}

/** The endpoints of this process without a connection, those used last at the end. */
const idleDoors: Door[] = [];

function takeDoor(key: string): Door {
  const at = idleDoors.findLastIndex((door) => door.key === key);
  return at === -1 ? { key, endpoint: openEndpoint() } : idleDoors.splice(at, 1)[0]!;
}

function giveDoorBack(door: Door): void {
  idleDoors.push(door);
  if (idleDoors.length > MAX_IDLE_ENDPOINTS) idleDoors.shift()!.endpoint.close();
}

/**
 * Closes the endpoints that are kept for later connections. Attempts that were given up end with them; otherwise they
 * end by themselves within 15 s.
 */
export function closeIdleEndpoints(): void {
  for (const { endpoint } of idleDoors.splice(0)) endpoint.close();
}

function openEndpoint(): Deno.QuicEndpoint {
  try {
    return new Deno.QuicEndpoint({ hostname: "::", port: 0 });
  } catch {
    // A machine without IPv6.
    return new Deno.QuicEndpoint({ hostname: "0.0.0.0", port: 0 });
  }
}

/**
 * Opens the quic portal.
 *
 * @throws {TypeError} without an identity. @throws errors of the operating system, such as a port in use.
 */
export function listenQuic(service: Service, options: ListenOptions): Listener {
  return listenQuicAs("quic", service, options);
}

/** What a portal that carries QUIC inside something else must know of those who come through it. */
export interface QuicListener extends Listener {
  /** Ends the connection that comes from a port of this machine. */
  drop(port: number): void;
}

/**
 * Listens for QUIC.
 *
 * @param name the transport as which callers are counted.
 * @param remoteOf the address to tell the service for a caller, where it is not the one that packets come from.
 */
export function listenQuicAs(
  name: string,
  service: Service,
  options: ListenOptions,
  remoteOf: (address: Deno.NetAddr) => string = ({ hostname, port }) => `${hostname}:${port}`,
): QuicListener {
  const { identity, hostname, port } = options;
  if (identity === undefined) throw new TypeError(`Cannot open the ${name} portal without a certificate`);
  const endpoint = new Deno.QuicEndpoint({ hostname, port });
  const listener = endpoint.listen({
    cert: identity.certPem,
    key: identity.keyPem,
    alpnProtocols: [QUIC_ALPN],
    maxIdleTimeout: MAX_IDLE_MS,
    maxConcurrentBidirectionalStreams: 1,
    maxConcurrentUnidirectionalStreams: 0,
    congestionControl: CONGESTION[options.congestion ?? DEFAULT_CONGESTION],
  });
  return acceptQuic(listener, { name, service, remoteOf, ...options });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
