/**
 * TLS towards a server: the handshake, and whether to believe what the server shows.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { connect, isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { TransportError } from "../errors.ts";
import type { Bytes } from "../types.ts";
import { derOf, pemOf, PRIVATE_NAME, sha256 } from "./certificate.ts";
import { isIssuedBy } from "./issuer.ts";
import type { Socket } from "./stream.ts";
import { duplexOf, TLS_IS_COMPLETE, TlsSocket } from "./tls_socket.ts";
import type { Trust } from "./transport.ts";

/** Who is called. */
export interface TlsTarget {
  /** Name or address, without brackets. */
  readonly hostname: string;
  readonly port: number;
  /** The URL's beginning, for messages. */
  readonly where: string;
}

/** Errors that are about the certificate, by code and message. */
const DISTRUST = /certificate|altname|SELF_SIGNED|^UNABLE_TO|^CERT_/i;

/** A handshake that is done. */
interface Handshake {
  readonly stream: TLSSocket;
  /** DER of what the server has shown. */
  readonly certificate: Bytes;
}

/**
 * Connects, and believes the server or not.
 *
 * @throws {TransportError} untrusted, not_speaking (no TLS there), disconnected.
 * @throws errors of the operating system, with their `code`.
 * @throws the signal's reason when it is aborted.
 */
export async function connectSecurely(target: TlsTarget, trust: Trust, signal: AbortSignal): Promise<Socket> {
  try {
    const { stream } = await believe(target, trust, signal);
    return new TlsSocket(stream);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof TransportError) throw error;
    const text = textOf(error);
    if (/corrupt message|WRONG_VERSION/i.test(text)) {
      const plain = target.where.replace(/^(\w+)s:/, "$1:");
      throw new TransportError("not_speaking", `${target.where} speaks no TLS (use ${plain}, or start it with --tls)`, {
        cause: error,
      });
    }
    if (DISTRUST.test(text)) {
      throw await distrust(target, trust, signal, text, error);
    }
    if (/ECONNRESET|EPIPE|ERR_SSL|end of file|disconnected|received|decrypt|peer/i.test(text)) {
      throw new TransportError("disconnected", `${target.where} ended the TLS handshake: ${text}`, { cause: error });
    }
    throw error;
  }
}

async function believe(target: TlsTarget, trust: Trust, signal: AbortSignal): Promise<Handshake> {
  if (trust.kind === "insecure") return await shakeHands(target, { rejectUnauthorized: false }, signal);
  if (trust.kind === "system") return await shakeHands(target, {}, signal);
  if (trust.kind === "pin") return await believePin(target, trust.sha256, signal);
  const handshake = await shakeHands(target, { ca: rootsOf(trust.pem) }, signal);
  // An older runtime trusts the system's roots as well.
  if (TLS_IS_COMPLETE || isIssuedBy(handshake.certificate, trust.pem)) return handshake;
  handshake.stream.destroy();
  throw untrusted(target, trust, "no root of --ca signed it directly", handshake.certificate);
}

/** The certificate's hash is all that counts; and that the server has the key to it, which the handshake proves. */
async function believePin(target: TlsTarget, pin: string, signal: AbortSignal): Promise<Handshake> {
  const unverified = await shakeHands(target, { rejectUnauthorized: false }, signal);
  const { certificate } = unverified;
  if (sha256(certificate) !== pin) unverified.stream.destroy();
  requirePin(target, pin, certificate);
  if (TLS_IS_COMPLETE) return unverified;
  // An older runtime that need not verify a certificate does not look for the key either: a second handshake does, with
  // the certificate for a root. It also looks at the certificate's dates.
  unverified.stream.destroy();
  const pem = pemOf("CERTIFICATE", certificate);
  const own = new X509Certificate(pem).checkHost(PRIVATE_NAME) !== undefined;
  const options = { ca: [pem], ...(own ? { servername: PRIVATE_NAME } : {}) };
  const verified = await shakeHands(target, options, signal);
  // The system's roots were trusted, too.
  if (sha256(verified.certificate) !== pin) verified.stream.destroy();
  requirePin(target, pin, verified.certificate);
  return verified;
}

/** @throws {TransportError} untrusted, where the certificate (DER) is another one. */
export function requirePin({ where }: Pick<TlsTarget, "where">, pin: string, certificate: Bytes): void {
  const shown = sha256(certificate);
  if (shown === pin) return;
  throw new TransportError(
    "untrusted",
    `Cannot trust ${where}: its certificate has the SHA-256 ${shown}, and --cert-sha256 asks for ${pin} ` +
      "(has the server got a new certificate? it prints the SHA-256 when it starts)",
  );
}

/** @throws {TypeError} where the text holds no certificate. */
function rootsOf(pem: string): string[] {
  const roots = derOf(pem).map((der) => pemOf("CERTIFICATE", der));
  if (roots.length === 0) throw new TypeError("Cannot read the roots: no PEM block of a certificate is there");
  return roots;
}

