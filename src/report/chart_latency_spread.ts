/**
 * How latencies are spread: over the run, as cumulated shares, and as boxes.
 *
 * @module
 */

import type { LatencySample } from "../measure/sample.ts";
import type { Panel } from "./chart.ts";
import { countNote, noAnswer, responseMs, type TransportLatency, transportRows } from "./chart_latency_data.ts";
import { logAxis, panelGrid, panelLegend, valueAxis, valueColumn } from "./chart_layout.ts";
import { formatMs, shorten } from "./chart_style.ts";

/** Points of a timeline; more would be one blot, and slow to draw. */
const TIMELINE_POINTS = 3000;
/** Points of one cumulated line; more lie on the same pixels. */
const CUMULATED_POINTS = 400;
/** Below this times are the clock's grain, and a logarithm of 0 has no place on an axis. */
const FLOOR_MS = 0.001;
/** From this ratio of the slowest to the median on, a linear axis would press everything else to the ground. */
const LOG_FROM_RATIO = 6;

/** Every request where it was in the run. */
export function timelinePanel(transports: readonly TransportLatency[], widthPx: number): Panel {
  const answered = transports.reduce((sum, transport) => sum + transport.answered.length, 0);
  const failed = transports.reduce((sum, transport) => sum + transport.failed.length, 0);
  const group = Math.ceil(2 * answered / TIMELINE_POINTS);
  const title = "Latency over the run";
  const note = [
    `n = ${answered} answered requests`,
    failed > 0 ? `${failed} failed (×, when they were given up)` : "none failed",
    ...(group > 2 ? [`of every ${group} in a row the fastest and the slowest are drawn`] : []),
  ].join("; ");
  if (answered + failed === 0) return { title, note: "n = 0", missing: noAnswer(transports) };
  const all = transports.flatMap((transport) => [...transport.answered, ...transport.failed]).map(responseMs)
    .sort((a, b) => a - b);
  const slowestMs = all[all.length - 1]!;
  const logarithmic = slowestMs > LOG_FROM_RATIO * all[Math.floor(all.length / 2)]!;
  const height = (ms: number) => logarithmic ? logOf(ms) : ms;
  const points = (samples: readonly LatencySample[]) =>
    samples.map((sample) => [sample.scheduledMs / 1000, height(responseMs(sample))]);
  const { legend, heightPx } = panelLegend(transports.map(legendName), widthPx, { widthPx: 12 });
  const name = `${latencyName(transports)}${logarithmic ? ", log" : ""}`;
  return {
    title,
    note,
    drawing: {
      grid: panelGrid({ leftPx: 80, rightPx: 30, legendPx: heightPx }),
      legend,
      // The panel is wide: with the few marks of the others, up to a third of it would lie behind the run's end.
      xAxis: { ...valueAxis("time since the run's start, in s"), min: 0, splitNumber: 12 },
      yAxis: {
        ...(logarithmic ? logAxis(name, floored(all[0]!), floored(slowestMs)) : { ...valueAxis(name), min: 0 }),
        nameGap: 52,
      },
      series: [
        ...transports.map(({ style, answered }, i) => ({
          type: "scatter" as const,
          name: legend.data[i]!,
          silent: true,
          clip: false,
          symbol: style.symbol,
          symbolSize: 6,
          itemStyle: { color: style.color, opacity: 0.75 },
          data: points(group > 2 ? extremes(answered, group) : answered),
        })),
        ...transports.map(({ style, failed }) => ({
          type: "scatter" as const,
          silent: true,
          symbol: CROSS,
          symbolSize: 10,
          itemStyle: { color: "transparent", borderColor: style.color, borderWidth: 2 },
          data: points(failed),
        })),
      ],
    },
  };
}

/** A path of 10 × 10. */
const CROSS = "path://M0,0L10,10M10,0L0,10";

/** The fastest and the slowest of every `group` samples in a row. */
function extremes(samples: readonly LatencySample[], group: number): LatencySample[] {
  const kept: LatencySample[] = [];
  for (let first = 0; first < samples.length; first += group) {
    const part = samples.slice(first, first + group);
    const fastest = part.reduce((a, b) => responseMs(b) < responseMs(a) ? b : a);
    const slowest = part.reduce((a, b) => responseMs(b) > responseMs(a) ? b : a);
    kept.push(...(fastest === slowest ? [fastest] : [fastest, slowest]));
  }
  return kept;
}

