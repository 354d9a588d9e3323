/**
 * Where the time of a request goes: one request as a waterfall, and the medians of every transport as stacked bars.
 *
 * @module
 */

import type { CustomSeriesOption } from "echarts";
import type { Panel } from "./chart.ts";
import {
  countNote,
  medianRequest,
  medianStages,
  noAnswer,
  requestStages,
  roundTripMs,
  roundTrips,
  type Stage,
  STAGE_NAMES,
  STAGES,
  type TransportLatency,
  transportRows,
} from "./chart_latency_data.ts";
import { panelGrid, panelLegend, valueAxis, valueColumn } from "./chart_layout.ts";
import { formatMs, INK, QUIET, shorten } from "./chart_style.ts";

interface WaterfallRow {
  readonly label: string;
  readonly color: string;
  readonly ms?: number;
}

/** One request as steps from its start to its end. */
export function waterfallPanel(transports: readonly TransportLatency[]): Panel {
  const found = medianRequest(transports);
  if (found === undefined) {
    return { title: "One request", note: "n = 0", missing: noAnswer(transports) };
  }
  const { transport, sample } = found;
  const wholeMs = roundTripMs(sample);
  const rows: WaterfallRow[] = [
    ...requestStages(sample).map(({ stage, ...share }) => ({ ...STAGES[stage], ...share })),
    { label: "round trip", color: INK, ms: wholeMs },
  ];
  let endMs = 0;
  const bars = rows.map(({ ms }, row) => {
    if (row === rows.length - 1) return [row, 0, wholeMs];
    const startMs = endMs;
    endMs += ms ?? 0;
    return [row, startMs, endMs];
  });
  const way = transport.name === "local" ? "in this process" : `over ${shorten(transport.name, 24)}`;
  const parts = sample.residenceMs === undefined
    ? "rest: the network and what the server did not measure"
    : "network: both ways; rest: what the server did not measure";
  return {
    title: `The median request ${way} takes ${formatMs(wholeMs)}`,
    note: `1 of n = ${transport.answered.length}; ${parts}`,
    drawing: {
      grid: panelGrid({ leftPx: 140, rightPx: 164 }),
      xAxis: { ...valueAxis("time since the request was started, in ms"), min: 0 },
      yAxis: [
        {
          type: "category",
          inverse: true,
          data: rows.map(({ label }) => label),
          axisLine: { show: false },
          axisTick: { show: false },
          axisLabel: { interval: 0, color: INK, fontSize: 14 },
        },
        valueColumn(rows.map(({ ms }) => ms === undefined ? "{quiet|not measured}" : share(ms, wholeMs))),
      ],
      series: [{
        type: "custom",
        silent: true,
        data: bars,
        encode: { x: [1, 2], y: 0 },
        renderItem: (_, api) => drawStep(api, rows),
      }],
    },
  };
}

/** A bar as thick as half its row, and a line down to where the next one begins. */
function drawStep(
  api: Parameters<NonNullable<CustomSeriesOption["renderItem"]>>[1],
  rows: readonly WaterfallRow[],
): ReturnType<NonNullable<CustomSeriesOption["renderItem"]>> {
  const row = Number(api.value(0));
  const { color, ms } = rows[row]!;
  const [leftPx, middlePx] = api.coord([api.value(1), row]) as [number, number];
  const [rightPx] = api.coord([api.value(2), row]) as [number];
  const rowPx = (api.size!([0, 1]) as [number, number])[1];
  const heightPx = rowPx * 0.56;
  const bar = {
    type: "rect" as const,
    // A stage of a few microseconds still leaves a trace.
    shape: {
      x: Math.min(leftPx, rightPx),
      y: middlePx - heightPx / 2,
      width: ms === undefined ? 0 : Math.max(Math.abs(rightPx - leftPx), 1.5),
      height: heightPx,
    },
    style: { fill: color },
  };
  if (row >= rows.length - 2) return bar;
  // Past a stage without a bar the line goes on.
  const side = ms === undefined ? -1 : 1;
  const line = {
    type: "line" as const,
    shape: { x1: rightPx, y1: middlePx + side * heightPx / 2, x2: rightPx, y2: middlePx + rowPx - heightPx / 2 },
    style: { stroke: QUIET, lineWidth: 1 },
  };
  return { type: "group", children: [bar, line] };
}

function share(ms: number, wholeMs: number): string {
  const percent = wholeMs === 0 ? 0 : 100 * ms / wholeMs;
  const digits = Math.abs(percent) < 9.95 ? 1 : 0;
  return `{value|${formatMs(ms)}}{share|${percent.toFixed(digits)} %}`;
}

/** Median stages of every transport, one bar each. */
export function stackedPanel(transports: readonly TransportLatency[], widthPx: number): Panel {
  const shares = transports.map(({ summary }) => new Map(medianStages(summary).map(({ stage, ms }) => [stage, ms])));
  const medians = transports.map(({ summary }) => roundTrips(summary)?.p50Ms);
  const title = transports.length > 1 ? "Median of each stage, by transport" : "Median of each stage";
  if (medians.every((ms) => ms === undefined)) {
    return { title, note: "n = 0", missing: noAnswer(transports) };
  }
  const measured = STAGE_NAMES.filter((stage) => shares.some((share) => share.get(stage) !== undefined));
  const label = (stage: Stage) => STAGES[stage].label;
  const marker = "median round trip";
  const { legend, heightPx } = panelLegend([...measured.map(label), marker], widthPx, { widthPx: 14 });
  return {
    title,
    note: `${countNote(transports)}; medians add up only roughly; rest: up to the median round trip`,
    drawing: {
      grid: panelGrid({ leftPx: 150, rightPx: 104, legendPx: heightPx }),
      legend,
      xAxis: { ...valueAxis("time in ms") },
      yAxis: [transportRows(transports), valueColumn(medians.map((ms) => `{value|${formatMs(ms)}}`))],
      series: [
        ...measured.map((stage) => ({
          type: "bar" as const,
          name: label(stage),
          stack: "stages",
          silent: true,
          barMaxWidth: 30,
          barCategoryGap: "40%",
          itemStyle: { color: STAGES[stage].color },
          data: shares.map((share) => share.get(stage) ?? 0),
        })),
        {
          type: "scatter",
          name: marker,
          symbol: "diamond",
          symbolSize: 13,
          silent: true,
          z: 5,
          itemStyle: { color: INK, borderColor: "#ffffff", borderWidth: 1.5 },
          data: medians.flatMap((ms, row) => ms === undefined ? [] : [[ms, row]]),
        },
      ],
    },
  };
}
