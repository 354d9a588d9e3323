/**
 * How often a robot succeeds when its actions come later and later.
 *
 * @module
 */

import type { CustomSeriesOption } from "echarts";
import { type Chart, drawFigure, FIGURE_HEADER_PX, type Panel } from "./chart.ts";
import { panelGrid, panelLegend, valueAxis } from "./chart_layout.ts";
import { lineStyles, QUIET, shorten } from "./chart_style.ts";

/** Episodes with one delay. */
export interface SuccessPoint {
  /** Delay of every chunk of actions, in milliseconds. */
  readonly delayMs: number;
  readonly episodes: number;
  /** At most {@linkcode episodes}. */
  readonly successes: number;
  /** Wilson's 95 % interval of the success rate, from 0 to 1. */
  readonly interval: readonly [low: number, high: number];
}

/** What one mode, or one policy, achieved. */
export interface SuccessCurve {
  readonly name: string;
  /** In any order; those without episodes are named and not drawn. */
  readonly points: readonly SuccessPoint[];
}

const WIDTH_PX = 1200;
const PANEL_HEIGHT_PX = 560;
const GAP_PX = 16;
/** Marks of an axis that still stand apart. */
const MOST_MARKS = 16;

/**
 * Draws the success rate against the delay, one line for each curve, 1200 pixels wide.
 *
 * @param subject what was tried, for the line below the title: task, policy, scene.
 */
export function successChart(
  { subject, curves }: { readonly subject: string; readonly curves: readonly SuccessCurve[] },
): Promise<Chart> {
  const place = { xPx: GAP_PX, yPx: FIGURE_HEADER_PX, widthPx: WIDTH_PX - 2 * GAP_PX, heightPx: PANEL_HEIGHT_PX };
  return drawFigure(
    { widthPx: WIDTH_PX, heightPx: FIGURE_HEADER_PX + PANEL_HEIGHT_PX + GAP_PX },
    { title: "How much delay the robot bears", note: subject },
    [{ panel: successPanel(curves, place.widthPx), place }],
  );
}

function successPanel(curves: readonly SuccessCurve[], widthPx: number): Panel {
  const drawn = curves
    .map(({ name, points }) => ({ name, points: points.filter(hasEpisodes).sort((a, b) => a.delayMs - b.delayMs) }))
    .filter(({ points }) => points.length > 0);
  const title = describe(drawn);
  if (drawn.length === 0) return { title, note: "n = 0", missing: "not measured: no episode was run" };
  const styles = lineStyles(drawn.map(({ name }) => name));
  const delays = [...new Set(drawn.flatMap(({ points }) => points.map(({ delayMs }) => delayMs)))].sort((a, b) =>
    a - b
  );
  const [lowestMs, highestMs] = [delays[0]!, delays[delays.length - 1]!];
  // One delay alone is in the middle.
  const spanMs = highestMs === lowestMs ? 25 : highestMs - lowestMs;
  // Marks of curves that were tried with the same delays stand beside each other, and nearer to their own delay than to
  // the next one.
  const gapsMs = delays.slice(1).map((delayMs, i) => delayMs - delays[i]!);
  const stepMs = Math.min(0.011 * spanMs, 0.6 * Math.min(...gapsMs) / drawn.length);
  const shiftMs = (i: number) => (i - (drawn.length - 1) / 2) * stepMs;
  const { legend, heightPx } = panelLegend(drawn.map(({ name }) => shorten(name, 40)), widthPx, { widthPx: 26 });
  const axis = valueAxis("delay of every chunk of actions, in ms");
  return {
    title,
    note: [countNote(drawn), ...missingNote(curves)].join("; "),
    drawing: {
      grid: panelGrid({ leftPx: 84, rightPx: 40, legendPx: heightPx + 20 }),
      legend,
      xAxis: {
        ...axis,
        min: lowestMs - spanMs * 0.04,
        max: highestMs + spanMs * 0.04,
        ...(delays.length > MOST_MARKS ? {} : {
          axisTick: { ...axis.axisTick, customValues: delays },
          axisLabel: { ...axis.axisLabel, customValues: delays, hideOverlap: true },
        }),
      },
      yAxis: { ...valueAxis("success rate, in %"), min: 0, max: 100, interval: 25, nameGap: 50 },
      series: drawn.flatMap(({ points }, i) => {
        const style = styles.get(drawn[i]!.name)!;
        const xs = points.map(({ delayMs }) => delayMs + shiftMs(i));
        return [
          {
            type: "line" as const,
            name: legend.data[i]!,
            silent: true,
            clip: false,
            symbol: style.symbol,
            symbolSize: 9,
            lineStyle: { color: style.color, width: 2.5, type: style.dash },
            itemStyle: { color: style.color },
            data: points.map(({ successes, episodes }, at) => [xs[at]!, 100 * successes / episodes]),
          },
          {
            type: "custom" as const,
            silent: true,
            clip: false,
            encode: { x: 0, y: [1, 2] },
            data: points.map(({ interval: [low, high] }, at) => [xs[at]!, 100 * low, 100 * high]),
            renderItem: ({ dataIndex }, api) =>
              drawn.length === 1
                ? drawWhiskers(api, { color: style.color, capPx: 10, text: countOf(points[dataIndex]!) })
                : drawWhiskers(api, { color: style.color, capPx: 6 }),
          } satisfies CustomSeriesOption,
        ];
      }),
    },
  };
}

