/**
 * The one listener that http and ws share: reads a request, and hands it to the WebSocket conversation, to the service
 * as a message, or to the service's pages.
 *
 * It reads HTTP/1.1 itself because the time between the last byte of a message and the last byte of its reply is
 * something that pi0 measures, and no server of the runtime tells it.
 *
 * @module
 */

import { TransportError } from "../errors.ts";
import { type Accepted, acceptOn } from "./accept.ts";
import { INFER_PATH, MESSAGE_TYPE } from "./http.ts";
import { formatHead, type Head, readBody, readHead, writeMessage } from "./http_message.ts";
import {
  type Caller,
  type Listener,
  type ListenLimits,
  type ListenOptions,
  PROTOCOL_VERSION,
  type Reply,
  type Service,
  type Session,
} from "./transport.ts";
import { converseWs, wantsWebSocket, WS_PATH } from "./ws.ts";

/** Where openpi's clients look. */
export const HTTP_DEFAULT_PORT = 8000;
const LINGER_MS = 1000;
/** Requests for pages have no body that matters. */
const MAX_PAGE_REQUEST_BYTES = 64 * 1024;

/** HTTP status for each error code that is not simply a bad request. */
const STATUS: Readonly<Record<string, number>> = {
  unauthorized: 401,
  too_large: 413,
  deadline: 408,
  superseded: 409,
  protocol_mismatch: 426,
  policy_failed: 500,
  undeclared_variant: 422,
  busy: 503,
  not_ready: 503,
  draining: 503,
};

const REASON: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  426: "Upgrade Required",
  500: "Internal Server Error",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

/**
 * Opens the portal of http and ws.
 *
 * @throws errors of the operating system, such as a port in use.
 */
export function listenHttp(service: Service, options: ListenOptions): Listener {
  return acceptOn(options, (accepted) => new HttpConversation(accepted, service, options.limits).run());
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly head: Head;
  readonly caller: Caller;
  /** The connection ends with this request. */
  readonly last: boolean;
}

class HttpConversation {
  readonly #accepted: Accepted;
  readonly #service: Service;
  readonly #limits: ListenLimits;
  /** For requests of one caller; another token or client id on the same connection is another caller. */
  #session: Session | undefined;
  #sessionKey = "";
  #bytesIn = 0;

  constructor(accepted: Accepted, service: Service, limits: ListenLimits) {
    this.#accepted = accepted;
    this.#service = service;
    this.#limits = limits;
  }

