/**
 * Messages on a stream of bytes: a length (u32, big-endian), then that many bytes. tcp speaks it, and so can any other
 * reliable stream.
 *
 * The client's first frame may be an introduction, a JSON object; a MessagePack message never begins with `{`.
 *
 * @module
 */

import { PolicyError, TransportError, WireError } from "../errors.ts";
import type { Bytes } from "../types.ts";
import type { ByteStream } from "./stream.ts";
import { type ConnectOptions, PROTOCOL_VERSION } from "./transport.ts";

const HEADER_BYTES = 4;
/** A token and a name; far more than either needs. */
export const MAX_INTRODUCTION_BYTES = 16 * 1024;
/** `{` in ASCII; in MessagePack the number 123, which is no message. */
const OPEN_BRACE = 0x7b;

/** What a length that is really text means; the first four bytes of what other protocols say first. */
const OTHER_PROTOCOLS: Record<string, string> = {
  "HTTP": "an HTTP server",
  "GET ": "an HTTP client",
  "POST": "an HTTP client",
  "PUT ": "an HTTP client",
  "HEAD": "an HTTP client",
  "OPTI": "an HTTP client",
  "\x15\x03\x01": "a TLS server",
  "\x15\x03\x03": "a TLS server",
  "\x16\x03\x01": "a TLS client",
  "\x16\x03\x03": "a TLS client",
};

/**
 * Reads one frame.
 *
 * @param idleMs how long to wait for its first byte; absent means without limit.
 * @param messageMs how long the rest may take.
 * @returns undefined where the far end closed between two frames.
 * @throws {WireError} too_large.
 * @throws {TransportError} disconnected, deadline, not_speaking.
 */
export async function readFrame(
  stream: ByteStream,
  maxBytes: number,
  limits: { idleMs?: number; messageMs?: number },
  onStart?: () => void,
): Promise<Bytes | undefined> {
  if (!await stream.ready(1, limits.idleMs)) return undefined;
  onStart?.();
  await stream.ready(HEADER_BYTES, limits.messageMs);
  const header = stream.peek(HEADER_BYTES);
  const length = new DataView(header.buffer, header.byteOffset).getUint32(0);
  if (length > maxBytes) {
    const text = String.fromCharCode(...header);
    const other = OTHER_PROTOCOLS[text] ?? OTHER_PROTOCOLS[text.slice(0, 3)];
    if (other !== undefined) {
      const hint = other === "a TLS server" ? " (use tcps://)" : "";
      throw new TransportError("not_speaking", `Cannot read a frame: ${other} is on the other side${hint}`);
    }
    throw new WireError("too_large", { found: `${length} bytes`, expected: `at most ${maxBytes}` });
  }
  stream.skip(HEADER_BYTES);
  if (length > 0) await requireReady(stream, length, limits.messageMs);
  return stream.take(length);
}

async function requireReady(stream: ByteStream, count: number, limitMs: number | undefined): Promise<void> {
  if (await stream.ready(count, limitMs)) return;
  throw new TransportError("disconnected", `Cannot read ${count} bytes: the far end closed before the first`);
}

/**
 * Whether the first frame is an introduction. Looks only at its first byte, so that who has no token need not be read.
 *
 * @throws {TransportError} disconnected, deadline.
 */
export async function isIntroduced(
  stream: ByteStream,
  limits: { idleMs: number; messageMs: number },
  onStart?: () => void,
): Promise<boolean> {
  if (!await stream.ready(1, limits.idleMs)) {
    throw new TransportError("disconnected", "The client left without a word");
  }
  onStart?.();
  await stream.ready(HEADER_BYTES, limits.messageMs);
  const header = stream.peek(HEADER_BYTES);
  if (header.every((byte) => byte === 0)) return false;
  return await stream.ready(HEADER_BYTES + 1, limits.messageMs) &&
    stream.peek(HEADER_BYTES + 1)[HEADER_BYTES] === OPEN_BRACE;
}

/** Sends frames in one piece: a header that travels alone would cost a packet, and on some paths a round trip. */
export async function writeFrames(stream: ByteStream, messages: readonly Uint8Array[], limitMs?: number) {
  const total = messages.reduce((sum, message) => sum + HEADER_BYTES + message.length, 0);
  const buffer = stream.reserve(total);
  const view = new DataView(buffer.buffer, buffer.byteOffset);
  let at = 0;
  for (const message of messages) {
    view.setUint32(at, message.length);
    buffer.set(message, at + HEADER_BYTES);
    at += HEADER_BYTES + message.length;
  }
  await stream.write(buffer.subarray(0, total), limitMs);
}

/** The client's first frame. */
export interface Introduction {
  readonly version: number;
  readonly token?: string;
  readonly client?: string;
}

export function encodeIntroduction(options: Pick<ConnectOptions, "token" | "client">): Uint8Array {
  const { token, client } = options;
  return new TextEncoder().encode(JSON.stringify({ pi0: PROTOCOL_VERSION, token, client }));
}

/**
 * @throws {WireError} malformed, wrong_type.
 * @throws {PolicyError} protocol_mismatch.
 */
export function decodeIntroduction(message: Bytes): Introduction {
  const expected = `a JSON object such as {"pi0":${PROTOCOL_VERSION},"token":"…","client":"…"}`;
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(message));
  } catch (cause) {
    throw new WireError("malformed", { field: "introduction", found: "no JSON", expected }, { cause });
  }
  const { pi0: version, token, client } = value;
  if (typeof version !== "number") throw new WireError("wrong_type", { field: "introduction.pi0", expected });
  if (version !== PROTOCOL_VERSION) throw mismatch(version);
  if (token !== undefined && typeof token !== "string") {
    throw new WireError("wrong_type", { field: "introduction.token", expected: "a string" });
  }
  if (client !== undefined && typeof client !== "string") {
    throw new WireError("wrong_type", { field: "introduction.client", expected: "a string" });
  }
  return { version, ...(token === undefined ? {} : { token }), ...(client === undefined ? {} : { client }) };
}

/** The other side speaks another version of pi0's protocol. */
export function mismatch(version: unknown): PolicyError {
  return new PolicyError(
    "protocol_mismatch",
    `The other side speaks version ${version} of pi0's protocol, this one version ${PROTOCOL_VERSION}: ` +
      "use the same release of pi0 on both",
  );
}
