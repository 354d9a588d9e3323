/**
 * The figures of `bench_wan.ts` as Markdown, as far as they are there.
 *
 * @module
 */

import type { WanCell, WanRow } from "./wan.ts";

export interface WanReport {
  /** Of the machine. */
  readonly environment: Readonly<Record<string, string | number>>;
  readonly cells: readonly WanCell[];
}

const ASKED = { roundTripMs: [20, 80, 200], lossPercent: [0, 0.5, 2], cameras: [1, 4] };

export function formatWan({ environment, cells }: WanReport): string {
  const days = [...new Set(cells.map(({ measuredAt }) => measuredAt.slice(0, 10)))].sort();
  const sections = ASKED.cameras.flatMap((cameras) =>
    ASKED.roundTripMs.flatMap((roundTripMs) => {
      const here = cells.filter((cell) => cell.cameras === cameras && cell.roundTripMs === roundTripMs)
        .sort((a, b) =>
          a.congestion === b.congestion ? a.lossPercent - b.lossPercent : a.congestion === "bbr" ? 1 : -1
        );
      return here.length === 0 ? [] : [sectionOf(cameras, roundTripMs, here)];
    })
  );
  return `# What a long link costs

Written by \`deno task bench:wan\`, from [wan.json](wan.json). Do not edit: run it again.

- **When and where:** ${days.join(", ")}; ${
    Object.entries(environment).map(([name, value]) => `${name} ${value}`).join(", ")
  }.
- **Link:** emulated on this one machine between two network namespaces, which delays every packet by half of the round
  trip and loses each with the given probability, in both directions; rate unlimited, MTU 1500. The congestion control
  is the same on both hosts, for TCP as for QUIC. The machine is small and other programs ran on it: trust medians,
  differences within one table, and nothing below a millisecond.
- **Packets lost without a loss:** QUIC sends in bursts, and a Linux host keeps 208 kB (some 90 packets) for a UDP socket
  that is not read at once; what comes then is lost, on a clean link, too. Deno cannot ask for more. Where
  \`net.core.rmem_default\` is 4 MB on both hosts, none were lost, and a request over QUIC at 20 ms with Cubic took 1.8 ms
  above the floor instead of 4; with BBR and a loss of 0.5 %, 21 instead of 25.
- **What is asked:** \`pi0 serve\` with the null policy, real pictures of 224 × 224 (150 kB each), replies of 3 kB,
  one request after the other. https, wss and tcps are the same portals with \`--tls\`; openpi is its own Python client
  against a null server on Python's \`websockets\`, without encryption.
- **Steady:** median of ${
    countOf(cells)
  } requests on two connections, after warm-up (which openpi's client does not know), as
  milliseconds above the floor, with the 95 % interval of the median. The floor is the fastest small message of the table's
  column.
- **Connect + first:** medians of three new connections without warm-up, each in a process of its own, so without
  session tickets: until the connection stands, and its first request. Nothing is subtracted. TLS that pi0 speaks on
  TCP shakes hands while connecting. openpi's client waits for the server's metadata.

${missingOf(cells)}
${sections.join("\n")}`;
}

function countOf(cells: readonly WanCell[]): string {
  const counts = cells.flatMap(({ rows }) => rows.filter(({ errors }) => errors === 0).map(({ count }) => count));
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? `${least}` : `${least} to ${most}`;
}

function missingOf(cells: readonly WanCell[]): string {
  const missing: string[] = [];
  for (const cameras of ASKED.cameras) {
    for (const roundTripMs of ASKED.roundTripMs) {
      const here = cells.filter((cell) => cell.cameras === cameras && cell.roundTripMs === roundTripMs);
      const lacking = ASKED.lossPercent.flatMap((lossPercent) => {
        const has = here.filter((cell) => cell.lossPercent === lossPercent).map(({ congestion }) => congestion);
        const lacks = (["cubic", "bbr"] as const).filter((congestion) => !has.includes(congestion));
        if (lacks.length === 0) return [];
        return [`${lossPercent} %${lacks.length === 1 ? ` (${lacks[0]})` : ""}`];
      });
      if (lacking.length > 0) {
        missing.push(`${cameras} × 150 kB at ${roundTripMs} ms with a loss of ${lacking.join(", ")}`);
      }
    }
  }
  if (missing.length === 0) return "";
  return `Not measured yet, for want of time (a cell with losses takes six minutes; the command goes on where it stopped): ${
    missing.join("; ")
  }.\n`;
}

function sectionOf(cameras: number, roundTripMs: number, cells: readonly WanCell[]): string {
  const ways = [...new Set(cells.flatMap(({ rows }) => rows.map(({ way }) => way)))];
  const heads = cells.map(({ congestion, lossPercent }) => `${congestion}, ${lossPercent} % loss`);
  const rowOf = (cell: WanCell, way: string) => cell.rows.find((row) => row.way === way);
  const table = (title: string, text: (row: WanRow, cell: WanCell) => string) => {
    const lines = ways.map((way) => {
      const texts = cells.map((cell) => {
        const row = rowOf(cell, way);
        return row === undefined ? "" : text(row, cell);
      });
      return `| ${[way, ...texts].join(" | ")} |`;
    });
    const rule = ["---", ...heads.map(() => "---:")];
    return `${title}\n\n| ${["", ...heads].join(" | ")} |\n| ${rule.join(" | ")} |\n${lines.join("\n")}\n`;
  };
  const floors = cells.map(({ floorMs }) => floorMs.toFixed(1)).join(", ");
  const steady = table(`Steady, ms above the floor (${floors}):`, ({ p50Ms, intervalMs, errors }, { floorMs }) => {
    if (p50Ms === undefined) return "failed";
    const above = (ms: number) => (ms - floorMs).toFixed(1);
    const failures = errors === 0 ? "" : `, ${errors} failed`;
    if (intervalMs === undefined) return above(p50Ms) + failures;
    return `${above(p50Ms)} (${above(intervalMs[0])}–${above(intervalMs[1])})${failures}`;
  });
  const cold = table(
    "Connect + first, ms:",
    ({ connectMs, firstMs }) =>
      connectMs === undefined || firstMs === undefined ? "failed" : `${connectMs.toFixed(0)} + ${firstMs.toFixed(0)}`,
  );
  return `## ${cameras === 1 ? "One camera" : "Four cameras"}, ${roundTripMs} ms\n\n${steady}\n${cold}`;
}
