/**
 * Self-signed certificates, as X.509 version 3 in DER (RFC 5280), with a key of ECDSA on P-256.
 *
 * Written here because all that is needed is one fixed shape, and the runtime's own cryptography does the rest.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";
import type { Bytes } from "../types.ts";
import { concatenate } from "./stream.ts";
import type { Identity } from "./transport.ts";

/** Apple's clients take no longer one for a private server (825 days), and a pin should live long. */
const VALID_DAYS = 825;
const DAY_MS = 86_400_000;
/** Clocks of two machines differ: a certificate is valid from this long before it was made. */
const BACKDATE_MS = DAY_MS;

/**
 * A name that every certificate made here has, and that no public authority may certify (`.invalid` belongs to nobody,
 * RFC 2606). Who takes a pinned certificate for a root and asks for this name is not fooled by another certificate that
 * a system root signed, also where the runtime adds its own roots to those that it is given.
 */
export const PRIVATE_NAME = "pi0.invalid";

const SUBJECT = "pi0";
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** Object identifiers as they stand in DER. */
const OID = {
  commonName: "550403",
  ecdsaWithSha256: "2a8648ce3d040302",
  subjectKeyIdentifier: "551d0e",
  keyUsage: "551d0f",
  subjectAltName: "551d11",
  basicConstraints: "551d13",
  extendedKeyUsage: "551d25",
  serverAuth: "2b06010505070301",
} as const;

/** Tags of ASN.1 that certificates use. */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  dnsName: 0x82,
  ipAddress: 0x87,
  version: 0xa0,
  extensions: 0xa3,
} as const;

/**
 * Makes a key and a certificate for it that a server can show under any of `names`, and {@linkcode PRIVATE_NAME}.
 *
 * @param names host names and IP addresses.
 * @param validFrom when it was made; it is valid from a day earlier, for `validDays`.
 * @throws {TypeError} for a name that no certificate can hold.
 */
export async function makeIdentity(
  options: { readonly names: readonly string[]; readonly validFrom?: Date; readonly validDays?: number },
): Promise<Identity> {
  const { names, validFrom = new Date(), validDays = VALID_DAYS } = options;
  const { publicKey, privateKey } = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const keyInfo = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
  const keyId = createHash("sha1").update(keyInfo).digest();
  const serial = crypto.getRandomValues(new Uint8Array(16));
  // Positive, and without a zero in front, as DER wants numbers.
  serial[0] = 0x40 | (serial[0]! & 0x3f);
  const algorithm = der(TAG.sequence, oid("ecdsaWithSha256"));
  const name = der(
    TAG.sequence,
    der(TAG.set, der(TAG.sequence, oid("commonName"), der(TAG.utf8String, new TextEncoder().encode(SUBJECT)))),
  );
  const body = der(
    TAG.sequence,
    der(TAG.version, der(TAG.integer, Uint8Array.of(2))),
    der(TAG.integer, serial),
    algorithm,
    name,
    der(
      TAG.sequence,
      time(new Date(validFrom.getTime() - BACKDATE_MS)),
      time(new Date(validFrom.getTime() + validDays * DAY_MS)),
    ),
    name,
    keyInfo,
    der(
      TAG.extensions,
      der(
        TAG.sequence,
        extension("basicConstraints", true, der(TAG.sequence)),
        // Bit 0, digitalSignature, of seven unused ones behind it.
        extension("keyUsage", true, der(TAG.bitString, Uint8Array.of(7, 0x80))),
        extension("extendedKeyUsage", false, der(TAG.sequence, oid("serverAuth"))),
        extension("subjectAltName", false, der(TAG.sequence, ...[...names, PRIVATE_NAME].map(alternative))),
        extension("subjectKeyIdentifier", false, der(TAG.octetString, keyId)),
      ),
    ),
  );
  const signature = new Uint8Array(await crypto.subtle.sign(ALGORITHM, privateKey, body));
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32)];
  const certificate = der(
    TAG.sequence,
    body,
    algorithm,
    der(TAG.bitString, Uint8Array.of(0), der(TAG.sequence, positive(r), positive(s))),
  );
  const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
  return { certPem: pemOf("CERTIFICATE", certificate), keyPem: pemOf("PRIVATE KEY", key) };
}

