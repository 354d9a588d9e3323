/**
 * The transports over a long link: two network namespaces with an emulator between them, which needs root, cc and
 * iproute2, and is found at PI0_WAN or in PI0_SHARED/tools/wan.
 *
 * @module
 */

import { median, medianInterval } from "../src/measure/statistics.ts";
import type { BenchResults } from "../src/report/results.ts";
import { makeIdentity } from "../src/transport/certificate.ts";
import { SOURCE } from "../tests/support/program.ts";
import { findPython } from "./python_server.ts";

/** Path of the emulator, or why it cannot be used. */
export async function findWan(): Promise<{ path: string } | { reason: string }> {
  const path = Deno.env.get("PI0_WAN") ?? `${Deno.env.get("PI0_SHARED") ?? "../shared"}/tools/wan/wan`;
  if (!await Deno.stat(path).then(({ isFile }) => isFile, () => false)) return { reason: `no emulator at ${path}` };
  return Deno.uid() === 0 ? { path } : { reason: "network namespaces need root" };
}

/** A link and what goes over it. */
export interface WanLink {
  readonly roundTripMs: number;
  /** Share of packets that are lost in each direction, in percent. */
  readonly lossPercent: number;
  /** On both hosts, for TCP and for QUIC. */
  readonly congestion: "cubic" | "bbr";
  /** Pictures in each request, of 150 kB each. */
  readonly cameras: number;
}

/** What one way of asking cost on a link. Times in ms; absent where nothing was answered. */
export interface WanRow {
  readonly way: string;
  readonly count: number;
  readonly errors: number;
  /** Medians of new connections: until they stand, and of their first request, without warm-up. */
  readonly connectMs?: number;
  readonly firstMs?: number;
  /** Median of later requests, warmed up, with its 95 % interval. */
  readonly p50Ms?: number;
  readonly intervalMs?: readonly [low: number, high: number];
}

export interface WanCell extends WanLink {
  /** ISO 8601, UTC, to the minute. */
  readonly measuredAt: string;
  /** The fastest of all small round trips of the cell. */
  readonly floorMs: number;
  readonly rows: readonly WanRow[];
}

const SERVER = "10.9.0.2";
/** Portals without encryption, those with it, and openpi's server. */
const PORTS = { plain: 8000, secure: 9000, openpi: 7000 };
const LIMIT_MS = 1_800_000;
const ROUNDS = 2;
const COLD_RUNS = [0, 1, 2];

/** Measures every way over one link; `count` requests each. */
export async function measureWan(path: string, link: WanLink, count: number): Promise<WanCell> {
  const folder = await Deno.makeTempDir({ prefix: "pi0-wan-" });
  const file = (name: string) => `${folder}/${name}`;
  const identity = await makeIdentity({ names: [SERVER] });
  await Deno.writeTextFile(file("cert.pem"), identity.certPem);
  await Deno.writeTextFile(file("key.pem"), identity.keyPem);
  const python = await findPython();
  const ways = await measureIn(path, link, count, file, "path" in python ? python.path : undefined);
  await Deno.remove(folder, { recursive: true });
  const floorMs = Math.min(...ways.flatMap(({ floorMs }) => floorMs === undefined ? [] : [floorMs]));
  const rows = ways.map(({ row }) => row);
  return { ...link, measuredAt: `${new Date().toISOString().slice(0, 16)}Z`, floorMs, rows };
}

interface Way {
  readonly row: WanRow;
  readonly floorMs?: number;
}