async function shakeHands(target: TlsTarget, options: ConnectionOptions, signal: AbortSignal): Promise<Handshake> {
  const { hostname: host, where } = target;
  const name = isIP(host) === 0 ? { servername: host } : {};
  // The types know sockets only; any stream will do.
  const begin = (socket: Duplex) => connectTls({ socket: socket as never, host, ...name, ...options });
  const stream = await dial(target, signal, begin);
  return await new Promise((resolve, reject) => {
    const settle = (error?: unknown) => {
      signal.removeEventListener("abort", onAbort);
      if (error === undefined) return;
      reject(error);
      // An older runtime forgets a connection whose handshake goes on, which never ends then; so its end is awaited.
      if (TLS_IS_COMPLETE) stream.destroy();
      else stream.once("secureConnect", () => stream.destroy());
    };
    const onAbort = () => settle(signal.reason);
    const onClose = () => settle(new TransportError("disconnected", `${where} ended the TLS handshake`));
    signal.addEventListener("abort", onAbort, { once: true });
    stream.once("close", onClose).once("error", settle).once("secureConnect", () => {
      const raw = stream.getPeerCertificate()?.raw;
      // An older runtime says so also where the handshake has failed. The error is on its way.
      if (raw === undefined) return;
      stream.removeListener("close", onClose);
      settle();
      resolve({ stream, certificate: new Uint8Array(raw) });
    });
  });
}

/**
 * Connects, and begins TLS on the connection. An older runtime can do so on Node's sockets only, and only in the moment
 * in which they are connected; those of 2.9.6 now and then lose the end of the stream.
 */
async function dial(
  { hostname, port }: TlsTarget,
  signal: AbortSignal,
  begin: (socket: Duplex) => TLSSocket,
): Promise<TLSSocket> {
  if (TLS_IS_COMPLETE) {
    const connection = await Deno.connect({ hostname, port });
    if (signal.aborted) connection.close();
    signal.throwIfAborted();
    // Without it the tail of a message waits for an acknowledgement that the other side delays by 40 ms.
    connection.setNoDelay(true);
    connection.setKeepAlive(true);
    return begin(duplexOf(connection));
  }
  const socket = connect({ host: hostname, port });
  const destroy = () => socket.destroy();
  signal.addEventListener("abort", destroy, { once: true });
  try {
    return await new Promise((resolve, reject) => {
      socket.once("error", reject).once("close", () => reject(signal.reason)).once("connect", () => {
        socket.setNoDelay(true);
        socket.setKeepAlive(true);
        resolve(begin(socket));
      });
    });
  } finally {
    signal.removeEventListener("abort", destroy);
  }
}

function textOf(error: unknown): string {
  const { code = "", message } = error as Error & { code?: string };
  return `${code} ${message}`.trim();
}

const IMPOSTOR = "it did not prove that it has the key of the certificate that it shows";

/** Why a server is not believed, with the certificate that it shows to whoever asks. */
async function distrust(target: TlsTarget, trust: Trust, signal: AbortSignal, text: string, cause: unknown) {
  let shown: Handshake;
  try {
    shown = await shakeHands(target, { rejectUnauthorized: false }, signal);
  } catch (error) {
    // What is shown would be good to know; that it cannot be trusted is known already. Where nothing about it need be
    // verified, the handshake alone has failed.
    const why = DISTRUST.test(textOf(error)) ? IMPOSTOR : (cause as Error).message;
    return new TransportError("untrusted", `Cannot trust ${target.where}: ${why}`, { cause });
  }
  shown.stream.destroy();
  // Of a root, a wrong signature may also be that of the certificate: another root of the same name.
  if (trust.kind === "pin" && /Signature/.test(text)) {
    return new TransportError("untrusted", `Cannot trust ${target.where}: ${IMPOSTOR}`, { cause });
  }
  return untrusted(target, trust, reason(text, shown.certificate, trust), shown.certificate, cause);
}

/** Why a certificate was not believed, from what the runtime said of it. */
export function reason(text: string, certificate: Bytes, trust: Trust): string {
  const { subject, issuer } = new X509Certificate(pemOf("CERTIFICATE", certificate));
  const dates = outsideDates(certificate);
  if (dates !== undefined) return dates;
  if (/altname|not valid for name/i.test(text)) return "it was made for other names";
  if (trust.kind === "roots") return "no root of --ca signed it";
  return subject === issuer ? "it is self-signed" : "no root that is trusted here signed it";
}

/** In words, that a certificate (DER) is not valid any more, or not yet; undefined where it is valid. */
export function outsideDates(certificate: Bytes): string | undefined {
  const { validFrom, validTo } = new X509Certificate(pemOf("CERTIFICATE", certificate));
  const now = new Date();
  const day = (date: Date) => date.toISOString().slice(0, 10);
  if (now > new Date(validTo)) return `it expired on ${day(new Date(validTo))}`;
  if (now < new Date(validFrom)) return `it is not valid before ${day(new Date(validFrom))}`;
  return undefined;
}

/**
 * The line about a certificate (DER) that was not believed.
 *
 * @param renewal what helps, where nothing does that the client could say.
 */
export function untrusted(
  { where }: Pick<TlsTarget, "where">,
  trust: Trust,
  why: string,
  certificate: Bytes,
  cause?: unknown,
  renewal?: string,
): TransportError {
  const hash = sha256(certificate);
  const remedy = renewal !== undefined
    ? renewal
    : trust.kind === "pin"
    ? "this version of Deno also looks at dates and names: use 2.9.6"
    : `if the server printed that, add --cert-sha256 ${hash}; or give its root with --ca FILE; or type --insecure`;
  const message = `Cannot trust ${where}: its certificate has the SHA-256 ${hash}, and ${why} (${remedy})`;
  return new TransportError("untrusted", message, { cause });
}
