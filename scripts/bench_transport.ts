/**
 * What the transports cost on this machine, beside the least that their sockets can do and beside Python.
 *
 *     deno task bench:transport [-n REQUESTS] [--out FILE]
 *
 * Method: one `pi0 serve --policy null` on loopback, in a process of its own; beside it a server that only takes as many
 * bytes and sends as many back, on raw TCP, on the runtime's HTTP server with `fetch`, on its WebSocket server with its
 * WebSocket client, on Node's TLS and HTTPS, on a stream of QUIC, and on one inside a minimal relay; and, where Python with venv is there, a null server of openpi's protocol on `websockets`, asked
 * by the same client as pi0's. All are measured in turns, in random order, in the same run; only ratios within a run
 * mean something. "alone" is pi0's transport with 150 KB of padding, which the server answers without reading. Also: server time beside the policy, the start of the program, answers while a model burns a core,
 * and memory over many requests.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { systemClock } from "../src/clock.ts";
import { measuredClient } from "../src/commands/client.ts";
import { remotePolicy } from "../src/commands/connect.ts";
import { describeEnvironment } from "../src/commands/environment.ts";
import { VERSION } from "../src/commands/mod.ts";
import { gather } from "../src/measure/gather.ts";
import { type Client, runRounds, type Target } from "../src/measure/rounds.ts";
import { closedLoop } from "../src/measure/schedule.ts";
import { median, percentile, summarizeTransport } from "../src/measure/statistics.ts";
import { seededRandom } from "../src/random.ts";
import { breakdownTable, latencyTable } from "../src/report/table.ts";
import { exampleObservations } from "../src/robot/frames.ts";
import { ROBOTS } from "../src/robot/mod.ts";
import { transportOf, TRANSPORTS } from "../src/transport/mod.ts";
import type { Trust } from "../src/transport/transport.ts";
import { makePadding } from "../src/wire/padding.ts";
import { SOURCE, startServer } from "../tests/support/program.ts";
import {
  bareHttp,
  bareHttps,
  bareQuic,
  bareQuicRelay,
  type BareSocket,
  bareTcp,
  bareTls,
  bareWs,
} from "./bare_sockets.ts";
import { startPythonServer } from "./python_server.ts";
import { findWan, measureWan } from "./wan.ts";

const { values } = parseArgs({
  options: { requests: { type: "string", short: "n", default: "2000" }, out: { type: "string" } },
});
const count = Number(values.requests);
const ROUND_TRIP_MS = 80;
/** Sizes of pi0's own messages on tcp, so that the bare sockets carry as much. */
const REQUEST_BYTES = 150_619;
const REPLY_BYTES = 2_932;

const clock = systemClock;
const signal = new AbortController().signal;
const profile = ROBOTS.aloha;
const observations = await exampleObservations(profile, { seed: 0 });
const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));

function pi0Target(transport: string, url: string, trust?: Trust, openpi = false): Target {
  return {
    transport,
    url,
    open: (): Client => {
      const limits = { connectMs: 5000, requestMs: 10_000 };
      const shared = { url, profile, clock, ...limits, token: undefined, trust, warm: !openpi, timing: true };
      return measuredClient(remotePolicy({ ...shared, openpi, exact: false }), observations, { warm: !openpi });
    },
  };
}

/** A socket of the runtime that carries the same bytes and nothing else. */
function bareTarget(transport: string, url: string, open: () => Promise<BareSocket>): Target {
  return {
    transport,
    url,
    open: (): Client => {
      const message = new Uint8Array(REQUEST_BYTES);
      let socket: BareSocket | undefined;
      return {
        async connect() {
          socket = await open();
        },
        async ask() {
          const startedMs = clock.now();
          await socket!.exchange(message);
          const finishedMs = clock.now();
          return { startedMs, finishedMs, bytesOut: REQUEST_BYTES, bytesIn: REPLY_BYTES, timing: {} };
        },
        [Symbol.asyncDispose]() {
          socket?.close();
          return Promise.resolve();
        },
      };
    },
  };
}

/** A transport of pi0 with a message that is not read: what it costs apart from encoding and decoding. */
async function paddingSocket(url: string, trust?: Trust): Promise<BareSocket> {
  const { name, url: completed } = transportOf(new URL(url));
  const limits = { connectMs: 5000, maxMessageBytes: 1e6 };
  const connection = await TRANSPORTS[name].connect(completed, {
    clock,
    ...limits,
    ...(trust === undefined ? {} : { trust }),
  });
  const padding = makePadding(REQUEST_BYTES);
  return {
    exchange: async () => void await connection.request(padding),
    close: () => connection[Symbol.asyncDispose](),
  };
}

