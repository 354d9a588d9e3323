/**
 * Requests and replies as frames on a stream, which tcp, quic and quic-tcp have in common.
 *
 * @module
 */

import { TransportError } from "../errors.ts";
import type { Bytes } from "../types.ts";
import type { Accepted } from "./accept.ts";
import { StreamConnection } from "./connection.ts";
import {
  decodeIntroduction,
  encodeIntroduction,
  isIntroduced,
  MAX_INTRODUCTION_BYTES,
  readFrame,
  writeFrames,
} from "./framing.ts";
import type { ByteStream } from "./stream.ts";
import type { Caller, ConnectOptions, ListenLimits, Service, Session } from "./transport.ts";

/** How long a refused client may take to stop sending, so that it can read why. */
const LINGER_MS = 1000;

/** The client's end of a stream of frames: says its introduction with its first request. */
export class FramedConnection extends StreamConnection {
  readonly #maxMessageBytes: number;
  /** Travels with the first request, so that it costs no round trip of its own. */
  #introduction: Uint8Array | undefined;

  constructor(stream: ByteStream, options: ConnectOptions) {
    super(stream);
    this.#maxMessageBytes = options.maxMessageBytes;
    this.#introduction = encodeIntroduction(options);
  }

  override async request(message: Bytes, signal?: AbortSignal): Promise<Bytes> {
    const reply = await this.stream.exchange(signal, async () => {
      const introduction = this.#introduction;
      this.#introduction = undefined;
      await writeFrames(this.stream, introduction === undefined ? [message] : [introduction, message]);
      const reply = await readFrame(this.stream, this.#maxMessageBytes, {});
      if (reply === undefined) {
        throw new TransportError("disconnected", "The server closed the connection before it replied");
      }
      return reply;
    });
    this.stream.closeIfDisturbed();
    return reply;
  }
}

/**
 * The server's end of a stream of frames, until it ends.
 *
 * @param transport as which callers are counted.
 */
export async function converseFrames(
  accepted: Accepted,
  service: Service,
  limits: ListenLimits,
  transport: string,
): Promise<void> {
  const { stream } = accepted;
  let caller: Caller = { transport, remote: accepted.remote };
  let session: Session | undefined;
  let bytesIn = 0;
  const onStart = () => accepted.busy = true;
  try {
    if (await isIntroduced(stream, limits, onStart)) {
      const introduction = await readFrame(stream, MAX_INTRODUCTION_BYTES, limits, onStart);
      caller = { ...caller, ...decodeIntroduction(introduction!) };
    }
    if (accepted.zeroRtt !== undefined) caller = { ...caller, zeroRtt: accepted.zeroRtt };
    const current = session = service.open(caller);
    while (!accepted.closing) {
      accepted.busy = false;
      const message = await readFrame(stream, limits.maxMessageBytes, limits, onStart);
      if (message === undefined) return;
      const bytesInBefore = bytesIn;
      bytesIn = stream.bytesIn;
      const answer = current.handle(message, stream.receivedMs);
      stream.watch(() => current.close());
      const { bytes } = await answer;
      const bytesOutBefore = stream.bytesOut;
      await writeFrames(stream, [bytes], limits.messageMs);
      current.sent(stream.handedMs, bytesIn - bytesInBefore, stream.bytesOut - bytesOutBefore);
    }
  } catch (error) {
    // A silent client is not told why it was let go: it would take that for the reply to its next request.
    if (error instanceof TransportError && (error.code === "disconnected" || !accepted.busy)) return;
    // What is no frame leaves no way to find the next one, and a caller who was refused has no session: say why, end.
    const reply = session?.reject(error as Error) ?? service.reject(error as Error, caller);
    await writeFrames(stream, [reply.bytes], limits.messageMs);
    await stream.closeGently(LINGER_MS);
  } finally {
    session?.close();
  }
}
