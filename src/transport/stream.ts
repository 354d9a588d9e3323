/**
 * A socket as a stream of bytes that can be taken in exact portions, without copying them, within a time limit.
 *
 * @module
 */

import { type Clock, MovingDeadline, withDeadline } from "../clock.ts";
import { TransportError } from "../errors.ts";
import type { Bytes } from "../types.ts";

/** What a stream needs of a socket; `Deno.Conn` has it. */
export interface Socket {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
}

const BLOCK_BYTES = 64 * 1024;

/** Linux' default for the smallest send buffer that a TCP socket starts with (`net.ipv4.tcp_wmem`). */
const SOCKET_BUFFER_BYTES = 16 * 1024;

/** Memory that an announcement alone is worth: a request with six raw cameras. */
const TRUSTED_BYTES = 1024 * 1024;

/** Room for `length` bytes and then some, so that slightly longer messages do not ask for memory again. */
function allocate(length: number): Bytes {
  return new Uint8Array(Math.ceil((length + 1) / BLOCK_BYTES) * BLOCK_BYTES);
}

export class ByteStream {
  readonly #socket: Socket;
  readonly #clock: Clock;
  /**
   * Two buffers take turns: while a message lies in one, the next bytes (or the news that the far end is gone) arrive
   * in the other.
   */
  #buffer: Bytes = allocate(0);
  #spare: Bytes = allocate(0);
  #start = 0;
  #end = 0;
  #filling: Promise<boolean> | undefined;
  #ended = false;
  #closed = false;
  #sendBuffer: Bytes = allocate(0);
  #watcher: object | undefined;
  readonly #readLimit: MovingDeadline;
  readonly #writeLimit: MovingDeadline;
  #writeIsLimited = false;
  #writing: Promise<void> = Promise.resolve();
  /** Bytes that have gone out and come in. */
  bytesOut = 0;
  bytesIn = 0;
  /** When the last bytes arrived, by the clock. */
  receivedMs = 0;
  /** When the last bytes were handed to the socket. */
  handedMs = 0;

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#readLimit = new MovingDeadline(clock);
    this.#writeLimit = new MovingDeadline(clock);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes that have arrived and have not been taken. */
  get unread(): number {
    return this.#end - this.#start;
  }

