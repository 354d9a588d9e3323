/**
 * How charts look: colours that colour-blind people can tell apart, and short texts.
 *
 * Transports have the palette of Okabe and Ito, stages that of Paul Tol ("muted"), so that nobody takes one for the other.
 *
 * @module
 */

import { formatNumber } from "./table.ts";

/** Text. */
export const INK = "#1f2937";
/** Notes, axes and what was not measured. */
export const QUIET = "#6b7280";
/** Lines between the marks of an axis. */
export const FAINT = "#e5e7eb";
/** Outlines of panels. */
export const BORDER = "#dfe3e8";
/** Behind the panels. */
export const PAPER = "#f6f7f9";

/** How one transport, or one mode, is drawn everywhere in a figure. */
export interface LineStyle {
  readonly color: string;
  readonly symbol: "circle" | "rect" | "triangle" | "diamond";
  readonly dash: "solid" | "dashed" | "dotted";
}

/** Fixed, so that the figures of two runs can be laid side by side. */
const KNOWN: Readonly<Record<string, LineStyle>> = {
  http: { color: "#e69f00", symbol: "circle", dash: "solid" },
  ws: { color: "#0072b2", symbol: "rect", dash: "solid" },
  tcp: { color: "#009e73", symbol: "triangle", dash: "solid" },
  quic: { color: "#cc79a7", symbol: "diamond", dash: "solid" },
  "quic-tcp": { color: "#d55e00", symbol: "circle", dash: "dashed" },
  local: { color: "#4b5563", symbol: "rect", dash: "dotted" },
};
/** For names that nobody foresaw. */
const OTHERS: readonly LineStyle[] = [
  { color: "#332288", symbol: "circle", dash: "solid" },
  { color: "#56b4e9", symbol: "triangle", dash: "dashed" },
  { color: "#999933", symbol: "circle", dash: "dotted" },
  { color: "#882255", symbol: "rect", dash: "dashed" },
  { color: "#0072b2", symbol: "diamond", dash: "dotted" },
  { color: "#d55e00", symbol: "triangle", dash: "dotted" },
];

/** The styles of lines of these names; other names than the known ones get theirs in the order given. */
export function lineStyles(names: readonly string[]): Map<string, LineStyle> {
  const others = names.filter((name) => !Object.hasOwn(KNOWN, name));
  return new Map(names.map((name) => [
    name,
    Object.hasOwn(KNOWN, name) ? KNOWN[name]! : OTHERS[others.indexOf(name) % OTHERS.length]!,
  ]));
}

/** `3.20 ms`, or what {@linkcode formatNumber} says of nothing. */
export function formatMs(ms: number | undefined): string {
  return ms === undefined ? formatNumber(ms) : `${formatNumber(ms)} ms`;
}

/** The text, cut where it is longer than `letters`. */
export function shorten(text: string, letters: number): string {
  return text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
}
