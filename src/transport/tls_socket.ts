/**
 * TLS through `node:tls`, whose sockets leave Nagle's algorithm off, tell what the far end has shown, and trust the
 * roots that they are given and no others. The runtime's own TLS does none of that.
 *
 * @module
 */

import { Duplex } from "node:stream";
import { setImmediate } from "node:timers";
import type { TLSSocket } from "node:tls";
import { concatenate, type Socket } from "./stream.ts";

/** Memory for bytes that are read, filled piece by piece; a piece has at least a quarter of it to fill. */
const BLOCK_BYTES = 256 * 1024;
/** What may wait to be read, or to be written: several messages. */
const HIGH_WATER_BYTES = 1024 * 1024;

/**
 * Whether `node:tls` is more than a shell around the runtime's own TLS: since then it also speaks for servers, tells
 * whether a certificate was verified, and makes sure that a server has the key to what it shows even where it need not
 * verify it. Measured on 2.9.6; 2.6.8 does none of this.
 */
export const TLS_IS_COMPLETE = isAtLeast(Deno.version.deno, [2, 9, 6]);

/** Whether a version such as `2.9.6` is as new as another. */
export function isAtLeast(version: string, least: readonly number[]): boolean {
  const parts = version.split(/[.+-]/).map(Number);
  const at = least.findIndex((part, i) => parts[i] !== part);
  return at < 0 || (parts[at] ?? 0) > least[at]!;
}

/** A TLS connection whose handshake is done, as a {@linkcode Socket}. */
export class TlsSocket implements Socket {
  readonly #stream: TLSSocket;
  /** What has arrived and was not read yet, in pieces. */
  #arrived: Uint8Array[] = [];
  #arrivedBytes = 0;
  #error: Error | undefined;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(stream: TLSSocket) {
    this.#stream = stream;
    const wake = () => this.#wake?.();
    stream.on("data", (bytes: Uint8Array) => {
      this.#arrived.push(bytes);
      this.#arrivedBytes += bytes.length;
      if (this.#arrivedBytes > HIGH_WATER_BYTES) stream.pause();
      wake();
    });
    stream.on("error", (error) => {
      this.#error ??= error;
      wake();
    });
    stream.on("end", () => {
      this.#ended = true;
      wake();
    });
    stream.on("close", wake);
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#arrivedBytes === 0) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return null;
      if (this.#stream.destroyed) throw new Error("it was closed");
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    let count = 0;
    while (count < into.length && this.#arrived.length > 0) {
      const bytes = this.#arrived[0]!;
      const piece = bytes.subarray(0, into.length - count);
      into.set(piece, count);
      count += piece.length;
      if (piece.length === bytes.length) this.#arrived.shift();
      else this.#arrived[0] = bytes.subarray(piece.length);
    }
    this.#arrivedBytes -= count;
    if (this.#stream.isPaused()) this.#stream.resume();
    return count;
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#stream.write(bytes, (error) => error ? reject(error) : resolve(bytes.length));
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => this.#stream.end(resolve));
  }

  close(): void {
    this.#stream.destroy();
  }
}

/**
 * A socket of the runtime as a stream of Node.
 *
 * @param first bytes that were read from it already.
 */
export function duplexOf(socket: Socket, first?: Uint8Array): Duplex {
  let early = first;
  let block = new Uint8Array(0);
  const writeAll = async (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length;) at += await socket.write(at === 0 ? bytes : bytes.subarray(at));
  };
  const report = (work: Promise<unknown>, done: (error?: Error | null) => void) => work.then(() => done(), done);
  return new Duplex({
    writableHighWaterMark: HIGH_WATER_BYTES,
    read() {
      if (early !== undefined) {
        const bytes = early;
        early = undefined;
        // Not at once: a TLS socket that fails before it has quite begun takes the program with it.
        setImmediate(() => this.push(bytes));
        return;
      }
      if (block.length < BLOCK_BYTES / 4) block = new Uint8Array(BLOCK_BYTES);
      socket.read(block).then((count) => {
        // Given away, so there is nothing to copy.
        const piece = block.subarray(0, count ?? 0);
        block = block.subarray(piece.length);
        this.push(count === null ? null : piece);
      }, (error) => this.destroy(error));
    },
    write: (chunk: Uint8Array, _encoding, done) => void report(writeAll(chunk), done),
    // In one piece: each write of its own would be a packet of its own.
    writev: (chunks, done) => void report(writeAll(concatenate(chunks.map(({ chunk }) => chunk))), done),
    final: (done) => void report(socket.closeWrite(), done),
    destroy(error, done) {
      try {
        socket.close();
      } catch {
        // The socket went away by itself, which is what was wanted.
      }
      done(error);
    },
  });
}
