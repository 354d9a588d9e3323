/**
 * Who may ask: one token, compared in constant time.
 *
 * @module
 */

import { createHash, timingSafeEqual } from "node:crypto";

/** Whether a caller's token is the server's. Without a token of its own a server lets everybody in. */
export function mayEnter(expected: string | undefined, given: string | undefined): boolean {
  if (expected === undefined) return true;
  // Digests have one length, whatever the tokens have: the comparison tells nothing, not even that.
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(expected), digest(given ?? "")) && given !== undefined;
}
