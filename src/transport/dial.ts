/**
 * Opening the TCP socket under http, ws and tcp, with the socket options that all of them need.
 *
 * @module
 */

import { sleep, withDeadline } from "../clock.ts";
import { TransportError } from "../errors.ts";
import { ByteStream } from "./stream.ts";
import type { ConnectOptions } from "./transport.ts";

/**
 * Connects to the URL's host and port.
 *
 * @throws {TransportError} unreachable (no such host, nobody listening), deadline after `connectMs`.
 * @throws the signal's reason when it is aborted.
 */
export async function dial(url: URL, defaultPort: number, options: ConnectOptions): Promise<ByteStream> {
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? defaultPort : Number(url.port);
  const where = `${url.protocol}//${url.hostname}:${port}`;
  const late = () =>
    new TransportError("deadline", `Cannot connect to ${where}: no answer within ${options.connectMs} ms`);
  let abandoned = false;
  const open = async () => {
    const connection = await Deno.connect({ hostname, port });
    if (abandoned) {
      connection.close();
      throw late();
    }
    return connection;
  };
  try {
    const connection = await withDeadline(options.clock, options.connectMs, late, open, options.signal);
    // Without it the tail of a message waits for an acknowledgement that the other side delays by 40 ms.
    connection.setNoDelay(true);
    connection.setKeepAlive(true);
    return new ByteStream(connection, options.clock);
  } catch (error) {
    abandoned = true;
    if (error instanceof TransportError || options.signal?.aborted) throw error;
    throw new TransportError("unreachable", `Cannot connect to ${where}: ${reason(error)}`, { cause: error });
  }
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.ConnectionRefused) return "nobody is listening there (is the server running?)";
  const message = error instanceof Error ? error.message : String(error);
  if (/lookup|name or service|resolve|getaddrinfo|nodename/i.test(message)) return `unknown host (${message})`;
  return message;
}

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
      const again = error instanceof TransportError && error.code !== "not_speaking" && error.code !== "refused";
      if (!again || clock.now() + pauseMs > end || signal?.aborted) throw error;
      options.onRetry?.(error);
      await sleep(clock, pauseMs, signal);
    }
  }
}
