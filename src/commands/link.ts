/**
 * `pi0 link`: what the way to a server is like from here, and which transport suits it.
 *
 * @module
 */

import { TransportError, UsageError } from "../errors.ts";
import { describePath, type Path, SLOW_MS } from "../measure/path.ts";
import { recommend, type Recommendation } from "../measure/recommend.ts";
import { describeError } from "../measure/sample.ts";
import { measureWay, type Probe, type Way } from "../measure/way.ts";
import type { RemotePolicy } from "../policy/remote.ts";
import { linkTable } from "../report/link_table.ts";
import { formatNumber } from "../report/table.ts";
import { aloha } from "../robot/aloha.ts";
import { TRANSPORT_NAMES, type TransportName, transportOf, TRANSPORTS } from "../transport/mod.ts";
import { resolveHost } from "../transport/quic.ts";
import { pingQuic } from "../transport/quic_ping.ts";
import type { Trust } from "../transport/transport.ts";
import type { Metadata } from "../types.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { checkTrust, CONGESTION_OPTION, isLoopback, readTrust, remotePolicy, TRUST_OPTIONS } from "./connect.ts";
import { tcpCongestionControl } from "./environment.ts";
import { COMMON_OPTIONS, type OptionTable, type OptionValues } from "./options.ts";
import { localTrust, portalsOf } from "./targets.ts";

/** Name and version of the JSON's shape. */
const LINK_SCHEMA = "pi0.link/1";
/** What an observation of one camera takes on tcp. */
const PAYLOAD_BYTES = 150_619;
const PINGS = 20;
/** Two seconds of 120 kB/s: enough to see half a percent of loss, too little to be in anybody's way. */
const DATAGRAMS = { count: 200, intervalMs: 10, waitMs: 1000 };
/**
 * Requests after the first: at 80 ms everything together takes 20 s; at 200 ms with 2 % of loss 75 s with BBR, and with
 * Cubic, which carries 150 kB in 2 to 4 s there, 200 s.
 */
const COLD_COUNT = 3;
const WARM_COUNT = 8;
const CONNECT_MS = 5000;
const REQUEST_MS = 10_000;

const OPTIONS = {
  "url": { kind: "url", group: "Where", help: "Any portal of the server; the others are asked of it" },
  "token": { kind: "string", env: "PI0_TOKEN", group: "Where", help: "The server's token" },
  ...TRUST_OPTIONS,
  "congestion": { ...CONGESTION_OPTION, group: "Where" },
  "limit-s": {
    kind: "number",
    min: 1,
    max: 3600,
    default: 300,
    metavar: "SECONDS",
    help: "For everything; what was not reached by then is left out",
  },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

type LinkOptions = OptionValues<typeof OPTIONS>;

/** Everything that was found. */
interface LinkReport {
  readonly schema: typeof LINK_SCHEMA;
  readonly startedAt: string;
  readonly url: string;
  readonly server: Metadata;
  /** Small requests over the transport of the URL. */
  readonly path: Path;
  /** Bare datagrams to the quic portal; absent where the server has none or they could not be sent. */
  readonly datagrams?: Path;
  /** Of TCP, as the hosts say; a route may differ. Absent where they do not. */
  readonly congestionControl: { readonly here?: string; readonly server?: string };
  readonly payloadBytes: number;
  readonly ways: readonly Way[];
  readonly recommendation: Recommendation | null;
  /** Stopped by the user or by the limit, before everything was measured. */
  readonly interrupted: boolean;
}

export const link = defineCommand({
  name: "link",
  summary: "probe the way to a server, and say which transport to use",
  description:
    "Measures the round trip and how it varies with small requests; lost packets with bare datagrams, which the quic " +
    "portal answers; and for each portal what connecting, the first and later requests of 150 kB cost, with and " +
    "without opening the connection's window first. The requests are padding, so that no policy is asked and no robot " +
    "has to wait. It takes 20 s at a round trip of 80 ms, and minutes on a long link that loses packets; Ctrl-C shows " +
    "what is known by then.\n\n" +
    "What cannot be reached is part of the result, with the reason.",
  options: OPTIONS,
  examples: [
    { command: "pi0 link --url https://gpu-box:8000 --cert-sha256 HEX", text: "Find the best way to that server." },
    { command: "pi0 link --url tcp://gpu-box:8765 --json", text: "The same, for programs." },
  ],
  async run(options, context) {
    const { terminal } = context;
    const report = await probe(options, context);
    if (options.json) terminal.stdout(JSON.stringify(report, null, 1) + "\n");
    else print(report, context, options);
    return report.recommendation === null ? 1 : 0;
  },
});

async function probe(options: LinkOptions, { clock, signal: stopped }: CommandContext): Promise<LinkReport> {
  const { url: typed, token, congestion } = options;
  if (typed === undefined) {
    throw new UsageError("Cannot probe without a server: give --url, for example --url http://gpu-box:8000");
  }
  const startedAt = new Date().toISOString();
  const limit = new AbortController();
  const cancel = clock.after(1000 * options.limitS, () => {
    limit.abort(
      new TransportError("deadline", `Not measured: the limit of ${options.limitS} s has passed (--limit-s)`),
    );
  });
  const signal = AbortSignal.any([stopped, limit.signal]);
  const typedTrust = await readTrust(options);
  const opener = (trust: Trust | undefined) => (url: string) =>
    remotePolicy({
      url,
      // Padding is the same for every robot.
      profile: aloha,
      clock,
      connectMs: CONNECT_MS,
      requestMs: REQUEST_MS,
      token,
      trust,
      congestion,
      openpi: false,
      warm: true,
      timing: false,
      exact: false,
    });
  try {
    const own = transportOf(new URL(typed));
    await using asked = opener(typedTrust)(typed);
    await asked.open(signal, 0);
    const server = await asked.fetchInfo(signal);
    const path = describePath(await pingAll(asked, () => clock.now(), signal));
    const portals = portalsOf(server, own.url);
    portals.set(own.name, String(own.url));
    checkTrust(typedTrust, [...portals.values()]);
    const datagrams = portals.has("quic") ? await pingDatagrams(portals.get("quic")!, clock, signal) : undefined;
    const open = opener(typedTrust ?? localTrust(server, own.url));
    const ways: Way[] = [];
    for (const transport of TRANSPORT_NAMES) {
      const url = portals.get(transport);
      if (url === undefined) continue;
      const way = { transport, url, encrypted: isEncrypted(transport, url) };
      const blocked = transport === "quic" && datagrams !== undefined && datagrams.lost === datagrams.sent;
      if (blocked) ways.push({ ...way, error: describeError(unanswered(url, datagrams.sent)) });
      else if (signal.aborted) ways.push({ ...way, error: describeError(reasonOf(stopped, limit.signal)) });
      else {
        const counts = { coldCount: COLD_COUNT, warmCount: WARM_COUNT };
        ways.push(await measureWay({ ...way, ...counts, open: () => probeOf(open(url)), clock, signal }));
      }
    }
    const far = !isLoopback(own.url.hostname);
    const here = await tcpCongestionControl();
    const there = server.tcpCongestionControl;
    const floorMs = path.floorMs!;
    return {
      schema: LINK_SCHEMA,
      startedAt,
      url: typed,
      server,
      path,
      ...(datagrams === undefined ? {} : { datagrams }),
      congestionControl: {
        ...(here === undefined ? {} : { here }),
        ...(typeof there === "string" ? { server: there } : {}),
      },
      payloadBytes: PAYLOAD_BYTES,
      ways,
      recommendation: recommend(ways, { floorMs, datagrams, far, payloadBytes: PAYLOAD_BYTES }) ?? null,
      interrupted: signal.aborted,
    };
  } finally {
    cancel();
  }
}

function reasonOf(stopped: AbortSignal, limit: AbortSignal): Error {
  return stopped.aborted ? new Error("Not measured: interrupted") : limit.reason as Error;
}

function unanswered(url: string, count: number): TransportError {
  return new TransportError(
    "unreachable",
    `None of ${count} datagrams to ${url} was answered: UDP does not pass (a firewall, a tunnel, a small MTU), or ` +
      "nobody listens there; quic-tcp needs no UDP",
  );
}

function isEncrypted(transport: TransportName, url: string): boolean {
  return transport.startsWith("quic") || /^(https|wss|tcps):/.test(url);
}

function probeOf(policy: RemotePolicy): Probe {
  return {
    get zeroRtt() {
      return policy.zeroRtt;
    },
    connect: (signal) => policy.open(signal, 0),
    openWindow: (signal) => policy.openWindow(signal),
    ask: (signal) => policy.pad(PAYLOAD_BYTES, signal),
    [Symbol.asyncDispose]: () => policy[Symbol.asyncDispose](),
  };
}

async function pingAll(policy: RemotePolicy, now: () => number, signal: AbortSignal): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const startedMs = now();
    await policy.probe(signal);
    times.push(now() - startedMs);
  }
  return times;
}

