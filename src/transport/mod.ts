/**
 * The ways of reaching a policy, as tables. A new transport is one file and one line here; flag values, help and the
 * contract tests follow from the tables.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import { http } from "./http.ts";
import { HTTP_DEFAULT_PORT, listenHttp } from "./http_server.ts";
import { listenTcp, tcp } from "./tcp.ts";
import type { Listener, ListenOptions, Service, Transport } from "./transport.ts";
import { ws } from "./ws.ts";

/** How a client can reach a server. */
export const TRANSPORTS = { http, ws, tcp } satisfies Record<string, Transport>;
export type TransportName = keyof typeof TRANSPORTS;

/** What a server can open: each listener is one port, and serves one or more transports. */
export interface Portal {
  /** The flag that sets its port. */
  readonly flag: string;
  readonly defaultPort: number;
  readonly serves: readonly TransportName[];
  listen(service: Service, options: ListenOptions): Listener;
}

export const PORTALS = {
  http: { flag: "port", defaultPort: HTTP_DEFAULT_PORT, serves: ["http", "ws"], listen: listenHttp },
  tcp: { flag: "tcp-port", defaultPort: tcp.defaultPort, serves: ["tcp"], listen: listenTcp },
} satisfies Record<string, Portal>;
export type PortalName = keyof typeof PORTALS;

/** The names of all transports, for flags and help. */
export const TRANSPORT_NAMES = Object.keys(TRANSPORTS) as TransportName[];

/** The URL of a transport at an address. */
export function urlOf(name: TransportName, hostname: string, port: number): string {
  const transport: Transport = TRANSPORTS[name];
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return `${transport.schemes[0]}://${host}:${port}${transport.path ?? ""}`;
}

/**
 * The transport that a URL's scheme means, with its URL as it will be called: completed with the transport's path
 * where it has none, and otherwise as typed.
 *
 * @param openpi leave the path as typed even where there is none.
 * @throws {UsageError} for a scheme that no transport has.
 */
export function transportOf(url: URL, openpi = false): { name: TransportName; url: URL } {
  const scheme = url.protocol.replace(/:$/, "");
  for (const name of TRANSPORT_NAMES) {
    const transport: Transport = TRANSPORTS[name];
    if (!transport.schemes.includes(scheme)) continue;
    const completed = new URL(url);
    if (!openpi && transport.path !== undefined && (url.pathname === "/" || url.pathname === "")) {
      completed.pathname = transport.path;
    }
    return { name, url: completed };
  }
  const known = TRANSPORT_NAMES.flatMap((name) => (TRANSPORTS[name] as Transport).schemes).join(", ");
  throw new UsageError(`Cannot use the URL ${url}: its scheme is "${scheme}", and the known ones are ${known}`);
}