/** The share of requests that was answered within a time. */
export function cumulatedPanel(transports: readonly TransportLatency[], widthPx: number): Panel {
  const title = "Share of requests answered within a time";
  const answered = withAnswers(transports);
  if (answered.length === 0) return { title, note: "n = 0", missing: noAnswer(transports) };
  const { legend, heightPx } = panelLegend(answered.map(legendName), widthPx, { widthPx: 26 });
  return {
    title,
    note: countNote(transports),
    drawing: {
      grid: panelGrid({ leftPx: 80, rightPx: 36, legendPx: heightPx }),
      legend,
      xAxis: latencyAxis(answered),
      yAxis: { ...valueAxis("share of requests, in %"), min: 0, max: 100, interval: 25, nameGap: 46 },
      series: answered.map(({ style, sortedMs }, i) => ({
        type: "line",
        name: legend.data[i]!,
        silent: true,
        clip: false,
        step: "end",
        symbol: style.symbol,
        showSymbol: false,
        lineStyle: { color: style.color, width: 2.5, type: style.dash },
        itemStyle: { color: style.color },
        data: cumulated(sortedMs).map(([ms, share]) => [logOf(ms), 100 * share]),
      })),
    },
  };
}

/** Steps up from 0 at the fastest to 1 at the slowest; of many, evenly spread ranks. */
export function cumulated(sortedMs: readonly number[]): [ms: number, share: number][] {
  const count = sortedMs.length;
  const steps = Math.min(count, CUMULATED_POINTS);
  const ranks = Array.from({ length: steps }, (_, i) => Math.round((i + 1) * count / steps));
  return [[sortedMs[0]!, 0], ...ranks.map((rank): [number, number] => [sortedMs[rank - 1]!, rank / count])];
}

/** Box, whiskers and the slowest of every transport. */
export function boxPanel(transports: readonly TransportLatency[]): Panel {
  const title = transports.length > 1 ? "Spread of the latency, by transport" : "Spread of the latency";
  const answered = withAnswers(transports);
  if (answered.length === 0) return { title, note: "n = 0", missing: noAnswer(transports) };
  const column = transports.map(({ summary: { latencyMs } }) =>
    latencyMs === undefined
      ? "{quiet|not measured}"
      : `{name|p50 ${formatMs(latencyMs.p50Ms)}}\n{below|p95 ${formatMs(latencyMs.p95Ms)}}`
  );
  return {
    title,
    note: `${countNote(transports)}; box: middle half; whiskers: 5 to 95 %; ○ slowest`,
    drawing: {
      grid: panelGrid({ leftPx: 150, rightPx: 136 }),
      xAxis: latencyAxis(answered),
      yAxis: [transportRows(transports), valueColumn(column)],
      series: [
        {
          type: "boxplot",
          silent: true,
          boxWidth: [8, 24],
          data: transports.map(({ style, sortedMs }) => ({
            value: sortedMs.length === 0 ? [] : BOX_SHARES.map((share) => logOf(valueAt(sortedMs, share))),
            itemStyle: { color: `${style.color}55`, borderColor: style.color, borderWidth: 2 },
          })),
        },
        {
          type: "scatter",
          silent: true,
          symbol: "circle",
          symbolSize: 9,
          data: transports.flatMap(({ style, sortedMs }, row) =>
            sortedMs.length === 0 ? [] : [{
              value: [logOf(sortedMs[sortedMs.length - 1]!), row],
              itemStyle: { color: "#ffffff", borderColor: style.color, borderWidth: 2 },
            }]
          ),
        },
      ],
    },
  };
}

/** Whisker, box, median, box, whisker. */
const BOX_SHARES = [0.05, 0.25, 0.5, 0.75, 0.95] as const;

/** The smallest value that at least the share of all does not exceed: one that was measured, as in the cumulated line. */
function valueAt(sortedMs: readonly number[], share: number): number {
  return sortedMs[Math.max(0, Math.ceil(share * sortedMs.length) - 1)]!;
}

/** The same for both panels that have it, so that they can be compared. */
function latencyAxis(answered: readonly TransportLatency[]) {
  const fastestMs = Math.min(...answered.map(({ sortedMs }) => sortedMs[0]!));
  const slowestMs = Math.max(...answered.map(({ sortedMs }) => sortedMs[sortedMs.length - 1]!));
  return logAxis(`${latencyName(answered)}, log`, floored(fastestMs), floored(slowestMs));
}

function latencyName(transports: readonly TransportLatency[]): string {
  const paced = transports.some(({ summary }) => summary.periodMs !== undefined);
  return paced ? "latency from when due, in ms" : "latency in ms";
}

function legendName({ name }: TransportLatency): string {
  return shorten(name, 24);
}

function withAnswers(transports: readonly TransportLatency[]): TransportLatency[] {
  return transports.filter(({ answered }) => answered.length > 0);
}

function floored(ms: number): number {
  return Math.max(ms, FLOOR_MS);
}

function logOf(ms: number): number {
  return Math.log10(floored(ms));
}