/** @returns undefined where this machine cannot send datagrams there. */
async function pingDatagrams(
  url: string,
  clock: CommandContext["clock"],
  signal: AbortSignal,
): Promise<Path | undefined> {
  const { hostname, port } = new URL(url);
  try {
    const address = await resolveHost(hostname.replace(/^\[|\]$/g, ""), url);
    return describePath(
      await pingQuic({
        hostname: address,
        port: Number(port || TRANSPORTS.quic.defaultPort),
        ...DATAGRAMS,
        clock,
        signal,
      }),
    );
  } catch {
    // Stopped, or no UDP at all here: connecting by quic, next, says which.
    return undefined;
  }
}

function print(report: LinkReport, { terminal, version }: CommandContext, { quiet }: LinkOptions): void {
  const { url, server, path, datagrams, congestionControl, ways, recommendation, interrupted } = report;
  const { here = "unknown", server: there = "unknown" } = congestionControl;
  const lines = [
    `pi0 ${server.version} at ${url}: policy ${server.policy}, ${server.robot}; asked by pi0 ${version}`,
    `round trip:  ${
      timesOf(path)
    }; ${PINGS} small requests, ${path.slow} of them ${SLOW_MS} ms slower, as a lost packet makes them`,
    ...(datagrams === undefined ? [] : [`datagrams:   ${timesOf(datagrams)}; ${lossOf(datagrams)}`]),
    `congestion control of TCP:  here ${here}, server ${there}`,
  ];
  terminal.stdout(`${lines.join("\n")}\n\n${linkTable(ways, report.payloadBytes, terminal)}\n`);
  terminal.stdout(`${recommendation?.sentence ?? "No way works from here: the reasons are above."}\n`);
  if (interrupted && !quiet) terminal.stderr("pi0: interrupted; the table shows what was measured until then\n");
}

function timesOf({ floorMs, p50Ms, jitterMs }: Path): string {
  if (floorMs === undefined) return "no answer";
  return `${formatNumber(floorMs)} ms at least, ${formatNumber(p50Ms)} median, jitter ${formatNumber(jitterMs)}`;
}

function lossOf({ sent, lost, lossIntervalPercent: [low, high] }: Path): string {
  return `${lost} of ${sent} lost, there and back together (95 % interval ${low.toFixed(1)} to ${high.toFixed(1)} %)`;
}
