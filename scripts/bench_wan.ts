/**
 * What every way of asking costs over long and lossy links, emulated between two network namespaces on one machine
 * (see `wan.ts` for what that needs), as a table.
 *
 *     deno task bench:wan [--rtt 20,80,200] [--loss 0,0.5,2] [--congestion cubic,bbr] [--cameras 1,4] [-n REQUESTS] [--again]
 *
 * Every combination is measured once; what `src/transport/wan.json` holds already is left as it is, so that a run that
 * was stopped goes on where it was, unless `--again` is given. `src/transport/WAN.md` is written from it after each.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { describeEnvironment } from "../src/commands/environment.ts";
import { VERSION } from "../src/commands/mod.ts";
import { findWan, measureWan, type WanCell, type WanLink } from "./wan.ts";
import { formatWan, type WanReport } from "./wan_report.ts";

const { values } = parseArgs({
  options: {
    rtt: { type: "string", default: "20,80,200" },
    loss: { type: "string", default: "0,0.5,2" },
    congestion: { type: "string", default: "cubic,bbr" },
    cameras: { type: "string", default: "1,4" },
    requests: { type: "string", short: "n", default: "40" },
    again: { type: "boolean", default: false },
  },
});
const numbers = (text: string) => text.split(",").map(Number);
const JSON_FILE = new URL("../src/transport/wan.json", import.meta.url);
const MARKDOWN_FILE = new URL("../src/transport/WAN.md", import.meta.url);
const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));

const wan = await findWan();
if ("reason" in wan) throw new Error(`Cannot emulate a link: ${wan.reason}`);

const links: WanLink[] = [];
for (const cameras of numbers(values.cameras)) {
  for (const roundTripMs of numbers(values.rtt)) {
    for (const lossPercent of numbers(values.loss)) {
      for (const congestion of values.congestion.split(",") as WanLink["congestion"][]) {
        links.push({ roundTripMs, lossPercent, congestion, cameras });
      }
    }
  }
}

const keyOf = ({ roundTripMs, lossPercent, congestion, cameras }: WanLink) =>
  [cameras, roundTripMs, lossPercent, congestion].join(" ");

for (const link of links) {
  const label = `${link.roundTripMs} ms, ${link.lossPercent} % loss, ${link.congestion}, ${link.cameras} × 150 kB`;
  const before = await readReport();
  if (!values.again && before.cells.some((cell) => keyOf(cell) === keyOf(link))) {
    print(`${label}: measured before`);
    continue;
  }
  const cell = await measureWan(wan.path, link, Number(values.requests));
  await writeReport(cell);
  print(`${label}: floor ${cell.floorMs.toFixed(1)} ms`);
  for (const { way, count, errors, connectMs, firstMs, p50Ms } of cell.rows) {
    const times = [connectMs, firstMs, p50Ms].map((ms) => (ms?.toFixed(1) ?? "-").padStart(8)).join("");
    print(`  ${way.padEnd(16)} n ${count} errors ${errors}  connect, first, p50 ${times}`);
  }
}
await writeFiles(await readReport());

async function readReport(): Promise<WanReport> {
  try {
    return JSON.parse(await Deno.readTextFile(JSON_FILE));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { environment: {}, cells: [] };
  }
}

async function writeReport(cell: WanCell): Promise<void> {
  const { cells } = await readReport();
  const others = cells.filter((other) => keyOf(other) !== keyOf(cell));
  const order = ({ cameras, roundTripMs, lossPercent }: WanLink) => (cameras * 1e4 + roundTripMs) * 1e3 + lossPercent;
  const all = [...others, cell].sort((a, b) => order(a) - order(b));
  const report = { environment: await describeEnvironment(VERSION), cells: all };
  await writeFiles(report);
}

async function writeFiles(report: WanReport): Promise<void> {
  await Deno.writeTextFile(JSON_FILE, JSON.stringify(report) + "\n");
  await Deno.writeTextFile(MARKDOWN_FILE, formatWan(report));
  const files = [JSON_FILE, MARKDOWN_FILE].map(({ pathname }) => decodeURIComponent(pathname));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", ...files] }).output();
}
