/**
 * The ways of reaching a policy, as tables. A new transport is one file and one line here; flag values, help and the
 * contract tests follow from the tables.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import { http } from "./http.ts";
import { HTTP_DEFAULT_PORT, listenHttp } from "./http_server.ts";
import { listenQuic, quic } from "./quic.ts";
import { listenQuicTcp, quicTcp } from "./quic_tcp.ts";
import { listenTcp, tcp } from "./tcp.ts";
import type { Listener, ListenOptions, Service, Transport } from "./transport.ts";
import { ws } from "./ws.ts";

/** How a client can reach a server. */
export const TRANSPORTS = { http, ws, tcp, quic, "quic-tcp": quicTcp } satisfies Record<string, Transport>;
export type TransportName = keyof typeof TRANSPORTS;

/** What a server can open: each listener is one port, and serves one or more transports. */
export interface Portal {
  /** The flag that sets its port. */
  readonly flag: string;
  readonly defaultPort: number;
  readonly serves: readonly TransportName[];
  /** It cannot be opened without an identity; the others speak TLS where they are given one. */
  readonly encrypted?: boolean;
  listen(service: Service, options: ListenOptions): Listener;
}

export const PORTALS = {
  http: { flag: "port", defaultPort: HTTP_DEFAULT_PORT, serves: ["http", "ws"], listen: listenHttp },
  tcp: { flag: "tcp-port", defaultPort: tcp.defaultPort, serves: ["tcp"], listen: listenTcp },
  quic: { flag: "quic-port", defaultPort: quic.defaultPort, serves: ["quic"], encrypted: true, listen: listenQuic },
  "quic-tcp": {
    flag: "quic-tcp-port",
    defaultPort: quicTcp.defaultPort,
    serves: ["quic-tcp"],
    encrypted: true,
    listen: listenQuicTcp,
  },
} satisfies Record<string, Portal>;
export type PortalName = keyof typeof PORTALS;

/** The names of all transports, for flags and help. */
export const TRANSPORT_NAMES = Object.keys(TRANSPORTS) as TransportName[];

/** The URL of a transport at an address; `secure` where the portal speaks TLS. */
export function urlOf(name: TransportName, hostname: string, port: number, secure = false): string {
  const transport: Transport = TRANSPORTS[name];
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  const scheme = transport.schemes.at(secure ? -1 : 0);
  return `${scheme}://${host}:${port}${transport.path ?? ""}`;
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
