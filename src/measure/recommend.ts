/**
 * Which way to use, from what each was seen to cost. Pure.
 *
 * @module
 */

import type { Path } from "./path.ts";
import type { Way } from "./way.ts";

export interface Recommendation {
  readonly transport: string;
  readonly url: string;
  /** Which, why, and what it costs: one sentence for people. */
  readonly sentence: string;
}

export interface Circumstances {
  /** The fastest small round trip. */
  readonly floorMs: number;
  /** Datagrams to the server; absent where it has no QUIC. */
  readonly datagrams?: Path | undefined;
  /** The server is another machine, so that somebody may listen on the way. */
  readonly far: boolean;
  readonly payloadBytes: number;
}

/** Where costs are the same, what asks least of a client comes first. */
const SIMPLEST_FIRST = ["tcp", "ws", "http", "quic", "quic-tcp"];
/** Differences below this share, or below a millisecond, are noise in so few requests. */
const SAME_SHARE = 0.05;
const SAME_MS = 1;
/** A single loss among a few hundred datagrams may be chance. */
const LOSSES = 2;
/** On a path that loses, so much more is worth paying for QUIC, since few requests meet few of the losses to come. */
const QUIC_SHARE = 0.25;

interface Measured extends Way {
  readonly costMs: number;
}

/** @returns undefined where no way works. */
export function recommend(ways: readonly Way[], circumstances: Circumstances): Recommendation | undefined {
  const { datagrams, far } = circumstances;
  const lossy = datagrams !== undefined && datagrams.lost >= LOSSES && datagrams.lost < datagrams.sent;
  const measured = ways.flatMap((way): Measured[] => {
    const costMs = lossy ? way.steadyMeanMs : way.steadyMs;
    return costMs === undefined || way.error !== undefined ? [] : [{ ...way, costMs }];
  }).sort((a, b) => a.costMs - b.costMs);
  const fastest = measured[0];
  if (fastest === undefined) return undefined;
  const within = (share: number) => ({ costMs }: Measured) =>
    costMs <= fastest.costMs + Math.max(SAME_MS, share * fastest.costMs);
  const say = (way: Measured, reason: string) => ({
    transport: way.transport,
    url: way.url,
    sentence: sentenceOf(way, reason, circumstances),
  });
  if (measured.length === 1) return say(fastest, "no other way works from here");
  const quic = measured.filter(within(QUIC_SHARE)).find(({ transport }) => transport === "quic");
  if (lossy && quic !== undefined) {
    return say(quic, `${datagrams.lost} of ${datagrams.sent} datagrams were lost, and a loss costs QUIC least`);
  }
  const same = measured.filter(within(SAME_SHARE)).sort((a, b) => rankOf(a) - rankOf(b));
  const safe = far ? same.find(({ encrypted }) => encrypted) : undefined;
  const best = safe ?? same[0]!;
  const others = same.filter((way) => way !== best).map(({ transport }) => transport);
  if (others.length === 0) {
    const second = measured.find((way) => way !== best)!;
    return say(best, `it is the fastest (next is ${second.transport} with ${ms(second.costMs)})`);
  }
  const why = safe !== undefined && same.some(({ encrypted }) => !encrypted) ? "and it is encrypted" : "and is simple";
  return say(best, `it costs no more than ${others.join(", ")}, ${why}`);
}

function rankOf({ transport }: Way): number {
  const rank = SIMPLEST_FIRST.indexOf(transport);
  return rank === -1 ? SIMPLEST_FIRST.length : rank;
}

function sentenceOf(way: Measured, reason: string, { floorMs, far, payloadBytes }: Circumstances): string {
  const { transport, url, costMs, coldFirstMs, encrypted } = way;
  const size = `${Math.round(payloadBytes / 1000)} kB`;
  const ratio = floorMs >= SAME_MS ? ` (${(costMs / floorMs).toFixed(2)} round trips)` : "";
  const cold = coldFirstMs === undefined ? "" : `, the first on a connection that was not warmed up ${ms(coldFirstMs)}`;
  const plain = far && !encrypted ? "; it is not encrypted (serve with --tls)" : "";
  return `Use ${transport} (${url}): ${reason}; ${size} take ${ms(costMs)}${ratio}${cold}${plain}.`;
}

function ms(value: number): string {
  return `${value < 10 ? value.toPrecision(2) : value.toFixed(1)} ms`;
}
