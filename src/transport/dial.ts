/**
 * Opening the socket under http, ws and tcp, with TLS where the URL says so, and with the socket options that all of
 * them need.
 *
 * @module
 */

import { sleep, withDeadline } from "../clock.ts";
import { TransportError, type TransportErrorCode } from "../errors.ts";
import { ByteStream, type Socket } from "./stream.ts";
import { connectSecurely } from "./tls_client.ts";
import type { ConnectOptions } from "./transport.ts";

/** Whether a URL means TLS. */
export function isSecure(url: URL): boolean {
  return /^(https|wss|tcps):$/.test(url.protocol);
}

/**
 * Connects to the URL's host and port, with TLS where the scheme is https, wss or tcps.
 *
 * @throws {TransportError} unreachable (no such host, nobody listening), deadline after `connectMs`; with TLS also
 *   untrusted, not_speaking (no TLS there), disconnected.
 * @throws the signal's reason when it is aborted.
 */
export async function dial(url: URL, defaultPort: number, options: ConnectOptions): Promise<ByteStream> {
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? defaultPort : Number(url.port);
  const where = `${url.protocol}//${url.hostname}:${port}`;
  const late = () =>
    new TransportError("deadline", `Cannot connect to ${where}: no answer within ${options.connectMs} ms`);
  let abandoned = false;
  const open = async (signal: AbortSignal): Promise<Socket> => {
    if (isSecure(url)) return await connectSecurely({ hostname, port, where }, options.trust ?? SYSTEM, signal);
    const connection = await Deno.connect({ hostname, port });
    if (abandoned) {
      connection.close();
      throw late();
    }
    // Without it the tail of a message waits for an acknowledgement that the other side delays by 40 ms.
    connection.setNoDelay(true);
    connection.setKeepAlive(true);
    return connection;
  };
  try {
    const socket = await withDeadline(options.clock, options.connectMs, late, open, options.signal);
    return new ByteStream(socket, options.clock);
  } catch (error) {
    abandoned = true;
    if (error instanceof TransportError || options.signal?.aborted) throw error;
    throw new TransportError("unreachable", `Cannot connect to ${where}: ${reason(error)}`, { cause: error });
  }
}

function reason(error: unknown): string {
  const refused = error instanceof Deno.errors.ConnectionRefused ||
    (error as { code?: unknown }).code === "ECONNREFUSED";
  if (refused) return "nobody is listening there (is the server running?)";
  const message = error instanceof Error ? error.message : String(error);
  if (/lookup|name or service|resolve|getaddrinfo|nodename/i.test(message)) return `unknown host (${message})`;
  return message;
}

const SYSTEM = { kind: "system" } as const;

/** Failures that trying again cannot mend. */
const FINAL: readonly TransportErrorCode[] = ["not_speaking", "refused", "untrusted"];

/**
 * Connects again and again, with growing pauses (50 ms doubling to 2 s), until it works, `limitMs` have passed, or the
 * failure is one that trying again cannot mend.
 *
 * @throws what the last attempt threw.
 */
export async function persist<T>(
  connect: () => Promise<T>,
  options: Pick<ConnectOptions, "clock" | "signal"> & { limitMs: number; onRetry?: (error: Error) => void },
): Promise<T> {
  const { clock, signal, limitMs } = options;
  const end = clock.now() + limitMs;
  for (let pauseMs = 50;; pauseMs = Math.min(2 * pauseMs, 2000)) {
    try {
      return await connect();
    } catch (error) {
      const again = error instanceof TransportError && !FINAL.includes(error.code);
      if (!again || clock.now() + pauseMs > end || signal?.aborted) throw error;
      options.onRetry?.(error);
      await sleep(clock, pauseMs, signal);
    }
  }
}
