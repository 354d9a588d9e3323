/**
 * The far end of a real socket, for tests that say by themselves what goes over the wire.
 *
 * @module
 */

import { systemClock } from "../../src/clock.ts";
import { type Head, readBody, readHead } from "../../src/transport/http_message.ts";
import { ByteStream, type Socket } from "../../src/transport/stream.ts";
import { type Message, readMessage } from "../../src/transport/ws_frame.ts";
import type { Bytes } from "../../src/types.ts";
import { within } from "./eventually.ts";
import { latin1 } from "./scripted_socket.ts";

const MAX_BYTES = 16_000_000;

export class RawClient implements Disposable {
  readonly #socket: Socket;
  readonly #stream: ByteStream;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#stream = new ByteStream(socket, systemClock);
  }

  static async connect(port: number): Promise<RawClient> {
    return new RawClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Sends bytes, or the characters of a text as bytes. */
  send(data: Uint8Array | string): Promise<void> {
    return this.#stream.write(typeof data === "string" ? latin1(data) : data);
  }

  /** Says that nothing more will be sent. */
  finish(): Promise<void> {
    return this.#socket.closeWrite();
  }

  /** The next head of HTTP. */
  async head(): Promise<Head> {
    const head = await within("a head", readHead(this.#stream, {}));
    if (head === undefined) throw new Error("The far end closed instead of sending a head");
    return head;
  }

  /** The next message of HTTP: status, headers, and body as text. */
  async response(): Promise<{ status: number; headers: Head["headers"]; text: string }> {
    const { start, headers } = await this.head();
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(start)?.[1];
    if (status === undefined) throw new Error(`This is no status line: ${start}`);
    const body = await within("a body", readBody(this.#stream, headers, MAX_BYTES, {}, true));
    return { status: Number(status), headers, text: new TextDecoder().decode(body) };
  }

  /** The next WebSocket message or control frame, its payload a copy. */
  async frame(masked = false): Promise<Message> {
    const read = async () => {
      if (!await this.#stream.ready(1)) throw new Error("The far end closed instead of sending a frame");
      return await readMessage(this.#stream, { masked, maxBytes: MAX_BYTES }, () => Promise.resolve());
    };
    const { opcode, payload } = await within("a frame", read());
    return { opcode, payload: payload.slice() };
  }

  /** The next bytes. */
  async bytes(count: number): Promise<Bytes> {
    if (!await within(`${count} bytes`, this.#stream.ready(count))) throw new Error("The far end closed instead");
    return this.#stream.take(count).slice();
  }

  /** Whether the far end ends the connection now, without another byte. */
  async ended(): Promise<boolean> {
    return !await within("the end", this.#stream.ready(1));
  }

  close(): void {
    this.#stream.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