async function startEcho() {
  const args = ["run", "-A", new URL("./echo_server.ts", import.meta.url).pathname];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args, String(REQUEST_BYTES), String(REPLY_BYTES)],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { ports, cert }: { ports: Record<"tcp" | "web" | "tls" | "https" | "quic" | "relay", number>; cert: string } =
    JSON.parse(new TextDecoder().decode((await reader.read()).value));
  return {
    ports,
    cert,
    async [Symbol.asyncDispose]() {
      child.kill();
      await reader.cancel();
      await child.status;
    },
  };
}

/** How long the program takes to say its help, as a multiple of an empty file. */
async function startRatio(): Promise<{ helpMs: number; emptyMs: number }> {
  const empty = await Deno.makeTempFile({ suffix: ".ts" });
  const time = async (args: string[]) => {
    const startedMs = clock.now();
    await new Deno.Command(Deno.execPath(), { args, stdout: "null" }).output();
    return clock.now() - startedMs;
  };
  const help: number[] = [];
  const bare: number[] = [];
  for (let i = 0; i < 11; i++) {
    help.push(await time([...SOURCE.slice(1), "--help"]));
    bare.push(await time(["run", "-A", empty]));
  }
  return { helpMs: median(help), emptyMs: median(bare) };
}

/**
 * How soon /healthz answers while 8 clients keep the server busy and one core burns: inside the policy, or in a process
 * that has nothing to do with it. The difference is what the policy takes from the event loop; the rest is scheduling.
 */
async function healthP99Ms(burner: "policy" | "stranger"): Promise<number> {
  const busy = burner === "policy" ? ["--null-busy"] : [];
  await using server = await startServer(["--null-delay-ms", "26", ...busy]);
  const stranger = burner === "policy" ? undefined : startBurning();
  const policies = Array.from({ length: 8 }, () => {
    const limits = { connectMs: 5000, requestMs: 10_000 };
    const shared = { url: server.portals.tcp!, profile, clock, ...limits, token: undefined, openpi: false };
    return remotePolicy({ ...shared, warm: false, timing: false, exact: false });
  });
  const stop = new AbortController();
  const load = policies.map(async (policy) => {
    for (let i = 0; !stop.signal.aborted; i++) await policy.ask(observations[i % observations.length]!, signal);
  });
  const url = server.portals.http!.replace("/infer", "/healthz");
  const times: number[] = [];
  for (let i = 0; i < 500; i++) {
    const startedMs = clock.now();
    await (await fetch(url)).text();
    times.push(clock.now() - startedMs);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  stop.abort();
  stranger?.kill();
  await stranger?.status;
  await Promise.all(load);
  for (const policy of policies) await policy[Symbol.asyncDispose]();
  return percentile(times.sort((a, b) => a - b), 0.99);
}

function startBurning(): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), { args: ["eval", "for (;;);"], stdout: "null" }).spawn();
}

/** Memory of a server over many requests, in MB, every tenth. */
async function memoryMb(requests: number): Promise<number[]> {
  await using server = await startServer();
  const limits = { connectMs: 5000, requestMs: 10_000 };
  const shared = { url: server.portals.tcp!, profile, clock, ...limits, token: undefined, openpi: false };
  const policy = remotePolicy({ ...shared, warm: false, timing: true, exact: false });
  const readings: number[] = [];
  for (let i = 0; i < requests; i++) {
    await policy.ask(observations[i % observations.length]!, signal);
    if ((i + 1) % (requests / 10) !== 0) continue;
    const status = await Deno.readTextFile(`/proc/${server.pid}/status`);
    readings.push(Number(/VmRSS:\s*(\d+)/.exec(status)![1]) / 1024);
  }
  await policy[Symbol.asyncDispose]();
  return readings;
}

const environment = await describeEnvironment(VERSION);
print(Object.entries(environment).map(([name, value]) => `${name} ${value}`).join(", "));

