/**
 * WebSocket: pi0's own protocol on `/ws`, and openpi's on every other path (the server speaks first, and says an error
 * in a text frame before it closes).
 *
 * The client is written here because neither the runtime's (head and payload in two packets, stalls under TLS) nor
 * npm's `ws` (half the speed) does what a robot needs.
 *
 * @module
 */

import { PolicyError, TransportError, WireError } from "../errors.ts";
import type { Bytes } from "../types.ts";
import type { Accepted } from "./accept.ts";
import { StreamConnection } from "./connection.ts";
import { mismatch } from "./framing.ts";
import { dialHttp, HTTP_URL_PORT, introductionHeaders, notHttp, readStatus, statusError } from "./http.ts";
import { formatHead, type Head, readBody, readHead } from "./http_message.ts";
import type { ByteStream } from "./stream.ts";
import {
  type Caller,
  type ConnectOptions,
  type ListenLimits,
  PROTOCOL_VERSION,
  type Reply,
  type Session,
  type Transport,
} from "./transport.ts";
import {
  applyMask,
  CLOSE,
  closePayload,
  type FrameHeader,
  type Message,
  OPCODE,
  parseClose,
  parseHeader,
  readMessage,
  writeFrame,
} from "./ws_frame.ts";

/** The path on which pi0's own protocol is spoken. */
export const WS_PATH = "/ws";
/** Appended to the key of a handshake before hashing: RFC 6455, section 1.3. */
const HANDSHAKE_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** What openpi's server gives as reason when it closes after an error. */
const OPENPI_CLOSE_REASON = "Internal server error. Traceback included in previous frame.";
/** An idle peer is asked whether it is still there this often; the figure is that of Python's `websockets`. */
const PING_EVERY_MS = 20_000;
const LINGER_MS = 1000;

export const ws: Transport = {
  schemes: ["ws", "wss"],
  path: WS_PATH,
  defaultPort: HTTP_URL_PORT,
  async connect(url, options) {
    const stream = await dialHttp(url, options);
    return await stream.limited(options.connectMs, options.signal, `Cannot open ${url}`, async () => {
      await shakeHands(stream, url, options);
      const connection = new WsConnection(stream, options);
      if (options.openpi) connection.greeting = (await connection.receive()).slice();
      connection.idle();
      return connection;
    });
  },
};

/** Makes a WebSocket of an HTTP connection, from the client's side. */
async function shakeHands(stream: ByteStream, url: URL, options: ConnectOptions): Promise<void> {
  const key = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
  const request = formatHead(`GET ${url.pathname}${url.search} HTTP/1.1`, {
    "Host": url.host,
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": key,
    "Sec-WebSocket-Version": 13,
    ...introductionHeaders(options),
  });
  await stream.write(new TextEncoder().encode(request));
  try {
    const head = await readHead(stream, {});
    if (head === undefined) throw new TransportError("disconnected", `${url} closed the connection at once`);
    const status = readStatus(head);
    if (status !== 101) throw statusError(status, await readBody(stream, head.headers, 65536, {}, true), String(url));
    if (head.headers.get("sec-websocket-accept") !== await acceptKey(key)) {
      throw new TransportError("not_speaking", `${url} answered the WebSocket handshake wrongly`);
    }
    const version = head.headers.get("pi0-protocol");
    if (options.openpi) return;
    if (version === undefined) {
      throw new TransportError(
        "not_speaking",
        `${url} is a WebSocket, but not pi0's (add --openpi for a server that speaks openpi's protocol)`,
      );
    }
    if (version !== String(PROTOCOL_VERSION)) throw mismatch(version);
  } catch (error) {
    throw notHttp(error);
  }
}

async function acceptKey(key: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(key + HANDSHAKE_GUID));
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}

class WsConnection extends StreamConnection {
  readonly #maxBytes: number;
  readonly #openpi: boolean;
  #onPong: (() => void) | undefined;
  greeting?: Bytes;

  constructor(stream: ByteStream, options: ConnectOptions) {
    super(stream);
    this.#maxBytes = options.maxMessageBytes;
    this.#openpi = options.openpi ?? false;
  }

  override async request(message: Bytes, signal?: AbortSignal): Promise<Bytes> {
    const reply = await this.stream.exchange(signal, async () => {
      await writeFrame(this.stream, OPCODE.binary, message, { masked: true });
      return await this.receive();
    });
    this.idle();
    return reply;
  }

