/**
 * QUIC inside TCP, for networks that carry no UDP and for tunnels of clouds: the client's QUIC endpoint speaks to a UDP
 * socket on its own machine, whose datagrams travel through a TCP connection to the server's machine, and from a socket
 * there to the server's QUIC endpoint. Everything that QUIC does happens inside; the relay reads none of it.
 *
 * The server speaks first on the relay: a frame (u32 length) with a JSON object, `{"pi0": 1, "certificate": PEM}`.
 *
 * @module
 */

import { sleep, withDeadline } from "../clock.ts";
import { PolicyError, TransportError, WireError } from "../errors.ts";
import type { Bytes } from "../types.ts";
import { acceptOn } from "./accept.ts";
import { derOf } from "./certificate.ts";
import { dial } from "./dial.ts";
import { mismatch, readFrame, writeFrames } from "./framing.ts";
import { listenQuicAs, openQuic, type QuicConnection } from "./quic.ts";
import { carryDatagrams } from "./relay.ts";
import type { ByteStream } from "./stream.ts";
import {
  type Congestion,
  type ConnectOptions,
  type Listener,
  type ListenOptions,
  PROTOCOL_VERSION,
  type Service,
  type Transport,
} from "./transport.ts";

const DEFAULT_PORT = 8766;
/**
 * The TCP underneath decides how fast packets go, in bursts, from which BBR learns the wrong pace: a request of 150 kB
 * takes 34 ms on loopback with it, and 4 with Cubic.
 */
const DEFAULT_CONGESTION: Congestion = "cubic";
const LOOPBACK = "127.0.0.1";
/** A certificate with those that lead to its root. */
const MAX_HELLO_BYTES = 64 * 1024;
/** A closed QUIC connection takes leave of its far end through the relay, in a later turn of the event loop. */
const FAREWELL_MS = 10;
/**
 * Relays in which no QUIC connection stands yet. One more ends the oldest, which has had its chance: nobody can take
 * all places by saying nothing.
 */
const MAX_HALF_OPEN = 256;
/** How much longer than its QUIC connections a relay may last when the server stops. */
const LINGER_MS = 1000;

export const quicTcp: Transport = {
  schemes: ["quic-tcp"],
  defaultPort: DEFAULT_PORT,
  async connect(url, options) {
    const where = `quic-tcp://${url.hostname}:${url.port === "" ? DEFAULT_PORT : url.port}`;
    const late = () =>
      new TransportError(
        "deadline",
        `Cannot connect to ${where}: no answer within ${options.connectMs} ms (is this the server's --quic-tcp-port?)`,
      );
    const open = async (signal: AbortSignal) => {
      const stream = await dial(url, DEFAULT_PORT, { ...options, signal });
      return await openThrough(stream, where, url.hostname.replace(/^\[|\]$/g, ""), options, signal);
    };
    return await withDeadline(options.clock, options.connectMs, late, open, options.signal);
  },
};

/** Connects by QUIC through a TCP connection that stands, which is closed whatever happens. */
async function openThrough(
  stream: ByteStream,
  where: string,
  serverName: string,
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<QuicConnection> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: LOOPBACK, port: 0 });
  const broken = new AbortController();
  let connection: QuicConnection | undefined;
  const hello = readHello(stream, where);
  // The first packets go out before the hello has come: that saves a round trip.
  const carrying = carryDatagrams(stream, socket, {}, options.connectMs, hello).catch((error) => error).then(
    (error) => {
      const isKnown = error instanceof PolicyError ||
        (error instanceof TransportError && error.code !== "disconnected");
      const failure = isKnown ? error : new TransportError("disconnected", `The relay to ${where} was cut`);
      broken.abort(failure);
      connection?.fail(failure);
    },
  );
  const release = async () => {
    await sleep(options.clock, FAREWELL_MS);
    stream.close();
    await carrying;
  };
  try {
    const { port } = socket.addr as Deno.NetAddr;
    const target = { hostname: LOOPBACK, port, serverName, where, certificate: () => hello, release };
    const congestion = options.congestion ?? DEFAULT_CONGESTION;
    connection = await openQuic(target, { ...options, congestion }, AbortSignal.any([signal, broken.signal]));
    if (broken.signal.aborted) connection.fail(broken.signal.reason);
    return connection;
  } catch (error) {
    stream.close();
    await carrying;
    throw error;
  }
}

