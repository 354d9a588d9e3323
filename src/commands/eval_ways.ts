/**
 * The modes of `pi0 eval`: the ways on which observations reach a policy.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import { ROBOTS } from "../robot/mod.ts";
import { PolicyService } from "../serving/service.ts";
import { fingerprintOf, makeIdentity } from "../transport/certificate.ts";
import { type Portal, PORTALS, urlOf } from "../transport/mod.ts";
import type { Congestion, Listener, Trust } from "../transport/transport.ts";
import type { Metadata } from "../types.ts";
import type { CommandContext } from "./command.ts";
import type { TRUST_OPTIONS } from "./connect.ts";
import { parseNamedUrl } from "./eval_plan.ts";
import type { OptionValues } from "./options.ts";
import { createPolicy, makeReady, type POLICY_OPTIONS } from "./policies.ts";
import { findTargets } from "./targets.ts";
import { createProgress } from "./terminal.ts";

/** One mode. */
export interface Way {
  /** What it is called in results. */
  readonly mode: string;
  /** Where the policy is; absent where it runs in the thread that plays the episode. */
  readonly url?: string;
  readonly transport?: string;
  /** How the server's certificate is judged on that way. */
  readonly trust?: Trust;
  /** What the server says of itself. */
  readonly server?: Metadata;
}

export interface WayOptions extends OptionValues<typeof POLICY_OPTIONS>, OptionValues<typeof TRUST_OPTIONS> {
  readonly mode: "local" | "remote" | "compare";
  readonly url: readonly string[];
  readonly transport: string | undefined;
  readonly openpi: boolean;
  readonly token: string | undefined;
  readonly congestion: Congestion | undefined;
  readonly noWarm: boolean;
  readonly quiet: boolean;
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
}

export interface Ways extends AsyncDisposable {
  readonly ways: readonly Way[];
}

export const LOCAL = "local";

/**
 * Finds the ways, asking the servers. To compare without a URL, a server is opened here, with the same policy.
 *
 * @throws {UsageError} where two ways have one name, or a URL and the transport do not fit.
 * @throws {TransportError} {PolicyError} where a server cannot be asked.
 */
export async function findWays(options: WayOptions, context: CommandContext): Promise<Ways> {
  await using stack = new AsyncDisposableStack();
  const ways: Way[] = options.mode === "remote" ? [] : [{ mode: LOCAL }];
  if (options.mode !== "local") {
    const own = options.url.length === 0 ? stack.use(await openOwnServer(options, context)) : undefined;
    const servers = own === undefined ? options.url.map(parseNamedUrl) : [{ url: own.url }];
    const transport = own === undefined ? options.transport : options.transport ?? "all";
    for (const { name, url } of servers) {
      const target = { ...options, mode: "remote" as const, url, transport };
      await using found = await findTargets(target, "aloha", context);
      const several = found.targets.length > 1;
      for (const { transport, url, trust } of found.targets) {
        const mode = name === undefined ? transport : several ? `${name}-${transport}` : name;
        const trusted = trust === undefined ? {} : { trust };
        ways.push({ mode, url, transport, ...trusted, ...(found.info === null ? {} : { server: found.info }) });
      }
    }
  }
  const modes = ways.map(({ mode }) => mode);
  const twice = modes.find((mode, i) => modes.indexOf(mode) !== i);
  if (twice !== undefined) {
    throw new UsageError(`Cannot call two modes ${twice}: name the servers with --url NAME=URL, each differently`);
  }
  const moved = stack.move();
  return { ways, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

/** A server in this process, on free ports of this machine, with the policy that was asked for. */
async function openOwnServer(
  options: WayOptions,
  { clock, signal, version, env, terminal }: CommandContext,
): Promise<AsyncDisposable & { readonly url: string }> {
  await using stack = new AsyncDisposableStack();
  const profile = ROBOTS.aloha;
  const upstream = { token: options.token, trust: undefined, openpi: options.openpi, warm: !options.noWarm };
  const log = (line: string) => options.quiet ? undefined : terminal.stderr(`pi0: ${line}\n`);
  const progress = createProgress(terminal, clock, options);
  const surroundings = { onRetry: () => undefined, env, progress, log };
  const policy = stack.use(await createPolicy({ profile, clock, options, upstream, ...surroundings }));
  const maxMessageBytes = 16_000_000;
  const limits = { maxMessageBytes, maxConnections: 1024, messageMs: 30_000, idleMs: 3_600_000 };
  const service = new PolicyService({
    policy,
    profile,
    clock,
    queueCapacity: 1024,
    maxSessions: 1024,
    maxMessageBytes,
    version,
    residentBytes: () => Deno.memoryUsage().rss,
    ...(options.token === undefined ? {} : { token: options.token }),
  });
  const hostname = "127.0.0.1";
  const urls: Record<string, string> = {};
  const identity = await makeIdentity({ names: ["localhost", hostname] });
  service.tls = { sha256: fingerprintOf(identity.certPem) };
  for (const portal of Object.values<Portal>(PORTALS)) {
    const encryption = portal.encrypted === true ? { identity } : {};
    const listener: Listener = portal.listen(service, { hostname, port: 0, clock, limits, ...encryption });
    stack.defer(() => listener.close(0));
    for (const transport of portal.serves) urls[transport] = urlOf(transport, hostname, listener.port);
  }
  service.portals = urls;
  await makeReady(policy, signal);
  service.start();
  const moved = stack.move();
  return { url: urls.http!, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}