/**
 * SHA-256 of a certificate's DER, as 64 lower-case hex digits; of the first one where there are several.
 *
 * @throws {TypeError} where the text holds no certificate.
 */
export function fingerprintOf(certPem: string): string {
  const first = derOf(certPem)[0];
  if (first === undefined) throw new TypeError("Cannot read the certificate: no PEM block of that kind is there");
  return sha256(first);
}

/** 64 lower-case hex digits. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The DER of every certificate in a PEM file. */
export function derOf(certPem: string): Bytes[] {
  const blocks = certPem.matchAll(/-----BEGIN CERTIFICATE-----([\sA-Za-z0-9+/=]+)-----END CERTIFICATE-----/g);
  return [...blocks].map((match) => Uint8Array.fromBase64(match[1]!));
}

/** DER as PEM, in lines of 64 characters (RFC 7468). */
export function pemOf(label: string, bytes: Uint8Array): string {
  const lines = bytes.toBase64().match(/.{1,64}/g)!;
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

function der(tag: number, ...parts: readonly Uint8Array[]): Bytes {
  const content = concatenate(parts);
  const { length } = content;
  const header = length < 0x80
    ? [tag, length]
    : length < 0x100
    ? [tag, 0x81, length]
    : [tag, 0x82, length >> 8, length & 0xff];
  return concatenate([Uint8Array.from(header), content]);
}

function oid(name: keyof typeof OID): Bytes {
  return der(TAG.oid, Uint8Array.fromHex(OID[name]));
}

/** A number of many bytes: without zeros in front, but with one where the first bit would say that it is negative. */
function positive(bytes: Uint8Array): Bytes {
  const digits = bytes.subarray(Math.max(0, bytes.findIndex((byte) => byte !== 0)));
  return der(TAG.integer, ...(digits[0]! >= 0x80 ? [Uint8Array.of(0)] : []), digits);
}

/** Years before 2050 have two digits, later ones four (RFC 5280, 4.1.2.5). */
function time(moment: Date): Bytes {
  const text = `${moment.toISOString().replace(/\.\d+/, "").replace(/[-:T]/g, "")}`;
  const short = moment.getUTCFullYear() < 2050;
  return der(short ? TAG.utcTime : TAG.generalizedTime, new TextEncoder().encode(short ? text.slice(2) : text));
}

function extension(name: keyof typeof OID, critical: boolean, value: Bytes): Bytes {
  const flag = critical ? [der(TAG.boolean, Uint8Array.of(0xff))] : [];
  return der(TAG.sequence, oid(name), ...flag, der(TAG.octetString, value));
}

function alternative(name: string): Bytes {
  const address = addressBytes(name);
  if (address !== undefined) return der(TAG.ipAddress, address);
  if (!/^[\x21-\x7e]{1,253}$/.test(name)) {
    throw new TypeError(`Cannot make a certificate for ${JSON.stringify(name)}: it is no host name in ASCII`);
  }
  return der(TAG.dnsName, new TextEncoder().encode(name));
}

/** 4 or 16 bytes, or undefined where the text is no address. */
function addressBytes(text: string): Bytes | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text)) return undefined;
  const [head = "", tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split("::");
  const groups = (part: string | undefined) => part === undefined || part === "" ? [] : part.split(":");
  const [before, after] = [groups(head), groups(tail)];
  const all = [...before, ...new Array(8 - before.length - after.length).fill("0"), ...after];
  return Uint8Array.from(all.flatMap((group) => {
    const value = parseInt(group, 16);
    return [value >> 8, value & 0xff];
  }));
}