  /** Answers the server's pings until the next request, and closes when the server does. */
  idle(): void {
    const close = () => this.stream.close();
    this.stream.watch(close, () => {
      if (answerPings(this.stream, { masked: true })) return true;
      // A farewell, or what nobody asked for.
      close();
      return false;
    });
  }

  async ping(signal?: AbortSignal): Promise<void> {
    await this.stream.exchange(signal, async () => {
      let answered = false;
      this.#onPong = () => answered = true;
      await writeFrame(this.stream, OPCODE.ping, new Uint8Array(0), { masked: true });
      while (!answered) await this.#control(await this.#next());
    });
    this.idle();
  }

  /** The next message, whatever control frames come before it. */
  async receive(): Promise<Bytes> {
    for (;;) {
      const message = await this.#next();
      if (message.opcode === OPCODE.binary) return message.payload;
      if (message.opcode === OPCODE.text) throw await this.#textError(message.payload);
      await this.#control(message);
    }
  }

  async #next(): Promise<Message> {
    const limits = { masked: false, maxBytes: this.#maxBytes };
    if (!await this.stream.ready(1)) {
      throw new TransportError("disconnected", "The server closed the connection before it replied");
    }
    return await readMessage(this.stream, limits, (control) => this.#control(control));
  }

  async #control({ opcode, payload }: Message): Promise<void> {
    if (opcode === OPCODE.ping) {
      await writeFrame(this.stream, OPCODE.pong, payload, { masked: true, shared: false });
    } else if (opcode === OPCODE.pong) {
      this.#onPong?.();
    } else {
      const { code, reason } = parseClose(payload);
      this.stream.close();
      throw new TransportError("disconnected", `The server closed the WebSocket: ${code} ${reason}`.trimEnd());
    }
  }

  /** openpi's servers say an error in text, as a Python traceback whose last line tells what it was. */
  #textError(payload: Bytes): Error {
    const lines = new TextDecoder().decode(payload).trim().split("\n");
    const last = lines.at(-1)?.trim() ?? "";
    if (this.#openpi) return new PolicyError("policy_failed", `The server failed: ${last}`);
    return new TransportError("not_speaking", `The server sent text instead of a reply: ${last.slice(0, 200)}`);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    if (!this.stream.closed) {
      const payload = closePayload(CLOSE.normal, "");
      // Politeness only: the socket is closed whether or not the farewell can be sent.
      await writeFrame(this.stream, OPCODE.close, payload, { masked: true, shared: false, limitMs: 100 })
        .catch(() => undefined);
    }
    this.stream.close();
  }
}

/** Whether a request asks for a WebSocket. */
export function wantsWebSocket(head: Head): boolean {
  return /\bupgrade\b/i.test(head.headers.get("connection") ?? "") &&
    head.headers.get("upgrade")?.toLowerCase() === "websocket";
}

/**
 * Serves one WebSocket from its handshake to its end.
 *
 * @param session already open for the caller.
 */
export async function converseWs(
  accepted: Accepted,
  head: Head,
  caller: Caller,
  session: Session,
  limits: ListenLimits,
): Promise<void> {
  const { stream } = accepted;
  const key = head.headers.get("sec-websocket-key") ?? "";
  const response = formatHead("HTTP/1.1 101 Switching Protocols", {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Accept": await acceptKey(key),
    "Pi0-Protocol": caller.openpi ? undefined : PROTOCOL_VERSION,
  });
  try {
    await stream.write(new TextEncoder().encode(response), limits.messageMs);
    if (session.greet !== undefined) {
      watchMeanwhile(stream, session, limits);
      const greeting = await session.greet();
      await writeFrame(stream, OPCODE.binary, greeting, { masked: false, limitMs: limits.messageMs });
    }
    await converse(accepted, caller, session, limits);
  } catch (error) {
    if (error instanceof TransportError && error.code === "disconnected") return;
    const reply = session.reject(error as Error);
    const code = error instanceof WireError ? CLOSE.tooLarge : CLOSE.protocolError;
    await farewell(stream, limits, code, reply.error?.message ?? "");
  } finally {
    session.close();
  }
}

