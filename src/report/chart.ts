/**
 * Charts as SVG: panels that ECharts draws, put together into one figure. Text stays text.
 *
 * @module
 */

import type { EChartsOption } from "echarts";
import { textWidth } from "./chart_layout.ts";
import { FONT_FAMILY } from "./chart_png.ts";
import { BORDER, INK, PAPER, QUIET } from "./chart_style.ts";

/** A picture that is ready to be saved, or drawn by {@linkcode renderPng}. */
export interface Chart {
  /** A whole SVG document in UTF-8, the same for the same data. */
  readonly svg: string;
}

/** One part of a figure. */
export interface Panel {
  /** What is seen, in a few words. */
  readonly title: string;
  /** Below the title: how many samples, and how to read it. */
  readonly note: string;
  /** Absent where there is nothing to draw; then {@linkcode missing} says why. */
  readonly drawing?: EChartsOption;
  readonly missing?: string;
}

/** A place in a figure, in pixels from its top left corner. */
export interface Place {
  readonly xPx: number;
  readonly yPx: number;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Room that the figure's title needs. */
export const FIGURE_HEADER_PX = 78;

/** DejaVu Sans is not on every computer; Verdana is nearly as wide, so that an SVG looks the same with it. */
const FONT_STACK = `${FONT_FAMILY}, Verdana, sans-serif`;

/**
 * Puts panels into one figure.
 *
 * @param header title and note of the whole.
 */
export async function drawFigure(
  { widthPx, heightPx }: { readonly widthPx: number; readonly heightPx: number },
  header: { readonly title: string; readonly note: string },
  panels: readonly { readonly panel: Panel; readonly place: Place }[],
): Promise<Chart> {
  const draw = await loadEngine();
  const title = draw(
    { title: titleOption(header, { size: 24, left: 8, top: 8 }) },
    { xPx: 16, yPx: 8, widthPx: widthPx - 32, heightPx: FIGURE_HEADER_PX - 8 },
    "header",
  );
  const cards = panels.map(({ panel, place }, i) => card(place) + draw(panelOption(panel), place, `panel${i + 1}`));
  return {
    svg: `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ` +
      `width="${widthPx}" height="${heightPx}" viewBox="0 0 ${widthPx} ${heightPx}">\n` +
      `<rect width="${widthPx}" height="${heightPx}" fill="${PAPER}"/>\n` +
      `${[title, ...cards].join("\n")}\n</svg>\n`,
  };
}

function card({ xPx, yPx, widthPx, heightPx }: Place): string {
  return `<rect x="${xPx + 0.5}" y="${yPx + 0.5}" width="${widthPx - 1}" height="${heightPx - 1}" rx="8" ` +
    `fill="#ffffff" stroke="${BORDER}"/>\n`;
}

function panelOption({ title, note, drawing, missing }: Panel): EChartsOption {
  const option: EChartsOption = { title: titleOption({ title, note }, { size: 18, left: 20, top: 16 }) };
  if (drawing !== undefined) return { ...option, ...drawing };
  const style = { text: missing ?? "not measured", fill: QUIET, fontSize: 15, fontFamily: FONT_STACK };
  return { ...option, graphic: { type: "text", left: "center", top: "middle", silent: true, style } };
}

function titleOption(
  { title, note }: { readonly title: string; readonly note: string },
  { size, left, top }: { readonly size: number; readonly left: number; readonly top: number },
): NonNullable<EChartsOption["title"]> {
  return {
    text: title,
    subtext: note,
    left,
    top,
    padding: 0,
    itemGap: 6,
    textStyle: { fontSize: size, fontWeight: "bold", color: INK },
    subtextStyle: { fontSize: 14, color: QUIET },
  };
}

/**
 * ECharts in one file of its own; the package's parts would take three times as long to load. Only when a chart is
 * drawn, so that nothing else waits for it.
 */
async function loadEngine(): Promise<(option: EChartsOption, place: Place, name: string) => string> {
  const echarts = await import("echarts/dist/echarts.esm.min.mjs") as typeof import("echarts");
  // Without a browser ECharts takes every font for Helvetica, and legends would overlap.
  echarts.setPlatformAPI({
    measureText: (text, font) => ({
      width: textWidth(text, Number(/(\d+(?:\.\d+)?)px/.exec(font ?? "")?.[1] ?? 12)),
    }),
  });
  return (option, { xPx, yPx, widthPx, heightPx }, name) => {
    const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: widthPx, height: heightPx });
    try {
      // Even of a still picture it would draw frames, with a timer that outlives it.
      chart.getZr().animation.start = () => {};
      chart.setOption({ animation: false, textStyle: { fontFamily: FONT_STACK, color: INK }, ...option });
      const inner = chart.renderToSVGString()
        .replace(/^<svg[^>]*>|<\/svg>\s*$/g, "")
        // What a living page would react to the mouse with.
        .replace(/<style[^]*?<\/style>\n?/g, "")
        .replace(/ (?:ecmeta_\w+|class|pointer-events)="[^"]*"/g, "")
        // The numbers in these names count up with every chart of the process.
        .replace(/(id="|url\(#)zr\d+-/g, `$1${name}-`)
        // Drawing and word processors do not know the first one, and would lift every text by a third of its height.
        .replaceAll('dominant-baseline="central"', 'dy="0.35em"');
      return `<g transform="translate(${xPx} ${yPx})">${inner}</g>`;
    } finally {
      chart.dispose();
    }
  };
}
