/**
 * Which ways lead to the server that bench was given.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import { RemotePolicy } from "../policy/remote.ts";
import { ROBOT_NAMES, type RobotName, ROBOTS } from "../robot/mod.ts";
import type { RobotProfile } from "../robot/profile.ts";
import { PolicyService } from "../serving/service.ts";
import { connectLocal } from "../transport/local.ts";
import { TRANSPORT_NAMES, transportOf } from "../transport/mod.ts";
import type { Congestion, Trust } from "../transport/transport.ts";
import type { Metadata } from "../types.ts";
import { hasRobodalDialect } from "../wire/request.ts";
import type { CommandContext } from "./command.ts";
import { checkTrust, isLoopback, readTrust, remotePolicy, type TRUST_OPTIONS } from "./connect.ts";
import type { OptionValues } from "./options.ts";
import { createPolicy, POLICY_OPTIONS } from "./policies.ts";
import { createProgress } from "./terminal.ts";

/** Where nobody says. */
const USUAL_ROBOT: RobotName = "aloha";

export interface TargetOptions extends OptionValues<typeof POLICY_OPTIONS>, OptionValues<typeof TRUST_OPTIONS> {
  readonly url: string | undefined;
  readonly transport: string | undefined;
  readonly mode: "remote" | "local";
  readonly openpi: boolean;
  readonly token: string | undefined;
  readonly congestion: Congestion | undefined;
  readonly noWarm: boolean;
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly quiet: boolean;
}

/** One way to the policy. */
export interface Target {
  readonly transport: string;
  readonly url: string;
  /** How the server's certificate is judged on that way; undefined: by the runtime's roots. */
  readonly trust: Trust | undefined;
  open(): RemotePolicy;
}

/** What there is to measure. */
export interface Found extends AsyncDisposable {
  readonly targets: readonly Target[];
  /** What the server says of itself, or null where it says nothing. */
  readonly info: Metadata | null;
  /** Of the robot whose observations the server takes. */
  readonly profile: RobotProfile;
  /** One line for the report. */
  readonly description: string;
}

/**
 * Finds the targets, asking the server where that is needed.
 *
 * @param robot whose observations will be sent; undefined: whose the server takes (openpi's does not say: aloha's).
 * @throws {UsageError} where the URL and the transport do not fit.
 * @throws {TransportError} {PolicyError} where the server cannot be asked.
 */
export async function findTargets(
  options: TargetOptions,
  robot: RobotName | undefined,
  context: CommandContext,
): Promise<Found> {
  return options.mode === "local"
    ? await localTarget(options, ROBOTS[robot ?? USUAL_ROBOT], context)
    : await remoteTargets(options, options.url!, robot, context);
}

async function remoteTargets(
  options: TargetOptions,
  typed: string,
  robot: RobotName | undefined,
  { clock, signal }: CommandContext,
): Promise<Found> {
  const { openpi, token, congestion } = options;
  const trust = await readTrust(options);
  const opener = (trust: Trust | undefined, profile: RobotProfile) => (url: string) =>
    remotePolicy({
      url,
      profile,
      clock,
      connectMs: options.connectTimeoutMs,
      requestMs: options.timeoutMs,
      token,
      trust,
      congestion,
      openpi,
      warm: !options.noWarm,
      timing: true,
      exact: false,
    });
  const own = transportOf(new URL(typed), openpi);
  if (options.transport === undefined || options.transport === own.name) checkTrust(trust, [typed]);
  const usual: RobotProfile = ROBOTS[robot ?? USUAL_ROBOT];
  const open = opener(trust, usual);
  await using asked = open(typed);
  if (openpi) {
    await asked.open(signal, 0);
    const { metadata: info } = asked;
    return found([{ name: "ws", url: typed }], trust, open, {
      info,
      profile: usual,
      description: `openpi server at ${typed}`,
    });
  }
  const wanted = options.transport ?? own.name;
  // Once and at once: a server that is not there is told to the user, not waited for.
  await asked.open(signal, 0);
  const info = await asked.fetchInfo(signal);
  const profile = chooseProfile(info, robot, typed);
  const portals = portalsOf(info, own.url);
  portals.set(own.name, String(own.url));
  const names = wanted === "all" ? TRANSPORT_NAMES.filter((name) => portals.has(name)) : [wanted];
  const urls = names.map((name) => {
    const url = portals.get(name);
    if (url !== undefined) return { name, url };
    throw new UsageError(`Cannot measure ${name}: ${typed} offers ${[...portals.keys()].join(", ")}`);
  });
  checkTrust(trust, urls.map(({ url }) => url));
  const shape = `${info.actionHorizon} × ${info.actionDim} actions`;
  const description = `pi0 ${info.version} at ${typed}: policy ${info.policy}, ${info.robot}, ${shape}`;
  const judged = trust ?? localTrust(info, own.url);
  return found(urls, judged, opener(judged, profile), { info, profile, description });
}

