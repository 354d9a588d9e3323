/**
 * TLS on accepted connections: who may not get stuck in a handshake, and what a client is told that speaks no TLS.
 *
 * @module
 */

import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import { type Clock, withDeadline } from "../clock.ts";
import { TransportError } from "../errors.ts";
import { ByteStream, type Socket } from "./stream.ts";
import { duplexOf, TLS_IS_COMPLETE, TlsSocket } from "./tls_socket.ts";
import type { Identity } from "./transport.ts";

/** A handshake is two round trips; the slowest link that a robot is driven over does it in less. */
const HANDSHAKE_MS = 10_000;
/** Handshakes that may go on at once. One more ends the oldest, which has had its chance: nobody can take all places. */
const MAX_HANDSHAKES = 256;
/** How long a client that speaks no TLS may take to stop sending, so that it can read what it is told. */
const LINGER_MS = 1000;
/** What every TLS connection begins with: a record of the handshake. */
const HANDSHAKE_RECORD = 0x16;
/** TLS 1.2's fatal alert "decode error"; pi0's clients know what it means when they were speaking plainly. */
const ALERT = Uint8Array.of(0x15, 3, 3, 0, 2, 2, 50);

/** Makes TLS connections of accepted ones. */
export class TlsDoor {
  readonly #clock: Clock;
  readonly #context: SecureContext | undefined;
  /** How each handshake that goes on is ended, oldest first. */
  readonly #pending = new Set<() => void>();

  constructor(identity: Identity, clock: Clock) {
    this.#clock = clock;
    const { certPem: cert, keyPem: key } = identity;
    this.#context = TLS_IS_COMPLETE ? createSecureContext({ cert, key }) : undefined;
  }

  /** Handshakes that go on now. */
  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Listens for connections that {@linkcode secure} takes. An older runtime's TLS is in the listener itself; its
   * replies of more than 16 kB may wait 40 ms for Nagle's algorithm.
   *
   * @throws errors of the operating system.
   */
  static listen(identity: Identity, where: { hostname: string; port: number }): Deno.Listener<Deno.TcpConn> {
    if (TLS_IS_COMPLETE) return Deno.listen(where);
    const { certPem: cert, keyPem: key } = identity;
    return Deno.listenTls({ ...where, cert, key }) as unknown as Deno.Listener<Deno.TcpConn>;
  }

  /**
   * Does the handshake. If it fails the connection is closed.
   *
   * @throws whatever went wrong; it concerns nobody but this client.
   */
  async secure(connection: Deno.TcpConn): Promise<Socket> {
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const end = () => reject(new TransportError("deadline", "The handshake made way for a newer one"));
    this.#pending.add(end);
    if (this.#pending.size > MAX_HANDSHAKES) this.#pending.values().next().value!();
    const late = () => new TransportError("deadline", `No handshake within ${HANDSHAKE_MS} ms`);
    try {
      const work = () => Promise.race([this.#handshake(connection), ended]);
      return await withDeadline(this.#clock, HANDSHAKE_MS, late, work);
    } catch (error) {
      this.#close(connection);
      throw error;
    } finally {
      this.#pending.delete(end);
    }
  }

  /** Ends every handshake that goes on. */
  close(): void {
    for (const end of this.#pending) end();
  }

  #close(connection: Deno.TcpConn): void {
    try {
      connection.close();
    } catch {
      // Closed already, by the side that failed first.
    }
  }

  async #handshake(connection: Deno.TcpConn): Promise<Socket> {
    if (this.#context === undefined) {
      await (connection as unknown as Deno.TlsConn).handshake();
      return connection;
    }
    const first = new Uint8Array(4096);
    const count = await connection.read(first);
    if (count === null) throw new TransportError("disconnected", "The client left without a word");
    if (first[0] !== HANDSHAKE_RECORD) {
      const stream = new ByteStream(connection, this.#clock);
      await stream.write(ALERT);
      await stream.closeGently(LINGER_MS);
      throw new TransportError("not_speaking", "The client speaks no TLS");
    }
    const duplex = duplexOf(connection, first.subarray(0, count));
    // The types know sockets only; any stream will do.
    const stream = new TLSSocket(duplex as never, { isServer: true, secureContext: this.#context });
    await new Promise<void>((resolve, reject) => {
      stream.once("secure", resolve).once("error", reject);
      stream.once("close", () => reject(new TransportError("disconnected", "The client left during the handshake")));
    });
    return new TlsSocket(stream);
  }
}
