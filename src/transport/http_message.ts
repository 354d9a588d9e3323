/**
 * HTTP/1.1 messages on a stream of bytes, as RFC 9112 has them: the head as text, the body by its length or in chunks.
 * Both sides read the same way; what the start line means is theirs to say.
 *
 * @module
 */

import { TransportError, WireError } from "../errors.ts";
import type { Bytes } from "../types.ts";
import { type ByteStream, concatenate } from "./stream.ts";

/** Bound on start line and headers together; Node's and nginx's are 16 and 8 KiB. */
const MAX_HEAD_BYTES = 16 * 1024;
/** Bound on the line before a chunk, and on a trailer. */
const MAX_LINE_BYTES = 256;
/** Bound on the parts of a body: each costs memory of its own, however short it is. */
const MAX_CHUNKS = 65536;
const CRLF = "\r\n";
/** What a first byte means that begins an alert, or a handshake, of TLS. */
const TLS_RECORDS: Readonly<Record<number, string>> = {
  0x15: "a TLS server is on the other side (use https:// or wss://)",
  0x16: "a TLS client is on the other side, and this portal is not encrypted",
};

export interface Head {
  /** Start line, without its line end. */
  readonly start: string;
  /** By lower-case name; several fields of one name are joined by a comma. */
  readonly headers: ReadonlyMap<string, string>;
}

export interface ReadLimits {
  readonly idleMs?: number;
  readonly messageMs?: number;
}

/**
 * Reads start line and headers.
 *
 * @returns undefined where the far end closed before the first byte.
 * @throws {WireError} malformed, too_large.
 * @throws {TransportError} disconnected, deadline.
 */
export async function readHead(
  stream: ByteStream,
  limits: ReadLimits,
  onStart?: () => void,
): Promise<Head | undefined> {
  if (!await stream.ready(1, limits.idleMs)) return undefined;
  onStart?.();
  let searched = 0;
  for (;;) {
    const bytes = stream.peekAll();
    const tls = TLS_RECORDS[bytes[0]!];
    if (tls !== undefined) throw new TransportError("not_speaking", `Cannot read HTTP: ${tls}`);
    // Requests begin with a method, replies with HTTP. What begins otherwise is told so, not waited for.
    if (bytes[0]! < 0x41 || bytes[0]! > 0x5a) {
      throw new WireError("malformed", { field: "start line", found: `byte ${bytes[0]}`, expected: "HTTP/1.1" });
    }
    const end = findHeadEnd(bytes, searched);
    if ((end === 0 ? bytes.length : end) > MAX_HEAD_BYTES) {
      throw new WireError("too_large", { field: "headers", expected: `at most ${MAX_HEAD_BYTES} bytes` });
    }
    if (end > 0) {
      const head = parseHead(bytes.subarray(0, end));
      stream.skip(end);
      return head;
    }
    searched = Math.max(0, bytes.length - 3);
    await stream.ready(bytes.length + 1, limits.messageMs);
  }
}

/** Where the empty line ends, or 0 where it has not come yet. */
function findHeadEnd(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(10, from); at >= 0; at = bytes.indexOf(10, at + 1)) {
    if (at >= 3 && bytes[at - 1] === 13 && bytes[at - 2] === 10 && bytes[at - 3] === 13) return at + 1;
  }
  return 0;
}

function parseHead(bytes: Uint8Array): Head {
  // Latin-1: every byte is one character, so that odd bytes are seen, not repaired.
  const text = String.fromCharCode(...bytes.subarray(0, bytes.length - 4));
  const [start = "", ...lines] = text.split(CRLF);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\0\r\n]*?)[ \t]*$/.exec(line);
    if (match === null) {
      throw new WireError("malformed", { field: "headers", found: JSON.stringify(line.slice(0, 40)) });
    }
    const name = match[1]!.toLowerCase();
    const before = headers.get(name);
    headers.set(name, before === undefined ? match[2]! : `${before}, ${match[2]}`);
  }
  return { start, headers };
}

/**
 * Reads the body that belongs to a head. It stays as it is until the next message is read.
 *
 * @param untilEnd a body without a length goes to the end of the stream (replies), instead of being empty (requests).
 * @throws {WireError} malformed, too_large.
 * @throws {TransportError} disconnected, deadline.
 */