/** @throws {UsageError} where another robot was typed than the server serves, or the server's is unknown here. */
function chooseProfile({ robot: served }: Metadata, wanted: RobotName | undefined, url: string): RobotProfile {
  if (wanted !== undefined && served !== wanted) {
    const remedy = `use --robot ${served}, or ask another server`;
    throw new UsageError(`Cannot measure with observations of ${wanted}: ${url} serves ${served}; ${remedy}`);
  }
  const name = ROBOT_NAMES.find((one) => one === served);
  if (name !== undefined) return ROBOTS[name];
  throw new UsageError(`Cannot measure ${url}: it serves ${served}, and pi0 knows ${ROBOT_NAMES.join(", ")}`);
}

/** On this machine a server's own word is enough to find its certificate, where nothing else was said. */
export function localTrust({ tls }: Metadata, reached: URL): Trust | undefined {
  const sha256 = tls !== null && typeof tls === "object" && !Array.isArray(tls) ? (tls as Metadata).sha256 : undefined;
  return typeof sha256 === "string" && isLoopback(reached.hostname) ? { kind: "pin", sha256 } : undefined;
}

/** The server's portals as they look from here: it may not know the name by which it was reached. */
export function portalsOf(info: Metadata, reached: URL): Map<string, string> {
  const { portals } = info;
  if (typeof portals !== "object" || portals === null || Array.isArray(portals)) return new Map();
  return new Map(
    Object.entries(portals as Metadata).map(([name, value]) => {
      const url = new URL(String(value));
      url.hostname = reached.hostname;
      return [name, String(url)];
    }),
  );
}

function found(
  urls: readonly { name: string; url: string }[],
  trust: Trust | undefined,
  open: (url: string) => RemotePolicy,
  rest: Pick<Found, "info" | "profile" | "description">,
): Found {
  return {
    targets: urls.map(({ name, url }) => ({ transport: name, url, trust, open: () => open(url) })),
    ...rest,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function localTarget(
  options: TargetOptions,
  profile: RobotProfile,
  { clock, signal, version, env, terminal }: CommandContext,
): Promise<Found> {
  const upstream = { token: options.token, trust: undefined, openpi: false, warm: !options.noWarm };
  const policy = await createPolicy({
    profile,
    clock,
    options,
    upstream,
    onRetry: () => undefined,
    env,
    progress: createProgress(terminal, clock, { quiet: options.quiet }),
    log: (line) => options.quiet ? undefined : terminal.stderr(`pi0: ${line}\n`),
  });
  await policy.warmUp(signal);
  const limits = { queueCapacity: 1024, maxSessions: 1024 };
  const service = new PolicyService({
    policy,
    profile,
    clock,
    version,
    ...limits,
    maxMessageBytes: 2 ** 30,
    residentBytes: () => Deno.memoryUsage().rss,
  });
  service.start();
  const name = "local";
  const open = () =>
    new RemotePolicy({
      name,
      profile,
      clock,
      connectMs: options.connectTimeoutMs,
      requestMs: options.timeoutMs,
      dialect: hasRobodalDialect(profile) ? "robodal" : "openpi",
      timing: true,
      foreign: false,
      warm: false,
      connect: (_, signal) =>
        connectLocal(service, { clock, connectMs: options.connectTimeoutMs, maxMessageBytes: 2 ** 30, signal }),
    });
  return {
    targets: [{ transport: name, url: "in this process", trust: undefined, open }],
    info: service.info(),
    profile,
    description: `pi0 ${version} in this process: policy ${policy.name}, ${profile.name}`,
    [Symbol.asyncDispose]: () => policy[Symbol.asyncDispose](),
  };
}
