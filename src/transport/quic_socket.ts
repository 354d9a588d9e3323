/**
 * One stream of a QUIC connection, as the socket that everything else here works on. Closing it closes the connection.
 *
 * @module
 */

import { TransportError } from "../errors.ts";
import type { Bytes } from "../types.ts";
import type { Socket } from "./stream.ts";

/** One read takes this much at most. */
const READ_BYTES = 64 * 1024;

/** What the runtime says where the server did not take what was sent before the handshake was over. */
const EARLY_REJECTED = /0-RTT rejected/;

export class QuicSocket implements Socket {
  readonly #connection: Deno.QuicConn;
  #reader: ReadableStreamBYOBReader;
  #writer: WritableStreamDefaultWriter<Uint8Array>;
  #memory: ArrayBuffer | undefined;
  readonly #earlyBytes: number;
  #handshaken: boolean;
  /** Copies of what was sent before the handshake was over, until it is certain that the server took it. */
  #early: Bytes[] = [];
  #end: { readonly reason: string; readonly clean: boolean } | undefined;
  /** Settles when the connection is gone, for whatever reason. */
  readonly gone: Promise<void>;
  /** What was sent first travelled as 0-RTT data, and the server took it. Unknown before the first reply. */
  zeroRtt: boolean | undefined;

  /**
   * @param earlyBytes where the handshake is not over yet: the longest message that does not wait for its end, and goes
   *   as 0-RTT data.
   */
  constructor(connection: Deno.QuicConn, stream: Deno.QuicBidirectionalStream, earlyBytes?: number) {
    this.#connection = connection;
    this.#earlyBytes = earlyBytes ?? 0;
    this.#reader = stream.readable.getReader({ mode: "byob" });
    this.#writer = stream.writable.getWriter();
    this.#handshaken = earlyBytes === undefined;
    if (this.#handshaken) this.zeroRtt = false;
    else connection.handshake.then(() => this.#handshaken = true);
    this.gone = connection.closed.then(
      ({ closeCode, reason }) => {
        this.#end = { reason: reason || `closed with code ${closeCode}`, clean: closeCode === 0 };
      },
      (error) => {
        this.#end = { reason: error instanceof Error ? error.message : String(error), clean: false };
      },
    );
  }

  /** Why the connection ended, in the runtime's words; undefined while it stands. */
  get reason(): string | undefined {
    return this.#end?.reason;
  }

  async read(into: Uint8Array): Promise<number | null> {
    let bytes: Bytes | undefined;
    try {
      bytes = await this.#readOnce(into.length);
    } catch (error) {
      if (this.zeroRtt !== undefined || !await this.#replay(error)) throw await this.#explain(error);
      return await this.read(into);
    }
    this.zeroRtt ??= this.#early.length > 0;
    this.#early = [];
    if (bytes === undefined) return null;
    into.set(bytes);
    return bytes.length;
  }

  /** @returns undefined at the end of the stream. */
  async #readOnce(length: number): Promise<Bytes | undefined> {
    // A read takes the memory away, and gives it back with what it has read.
    const memory = this.#memory ?? new ArrayBuffer(READ_BYTES);
    this.#memory = undefined;
    const { done, value } = await this.#reader.read(new Uint8Array(memory, 0, Math.min(length, READ_BYTES)));
    this.#memory = value?.buffer;
    return done ? undefined : value;
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (!this.#handshaken && bytes.length > this.#earlyBytes) await this.#connection.handshake;
    const early = !this.#handshaken;
    if (early) this.#early.push(bytes.slice());
    try {
      await this.#writer.write(bytes);
    } catch (error) {
      // The reader meets the same rejection, and sends everything again.
      if (!early || !EARLY_REJECTED.test(messageOf(error))) throw await this.#explain(error);
    }
    return bytes.length;
  }

  /** Sends on a new stream what the server did not take as 0-RTT data. */
  async #replay(error: unknown): Promise<boolean> {
    if (!EARLY_REJECTED.test(messageOf(error))) return false;
    await this.#connection.handshake;
    this.zeroRtt = false;
    const early = this.#early;
    this.#early = [];
    try {
      const stream = await this.#connection.createBidirectionalStream();
      this.#reader = stream.readable.getReader({ mode: "byob" });
      this.#writer = stream.writable.getWriter();
      for (const bytes of early) await this.#writer.write(bytes);
      return true;
    } catch {
      // The handshake failed, too; the connection's own end says why.
      return false;
    }
  }

  /** The end of the connection, where that is why the stream failed: it says more than the stream does. */
  async #explain(error: unknown): Promise<Error> {
    // The connection's end and the stream's become known in one turn, in any order.
    for (let turn = 0; turn < 8 && this.#end === undefined; turn++) await Promise.resolve();
    const reason = this.#end?.reason ?? messageOf(error);
    return new TransportError("disconnected", reason, { cause: error });
  }

  closeWrite(): Promise<void> {
    return this.#writer.close();
  }

  /** Closes the connection at once; what is still on its way is lost. */
  close(): void {
    this.#connection.close();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
