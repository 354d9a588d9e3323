/**
 * No network at all: a client and a service in one process, speaking the same bytes. The floor that every other
 * transport is compared with.
 *
 * @module
 */

import { type Clock, withDeadline } from "../clock.ts";
import { TransportError } from "../errors.ts";
import type { Bytes } from "../types.ts";
import type { Connection, ConnectOptions, Service, Session } from "./transport.ts";

/** @throws {PolicyError} where the service refuses the caller. */
export function connectLocal(service: Service, options: ConnectOptions): Promise<Connection> {
  const { token, client } = options;
  const session = service.open({
    transport: "local",
    remote: "local",
    ...(token === undefined ? {} : { token }),
    ...(client === undefined ? {} : { client }),
  });
  return Promise.resolve(new LocalConnection(session, options.clock));
}

class LocalConnection implements Connection {
  readonly #session: Session;
  readonly #clock: Clock;
  bytesOut = 0;
  bytesIn = 0;
  closed = false;

  constructor(session: Session, clock: Clock) {
    this.#session = session;
    this.#clock = clock;
  }

  async request(message: Bytes, signal?: AbortSignal): Promise<Bytes> {
    if (signal?.aborted) throw signal.reason;
    if (this.closed) throw new TransportError("disconnected", "Cannot send a request: the connection is closed");
    this.bytesOut += message.length;
    const answer = this.#session.handle(message, this.#clock.now());
    // Without a network the only limit is the caller's own.
    const never = () => new TransportError("deadline", "unreachable");
    const { bytes } = signal === undefined
      ? await answer
      : await withDeadline(this.#clock, 2 ** 31 - 1, never, () => answer, signal).catch((error) => {
        this.#end();
        throw error;
      });
    this.#session.sent(this.#clock.now(), message.length, bytes.length);
    this.bytesIn += bytes.length;
    return bytes;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    return Promise.resolve();
  }

  #end(): void {
    if (!this.closed) this.#session.close();
    this.closed = true;
  }
}