async function converse(accepted: Accepted, caller: Caller, session: Session, limits: ListenLimits): Promise<void> {
  const { stream } = accepted;
  const read = { masked: true, maxBytes: limits.maxMessageBytes, messageMs: limits.messageMs };
  const onControl = (message: Message) => answerControl(stream, message, limits);
  let bytesIn = 0;
  for (;;) {
    accepted.busy = false;
    if (accepted.closing) return await farewell(stream, limits, CLOSE.goingAway, "The server is stopping");
    if (!await awaitMessage(stream, limits)) return;
    accepted.busy = true;
    const message = await readMessage(stream, read, onControl);
    if (message.opcode >= 8) {
      await onControl(message);
      continue;
    }
    const bytesInBefore = bytesIn;
    bytesIn = stream.bytesIn;
    const answer = message.opcode === OPCODE.binary
      ? session.handle(message.payload, stream.receivedMs)
      : session.reject(new WireError("text_frame", { found: "a text message", expected: "a binary one" }));
    watchMeanwhile(stream, session, limits);
    const reply: Reply = await answer;
    if (caller.openpi && reply.error !== undefined) {
      const text = new TextEncoder().encode(reply.error.message);
      await writeFrame(stream, OPCODE.text, text, { masked: false, limitMs: limits.messageMs });
      return await farewell(stream, limits, CLOSE.internal, OPENPI_CLOSE_REASON);
    }
    const bytesOutBefore = stream.bytesOut;
    await writeFrame(stream, OPCODE.binary, reply.bytes, { masked: false, limitMs: limits.messageMs });
    session.sent(stream.handedMs, bytesIn - bytesInBefore, stream.bytesOut - bytesOutBefore);
  }
}

/** While the client waits: answers its pings, and ends the session when the client does. */
function watchMeanwhile(stream: ByteStream, session: Session, limits: ListenLimits): void {
  const end = () => session.close();
  stream.watch(end, () => answerPings(stream, { masked: false, limitMs: limits.messageMs }, end));
}

/** Waits for the next message, asking a silent peer whether it is still there. Returns false when it is not. */
async function awaitMessage(stream: ByteStream, limits: ListenLimits): Promise<boolean> {
  for (let asked = false;; asked = true) {
    try {
      return await stream.ready(1, PING_EVERY_MS);
    } catch (error) {
      if (!(error instanceof TransportError) || error.code !== "deadline" || asked) throw error;
      const nothing = new Uint8Array(0);
      await writeFrame(stream, OPCODE.ping, nothing, { masked: false, shared: false, limitMs: limits.messageMs });
    }
  }
}

async function answerControl(stream: ByteStream, { opcode, payload }: Message, limits: ListenLimits): Promise<void> {
  const options = { masked: false, shared: false, limitMs: limits.messageMs };
  if (opcode === OPCODE.ping) await writeFrame(stream, OPCODE.pong, payload, options);
  if (opcode !== OPCODE.close) return;
  await writeFrame(stream, OPCODE.close, payload.slice(0, 2), options);
  await stream.closeGently(LINGER_MS);
  throw new TransportError("disconnected", "The client said goodbye");
}

/**
 * Answers pings that arrive while nobody reads: while the policy is thinking, so that a client's keep-alive does not give
 * up on a slow model, and while a client has nothing to ask.
 *
 * @param onClose is told when the far end says goodbye.
 * @returns whether to go on watching: not once something else has begun.
 */
function answerPings(
  stream: ByteStream,
  reply: { masked: boolean; limitMs?: number },
  onClose?: () => void,
): boolean {
  while (stream.unread > 0) {
    let header: FrameHeader | undefined;
    try {
      header = parseHeader(stream.peekAll(), !reply.masked);
    } catch {
      // Whoever reads next meets the same bytes, and says what is wrong with them.
      return false;
    }
    if (header === undefined) return true;
    if (header.opcode === OPCODE.close) onClose?.();
    if (header.opcode !== OPCODE.ping && header.opcode !== OPCODE.pong) return false;
    if (stream.unread < header.size + header.length) return true;
    stream.skip(header.size);
    const payload = stream.peek(header.length).slice();
    stream.skip(header.length);
    if (header.mask !== undefined) applyMask(payload, header.mask);
    if (header.opcode !== OPCODE.ping) continue;
    // A socket that broke is met by whoever reads next.
    writeFrame(stream, OPCODE.pong, payload, { ...reply, shared: false }).catch(() => undefined);
  }
  return true;
}

async function farewell(stream: ByteStream, limits: ListenLimits, code: number, reason: string): Promise<void> {
  const options = { masked: false, shared: false, limitMs: limits.messageMs };
  await writeFrame(stream, OPCODE.close, closePayload(code, reason), options);
  await stream.closeGently(LINGER_MS);
}
