/**
 * A socket whose far end is written down in the test: what arrives, in which portions, and what goes wrong.
 *
 * @module
 */

import { ByteStream, type Socket } from "../../src/transport/stream.ts";
import type { Bytes } from "../../src/types.ts";
import { FakeClock } from "./fake_clock.ts";

type Event = Uint8Array | Error | null;

export class ScriptedSocket implements Socket {
  /** Portions as they were handed over, each a copy. */
  readonly written: Bytes[] = [];
  closed = false;
  writeClosed = false;
  /** At most so many bytes are taken per write. */
  writeLimit = Infinity;
  /** What a write waits for before it takes anything. */
  writable: Promise<void> = Promise.resolve();
  /** What the next write fails with. */
  writeError: Error | undefined;
  /** Room that the largest read was given. */
  largestReadBytes = 0;
  #events: Event[] = [];
  #wake: (() => void) | undefined;

  constructor(...events: Event[]) {
    this.#events = events;
  }

  /** What has been written, as one array. */
  get sent(): Bytes {
    return join(this.written);
  }

  /** Bytes arrive; null is the far end closing, an error the connection breaking. */
  arrive(...events: Event[]): void {
    this.#events.push(...events);
    this.#wake?.();
  }

  async read(into: Uint8Array): Promise<number | null> {
    this.largestReadBytes = Math.max(this.largestReadBytes, into.length);
    while (this.#events.length === 0 && !this.closed) await new Promise<void>((resolve) => this.#wake = resolve);
    if (this.closed) throw new Deno.errors.BadResource("Bad resource ID");
    const event = this.#events.shift()!;
    if (event === null) return null;
    if (event instanceof Error) throw event;
    const count = Math.min(into.length, event.length);
    into.set(event.subarray(0, count));
    if (count < event.length) this.#events.unshift(event.subarray(count));
    return count;
  }

  async write(bytes: Uint8Array): Promise<number> {
    // Like a socket of the runtime, it has looked at the bytes by the time it returns the promise.
    const portion = bytes.slice(0, this.writeLimit);
    await this.writable;
    if (this.writeError !== undefined) throw this.writeError;
    if (this.closed) throw new Deno.errors.BadResource("Bad resource ID");
    this.written.push(portion);
    return portion.length;
  }

  closeWrite(): Promise<void> {
    this.writeClosed = true;
    return Promise.resolve();
  }

  close(): void {
    if (this.closed) throw new Deno.errors.BadResource("Bad resource ID");
    this.closed = true;
    this.#wake?.();
  }
}

/** A stream on which these portions arrive, then the end. */
export function streamOf(...portions: Uint8Array[]): ByteStream {
  return new ByteStream(new ScriptedSocket(...portions, null), new FakeClock());
}

/** Every way of cutting bytes in two, in order; then one byte at a time. */
export function* splits(bytes: Uint8Array): Generator<Uint8Array[]> {
  for (let at = 0; at <= bytes.length; at++) {
    yield [bytes.subarray(0, at), bytes.subarray(at)].filter((part) => part.length > 0);
  }
  yield Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
}

/** One array of all parts. */
export function join(parts: readonly Uint8Array[]): Bytes {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** The bytes of a text whose characters are bytes. */
export function latin1(text: string): Bytes {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** The bytes that hexadecimal digits mean; spaces are passed over. */
export function hex(digits: string): Bytes {
  return Uint8Array.from(digits.replaceAll(" ", "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
