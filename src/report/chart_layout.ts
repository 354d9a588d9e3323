/**
 * Where things are in a panel: axes, rows with their names and values, legends.
 *
 * @module
 */

import { FAINT, INK, QUIET, shorten } from "./chart_style.ts";

/** The parts of a value axis that every panel shares. */
export function valueAxis(name: string) {
  return {
    type: "value",
    name,
    nameLocation: "middle",
    nameGap: 34,
    nameTextStyle: { color: QUIET, fontSize: 14 },
    axisLabel: { color: QUIET, fontSize: 13 },
    // Where 0 lies means nothing on a logarithmic axis.
    axisLine: { show: true, onZero: false, lineStyle: { color: QUIET } },
    axisTick: { show: true, lineStyle: { color: QUIET } },
    splitLine: { show: true, lineStyle: { color: FAINT } },
  } as const;
}

/**
 * A logarithmic axis in milliseconds. It runs over the values' {@linkcode Math.log10}: ECharts' own would have marks at
 * powers of ten only, and latencies seldom span two of them.
 *
 * @param lowMs above 0.
 * @param highMs at least `lowMs`.
 */
export function logAxis(name: string, lowMs: number, highMs: number) {
  const marks = logMarks(lowMs, highMs).map(Math.log10);
  const axis = valueAxis(name);
  return {
    ...axis,
    min: marks[0]!,
    max: marks[marks.length - 1]!,
    axisTick: { ...axis.axisTick, customValues: marks },
    axisLabel: {
      ...axis.axisLabel,
      customValues: marks,
      formatter: (logarithm: number) => String(Number((10 ** logarithm).toPrecision(3))),
    },
  };
}

/** Round numbers from at most `low` to at least `high`: the more, the closer these are. */
export function logMarks(low: number, high: number): number[] {
  const decades = Math.log10(high / low);
  const steps = decades > 4 ? [1] : decades > 0.9 ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];
  const marks: number[] = [];
  for (let exponent = Math.floor(Math.log10(low)) - 1; exponent <= Math.floor(Math.log10(high)) + 1; exponent++) {
    // Dividing by a power of ten is exact where multiplying by 0.1 is not.
    for (const step of steps) marks.push(exponent < 0 ? step / 10 ** -exponent : step * 10 ** exponent);
  }
  const first = marks.findLastIndex((mark) => mark <= low);
  const last = marks.findIndex((mark) => mark >= high);
  // One value alone still needs an axis with a length.
  return marks.slice(first, Math.max(last, first + 1) + 1);
}

/** About how wide a text in DejaVu Sans is, in pixels; good enough to put texts beside each other. */
export function textWidth(text: string, sizePx: number): number {
  let width = 0;
  for (const letter of text) width += NARROW.test(letter) ? 0.35 : WIDE.test(letter) ? 0.95 : 0.62;
  return width * sizePx;
}

const NARROW = /[fijlrt .,:;'|!()]/;
/** Other scripts are taken for as wide as they are high: ECharts measures "国" to know how high a line is. */
const WIDE = /[mwMW%@…⺀-\uffff]/;

/** A legend that begins below the panel's note, and how much room it takes in a panel of that width. */
export function panelLegend(names: readonly string[], widthPx: number, icon: { readonly widthPx: number }) {
  const roomPx = widthPx - 2 * PADDING_PX;
  let lines = 1;
  let usedPx = 0;
  for (const name of names) {
    const itemPx = icon.widthPx + 5 + textWidth(name, LEGEND_FONT_PX);
    if (usedPx > 0 && usedPx + itemPx > roomPx) {
      lines++;
      usedPx = 0;
    }
    usedPx += itemPx + LEGEND_GAP_PX;
  }
  const legend = {
    left: PADDING_PX,
    right: PADDING_PX,
    top: HEADER_PX,
    padding: 0,
    itemWidth: icon.widthPx,
    itemHeight: 11,
    itemGap: LEGEND_GAP_PX,
    textStyle: { color: INK, fontSize: LEGEND_FONT_PX },
    data: [...names],
  };
  return { legend, heightPx: lines * LEGEND_LINE_PX };
}

/** Room for a panel's title and note. */
const HEADER_PX = 72;
const PADDING_PX = 20;
const LEGEND_FONT_PX = 13;
const LEGEND_GAP_PX = 14;
const LEGEND_LINE_PX = 28;

/** Where the axes are: below the panel's header and its legend. */
export function panelGrid(
  { leftPx, rightPx, legendPx = 0 }: {
    readonly leftPx: number;
    readonly rightPx: number;
    readonly legendPx?: number;
  },
) {
  return {
    left: leftPx,
    right: rightPx,
    top: HEADER_PX + 6 + legendPx,
    bottom: 58,
    // Labels have their place already.
    outerBoundsMode: "none",
  } as const;
}

/** A row for each name, the first at the top, with a line about its samples below. */
export function nameRows(
  rows: readonly { readonly name: string; readonly count: number; readonly errors: number }[],
) {
  return {
    type: "category",
    inverse: true,
    data: rows.map(({ name }) => name),
    axisLine: { onZero: false, lineStyle: { color: QUIET } },
    axisTick: { show: false },
    axisLabel: {
      interval: 0,
      formatter: (name: string, row: number) => {
        const { count, errors } = rows[row]!;
        return `{name|${shorten(name, 15)}}\n{below|n = ${count}${errors > 0 ? `, ${errors} failed` : ""}}`;
      },
      rich: COLUMN_STYLES,
    },
  } as const;
}

/** Texts at the right of the rows, at most two lines each; their styles are `value`, `share`, `below` and `quiet`. */
export function valueColumn(texts: readonly string[]) {
  const axis = {
    type: "category",
    position: "right",
    inverse: true,
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: { interval: 0, margin: 8, rich: COLUMN_STYLES },
  } as const;
  return { ...axis, data: [...texts] };
}

const COLUMN_STYLES = {
  name: { fontSize: 14, color: INK, lineHeight: 17 },
  value: { fontSize: 14, color: INK, lineHeight: 17, width: 76, align: "right" },
  share: { fontSize: 13, color: QUIET, width: 60, align: "right" },
  below: { fontSize: 12, color: QUIET, lineHeight: 15, align: "right" },
  quiet: { fontSize: 13, color: QUIET, width: 136, align: "right" },
} as const;
