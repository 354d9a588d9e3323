/**
 * The accept loop of QUIC: handshakes that never end are bounded and let go, oldest first, so that they cost an honest
 * client nothing; each connection's first stream is a conversation in frames.
 *
 * @module
 */

import { sleep, withDeadline } from "../clock.ts";
import type { Accepted } from "./accept.ts";
import { converseFrames } from "./framed.ts";
import type { QuicListener } from "./quic.ts";
import { QuicSocket } from "./quic_socket.ts";
import { ByteStream } from "./stream.ts";
import type { ListenOptions, Service } from "./transport.ts";

/** Handshakes that may be under way. One takes a round trip; who sends this many in that time shuts others out. */
const MAX_HANDSHAKES = 512;
const HANDSHAKE_MS = 10_000;
/** How long a client may take to read the last reply and to close: a connection that is closed drops what is under way. */
const LINGER_MS = 1000;
/** The runtime sends the news of a closed connection in a later turn of the event loop, which must come. */
const FAREWELL_MS = 10;

export interface QuicAcceptOptions extends ListenOptions {
  /** The transport as which callers are counted. */
  readonly name: string;
  readonly service: Service;
  /** The address to tell the service for a caller. */
  readonly remoteOf: (address: Deno.NetAddr) => string;
}

/** Serves the connections of a listener, and closes its endpoint in the end. */
export function acceptQuic(listener: Deno.QuicListener, options: QuicAcceptOptions): QuicListener {
  const { clock, limits, service, name } = options;
  const { endpoint } = listener;
  const address = endpoint.addr;
  const handshaking = new Set<Deno.QuicConn>();
  const standing = new Set<Standing>();
  let closing = false;

  const serve = async (connection: Deno.QuicConn) => {
    handshaking.add(connection);
    const [oldest] = handshaking;
    if (handshaking.size > MAX_HANDSHAKES) oldest!.close();
    let isOpen = true;
    // Met by the reads of its streams, too.
    connection.closed.then(() => isOpen = false, () => isOpen = false);
    let isHandshaken = false;
    const handshake = connection.handshake.then(() => {
      isHandshaken = true;
    });
    const streams = connection.incomingBidirectionalStreams.getReader();
    const first = streams.read();
    try {
      const begun = () => Promise.race([handshake, first]);
      await withDeadline(clock, HANDSHAKE_MS, () => new Error("no handshake"), begun).finally(() => {
        handshaking.delete(connection);
      });
      // Those that were under way may have filled the place meanwhile.
      if (!isOpen || closing || standing.size >= limits.maxConnections) return connection.close();
      const current = new Standing(connection, options.remoteOf(connection.remoteAddr));
      standing.add(current);
      try {
        const { value } = await withDeadline(clock, limits.idleMs, () => new Error("idle"), () => first);
        if (value === undefined) return;
        const conversation = new Conversation(
          new ByteStream(new QuicSocket(connection, value), clock),
          current.remote,
          () => !isHandshaken,
          () => closing,
        );
        current.conversation = conversation;
        await converseFrames(conversation, service, limits, name);
        await conversation.stream.closeGently(LINGER_MS);
      } finally {
        standing.delete(current);
      }
    } catch {
      // Whatever broke a conversation was told to the far end where that was possible; others go on.
      first.catch(() => undefined);
    } finally {
      connection.close();
    }
  };

  const accepting = (async () => {
    for (;;) {
      let incoming: Deno.QuicIncoming;
      try {
        incoming = await listener.incoming();
      } catch {
        // The endpoint is closed.
        return;
      }
      try {
        if (closing || standing.size >= limits.maxConnections) incoming.refuse();
        else serve(incoming.accept({ zeroRtt: true }));
      } catch {
        // What looked like a client's first packet made no sense.
      }
    }
  })();

  return {
    hostname: address.hostname,
    port: address.port,
    get connections() {
      return standing.size;
    },
    drop(port) {
      for (const { connection } of standing) if (connection.remoteAddr.port === port) connection.close();
    },
    async close(graceMs) {
      if (closing) return;
      closing = true;
      listener.stop();
      for (const connection of handshaking) connection.close();
      for (const current of standing) if (!current.conversation?.busy) current.connection.close();
      const gone = async (signal: AbortSignal) => {
        while (standing.size > 0) await sleep(clock, FAREWELL_MS, signal);
      };
      await withDeadline(clock, graceMs, () => new Error("grace is over"), gone).catch(() => undefined);
      endpoint.close();
      await accepting;
      await sleep(clock, FAREWELL_MS);
    },
  };
}

/** A connection whose handshake is over, or that has sent something already. */
class Standing {
  readonly connection: Deno.QuicConn;
  readonly remote: string;
  /** Absent before the client's first stream. */
  conversation: Conversation | undefined;

  constructor(connection: Deno.QuicConn, remote: string) {
    this.connection = connection;
    this.remote = remote;
  }
}

class Conversation implements Accepted {
  readonly stream: ByteStream;
  readonly remote: string;
  readonly #isEarly: () => boolean;
  readonly #isClosing: () => boolean;
  busy = false;

  constructor(stream: ByteStream, remote: string, isEarly: () => boolean, isClosing: () => boolean) {
    this.stream = stream;
    this.remote = remote;
    this.#isEarly = isEarly;
    this.#isClosing = isClosing;
  }

  get zeroRtt(): boolean {
    return this.#isEarly();
  }

  get closing(): boolean {
    return this.#isClosing();
  }
}
