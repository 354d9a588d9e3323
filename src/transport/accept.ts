/**
 * The accept loop that every listener on a TCP port shares: socket options, TLS, the count of connections, and the
 * orderly end.
 *
 * @module
 */

import { type Clock, sleep, withDeadline } from "../clock.ts";
import { ByteStream, type Socket } from "./stream.ts";
import { TlsDoor } from "./tls_server.ts";
import type { Listener, ListenOptions } from "./transport.ts";

/** A connection as its listener sees it. */
export interface Accepted {
  readonly stream: ByteStream;
  /** Address of the far end. */
  readonly remote: string;
  /** True while a message is being received or answered: such a connection may finish before the listener closes. */
  busy: boolean;
  /** What comes now was sent before the handshake was over; absent on transports without such a thing. */
  readonly zeroRtt?: boolean;
  /** The listener is closing: no further message will be read. */
  readonly closing: boolean;
}

/**
 * Listens, and runs `converse` for each connection until it returns or throws; then the connection is closed. With an
 * identity every connection begins with a TLS handshake.
 *
 * @throws {Deno.errors.AddrInUse} and other errors of the operating system.
 */
export function acceptOn(options: ListenOptions, converse: (accepted: Accepted) => Promise<void>): Listener {
  const { clock, limits, identity } = options;
  const where = { hostname: options.hostname, port: options.port };
  const door = identity === undefined ? undefined : new TlsDoor(identity, clock);
  const listener = identity === undefined ? Deno.listen(where) : TlsDoor.listen(identity, where);
  const address = listener.addr as Deno.NetAddr;
  const standing = new Set<Conversation>();
  let closing = false;

  const serve = async (socket: Socket, remote: string) => {
    if (closing || standing.size >= limits.maxConnections) return socket.close();
    const conversation = new Conversation(socket, remote, clock, () => closing);
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
      const { hostname, port } = socket.remoteAddr;
      const remote = `${hostname}:${port}`;
      setOptions(socket);
      if (door === undefined) serve(socket, remote);
      // Who fails is closed, and has failed alone.
      else door.secure(socket).then((secured) => serve(secured, remote), () => undefined);
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
      door?.close();
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

function setOptions(socket: Deno.TcpConn): void {
  try {
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
  } catch {
    // The far end has already gone, and the first read says so; or an older runtime's TLS, which has no options.
  }
}

class Conversation implements Accepted {
  readonly stream: ByteStream;
  readonly remote: string;
  readonly #isClosing: () => boolean;
  busy = false;

  constructor(socket: Socket, remote: string, clock: Clock, isClosing: () => boolean) {
    this.stream = new ByteStream(socket, clock);
    this.remote = remote;
    this.#isClosing = isClosing;
  }

  get closing(): boolean {
    return this.#isClosing();
  }
}