await using server = await startServer();
await using secure = await startServer(["--tls"]);
await using echo = await startEcho();
await using python = await startPythonServer();
const pin = ({ ready }: typeof server): Trust => ({ kind: "pin", sha256: (ready.tls as { sha256: string }).sha256 });
/** Each of pi0's ways, with where it is, whom to trust there, and the bare socket that it is compared with. */
const { ports, cert } = echo;
const WAYS: { name: string; url: string; trust?: Trust; bare: string }[] = [
  { name: "http", url: server.portals.http!, bare: "bare http" },
  { name: "ws", url: server.portals.ws!, bare: "bare ws" },
  { name: "tcp", url: server.portals.tcp!, bare: "bare tcp" },
  { name: "https", url: secure.portals.http!, trust: pin(secure), bare: "bare https" },
  // The runtime's WebSockets over TLS wait for Nagle's algorithm: the bare connection is the stricter measure.
  { name: "wss", url: secure.portals.ws!, trust: pin(secure), bare: "bare tls" },
  { name: "tcps", url: secure.portals.tcp!, trust: pin(secure), bare: "bare tls" },
  { name: "quic", url: server.portals.quic!, trust: pin(server), bare: "bare quic" },
  { name: "quic-tcp", url: server.portals["quic-tcp"]!, trust: pin(server), bare: "bare relay" },
];
const BARE: [name: string, port: number, open: () => Promise<BareSocket>][] = [
  ["bare http", ports.web, () => bareHttp(ports.web)],
  ["bare ws", ports.web, () => bareWs(ports.web)],
  ["bare tcp", ports.tcp, () => bareTcp(ports.tcp, REPLY_BYTES)],
  ["bare https", ports.https, () => bareHttps(ports.https, cert)],
  ["bare tls", ports.tls, () => bareTls(ports.tls, REPLY_BYTES, cert)],
  ["bare quic", ports.quic, () => bareQuic(ports.quic, REPLY_BYTES, cert)],
  ["bare relay", ports.relay, () => bareQuicRelay(ports.relay, REPLY_BYTES, cert)],
];
const targets = [
  ...WAYS.map(({ name, url, trust }) => pi0Target(name, url, trust)),
  ...WAYS.map(({ name, url, trust }) => bareTarget(`${name} alone`, url, () => paddingSocket(url, trust))),
  ...BARE.map(([name, port, open]) => bareTarget(name, `127.0.0.1:${port}`, open)),
  ...(python.url === undefined ? [] : [pi0Target("python ws", python.url, undefined, true)]),
];
if (python.url === undefined) print(`Python's websockets server is left out: ${python.reason}`);

const { runs, add } = gather(targets);
const plan = { rounds: 10, count, warmUp: 50, pings: 5, concurrency: 1, schedule: closedLoop, clock, signal };
for await (const measured of runRounds({ ...plan, targets, random: seededRandom(1), startMs: clock.now() })) {
  add(measured);
}
const summaries = runs.map(summarizeTransport);
print("\n" + latencyTable(summaries, { color: false }));
print(breakdownTable(summaries.slice(0, WAYS.length), { color: false }));

const p50 = (name: string) => summaries.find(({ transport }) => transport === name)?.latencyMs?.p50Ms;
const verdicts: { what: string; value: number; limit: number }[] = [];
const judge = (what: string, value: number | undefined, limit: number) =>
  value !== undefined && verdicts.push({ what, value, limit });
const ratio = (a: string, b: string) => p50(a) === undefined || p50(b) === undefined ? undefined : p50(a)! / p50(b)!;
for (const { name, bare } of WAYS) {
  judge(`p50 of ${name} / ${bare}`, ratio(name, bare), 1.5);
  judge(`p50 of ${name} without encoding and decoding / ${bare}`, ratio(`${name} alone`, bare), 1.5);
}
for (const { name } of WAYS) {
  const residences = runs.find(({ transport }) => transport === name)!.samples.flatMap(({ previous, timing }) =>
    previous?.residenceMs === undefined ? [] : [previous.residenceMs - (timing.infer ?? 0)]
  );
  judge(`server time less policy, ${name}, p50 ms`, median(residences), 0.3);
}
judge("p50 of ws / Python's websockets", ratio("ws", "python ws"), 1);
judge("p50 of tcp / Python's websockets", ratio("tcp", "python ws"), 0.5);
const start = await startRatio();
judge("pi0 --help / empty file", start.helpMs / start.emptyMs, 2.5);
const noiseMs = await healthP99Ms("stranger");
const healthMs = await healthP99Ms("policy");
judge(`/healthz p99 ms, 8 clients of --null-busy, above ${noiseMs.toFixed(1)} of scheduling`, healthMs - noiseMs, 3);
const memory = await memoryMb(300_000);
print(`memory of the server over 300,000 requests, MB: ${memory.map((mb) => mb.toFixed(0)).join(" ")}`);
const lastThird = memory.slice(-4);
judge("memory over the last 100,000 requests, highest / lowest", Math.max(...lastThird) / Math.min(...lastThird), 1.05);

const wan = await findWan();
if ("reason" in wan) {
  print(`the long link is left out: ${wan.reason}`);
} else {
  for (const [congestion, limit] of [["cubic", 1.05], ["bbr", 1.1]] as const) {
    const link = { roundTripMs: ROUND_TRIP_MS, lossPercent: 0, congestion, cameras: 1 };
    for (const { way, p50Ms } of (await measureWan(wan.path, link, 100)).rows) {
      if (way === "quic-tcp" || way.startsWith("openpi")) continue;
      const most = way === "quic" ? 1.15 : limit;
      judge(`p50 of ${way} / ${ROUND_TRIP_MS} ms round trip, ${congestion}`, (p50Ms ?? Infinity) / ROUND_TRIP_MS, most);
    }
  }
}

print("");
for (const { what, value, limit } of verdicts) {
  print(`${value <= limit ? "reached" : "MISSED "}  ${value.toFixed(2).padStart(6)} ≤ ${limit}  ${what}`);
}
if (values.out !== undefined) {
  await Deno.writeTextFile(values.out, JSON.stringify({ environment, summaries, verdicts, memory }, null, 1) + "\n");
}
