/**
 * What the client's connections over one socket have in common: what they count, and how they end.
 *
 * @module
 */

import type { Bytes } from "../types.ts";
import type { ByteStream } from "./stream.ts";
import type { Connection } from "./transport.ts";

export abstract class StreamConnection implements Connection {
  protected readonly stream: ByteStream;

  constructor(stream: ByteStream) {
    this.stream = stream;
  }

  get bytesOut(): number {
    return this.stream.bytesOut;
  }

  get bytesIn(): number {
    return this.stream.bytesIn;
  }

  get closed(): boolean {
    return this.stream.closed;
  }

  abstract request(message: Bytes, signal?: AbortSignal): Promise<Bytes>;

  [Symbol.asyncDispose](): Promise<void> {
    this.stream.close();
    return Promise.resolve();
  }
}
