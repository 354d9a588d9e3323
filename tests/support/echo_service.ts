/**
 * A service that says back what it hears, tells what it has seen, and does what a test asks of it.
 *
 * @module
 */

import { PolicyError, TransportError, WireError } from "../../src/errors.ts";
import type { Caller, Page, Reply, Service, Session } from "../../src/transport/transport.ts";
import type { Bytes } from "../../src/types.ts";

/** What a session was told of a reply that has gone out. */
export interface Sent {
  readonly sentMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export class EchoService implements Service {
  /** Who has come in, in order. */
  readonly callers: Caller[] = [];
  readonly sent: Sent[] = [];
  /** Messages that sessions were given. */
  received = 0;
  /** Sessions that stand now. */
  sessions = 0;
  /** Sessions that have ended. */
  closed = 0;
  /** Where set, callers with another token, or none, are refused. */
  token: string | undefined;
  /** What callers of openpi's protocol are greeted with. */
  greeting: Bytes = new TextEncoder().encode("hello");
  /** What a message waits for before it is answered. */
  hold: (message: Bytes) => Promise<void> = () => Promise.resolve();
  /** What is answered; an error becomes a failure. */
  answer: (message: Bytes) => Bytes = (message) => message;

  open(caller: Caller): Session {
    if (this.token !== undefined && caller.token !== this.token) {
      throw new PolicyError("unauthorized", "Not allowed in: the token is wrong");
    }
    this.callers.push(caller);
    this.sessions++;
    return new EchoSession(this, caller);
  }

  reject(error: Error): Reply {
    const typed = error instanceof WireError || error instanceof PolicyError || error instanceof TransportError;
    const code = typed ? error.code : "policy_failed";
    const { message } = error;
    return { bytes: new TextEncoder().encode(`error ${code}: ${message}`), error: { code, message } };
  }

  page(path: string): Page | undefined {
    return path === "/healthz" ? { status: 200, type: "text/plain; charset=utf-8", body: "OK\n" } : undefined;
  }

  /** Holds every message back until the returned function is called. */
  holdAll(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.hold = () => promise;
    return () => {
      this.hold = () => Promise.resolve();
      resolve();
    };
  }
}

class EchoSession implements Session {
  readonly #service: EchoService;
  readonly greet?: () => Promise<Bytes>;
  #closed = false;

  constructor(service: EchoService, caller: Caller) {
    this.#service = service;
    if (caller.openpi) this.greet = () => Promise.resolve(service.greeting);
  }

  async handle(message: Bytes): Promise<Reply> {
    this.#service.received++;
    try {
      await this.#service.hold(message);
      return { bytes: this.#service.answer(message) };
    } catch (error) {
      return this.#service.reject(error as Error);
    }
  }

  reject(error: Error): Reply {
    return this.#service.reject(error);
  }

  sent(sentMs: number, bytesIn: number, bytesOut: number): void {
    this.#service.sent.push({ sentMs, bytesIn, bytesOut });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#service.sessions--;
    this.#service.closed++;
  }
}