  /**
   * Waits until `count` bytes can be taken.
   *
   * @returns false where the far end closed before the first of them.
   * @throws {TransportError} disconnected in the middle, or deadline after `limitMs`.
   */
  async ready(count: number, limitMs?: number): Promise<boolean> {
    this.#watcher = undefined;
    if (this.unread >= count) return true;
    if (limitMs === undefined || this.#closed) return await this.#fillTo(count);
    const message = `Cannot read ${count} bytes: not there after ${limitMs} ms`;
    return await within(this.#readLimit, limitMs, message, this.#fillTo(count));
  }

  /** The next `count` bytes, left where they are. They must be ready. */
  peek(count: number): Bytes {
    return this.#buffer.subarray(this.#start, this.#start + count);
  }

  /** Everything that is ready, left where it is. */
  peekAll(): Bytes {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** Passes over bytes that are ready. */
  skip(count: number): void {
    this.#start += count;
  }

  /**
   * Takes `count` bytes that are ready. They stay as they are until the next take.
   */
  take(count: number): Bytes {
    const bytes = this.peek(count);
    this.#start += count;
    // The view keeps its buffer; what follows it moves to the other one, which is empty or held by nobody any more.
    const rest = this.peekAll();
    const next = this.#spare.length > rest.length ? this.#spare : allocate(rest.length);
    next.set(rest);
    this.#spare = this.#buffer;
    this.#buffer = next;
    this.#start = 0;
    this.#end = rest.length;
    return bytes;
  }

  /**
   * Reads ahead while nobody else does, for the news that the far end is gone. Ends with the next read.
   *
   * @param onBytes is told of bytes that arrived instead, and says whether to go on watching.
   */
  watch(onEnd: () => void, onBytes: () => boolean = () => false): void {
    const watcher = this.#watcher = {};
    const current = () => this.#watcher === watcher;
    const go = () => {
      if (this.unread > 0 && !onBytes()) return;
      this.#fill().then((more) => {
        if (!current()) return;
        if (more) go();
        else onEnd();
      }, () => current() && onEnd());
    };
    go();
  }

  /** Memory of at least `length` bytes for a message that is put together before it is sent. */
  reserve(length: number): Bytes {
    if (this.#sendBuffer.length < length) this.#sendBuffer = allocate(length);
    return this.#sendBuffer;
  }

  /**
   * Hands all bytes to the socket.
   *
   * @throws {TransportError} disconnected, or deadline after `limitMs`.
   */
  async write(bytes: Uint8Array, limitMs?: number): Promise<void> {
    if (this.#closed) throw new TransportError("disconnected", "Cannot send: the connection is closed");
    if (limitMs === undefined) return await this.#writeAll(bytes);
    const message = `Cannot send ${bytes.length} bytes: not gone after ${limitMs} ms`;
    // One write has the limit that moves. What waits behind it must not lose its own when that one is lifted.
    if (this.#writeIsLimited) {
      const late = () => new TransportError("deadline", message);
      return await withDeadline(this.#clock, limitMs, late, () => this.#writeAll(bytes));
    }
    this.#writeIsLimited = true;
    try {
      await within(this.#writeLimit, limitMs, message, this.#writeAll(bytes));
    } finally {
      this.#writeIsLimited = false;
    }
  }

  /**
   * Runs one request and its reply. If it fails or is aborted the stream is closed, because the bytes of that reply
   * could otherwise be taken for the next one's.
   */
  async exchange<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    if (signal?.aborted) throw signal.reason;
    if (this.#closed) throw new TransportError("disconnected", "Cannot send a request: the connection is closed");
    this.#watcher = undefined;
    let onAbort: (() => void) | undefined;
    try {
      if (signal === undefined) return await work();
      const aborted = new Promise<never>((_, reject) => {
        onAbort = () => reject(signal.reason);
        signal.addEventListener("abort", onAbort, { once: true });
      });
      return await Promise.race([work(), aborted]);
    } catch (error) {
      this.close();
      throw error;
    } finally {
      if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Runs what must be done before the first request, within a limit. If it fails the stream is closed.
   *
   * @throws {TransportError} deadline after `limitMs`.
   */
  async limited<T>(limitMs: number, signal: AbortSignal | undefined, action: string, work: () => Promise<T>) {
    const late = () => new TransportError("deadline", `${action}: no answer within ${limitMs} ms`);
    try {
      return await withDeadline(this.#clock, limitMs, late, work, signal);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Closes when the far end does, or says something that nobody asked for: between two requests there is nothing to
   * say, and it could be taken for the next reply.
   */
  closeIfDisturbed(): void {
    const close = () => this.close();
    this.watch(close, () => {
      close();
      return false;
    });
  }

  /** Closes at once. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#readLimit.dispose();
    this.#writeLimit.dispose();
    try {
      this.#socket.close();
    } catch {
      // The socket went away by itself, which is what was wanted.
    }
  }

  /**
   * Closes so that what was written last arrives: a socket closed with unread bytes in it resets the connection, and
   * the reset overtakes the reply. Reads and drops what still comes, for `limitMs` at most.
   */
  async closeGently(limitMs: number): Promise<void> {
    try {
      await this.#socket.closeWrite();
      const drain = async () => {
        while (await this.#fill()) this.#start = this.#end = 0;
      };
      await withDeadline(this.#clock, limitMs, () => new TransportError("deadline", "drained"), drain);
    } catch {
      // However it ended, the connection is closed below.
    }
    this.close();
  }

  async #fillTo(count: number): Promise<boolean> {
    while (this.unread < count) {
      // A far end that announces much must send much before it is given the memory.
      const trusted = Math.max(TRUSTED_BYTES, 2 * this.unread);
      if (this.#filling === undefined) this.#makeRoom(Math.min(count, trusted));
      const before = this.unread;
      if (await this.#fill()) continue;
      if (before === 0) return false;
      throw new TransportError("disconnected", `Cannot read ${count} bytes: the far end closed after ${before}`);
    }
    return true;
  }

  /** Makes the buffer long enough for `count` bytes from where the unread ones start. */
  #makeRoom(count: number): void {
    if (this.#start + count <= this.#buffer.length) return;
    const rest = this.peekAll();
    if (count <= this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
    } else {
      const larger = allocate(count);
      larger.set(rest);
      this.#buffer = larger;
    }
    this.#start = 0;
    this.#end = rest.length;
  }

  /** Reads once, after what is there already. Resolves to false at the end of the stream. */
  #fill(): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false);
    this.#filling ??= this.#readOnce().finally(() => this.#filling = undefined);
    return this.#filling;
  }

  async #readOnce(): Promise<boolean> {
    if (this.#end === this.#buffer.length) this.#makeRoom(this.unread + BLOCK_BYTES);
    let count: number | null;
    try {
      count = await this.#socket.read(this.#buffer.subarray(this.#end));
    } catch (error) {
      this.#ended = true;
      throw disconnected(error);
    }
    if (count === null) {
      this.#ended = true;
      return false;
    }
    this.#end += count;
    this.bytesIn += count;
    this.receivedMs = this.#clock.now();
    return true;
  }

  /** One write at a time: two that are cut into parts by the socket must not mix. */
  #writeAll(bytes: Uint8Array): Promise<void> {
    const turn = this.#writing.then(() => this.#writeNow(bytes));
    // Its caller hears of a failure; the next write meets the same broken socket by itself.
    this.#writing = turn.catch(() => undefined);
    return turn;
  }

  async #writeNow(bytes: Uint8Array): Promise<void> {
    try {
      let written = 0;
      while (written < bytes.length) {
        const writing = this.#socket.write(written === 0 ? bytes : bytes.subarray(written));
        // The runtime tries the system call before it returns the promise, which resolves a turn of the event loop
        // later. What fits into any socket's empty buffer has gone by now.
        this.handedMs = this.#clock.now();
        written += await writing;
      }
      if (bytes.length > SOCKET_BUFFER_BYTES) this.handedMs = this.#clock.now();
    } catch (error) {
      throw disconnected(error);
    }
    this.bytesOut += bytes.length;
  }
}

/** Waits for `work`, for as long as the limit allows. */
async function within<T>(limit: MovingDeadline, limitMs: number, message: string, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  limit.move(limitMs, () => reject(new TransportError("deadline", message)));
  try {
    return await Promise.race([work, late]);
  } finally {
    limit.lift();
  }
}

function disconnected(cause: unknown): TransportError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TransportError("disconnected", `The connection broke: ${reason}`, { cause });
}

/** One array of all parts. */
export function concatenate(parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
