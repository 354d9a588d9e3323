/**
 * `pi0 serve`: one policy behind every portal at once.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import { cleanPrompt } from "../pi0/prompt.ts";
import { ROBOT_NAMES, ROBOTS } from "../robot/mod.ts";
import { PolicyService } from "../serving/service.ts";
import { fingerprintOf } from "../transport/certificate.ts";
import { type Portal, PORTALS, urlOf } from "../transport/mod.ts";
import type { Congestion, Identity, Listener, ListenLimits, Service } from "../transport/transport.ts";
import type { Policy } from "../types.ts";
import type { Clock } from "../clock.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { checkToken, CONGESTION_OPTION, isLoopback, readTrust, TRUST_OPTIONS } from "./connect.ts";
import { tcpCongestionControl } from "./environment.ts";
import { findIdentity, IDENTITY_OPTIONS } from "./identity.ts";
import { describeCut } from "./model_options.ts";
import { COMMON_OPTIONS, type OptionTable } from "./options.ts";
import { chooseRobot, createPolicy, POLICY_OPTIONS } from "./policies.ts";
import { createProgress } from "./terminal.ts";

/** A reply or a request must have travelled this long after it began: 600 kB at 160 kbit/s. */
const MESSAGE_MS = 30_000;
/** A tcp or http connection may be silent this long; a WebSocket is asked whether it is still there. */
const IDLE_MS = 600_000;

const NETWORK = "Network";

