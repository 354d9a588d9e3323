/**
 * Length-prefixed messages on a plain TCP connection: the shortest way there is.
 *
 * @module
 */

import { acceptOn } from "./accept.ts";
import { dial } from "./dial.ts";
import { converseFrames, FramedConnection } from "./framed.ts";
import type { Listener, ListenOptions, Service, Transport } from "./transport.ts";

const DEFAULT_PORT = 8765;

export const tcp: Transport = {
  schemes: ["tcp", "tcps"],
  defaultPort: DEFAULT_PORT,
  async connect(url, options) {
    return new FramedConnection(await dial(url, DEFAULT_PORT, options), options);
  },
};

/**
 * Opens the tcp portal.
 *
 * @throws errors of the operating system, such as a port in use.
 */
export function listenTcp(service: Service, options: ListenOptions): Listener {
  return acceptOn(options, (accepted) => converseFrames(accepted, service, options.limits, "tcp"));
}