type RenderItem = NonNullable<CustomSeriesOption["renderItem"]>;

/** Two caps and a line between them, and a text above where there is one. */
function drawWhiskers(
  api: Parameters<RenderItem>[1],
  { color, capPx, text }: { readonly color: string; readonly capPx: number; readonly text?: string },
): ReturnType<RenderItem> {
  const [xPx, lowPx] = api.coord([api.value(0), api.value(1)]) as [number, number];
  const [, highPx] = api.coord([api.value(0), api.value(2)]) as [number, number];
  const line = (x1: number, y1: number, x2: number, y2: number) => ({
    type: "line" as const,
    shape: { x1, y1, x2, y2 },
    style: { stroke: color, lineWidth: 1.5 },
  });
  const whiskers = [
    line(xPx, lowPx, xPx, highPx),
    line(xPx - capPx / 2, lowPx, xPx + capPx / 2, lowPx),
    line(xPx - capPx / 2, highPx, xPx + capPx / 2, highPx),
  ];
  if (text === undefined) return { type: "group", children: whiskers };
  const label = {
    type: "text" as const,
    style: {
      text,
      x: xPx,
      y: highPx - 5,
      fill: QUIET,
      fontSize: 12,
      align: "center",
      verticalAlign: "bottom",
    } as const,
  };
  return { type: "group", children: [...whiskers, label] };
}

function hasEpisodes({ episodes }: SuccessPoint): boolean {
  return episodes > 0;
}

function countOf({ successes, episodes }: SuccessPoint): string {
  return `${successes}/${episodes}`;
}

/** Says of one curve where it begins and ends. */
function describe(curves: readonly SuccessCurve[]): string {
  const points = curves.length === 1 ? curves[0]!.points : [];
  if (points.length < 2) return "Success rate by delay";
  const [first, last] = [points[0]!, points[points.length - 1]!]
    .map(({ delayMs, successes, episodes }) => `${Math.round(100 * successes / episodes)} % at ${delayMs} ms`);
  return `Success rate by delay: ${first}, ${last}`;
}

function countNote(curves: readonly SuccessCurve[]): string {
  const counts = curves.flatMap(({ points }) => points.map(({ episodes }) => episodes));
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  return `n = ${fewest === most ? most : `${fewest} to ${most}`} episodes for each point; whiskers: 95 % interval` +
    (curves.length > 1 ? "; curves are shifted sideways a little" : "");
}

function missingNote(curves: readonly SuccessCurve[]): string[] {
  return curves.flatMap(({ name, points }) => {
    const missing = points.filter((point) => !hasEpisodes(point)).map(({ delayMs }) => delayMs);
    if (points.length === 0) return [`${name}: not measured`];
    return missing.length === 0 ? [] : [`${name}: not measured at ${missing.join(", ")} ms`];
  });
}
