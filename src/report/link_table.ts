/**
 * What a probe found, as a text table.
 *
 * @module
 */

import type { Way } from "../measure/way.ts";
import { type Column, formatNumber, renderTable, type TableOptions } from "./table.ts";

/**
 * What each way costs, one line per way in the order given; below it why a way does not work.
 *
 * @returns lines that end with a newline each.
 */
export function linkTable(ways: readonly Way[], payloadBytes: number, options: TableOptions): string {
  const time = (header: [string, string], value: (way: Way) => number | undefined): Column => ({
    header,
    cells: ways.map((way) => formatNumber(value(way))),
  });
  const text = (header: [string, string], cell: (way: Way) => string): Column => ({
    header,
    cells: ways.map(cell),
    align: "left",
  });
  const table = renderTable(
    `Requests of ${
      Math.round(payloadBytes / 1000)
    } kB, in ms; cold: on a new connection, warm: after opening its window`,
    [
      text(["", "transport"], ({ transport }) => transport),
      text(["", "encrypted"], ({ encrypted }) => encrypted ? "yes" : "no"),
      time(["", "connect"], ({ connectMs }) => connectMs),
      time(["cold", "first"], ({ coldFirstMs }) => coldFirstMs),
      time(["cold", "next"], ({ coldNextMs }) => coldNextMs),
      time(["warm", "up"], ({ warmUpMs }) => warmUpMs),
      time(["warm", "first"], ({ warmFirstMs }) => warmFirstMs),
      time(["warm", "steady"], ({ steadyMs }) => steadyMs),
      text(["0-RTT", "reconnect"], ({ zeroRtt }) => zeroRtt === undefined ? "-" : zeroRtt ? "granted" : "no"),
    ],
    options,
  );
  const failures = ways.flatMap(({ transport, error }) =>
    error === undefined ? [] : [`${transport}: ${error.message}\n`]
  );
  return table + failures.join("");
}