  async run(): Promise<void> {
    const accepted = this.#accepted;
    const { stream } = accepted;
    const onStart = () => accepted.busy = true;
    try {
      while (!accepted.closing && !stream.closed) {
        accepted.busy = false;
        const head = await readHead(stream, this.#limits, onStart);
        if (head === undefined) return;
        const request = parseRequest(head, accepted.remote);
        if (request === undefined) {
          const status = / HTTP\/(?!1\.[01]$)\d(\.\d)?$/.test(head.start) ? 505 : 400;
          await this.#write(status, "text/plain; charset=utf-8", text("This server speaks HTTP/1.1\n"), true);
          return await stream.closeGently(LINGER_MS);
        }
        if (isCrossOrigin(head)) {
          const body = text("Pages of another origin may not use this server\n");
          await this.#write(403, "text/plain; charset=utf-8", body, true);
          return await stream.closeGently(LINGER_MS);
        }
        if (wantsWebSocket(head)) return await this.#upgrade(request);
        await this.#answer(request);
        if (request.last) return await stream.closeGently(LINGER_MS);
      }
    } catch (error) {
      // A silent client is not told why it was let go: it would take that for the reply to its next request.
      if (error instanceof TransportError && (error.code === "disconnected" || !accepted.busy)) return;
      const caller: Caller = { transport: "http", remote: accepted.remote };
      await this.#writeReply(this.#service.reject(error as Error, caller), true);
      await stream.closeGently(LINGER_MS);
    } finally {
      this.#session?.close();
    }
  }

  async #answer(request: Request): Promise<void> {
    const { stream } = this.#accepted;
    const { path, method } = request;
    const infers = path === INFER_PATH && method === "POST";
    let session: Session | undefined;
    try {
      // Before the body is read: who has no token may not fill the memory either.
      if (infers) session = this.#open(request.caller);
    } catch (error) {
      await this.#writeReply(this.#service.reject(error as Error, request.caller), true);
      return await stream.closeGently(LINGER_MS);
    }
    if (request.head.headers.get("expect")?.toLowerCase() === "100-continue") {
      await stream.write(text("HTTP/1.1 100 Continue\r\n\r\n"), this.#limits.messageMs);
    }
    const maxBytes = infers ? this.#limits.maxMessageBytes : MAX_PAGE_REQUEST_BYTES;
    const body = await readBody(stream, request.head.headers, maxBytes, this.#limits);
    if (session === undefined) return await this.#answerPage(request);
    const bytesInBefore = this.#bytesIn;
    this.#bytesIn = stream.bytesIn;
    const current = session;
    const answer = current.handle(body, stream.receivedMs);
    stream.watch(() => current.close());
    const bytesOutBefore = stream.bytesOut;
    await this.#writeReply(await answer, request.last);
    current.sent(stream.handedMs, this.#bytesIn - bytesInBefore, stream.bytesOut - bytesOutBefore);
  }

  async #answerPage({ path, method, caller, last }: Request): Promise<void> {
    const headOnly = method === "HEAD";
    if (path === INFER_PATH) {
      return await this.#write(405, "text/plain; charset=utf-8", text(`Send a POST to ${path}\n`), last, headOnly);
    }
    const page = method === "GET" || headOnly ? this.#service.page(path, caller) : undefined;
    if (page !== undefined) return await this.#write(page.status, page.type, text(page.body), last, headOnly);
    // As openpi's server answers, since every path is a WebSocket.
    const body = `Nothing to see at ${path}: POST ${INFER_PATH}, or open a WebSocket at ${WS_PATH}\n`;
    await this.#write(426, "text/plain; charset=utf-8", text(body), last, headOnly);
  }

  async #upgrade(request: Request): Promise<void> {
    const { headers } = request.head;
    const caller = { ...request.caller, transport: "ws", openpi: request.path !== WS_PATH };
    const key = headers.get("sec-websocket-key") ?? "";
    if (request.method !== "GET" || headers.get("sec-websocket-version") !== "13" || key.length !== 24) {
      const body = text("Not a WebSocket handshake of RFC 6455, version 13\n");
      await this.#write(400, "text/plain; charset=utf-8", body, true);
      return await this.#accepted.stream.closeGently(LINGER_MS);
    }
    let session: Session;
    try {
      session = this.#service.open(caller);
    } catch (error) {
      const { error: failure } = this.#service.reject(error as Error, caller);
      const status = STATUS[failure?.code ?? ""] ?? 400;
      await this.#write(status, "text/plain; charset=utf-8", text(`${failure?.message}\n`), true);
      return await this.#accepted.stream.closeGently(LINGER_MS);
    }
    await converseWs(this.#accepted, request.head, caller, session, this.#limits);
  }

  #open(caller: Caller): Session {
    const key = JSON.stringify([caller.token, caller.client, caller.version]);
    if (this.#session === undefined || this.#sessionKey !== key) {
      this.#session?.close();
      this.#session = undefined;
      this.#session = this.#service.open(caller);
      this.#sessionKey = key;
    }
    return this.#session;
  }

  #writeReply(reply: Reply, last: boolean): Promise<void> {
    const status = reply.error === undefined ? 200 : STATUS[reply.error.code] ?? 400;
    return this.#write(status, MESSAGE_TYPE, reply.bytes, last);
  }

  async #write(status: number, type: string, body: Uint8Array, last: boolean, headOnly = false): Promise<void> {
    const head = formatHead(`HTTP/1.1 ${status} ${REASON[status] ?? ""}`, {
      "Content-Type": type,
      "Content-Length": body.length,
      "Pi0-Protocol": PROTOCOL_VERSION,
      "Cache-Control": type === MESSAGE_TYPE ? undefined : "no-store",
      "Upgrade": status === 426 ? "websocket" : undefined,
      "Allow": status === 405 ? "POST" : undefined,
      "WWW-Authenticate": status === 401 ? "Bearer" : undefined,
      "Connection": last || this.#accepted.closing ? "close" : undefined,
    });
    const sent = headOnly ? new Uint8Array(0) : body;
    await writeMessage(this.#accepted.stream, head, sent, this.#limits.messageMs);
  }
}

/**
 * Whether a browser asks on behalf of a page that this server did not serve. Programs send no Origin; without this any
 * page that a person opens could drive a server on the loopback of that machine.
 */
function isCrossOrigin({ headers }: Head): boolean {
  const origin = headers.get("origin");
  return origin !== undefined && URL.parse(origin)?.host !== headers.get("host");
}

/** @returns undefined for another version of HTTP than 1.0 and 1.1, or no HTTP at all. */
function parseRequest(head: Head, remote: string): Request | undefined {
  const match = /^([A-Z]+) (\S+) HTTP\/1\.([01])$/.exec(head.start);
  if (match === null) return undefined;
  const { headers } = head;
  // A proxy may send the absolute form; only path matters here.
  const path = match[2]!.replace(/^https?:\/\/[^/]*/i, "").replace(/[?#].*$/, "") || "/";
  const authorization = /^(?:Bearer|Api-Key)\s+(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  const client = headers.get("pi0-client");
  const version = headers.get("pi0-protocol");
  const connection = headers.get("connection") ?? "";
  return {
    method: match[1]!,
    path,
    head,
    last: /\bclose\b/i.test(connection) || (match[3] === "0" && !/\bkeep-alive\b/i.test(connection)),
    caller: {
      transport: "http",
      remote,
      ...(authorization === undefined ? {} : { token: authorization }),
      ...(client === undefined ? {} : { client }),
      ...(version === undefined ? {} : { version: Number(version) }),
    },
  };
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
