/**
 * `pi0 serve`: one policy behind every portal at once.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import { ROBOT_NAMES, ROBOTS } from "../robot/mod.ts";
import { PolicyService } from "../serving/service.ts";
import { type Portal, PORTALS, urlOf } from "../transport/mod.ts";
import type { Listener, ListenLimits, Service } from "../transport/transport.ts";
import type { Policy } from "../types.ts";
import type { Clock } from "../clock.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { checkToken } from "./connect.ts";
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
  "token": { kind: "string", env: "PI0_TOKEN", group: NETWORK, help: "Let only clients in that know this word" },
  "no-auth": { kind: "flag", group: NETWORK, conflicts: ["token"], help: "Let everybody in, also from the network" },
  "openpi": { kind: "flag", group: "Forwarding", help: "The --policy URL is a server of openpi's own protocol" },
  "upstream-token": {
    kind: "string",
    env: "PI0_UPSTREAM_TOKEN",
    group: "Forwarding",
    help: "Token of the server at the --policy URL",
  },
  "no-warm": { kind: "flag", group: "Forwarding", help: "Do not open the connection's window after connecting" },
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
  summary: "put a policy behind HTTP, WebSocket and TCP at once",
  description:
    "Portals: http (POST /infer) and ws (/ws, and openpi's protocol on every other path) share a port, tcp has " +
    "its own. Pages: /healthz, /readyz, /metrics (Prometheus), /info.\n\n" +
    "Without --host the server is reachable from this machine only. With it, a token is needed, unless --no-auth is " +
    "typed. Ctrl-C or SIGTERM stop it: requests in flight are answered first.\n\n" +
    "With --policy URL the server forwards: an unmodified openpi client speaks to it on the robot, and the way to the " +
    "far server is that of the URL.",
  options: OPTIONS,
  examples: [
    { command: "pi0 serve", text: "Serve the null policy on this machine." },
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
  ],
  async run(options, context) {
    const { terminal, clock, signal, version } = context;
    checkToken(options.token);
    requireToken(options.host, options.token, options.noAuth);
    const log = (text: string) => options.quiet ? undefined : terminal.stderr(text);
    const profile = ROBOTS[await chooseRobot(options.policy, options.robot)];
    const upstream = { token: options.upstreamToken, openpi: options.openpi, warm: !options.noWarm };
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
      ...(options.token === undefined ? {} : { token: options.token }),
      ...(options.defaultPrompt === undefined ? {} : { defaultPrompt: options.defaultPrompt }),
    });
    const limits: ListenLimits = {
      maxMessageBytes,
      maxConnections: options.maxConnections,
      messageMs: MESSAGE_MS,
      idleMs: IDLE_MS,
    };
    const ports = { http: options.port, tcp: options.tcpPort };
    const opened = openPortals(service, { hostname: options.host, ports, limits, clock });
    try {
      service.portals = opened.urls;
      await warmUp(policy, signal);
      service.start();
      announce(context, { json: options.json, quiet: options.quiet, policy, service, urls: opened.urls });
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
  const loopback = hostname === "localhost" || hostname === "::1" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
  if (loopback || token !== undefined || noAuth) return;
  throw new UsageError(
    `Cannot listen on ${hostname} without a token: give --token (or PI0_TOKEN), or --no-auth to let everybody in`,
  );
}

interface PortalOptions {
  readonly hostname: string;
  readonly ports: Readonly<Record<keyof typeof PORTALS, number | "off">>;
  readonly limits: ListenLimits;
  readonly clock: Clock;
}

/** Opens the portals that are not off. If one cannot be opened none stays open. */
function openPortals(service: Service, { hostname, ports, limits, clock }: PortalOptions) {
  const listeners: Listener[] = [];
  const urls: Record<string, string> = {};
  for (const [name, portal] of Object.entries(PORTALS) as [keyof typeof PORTALS, Portal][]) {
    const port = ports[name];
    if (port === "off") continue;
    try {
      const listener = portal.listen(service, { hostname, port, limits, clock });
      listeners.push(listener);
      for (const transport of portal.serves) urls[transport] = urlOf(transport, hostname, listener.port);
    } catch (cause) {
      for (const listener of listeners) listener.close(0);
      throw new Error(`Cannot open the ${name} portal on ${hostname}:${port}: ${reason(cause, portal.flag)}`, {
        cause,
      });
    }
  }
  if (listeners.length > 0) return { listeners, urls };
  throw new UsageError("Cannot serve: every portal is off, so leave one of --port and --tcp-port on");
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
  readonly policy: Policy;
  readonly service: PolicyService;
  readonly urls: Readonly<Record<string, string>>;
}

function announce({ terminal, version }: CommandContext, { json, quiet, policy, service, urls }: Announcement): void {
  if (json) terminal.stdout(JSON.stringify({ event: "ready", ...service.info() as object }) + "\n");
  if (quiet) return;
  const shape = `${policy.actionHorizon} × ${policy.actionDim} actions`;
  terminal.stderr(`pi0 ${version} serves ${policy.name} (${shape})\n`);
  for (const [name, url] of Object.entries(urls)) {
    const note = name === "ws" ? `   openpi's clients: ${url.replace(/\/ws$/, "")}` : "";
    terminal.stderr(`  ready  ${name.padEnd(5)} ${url}${note}\n`);
  }
}
