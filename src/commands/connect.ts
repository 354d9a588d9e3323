/**
 * From a URL that was typed to a policy that can be asked.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { UsageError } from "../errors.ts";
import { derOf } from "../transport/certificate.ts";
import { RemotePolicy } from "../policy/remote.ts";
import type { RobotProfile } from "../robot/profile.ts";
import { persist } from "../transport/dial.ts";
import { transportOf, TRANSPORTS } from "../transport/mod.ts";
import { type Congestion, CONGESTION_NAMES, type Transport, type Trust } from "../transport/transport.ts";
import { hasRobodalDialect } from "../wire/request.ts";
import { readPem } from "./identity.ts";
import type { OptionTable, OptionValues } from "./options.ts";

const TRUST_GROUP = "Trust";

/** How a client of an encrypted server decides whether it is the right one. Every command that connects has them. */
export const TRUST_OPTIONS = {
  "ca": {
    kind: "string",
    metavar: "FILE",
    group: TRUST_GROUP,
    conflicts: ["cert-sha256", "insecure"],
    help: "Trust these roots (PEM) and no others; quic and quic-tcp also trust the runtime's [the runtime's roots]",
  },
  "cert-sha256": {
    kind: "string",
    metavar: "HEX",
    group: TRUST_GROUP,
    conflicts: ["insecure"],
    help: "Trust the certificate with this SHA-256, as the server prints it, and no other",
  },
  "insecure": { kind: "flag", group: TRUST_GROUP, help: "Encrypt, but trust whoever answers" },
} as const satisfies OptionTable;

/** Who decides how fast this side sends, on quic and quic-tcp. */
export const CONGESTION_OPTION = {
  kind: "choice",
  choices: CONGESTION_NAMES,
  help: "How fast quic and quic-tcp send [bbr on quic, cubic on quic-tcp]",
} as const;

/**
 * What the trust options say; undefined where none was typed.
 *
 * @throws {UsageError} where a file or a hash cannot be read.
 */
export async function readTrust(options: OptionValues<typeof TRUST_OPTIONS>): Promise<Trust | undefined> {
  const { ca, certSha256, insecure } = options;
  if (insecure) return { kind: "insecure" };
  if (ca !== undefined) {
    const pem = await readPem("--ca", ca);
    if (derOf(pem).length > 0) return { kind: "roots", pem };
    throw new UsageError(`Cannot use --ca ${ca}: it holds no certificate in PEM`);
  }
  if (certSha256 === undefined) return undefined;
  const sha256 = certSha256.replaceAll(":", "").toLowerCase();
  if (/^[0-9a-f]{64}$/.test(sha256)) return { kind: "pin", sha256 };
  throw new UsageError(`Cannot use --cert-sha256 ${certSha256}: a SHA-256 is 64 hex digits, as the server prints it`);
}

/** Whether a host name or an address means this machine itself. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || /^\[?::1\]?$/.test(hostname) || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/**
 * Makes sure that what was said about trust means something.
 *
 * @throws {UsageError} where no URL is encrypted.
 */
export function checkTrust(trust: Trust | undefined, urls: readonly string[]): void {
  if (trust === undefined || urls.some((url) => !/^(http|ws|tcp):/.test(url))) return;
  const secure = String(urls[0]).replace(":", "s:");
  throw new UsageError(`Cannot verify ${urls[0]}: it is not encrypted, so nothing proves who answers (use ${secure})`);
}

/** Largest reply that is accepted: a chunk of 1000 rows of 32 float64 is 256 kB. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;

export interface ConnectionOptions {
  readonly url: string;
  readonly profile: RobotProfile;
  readonly clock: Clock;
  readonly connectMs: number;
  readonly requestMs: number;
  readonly token: string | undefined;
  /** Absent: the runtime's roots. */
  readonly trust?: Trust | undefined;
  /** For QUIC; absent: what the transport thinks best. */
  readonly congestion?: Congestion | undefined;
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
  const { profile, clock, connectMs, openpi, token, trust, congestion, onRetry } = options;
  const { name, url } = transportOf(new URL(options.url), openpi);
  checkToken(token);
  if (openpi && name !== "ws") {
    throw new UsageError(
      `Cannot speak openpi's protocol to ${url}: it is spoken on WebSockets only, so use ws://… or wss://…`,
    );
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
      const introduction = {
        client,
        openpi,
        ...(token === undefined ? {} : { token }),
        ...(trust === undefined ? {} : { trust }),
        ...(congestion === undefined ? {} : { congestion }),
      };
      const connect = () =>
        transport.connect(url, { clock, connectMs, maxMessageBytes: MAX_REPLY_BYTES, signal, ...introduction });
      return persist(connect, { clock, signal, limitMs, ...(onRetry === undefined ? {} : { onRetry }) });
    },
  });
}