async function measureIn(
  path: string,
  link: WanLink,
  count: number,
  file: (name: string) => string,
  python: string | undefined,
): Promise<Way[]> {
  const { roundTripMs, lossPercent, congestion, cameras } = link;
  const certificate = ["--tls-cert", file("cert.pem"), "--tls-key", file("key.pem")];
  const policy = ["--policy", "null"];
  const common = [
    ...policy,
    "--host",
    SERVER,
    "--no-auth",
    "--quiet",
    "--json",
    "--congestion",
    congestion,
    ...certificate,
  ];
  const off = ["--quic-port", "off", "--quic-tcp-port", "off"];
  // The certificate turns TLS on everywhere, so the plain portals have one of their own, which pi0 makes.
  const plain = [...policy, "--host", SERVER, "--no-auth", "--quiet", "--json", ...off];
  const ready = (name: string) => file(`${name}.ready`);
  const servers = [
    [...SOURCE, "serve", ...plain, "--port", PORTS.plain, "--tcp-port", 8765, ">", ready("plain")],
    [...SOURCE, "serve", ...common, "--port", PORTS.secure, "--tcp-port", 9765, ">", ready("secure")],
    ...(python === undefined
      ? []
      : [[python, scriptPath("openpi_server.py"), "--host", SERVER, "--port", PORTS.openpi, ">", ready("openpi")]]),
  ];
  const waiting = servers.map((words) =>
    // A server that does not come in 30 s has failed; whoever asks it says so.
    `for i in {1..300}; do grep -q ready ${words.at(-1)} 2>/dev/null && break; sleep 0.1; done`
  );
  const bench = (scheme: string, port: number, name: string, args: readonly string[]) => {
    const where = ["--url", `${scheme}://${SERVER}:${port}`, "--transport", "all", "--pictures", cameras];
    const trust = scheme === "https" ? ["--ca", file("cert.pem")] : [];
    const limits = ["--timeout-ms", 30_000, "--connect-timeout-ms", 15_000];
    const words = [...where, ...trust, ...limits, "--congestion", congestion, ...args, "--quiet", "--out", file(name)];
    return [...SOURCE, "bench", ...words, ">/dev/null"].join(" ");
  };
  const warm = ["-n", String(count), "--rounds", String(ROUNDS), "--warmup", "3"];
  const cold = ["-n", "1", "--rounds", "1", "--warmup", "0", "--no-warm"];
  // Each in a process of its own, which knows no session ticket: here every connection shakes hands.
  const coldBenches = (scheme: string, port: number, name: string) =>
    COLD_RUNS.map((run) => bench(scheme, port, `${name}-cold${run}.json`, cold));
  const openpi = [SERVER, PORTS.openpi, "--requests", count, "--rounds", ROUNDS, "--cameras", cameras];
  const client = [
    ...waiting,
    bench("http", PORTS.plain, "plain.json", warm),
    ...coldBenches("http", PORTS.plain, "plain"),
    bench("https", PORTS.secure, "secure.json", warm),
    ...coldBenches("https", PORTS.secure, "secure"),
    ...(python === undefined
      ? []
      : [[python, scriptPath("openpi_bench.py"), ...openpi, ">", file("openpi.json")].join(" ")]),
  ];
  const emulation = ["--rtt", roundTripMs, "--loss", lossPercent / 100, "--cc", congestion].map(String);
  const { stderr } = await new Deno.Command(path, {
    // A bench of which nothing was answered fails, and that is a result, too: the files tell.
    args: [...emulation, `${servers.map((words) => words.join(" ")).join(" & ")} & wait`, client.join("; ")],
    env: { WAN_WAIT: "0" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal: AbortSignal.timeout(LIMIT_MS),
  }).output();
  try {
    const [secure, plain] = [
      await readBench(file, "secure", (name) => SECURE[name] ?? name),
      await readBench(file, "plain", (name) => name),
    ];
    return [...plain, ...secure, ...(python === undefined ? [] : [await readOpenpi(file("openpi.json"))])];
  } catch (cause) {
    throw new Error(`The emulator failed: ${new TextDecoder().decode(stderr).trim().slice(-2000)}`, { cause });
  }
}

const SECURE: Readonly<Record<string, string>> = { http: "https", ws: "wss", tcp: "tcps" };

async function readBench(
  file: (name: string) => string,
  name: string,
  nameOf: (transport: string) => string,
): Promise<Way[]> {
  const warm: BenchResults = JSON.parse(await Deno.readTextFile(file(`${name}.json`)));
  const colds: BenchResults[] = [];
  for (const run of COLD_RUNS) colds.push(JSON.parse(await Deno.readTextFile(file(`${name}-cold${run}.json`))));
  return warm.summaries.map(({ transport, errors, rttFloorMs }) => {
    const times = warm.samples.flatMap((sample) =>
      sample.transport === transport && sample.error === undefined ? [sample.finishedMs - sample.startedMs] : []
    );
    const connects = colds.flatMap(({ connects }) => connects.filter((connect) => connect.transport === transport));
    const connectsMs = connects.flatMap(({ connectMs }) => connectMs === undefined ? [] : [connectMs]);
    const firstsMs = connects.flatMap(({ firstRequestMs }) => firstRequestMs === undefined ? [] : [firstRequestMs]);
    const row = rowOf(nameOf(transport), times, connectsMs, firstsMs, errors);
    return { row, ...(rttFloorMs === undefined ? {} : { floorMs: rttFloorMs }) };
  });
}

async function readOpenpi(path: string): Promise<Way> {
  const way = "openpi (Python)";
  const text = await Deno.readTextFile(path);
  if (text === "") return { row: { way, count: 0, errors: 1 } };
  const { connects, firsts, steady } = JSON.parse(text) as Record<"connects" | "firsts" | "steady", number[]>;
  return { row: rowOf(way, steady, connects, firsts, 0) };
}

function rowOf(way: string, times: number[], connectsMs: number[], firstsMs: number[], errors: number): WanRow {
  const intervalMs = medianInterval(times);
  const round = (value: number) => Math.round(value * 100) / 100;
  return {
    way,
    count: times.length,
    errors,
    ...(connectsMs.length === 0 ? {} : { connectMs: round(median(connectsMs)) }),
    ...(firstsMs.length === 0 ? {} : { firstMs: round(median(firstsMs)) }),
    ...(times.length === 0 ? {} : { p50Ms: round(median(times)) }),
    ...(intervalMs === undefined ? {} : { intervalMs: [round(intervalMs[0]), round(intervalMs[1])] as const }),
  };
}

function scriptPath(name: string): string {
  return decodeURIComponent(new URL(name, import.meta.url).pathname);
}
