/**
 * Results as text tables of at most 120 columns; here those of benchmarks.
 *
 * @module
 */

import type { TransportSummary } from "../measure/statistics.ts";

const MAX_WIDTH = 120;
const ABSENT = "-";
const BOLD = "\x1b[1m";
const DIM = "\x1b[2m";
const PLAIN = "\x1b[0m";

/** How a table may look. */
export interface TableOptions {
  /** Bold headers and dim notes by ANSI sequences. */
  readonly color: boolean;
}

/** One column: its header, one or two lines high, and its cells from the top. */
export interface Column {
  readonly header: readonly string[];
  readonly cells: readonly string[];
  readonly align?: "left";
}

/**
 * What each transport costs, one line per transport in the order given. The fastest median has a star.
 *
 * @returns lines that end with a newline each.
 */
export function latencyTable(summaries: readonly TransportSummary[], options: TableOptions): string {
  const paced = summaries.some(({ periodMs }) => periodMs !== undefined);
  const medians = summaries.flatMap(({ latencyMs }) => latencyMs === undefined ? [] : [latencyMs.p50Ms]);
  const fastestMs = Math.min(...medians);
  const column = (header: string, cell: (summary: TransportSummary) => string): Column => ({
    header: [header],
    cells: summaries.map(cell),
  });
  const time = (header: string, value: (summary: TransportSummary) => number | undefined) =>
    column(header, (summary) => formatNumber(value(summary)));
  return renderTable(
    `Response time in ms, ${
      paced ? "from when each request was due" : "each request sent when the last was answered"
    }; ` +
      "± half the 95 % interval; * lowest p50",
    [
      { ...column("transport", ({ transport }) => transport), align: "left" },
      column("n", ({ count }) => String(count)),
      time("connect", ({ connectMs }) => connectMs?.p50Ms),
      time("first", ({ firstRequestMs }) => firstRequestMs?.p50Ms),
      time("min", ({ latencyMs }) => latencyMs?.minMs),
      column("mean ±", ({ latencyMs }) => formatMean(latencyMs?.meanMs, latencyMs?.intervalMs)),
      column("p50", ({ latencyMs }) => {
        const text = formatNumber(latencyMs?.p50Ms);
        return latencyMs?.p50Ms === fastestMs ? `${text}*` : `${text} `;
      }),
      time("p90", ({ latencyMs }) => latencyMs?.p90Ms),
      time("p95", ({ latencyMs }) => latencyMs?.p95Ms),
      time("p99", ({ latencyMs }) => latencyMs?.p99Ms),
      time("max", ({ latencyMs }) => latencyMs?.maxMs),
      time("Hz", ({ hz }) => hz),
      column("errors", ({ errors }) => String(errors)),
      column("timeouts", ({ timeouts }) => String(timeouts)),
      ...(paced
        ? [
          column("late", ({ late }) => late === undefined ? ABSENT : String(late)),
          column("missed", ({ missed }) => missed === undefined ? ABSENT : String(missed)),
        ]
        : []),
    ],
    options,
  );
}

/**
 * On how many connections the first request travelled within the handshake.
 *
 * @returns a line per transport that was granted it, each with a newline.
 */
export function zeroRttNotes(summaries: readonly TransportSummary[]): string {
  return summaries.flatMap(({ transport, zeroRttConnects, connectMs }) =>
    zeroRttConnects === undefined ? [] : [
      `${transport}: ${zeroRttConnects} of ${
        connectMs?.count ?? 0
      } connections by 0-RTT: their first request travelled with the handshake\n`,
    ]
  ).join("");
}

/**
 * Where the time of a request goes, by transport: medians of the parts, their sum, and what the path itself costs.
 *
 * @returns lines that end with a newline each.
 */
