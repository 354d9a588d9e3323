/**
 * One request, one POST, on a connection that is kept. The client's side; the server's is in `http_server.ts`.
 *
 * The runtime's `fetch` is not used: it writes head and body apart and cannot turn Nagle's algorithm off, which costs
 * a round trip after every pause.
 *
 * @module
 */

import { PolicyError, TransportError, WireError } from "../errors.ts";
import type { Bytes } from "../types.ts";
import { StreamConnection } from "./connection.ts";
import { dial, isSecure } from "./dial.ts";
import { mismatch } from "./framing.ts";
import { formatHead, type Head, readBody, readHead, writeMessage } from "./http_message.ts";
import type { ByteStream } from "./stream.ts";
import { type ConnectOptions, PROTOCOL_VERSION, type Transport } from "./transport.ts";

/** What a URL without a port means, everywhere: pi0's own default is typed out in every address it prints. */
export const HTTP_URL_PORT = 80;
const HTTPS_URL_PORT = 443;
/** Media type of every message in pi0's protocol. */
export const MESSAGE_TYPE = "application/msgpack";
/** Where requests go when a URL names no path. */
export const INFER_PATH = "/infer";

export const http: Transport = {
  schemes: ["http", "https"],
  path: INFER_PATH,
  defaultPort: HTTP_URL_PORT,
  async connect(url, options) {
    return new HttpConnection(await dialHttp(url, options), url, options);
  },
};

/** The socket under an http or ws URL. */
export function dialHttp(url: URL, options: ConnectOptions): Promise<ByteStream> {
  return dial(url, isSecure(url) ? HTTPS_URL_PORT : HTTP_URL_PORT, options);
}

/** Headers by which pi0's clients introduce themselves on http and ws. */
export function introductionHeaders(options: ConnectOptions): Record<string, string | number | undefined> {
  const scheme = options.openpi ? "Api-Key" : "Bearer";
  return {
    "Authorization": options.token === undefined ? undefined : `${scheme} ${options.token}`,
    "Pi0-Client": options.openpi ? undefined : options.client,
    "Pi0-Protocol": options.openpi ? undefined : PROTOCOL_VERSION,
  };
}

/** What a client can go on with when a head arrived that is not the one it hoped for. */
export function readStatus(head: Head): number {
  const match = /^HTTP\/1\.[01] (\d{3})/.exec(head.start);
  if (match !== null) return Number(match[1]);
  throw new TransportError(
    "not_speaking",
    `Cannot read the reply: ${
      JSON.stringify(head.start.slice(0, 40))
    } is no HTTP (is this the port of another portal?)`,
  );
}

/**
 * The error for a reply whose status says no.
 *
 * @param where the URL, for the message.
 */
export function statusError(status: number, body: Uint8Array, where: string): Error {
  const text = new TextDecoder().decode(body.subarray(0, 300)).trim().split("\n")[0] ?? "";
  const said = `${where} answered ${status}${text === "" ? "" : `: ${text}`}`;
  if (status === 401 || status === 403) return new PolicyError("unauthorized", `${said} (give the server's --token)`);
  if (status === 503) return new PolicyError("busy", said);
  return new TransportError("not_speaking", `${said} (is this a pi0 server, and the right path?)`);
}

/** Turns what a reader throws at bytes that are no HTTP into the error for a peer that speaks something else. */
export function notHttp(error: unknown): unknown {
  const body = error instanceof WireError && error.code === "too_large" && error.details.field === undefined;
  if (!(error instanceof WireError) || body) return error;
  return new TransportError("not_speaking", `Cannot read the reply as HTTP: ${error.message}`, { cause: error });
}

class HttpConnection extends StreamConnection {
  readonly #options: ConnectOptions;
  readonly #start: string;
  readonly #headers: Record<string, string | number | undefined>;
  readonly #where: string;

  constructor(stream: ByteStream, url: URL, options: ConnectOptions) {
    super(stream);
    this.#options = options;
    this.#start = `POST ${url.pathname}${url.search} HTTP/1.1`;
    this.#where = `${url.protocol}//${url.host}${url.pathname}`;
    this.#headers = { "Host": url.host, "Content-Type": MESSAGE_TYPE, ...introductionHeaders(options) };
  }

  override async request(message: Bytes, signal?: AbortSignal): Promise<Bytes> {
    const reply = await this.stream.exchange(signal, async () => {
      const head = formatHead(this.#start, { ...this.#headers, "Content-Length": message.length });
      await writeMessage(this.stream, head, message);
      try {
        return await this.#readReply();
      } catch (error) {
        throw notHttp(error);
      }
    });
    this.stream.closeIfDisturbed();
    return reply;
  }

  async #readReply(): Promise<Bytes> {
    const head = await readHead(this.stream, {});
    if (head === undefined) {
      throw new TransportError("disconnected", "The server closed the connection before it replied");
    }
    const status = readStatus(head);
    if (status === 100) return await this.#readReply();
    const version = head.headers.get("pi0-protocol");
    if (version !== undefined && version !== String(PROTOCOL_VERSION)) throw mismatch(version);
    const body = await readBody(this.stream, head.headers, this.#options.maxMessageBytes, {}, true);
    if (/\bclose\b/i.test(head.headers.get("connection") ?? "")) this.stream.close();
    // Failures that the service tells in its own words are replies like any other.
    if (status === 200 || head.headers.get("content-type") === MESSAGE_TYPE) return body;
    throw statusError(status, body, this.#where);
  }
}
