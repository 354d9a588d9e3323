/**
 * Whether a certificate was signed by one of a few roots: what a runtime does not tell that trusts others besides.
 *
 * @module
 */

import { verify, X509Certificate } from "node:crypto";
import type { Bytes } from "../types.ts";
import { derOf, pemOf } from "./certificate.ts";

/** Hash of each signature algorithm that roots use, by the DER of its identifier: ECDSA, and RSA as of PKCS #1. */
const HASHES: Readonly<Record<string, string>> = {
  "2a8648ce3d040302": "sha256",
  "2a8648ce3d040303": "sha384",
  "2a8648ce3d040304": "sha512",
  "2a864886f70d01010b": "sha256",
  "2a864886f70d01010c": "sha384",
  "2a864886f70d01010d": "sha512",
};

/**
 * Whether the key of one of the certificates in `rootsPem` signed `certificate`. Dates, names and uses are not looked
 * at.
 *
 * @param certificate DER.
 */
export function isIssuedBy(certificate: Bytes, rootsPem: string): boolean {
  const [body, algorithm, signature] = partsOf(contentOf(certificate));
  if (body === undefined || algorithm === undefined || signature === undefined) return false;
  const hash = HASHES[contentOf(partsOf(contentOf(algorithm))[0] ?? new Uint8Array(2)).toHex()];
  if (hash === undefined) return false;
  // The first byte of a bit string counts unused bits, of which a signature has none.
  const bits = contentOf(signature).subarray(1);
  return derOf(rootsPem).some((root) => {
    const { publicKey } = new X509Certificate(pemOf("CERTIFICATE", root));
    try {
      return verify(hash, body, publicKey, bits);
    } catch {
      // A key of another kind than the signature.
      return false;
    }
  });
}

/** The values inside a sequence, each with its tag and length. */
function partsOf(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at + 2 <= bytes.length;) {
    const { end } = extentOf(bytes.subarray(at));
    parts.push(bytes.subarray(at, at + end));
    at += end;
  }
  return parts;
}

function contentOf(bytes: Uint8Array): Uint8Array {
  const { start, end } = extentOf(bytes);
  return bytes.subarray(start, end);
}

/** Where the content of a value begins and ends. Lengths of 128 and more come behind their number of bytes. */
function extentOf(bytes: Uint8Array): { start: number; end: number } {
  const short = bytes[1]!;
  if (short < 0x80) return { start: 2, end: 2 + short };
  const start = 2 + (short & 0x7f);
  const length = bytes.subarray(2, start).reduce((sum, byte) => sum * 256 + byte, 0);
  return { start, end: start + length };
}