export function breakdownTable(summaries: readonly TransportSummary[], options: TableOptions): string {
  const column = (header: [string, string], cell: (summary: TransportSummary) => string): Column => ({
    header,
    cells: summaries.map(cell),
  });
  const time = (header: [string, string], value: (summary: TransportSummary) => number | undefined) =>
    column(header, (summary) => formatNumber(value(summary)));
  const bytes = (value: number | undefined) => value === undefined ? ABSENT : String(Math.round(value));
  return renderTable(
    "Median of each part in ms (medians add up only roughly); above floor = request less RTT floor less infer",
    [
      { ...column(["", "transport"], ({ transport }) => transport), align: "left" },
      time(["client", "encode"], ({ decomposition }) => decomposition.clientEncodeMs),
      time(["", "network"], ({ decomposition }) => decomposition.networkMs),
      time(["server", "queue"], ({ decomposition }) => decomposition.queueMs),
      time(["server", "decode"], ({ decomposition }) => decomposition.decodeMs),
      time(["pre-", "process"], ({ decomposition }) => decomposition.preprocessMs),
      time(["", "infer"], ({ decomposition }) => decomposition.inferMs),
      time(["post-", "process"], ({ decomposition }) => decomposition.postprocessMs),
      time(["server", "encode"], ({ decomposition }) => decomposition.serverEncodeMs),
      time(["client", "decode"], ({ decomposition }) => decomposition.clientDecodeMs),
      time(["", "= sum"], sumOfParts),
      time(["RTT", "floor"], ({ rttFloorMs }) => rttFloorMs),
      time(["above", "floor"], ({ overheadMs }) => overheadMs),
      column(["bytes", "up"], ({ bytesOut }) => bytes(bytesOut)),
      column(["bytes", "down"], ({ bytesIn }) => bytes(bytesIn)),
    ],
    options,
  );
}

/**
 * A number short enough for a column: three digits below 100 but none beyond the thousandth, one decimal above, and
 * none from 10 000 on. Absent is "-".
 */
export function formatNumber(value: number | undefined): string {
  if (value === undefined) return ABSENT;
  const size = Math.abs(value);
  // Compared with what rounds up to 1, 100 and 10 000, so that 99.96 is 100.0 and 0.9999 is 1.00.
  if (size >= 9999.95) return value.toFixed(0);
  if (size >= 99.95) return value.toFixed(1);
  if (size >= 0.9995) return value.toPrecision(3);
  return value.toFixed(3);
}

function formatMean(meanMs: number | undefined, intervalMs: readonly [number, number] | undefined): string {
  if (meanMs === undefined || intervalMs === undefined) return formatNumber(meanMs);
  return `${formatNumber(meanMs)} ± ${formatNumber((intervalMs[1] - intervalMs[0]) / 2)}`;
}

/** Absent without the network's part: a sum of the rest would look like a whole. */
function sumOfParts({ decomposition }: TransportSummary): number | undefined {
  if (decomposition.networkMs === undefined) return undefined;
  return Object.values(decomposition).reduce((sum: number, part: number) => sum + part, 0);
}

/**
 * A title, headers and rows. Two spaces between columns, or one where two do not fit.
 *
 * @param columns at least one; all with as many header lines and cells as the first.
 * @returns lines that end with a newline each.
 */
export function renderTable(title: string, columns: readonly Column[], { color }: TableOptions): string {
  const paint = (style: string, text: string) => color ? `${style}${text}${PLAIN}` : text;
  const widths = columns.map(({ header, cells }) => Math.max(...[...header, ...cells].map((text) => text.length)));
  const wide = widths.reduce((sum, width) => sum + width, 2 * (columns.length - 1)) <= MAX_WIDTH;
  const line = (text: (column: Column) => string) =>
    columns.map((column, i) =>
      column.align === "left" ? text(column).padEnd(widths[i]!) : text(column).padStart(widths[i]!)
    ).join(wide ? "  " : " ").trimEnd();
  const headerLines = columns[0]!.header.map((_, i) => paint(BOLD, line(({ header }) => header[i]!)));
  const rows = columns[0]!.cells.map((_, i) => line(({ cells }) => cells[i]!));
  return [paint(DIM, title), ...headerLines, ...rows].map((text) => `${text}\n`).join("");
}