const OPTIONS = {
  ...POLICY_OPTIONS,
  "robot": {
    kind: "choice",
    choices: ROBOT_NAMES,
    group: "Policy",
    help: "Whose observations [the robot of the model folder, else aloha]",
  },
  "default-prompt": { kind: "string", group: "Policy", help: "Instruction for requests that bring none" },
  "host": {
    kind: "string",
    metavar: "ADDRESS",
    default: "127.0.0.1",
    group: NETWORK,
    help: "Address to listen on; 0.0.0.0 opens the server to the network",
  },
  "port": {
    kind: "port",
    default: PORTALS.http.defaultPort,
    group: NETWORK,
    help: "Port of http and ws; 0 takes a free one",
  },
  "tcp-port": {
    kind: "port",
    default: PORTALS.tcp.defaultPort,
    group: NETWORK,
    help: "Port of tcp; 0 takes a free one",
  },
  "quic-port": {
    kind: "port",
    default: PORTALS.quic.defaultPort,
    group: NETWORK,
    help: "UDP port of quic; 0 takes a free one",
  },
  "quic-tcp-port": {
    kind: "port",
    default: PORTALS["quic-tcp"].defaultPort,
    group: NETWORK,
    help: "Port of quic-tcp; 0 takes a free one",
  },
  "congestion": { ...CONGESTION_OPTION, group: NETWORK },
  "token": { kind: "string", env: "PI0_TOKEN", group: NETWORK, help: "Let only clients in that know this word" },
  "no-auth": { kind: "flag", group: NETWORK, conflicts: ["token"], help: "Let everybody in, also from the network" },
  ...IDENTITY_OPTIONS,
  "openpi": { kind: "flag", group: "Forwarding", help: "The --policy URL is a server of openpi's own protocol" },
  "upstream-token": {
    kind: "string",
    env: "PI0_UPSTREAM_TOKEN",
    group: "Forwarding",
    help: "Token of the server at the --policy URL",
  },
  "no-warm": { kind: "flag", group: "Forwarding", help: "Do not open the connection's window after connecting" },
  ...TRUST_OPTIONS,
  "queue": { kind: "integer", min: 1, max: 10_000, default: 16, group: "Limits", help: "Requests that may wait" },
  "max-connections": {
    kind: "integer",
    min: 1,
    max: 100_000,
    default: 256,
    group: "Limits",
    help: "Connections per portal, and sessions in all",
  },
  "max-message-mb": {
    kind: "number",
    min: 0.001,
    max: 1024,
    default: 16,
    metavar: "MB",
    group: "Limits",
    help: "Largest request",
  },
  "drain-ms": {
    kind: "integer",
    min: 0,
    max: 600_000,
    default: 10_000,
    metavar: "MS",
    group: "Limits",
    help: "Time for requests in flight when stopped",
  },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

export const serve = defineCommand({
  name: "serve",
  summary: "put a policy behind HTTP, WebSocket, TCP and QUIC at once",
  description:
    "Portals: http (POST /infer) and ws (/ws, and openpi's protocol on every other path) share a port; tcp, quic (UDP) " +
    "and quic-tcp (QUIC inside TCP) have their own. Pages: /healthz, /readyz, /metrics (Prometheus), /info. " +
    "The portals open when the model is loaded; /readyz says 503 until it has warmed up.\n\n" +
    "Without --host the server is reachable from this machine only. With it, a token is needed, unless --no-auth is " +
    "typed. Over a network, use --tls: without it whoever listens on the way can read the token. Ctrl-C or SIGTERM stop it: requests in flight are answered first.\n\n" +
    "With --policy URL the server forwards: an unmodified openpi client speaks to it on the robot, and the way to the " +
    "far server is that of the URL.",
  options: OPTIONS,
  examples: [
    { command: "pi0 serve", text: "Serve the model that comes with pi0, on this machine." },
    { command: "pi0 serve --policy ./pi0_aloha_sim", text: "Serve the model that pi0 export wrote there." },
    {
      command: "pi0 serve --policy random:pi0 --gpu=auto",
      text: "Measure a model of the released size with made-up weights, on a GPU where there is one.",
    },
    {
      command: "PI0_TOKEN=secret pi0 serve --host 0.0.0.0",
      text: "Serve the network; clients need the token.",
    },
    {
      command: "pi0 serve --policy null --null-delay-ms 26 --null-busy",
      text: "Stand in for a model that takes 26 ms.",
    },
    {
      command: "pi0 serve --policy tcp://gpu-box:8765 --tcp-port off",
      text: "Give openpi's clients on this robot the tcp portal of a far server.",
    },
    {
      command: "PI0_TOKEN=secret pi0 serve --host 0.0.0.0 --tls",
      text: "The same, encrypted; clients add the --cert-sha256 that it prints.",
    },
  ],
  async run(options, context) {
    const { terminal, clock, signal, version } = context;
    checkToken(options.token);
    requireToken(options.host, options.token, options.noAuth);
    const log = (text: string) => options.quiet ? undefined : terminal.stderr(text);
    const profile = ROBOTS[await chooseRobot(options.policy, options.robot)];
    const trust = await readTrust(options);
    const { congestion } = options;
    const upstream = { token: options.upstreamToken, trust, congestion, openpi: options.openpi, warm: !options.noWarm };
    let lastError = "";
    const onRetry = ({ message }: Error) => {
      if (message !== lastError) log(`pi0: waiting for the policy: ${message}\n`);
      lastError = message;
    };
    const policy = await createPolicy({
      profile,
      clock,
      options,
      upstream,
      onRetry,
      env: context.env,
      progress: createProgress(terminal, clock, { quiet: options.quiet }),
      log: (line) => log(`pi0: ${line}\n`),
    });
    checkDefaultPrompt(options.defaultPrompt, policy);
    const maxMessageBytes = Math.round(options.maxMessageMb * 1e6);
    const service = new PolicyService({
      policy,
      profile,
      clock,
      queueCapacity: options.queue,
      maxSessions: options.maxConnections,
      maxMessageBytes,
      version,
      residentBytes: () => Deno.memoryUsage().rss,
      onIgnoredCamera: (name) =>
        log(`pi0: ${profile.name}'s policies do not look at ${name}, which a client sends; /metrics counts them\n`),
      onCutPrompt: (cut) => log(`pi0: ${describeCut(cut)}; /metrics counts such prompts\n`),
      ...(options.token === undefined ? {} : { token: options.token }),
      ...(options.defaultPrompt === undefined ? {} : { defaultPrompt: options.defaultPrompt }),
    });
    const limits: ListenLimits = {
      maxMessageBytes,
      maxConnections: options.maxConnections,
      messageMs: MESSAGE_MS,
      idleMs: IDLE_MS,
    };
    const ports = {
      "http": options.port,
      "tcp": options.tcpPort,
      "quic": options.quicPort,
      "quic-tcp": options.quicTcpPort,
    };
    const tls = options.tls || options.tlsCert !== undefined;
    const portals = Object.entries(PORTALS) as [keyof typeof PORTALS, Portal][];
    const encrypted = portals.filter(([name, portal]) => ports[name] !== "off" && (tls || portal.encrypted));
    if (encrypted.length === 0 && options.writeCert !== undefined) {
      throw new UsageError("Cannot write a certificate: no portal is encrypted (give --tls)");
    }
    const say = (line: string) => log(`pi0: ${line}\n`);
    const identity = encrypted.length === 0 ? undefined : await findIdentity(options, options.host, context.env, say);
    const { host: hostname } = options;
    const opened = openPortals(service, { hostname, ports, limits, clock, tls, identity, congestion });
    try {
      service.portals = opened.urls;
      service.tcpCongestionControl = await tcpCongestionControl();
      if (identity !== undefined) service.tls = { sha256: fingerprintOf(identity.certPem) };
      await warmUp(policy, signal);
      service.start();
      announce(context, { ...options, hostname, policy, service, urls: opened.urls });
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      log("pi0: stopping; requests in flight are answered first\n");
    } catch (error) {
      // Stopped while it was still waiting for its policy: that is no failure.
      if (!signal.aborted) throw error;
    } finally {
      service.drain();
      await Promise.all(opened.listeners.map((listener) => listener.close(options.drainMs)));
      await policy[Symbol.asyncDispose]();
    }
    if (options.json) terminal.stdout(JSON.stringify({ event: "stopped" }) + "\n");
    return 0;
  },
});

/** @throws {UsageError} where everybody on the network could use the server by mistake. */
function requireToken(hostname: string, token: string | undefined, noAuth: boolean): void {
  if (isLoopback(hostname) || token !== undefined || noAuth) return;
  throw new UsageError(
    `Cannot listen on ${hostname} without a token: give --token (or PI0_TOKEN), or --no-auth to let everybody in`,
  );
}

/** @throws {UsageError} where the policy knows some prompts only, and this is none of them. */
function checkDefaultPrompt(prompt: string | undefined, { name, model }: Policy): void {
  const known = model?.["prompts"];
  if (prompt === undefined || !Array.isArray(known) || known.includes(cleanPrompt(prompt))) return;
  const names = known.map((one) => JSON.stringify(one)).join(", ");
  throw new UsageError(`Cannot use --default-prompt ${prompt}: ${name} knows ${names}`);
}

interface PortalOptions {
  readonly hostname: string;
  readonly ports: Readonly<Record<keyof typeof PORTALS, number | "off">>;
  readonly limits: ListenLimits;
  readonly clock: Clock;
  /** Every portal is encrypted, not only those that always are. */
  readonly tls: boolean;
  readonly identity: Identity | undefined;
  readonly congestion: Congestion | undefined;
}

/** Opens the portals that are not off. If one cannot be opened none stays open. */
function openPortals(service: Service, options: PortalOptions) {
  const { hostname, ports, limits, clock, tls, identity, congestion } = options;
  const listeners: Listener[] = [];
  const urls: Record<string, string> = {};
  for (const [name, portal] of Object.entries(PORTALS) as [keyof typeof PORTALS, Portal][]) {
    const port = ports[name];
    if (port === "off") continue;
    try {
      const secure = tls || portal.encrypted === true;
      const encryption = secure && identity !== undefined ? { identity } : {};
      const sending = congestion === undefined ? {} : { congestion };
      const listener = portal.listen(service, { hostname, port, limits, clock, ...sending, ...encryption });
      listeners.push(listener);
      for (const transport of portal.serves) urls[transport] = urlOf(transport, hostname, listener.port, secure);
    } catch (cause) {
      for (const listener of listeners) listener.close(0);
      throw new Error(`Cannot open the ${name} portal on ${hostname}:${port}: ${reason(cause, portal.flag)}`, {
        cause,
      });
    }
  }
  if (listeners.length > 0) return { listeners, urls };
  throw new UsageError(
    "Cannot serve: every portal is off, so leave one of --port, --tcp-port, --quic-port and --quic-tcp-port on",
  );
}

function reason(error: unknown, flag: string): string {
  if (error instanceof Deno.errors.AddrInUse) return `the port is taken (choose another with --${flag}, or 0 for any)`;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Deno.errors.PermissionDenied) return `not permitted (ports below 1024 need root): ${message}`;
  return `${message} (is --host an address of this machine?)`;
}

async function warmUp(policy: Policy, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await policy.warmUp(signal);
}

interface Announcement {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly hostname: string;
  readonly policy: Policy;
  readonly service: PolicyService;
  readonly urls: Readonly<Record<string, string>>;
}

function announce({ terminal, version }: CommandContext, announcement: Announcement): void {
  const { json, quiet, hostname, policy, service, urls } = announcement;
  if (json) terminal.stdout(JSON.stringify({ event: "ready", ...service.info() as object }) + "\n");
  if (quiet) return;
  const shape = `${policy.actionHorizon} × ${policy.actionDim} actions`;
  terminal.stderr(`pi0 ${version} serves ${policy.name} (${shape})\n`);
  for (const [name, url] of Object.entries(urls)) {
    const openpi = name === "ws" ? `   openpi's clients: ${url.replace(/\/ws$/, "")}` : "";
    const plain = isLoopback(hostname) || !/^(http|ws|tcp):/.test(url) ? "" : "   not encrypted (--tls)";
    terminal.stderr(`  ready  ${name.padEnd(8)} ${url}${openpi}${plain}\n`);
  }
  if (service.tls !== undefined) terminal.stderr(`  certificate: --cert-sha256 ${service.tls.sha256}\n`);
}
