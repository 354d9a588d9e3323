/**
 * One figure about a benchmark: where the time of a request goes, and how latencies are spread.
 *
 * @module
 */

import { type Chart, drawFigure, FIGURE_HEADER_PX, type Panel, type Place } from "./chart.ts";
import { latencyByTransport, type TransportLatency } from "./chart_latency_data.ts";
import { boxPanel, cumulatedPanel, timelinePanel } from "./chart_latency_spread.ts";
import { stackedPanel, waterfallPanel } from "./chart_latency_stages.ts";
import type { BenchResults } from "./results.ts";

const WIDTH_PX = 1600;
const GAP_PX = 16;
const HALF_PX = (WIDTH_PX - 3 * GAP_PX) / 2;
const ROW_HEIGHTS_PX = [480, 360, 450] as const;

/**
 * Draws five panels, 1600 pixels wide: one request as a waterfall, stages of every transport stacked, latency over the
 * run, cumulated shares, boxes. What was not measured is said to be so.
 *
 * @param results with samples after `attachPrevious`, without which nobody knows the network's part.
 * @throws {RangeError} where the samples are as they were recorded.
 */
export function latencyChart(results: BenchResults): Promise<Chart> {
  const transports = latencyByTransport(results);
  const [first, second, third] = ROW_HEIGHTS_PX;
  const secondPx = FIGURE_HEADER_PX + first + GAP_PX;
  const thirdPx = secondPx + second + GAP_PX;
  const rightPx = 2 * GAP_PX + HALF_PX;
  const widePx = WIDTH_PX - 2 * GAP_PX;
  const panels: { readonly panel: Panel; readonly place: Place }[] = [
    { panel: waterfallPanel(transports), place: place(GAP_PX, FIGURE_HEADER_PX, HALF_PX, first) },
    { panel: stackedPanel(transports, HALF_PX), place: place(rightPx, FIGURE_HEADER_PX, HALF_PX, first) },
    { panel: timelinePanel(transports, widePx), place: place(GAP_PX, secondPx, widePx, second) },
    { panel: cumulatedPanel(transports, HALF_PX), place: place(GAP_PX, thirdPx, HALF_PX, third) },
    { panel: boxPanel(transports), place: place(rightPx, thirdPx, HALF_PX, third) },
  ];
  const size = { widthPx: WIDTH_PX, heightPx: thirdPx + third + GAP_PX };
  return drawFigure(size, { title: "Where the time of a request goes", note: describe(results, transports) }, panels);
}

function place(xPx: number, yPx: number, widthPx: number, heightPx: number): Place {
  return { xPx, yPx, widthPx, heightPx };
}

/** Which policy, how it was asked, and when. */
function describe(
  { server, startedAt, interrupted }: BenchResults,
  transports: readonly TransportLatency[],
): string {
  const policy = server === null ? undefined : server["policy"];
  const periodMs = transports.find(({ summary }) => summary.periodMs !== undefined)?.summary.periodMs;
  return [
    ...(typeof policy === "string" ? [`policy ${policy}`] : []),
    transports.length === 1 ? "1 transport" : `${transports.length} transports`,
    periodMs === undefined
      ? "each request sent when the last was answered"
      : `${round(1000 / periodMs)} requests per second`,
    `${startedAt.slice(0, 16).replace("T", " ")} UTC`,
    ...(interrupted ? ["interrupted before its end"] : []),
  ].join(" · ");
}

function round(value: number): string {
  return String(Number(value.toPrecision(3)));
}