/** The certificate in the server's hello, in DER. */
async function readHello(stream: ByteStream, where: string): Promise<Bytes> {
  const expected = `what answers at ${where} is no quic-tcp portal`;
  let message: Bytes | undefined;
  try {
    message = await readFrame(stream, MAX_HELLO_BYTES, {});
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new TransportError("not_speaking", `Cannot read the relay's hello: ${expected}`, { cause: error });
  }
  if (message === undefined) throw new TransportError("disconnected", `Cannot connect to ${where}: it closed at once`);
  try {
    const { pi0, certificate } = JSON.parse(new TextDecoder().decode(message));
    if (pi0 !== PROTOCOL_VERSION) throw mismatch(pi0);
    const [first] = derOf(certificate);
    if (first === undefined) throw new TypeError("no certificate in PEM");
    return first;
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) {
      throw new TransportError("not_speaking", `Cannot read the relay's hello: ${expected}`, { cause: error });
    }
    throw error;
  }
}

/**
 * Opens the quic-tcp portal: a relay on a TCP port, and QUIC behind it on a port of this machine only.
 *
 * @throws {TypeError} without an identity. @throws errors of the operating system, such as a port in use.
 */
export function listenQuicTcp(service: Service, options: ListenOptions): Listener {
  // The relay itself is plain TCP; what it carries is encrypted.
  const { identity, ...plain } = options;
  /** Who is behind each of the relay's own UDP ports. */
  const remotes = new Map<number, string>();
  /** The relays in which no connection stands yet, by the same ports, oldest first. */
  const halfOpen = new Map<number, ByteStream>();
  const inside = listenQuicAs(
    "quic-tcp",
    service,
    { congestion: DEFAULT_CONGESTION, ...options, hostname: LOOPBACK, port: 0 },
    ({ hostname, port }) => {
      // This is asked when a connection stands.
      halfOpen.delete(port);
      return remotes.get(port) ?? `${hostname}:${port}`;
    },
  );
  const peer = { address: { transport: "udp" as const, hostname: LOOPBACK, port: inside.port } };
  const hello = new TextEncoder().encode(JSON.stringify({ pi0: PROTOCOL_VERSION, certificate: identity!.certPem }));
  // Those inside are counted by QUIC. Relays that are being closed need room, too.
  const limits = { ...plain.limits, maxConnections: plain.limits.maxConnections + 2 * MAX_HALF_OPEN };
  let outside: Listener;
  try {
    outside = acceptOn({ ...plain, limits }, async (accepted) => {
      const { stream } = accepted;
      const socket = Deno.listenDatagram({ transport: "udp", hostname: LOOPBACK, port: 0 });
      const { port } = socket.addr as Deno.NetAddr;
      remotes.set(port, accepted.remote);
      halfOpen.set(port, stream);
      const [oldest] = halfOpen;
      if (halfOpen.size > MAX_HALF_OPEN) {
        halfOpen.delete(oldest![0]);
        oldest![1].close();
      }
      // Whether it may be closed at once is for the connection inside to say.
      accepted.busy = true;
      try {
        await writeFrames(stream, [hello], options.limits.messageMs);
        await carryDatagrams(stream, socket, peer, options.limits.messageMs);
      } finally {
        inside.drop(port);
        remotes.delete(port);
        halfOpen.delete(port);
      }
    });
  } catch (error) {
    inside.close(0);
    throw error;
  }
  return {
    hostname: outside.hostname,
    port: outside.port,
    get connections() {
      return Math.max(inside.connections, outside.connections - halfOpen.size);
    },
    async close(graceMs) {
      const closing = outside.close(graceMs + LINGER_MS);
      await inside.close(graceMs);
      await closing;
    },
  };
}