export async function readBody(
  stream: ByteStream,
  headers: ReadonlyMap<string, string>,
  maxBytes: number,
  limits: ReadLimits,
  untilEnd = false,
): Promise<Bytes> {
  const coding = headers.get("transfer-encoding");
  const declared = headers.get("content-length");
  if (coding !== undefined) {
    // Both at once is how requests are smuggled past a proxy (RFC 9112, 6.3).
    if (coding.toLowerCase() !== "chunked" || declared !== undefined) {
      throw new WireError("malformed", { field: "transfer-encoding", found: coding, expected: "chunked, alone" });
    }
    return await readChunks(stream, maxBytes, limits);
  }
  if (declared === undefined) return untilEnd ? await readToEnd(stream, maxBytes, limits) : stream.take(0);
  if (!/^\d{1,15}$/.test(declared)) {
    throw new WireError("malformed", { field: "content-length", found: declared, expected: "a number" });
  }
  const length = Number(declared);
  if (length > maxBytes) throw tooLarge(length, maxBytes);
  await readyOrBroken(stream, length, limits);
  return stream.take(length);
}

async function readChunks(stream: ByteStream, maxBytes: number, limits: ReadLimits): Promise<Bytes> {
  const parts: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const line = await readLine(stream, limits);
    const size = /^([0-9a-fA-F]{1,8})(?:;.*)?$/.exec(line);
    if (size === null) throw new WireError("malformed", { field: "chunk size", found: JSON.stringify(line) });
    const length = parseInt(size[1]!, 16);
    total += length;
    if (total > maxBytes) throw tooLarge(total, maxBytes);
    if (length === 0) break;
    await readyOrBroken(stream, length + 2, limits);
    parts.push(stream.peek(length).slice());
    if (parts.length > MAX_CHUNKS) throw new WireError("too_large", { found: `more than ${MAX_CHUNKS} chunks` });
    stream.skip(length);
    if (await readLine(stream, limits) !== "") {
      throw new WireError("malformed", { field: "chunk", expected: "a line end behind it" });
    }
  }
  for (let trailers = 0; await readLine(stream, limits) !== ""; trailers++) {
    if (trailers > 32) throw new WireError("too_large", { field: "trailers", expected: "at most 32" });
  }
  return concatenate(parts);
}

async function readToEnd(stream: ByteStream, maxBytes: number, limits: ReadLimits): Promise<Bytes> {
  while (stream.unread <= maxBytes) {
    const before = stream.unread;
    try {
      if (!await stream.ready(before + 1, limits.messageMs)) break;
    } catch (error) {
      // The end behind some bytes is what was waited for.
      if (error instanceof TransportError && error.code === "disconnected" && stream.unread === before) break;
      throw error;
    }
  }
  if (stream.unread > maxBytes) throw tooLarge(stream.unread, maxBytes);
  return stream.take(stream.unread);
}

async function readLine(stream: ByteStream, limits: ReadLimits): Promise<string> {
  for (;;) {
    const bytes = stream.peekAll();
    const end = bytes.indexOf(10);
    if ((end < 0 ? bytes.length : end) > MAX_LINE_BYTES) {
      throw new WireError("too_large", { field: "line", expected: `at most ${MAX_LINE_BYTES} bytes` });
    }
    if (end >= 0) {
      if (bytes[end - 1] !== 13) throw new WireError("malformed", { field: "line", expected: "CR LF at its end" });
      const line = String.fromCharCode(...bytes.subarray(0, end - 1));
      stream.skip(end + 1);
      return line;
    }
    await readyOrBroken(stream, bytes.length + 1, limits);
  }
}

async function readyOrBroken(stream: ByteStream, count: number, limits: ReadLimits): Promise<void> {
  if (count === 0 || await stream.ready(count, limits.messageMs)) return;
  throw new TransportError("disconnected", "The connection closed inside a message");
}

function tooLarge(length: number, maxBytes: number): WireError {
  return new WireError("too_large", { found: `${length} bytes`, expected: `at most ${maxBytes}` });
}

/**
 * A head as it goes on the wire.
 *
 * @throws {TypeError} for a value that holds a line end or a character beyond ASCII, which no header can.
 */
export function formatHead(start: string, headers: Readonly<Record<string, string | number | undefined>>): string {
  let text = start + CRLF;
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    if (!/^[\t\x20-\x7e]*$/.test(String(value))) {
      throw new TypeError(`Cannot send header ${name}: its value holds characters other than printable ASCII`);
    }
    text += `${name}: ${value}${CRLF}`;
  }
  return text + CRLF;
}

/** Writes a head and a body in one piece. */
export async function writeMessage(
  stream: ByteStream,
  head: string,
  body: Uint8Array,
  limitMs?: number,
): Promise<void> {
  const buffer = stream.reserve(head.length + body.length);
  // Heads are ASCII, so characters and bytes are as many.
  const { written } = new TextEncoder().encodeInto(head, buffer);
  buffer.set(body, written);
  await stream.write(buffer.subarray(0, written + body.length), limitMs);
}
