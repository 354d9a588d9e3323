/**
 * From a URL that was typed to a policy that can be asked.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { UsageError } from "../errors.ts";
import { RemotePolicy } from "../policy/remote.ts";
import type { RobotProfile } from "../robot/profile.ts";
import { persist } from "../transport/dial.ts";
import { transportOf, TRANSPORTS } from "../transport/mod.ts";
import type { Transport } from "../transport/transport.ts";
import { hasRobodalDialect } from "../wire/request.ts";

/** Largest reply that is accepted: a chunk of 1000 rows of 32 float64 is 256 kB. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;

export interface ConnectionOptions {
  readonly url: string;
  readonly profile: RobotProfile;
  readonly clock: Clock;
  readonly connectMs: number;
  readonly requestMs: number;
  readonly token: string | undefined;
  /** The far side speaks openpi's protocol and is not ours. */
  readonly openpi: boolean;
  readonly warm: boolean;
  readonly timing: boolean;
  /** Keep states in float64 on the way, where a choice exists. */
  readonly exact: boolean;
  readonly onRetry?: (error: Error) => void;
}

/**
 * Makes sure that a token can travel in a header of HTTP, whose values end at a space or a line end.
 *
 * @throws {UsageError} where it cannot.
 */
export function checkToken(token: string | undefined): void {
  if (token === undefined || /^[\x21-\x7e]+$/.test(token)) return;
  throw new UsageError("Cannot use that token: tokens are letters, digits and signs of ASCII, without spaces");
}

/**
 * A policy at a URL; nothing is connected yet.
 *
 * @throws {UsageError} for a scheme that no transport has, or openpi's protocol on a transport without it,
 *   or a token that cannot travel.
 */
export function remotePolicy(options: ConnectionOptions): RemotePolicy {
  const { profile, clock, connectMs, openpi, token, onRetry } = options;
  const { name, url } = transportOf(new URL(options.url), openpi);
  checkToken(token);
  if (openpi && name !== "ws") {
    throw new UsageError(`Cannot speak openpi's protocol to ${url}: it is spoken on WebSockets only, so use ws://…`);
  }
  const transport: Transport = TRANSPORTS[name];
  const client = crypto.randomUUID();
  return new RemotePolicy({
    name: String(url),
    profile,
    clock,
    connectMs,
    requestMs: options.requestMs,
    dialect: openpi || options.exact || !hasRobodalDialect(profile) ? "openpi" : "robodal",
    timing: options.timing && !openpi,
    foreign: openpi,
    warm: options.warm,
    connect: (limitMs, signal) => {
      const introduction = { client, openpi, ...(token === undefined ? {} : { token }) };
      const connect = () =>
        transport.connect(url, { clock, connectMs, maxMessageBytes: MAX_REPLY_BYTES, signal, ...introduction });
      return persist(connect, { clock, signal, limitMs, ...(onRetry === undefined ? {} : { onRetry }) });
    },
  });
}
