/**
 * The accept loop that every listener on a TCP port shares: socket options, the count of connections, and the orderly
 * end.
 *
 * @module
 */

import { type Clock, sleep, withDeadline } from "../clock.ts";
import { ByteStream } from "./stream.ts";
import type { Listener, ListenOptions } from "./transport.ts";

/** A connection as its listener sees it. */
export interface Accepted {
  readonly stream: ByteStream;
  /** Address of the far end. */
  readonly remote: string;
  /** True while a message is being received or answered: such a connection may finish before the listener closes. */
  busy: boolean;
  /** The listener is closing: no further message will be read. */
  readonly closing: boolean;
}

/**
 * Listens, and runs `converse` for each connection until it returns or throws; then the connection is closed.
 *
 * @throws {Deno.errors.AddrInUse} and other errors of the operating system.
 */
export function acceptOn(options: ListenOptions, converse: (accepted: Accepted) => Promise<void>): Listener {
  const { clock, limits } = options;
  const listener = Deno.listen({ hostname: options.hostname, port: options.port });
  const address = listener.addr as Deno.NetAddr;
  const standing = new Set<Conversation>();
  let closing = false;

  const serve = async (socket: Deno.TcpConn) => {
    const conversation = new Conversation(socket, clock, () => closing);
    standing.add(conversation);
    try {
      await converse(conversation);
    } catch {
      // Whatever broke a conversation was told to the far end where that was possible; others go on.
    } finally {
      conversation.stream.close();
      standing.delete(conversation);
    }
  };

  const accepting = (async () => {
    while (!closing) {
      let socket: Deno.TcpConn;
      try {
        socket = await listener.accept();
      } catch {
        // Closed by us, or out of file descriptors: the latter passes when connections end.
        if (!closing) await sleep(clock, 50);
        continue;
      }
      if (closing || standing.size >= limits.maxConnections) {
        socket.close();
        continue;
      }
      serve(socket);
    }
  })();

  return {
    hostname: address.hostname,
    port: address.port,
    get connections() {
      return standing.size;
    },
    async close(graceMs: number) {
      if (closing) return;
      closing = true;
      listener.close();
      for (const conversation of standing) if (!conversation.busy) conversation.stream.close();
      const gone = async (signal: AbortSignal) => {
        while (standing.size > 0) await sleep(clock, 10, signal);
      };
      await withDeadline(clock, graceMs, () => new Error("grace is over"), gone).catch(() => {
        for (const conversation of standing) conversation.stream.close();
      });
      await accepting;
    },
  };
}

class Conversation implements Accepted {
  readonly stream: ByteStream;
  readonly remote: string;
  readonly #isClosing: () => boolean;
  busy = false;

  constructor(socket: Deno.TcpConn, clock: Clock, isClosing: () => boolean) {
    try {
      socket.setNoDelay(true);
      socket.setKeepAlive(true);
    } catch {
      // The far end has already gone; the first read says so.
    }
    this.stream = new ByteStream(socket, clock);
    const address = socket.remoteAddr;
    this.remote = `${address.hostname}:${address.port}`;
    this.#isClosing = isClosing;
  }

  get closing(): boolean {
    return this.#isClosing();
  }
}
