/**
 * The options of every command that plays episodes with policies behind servers: which servers, and how they are
 * reached.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import { TRANSPORT_NAMES } from "../transport/mod.ts";
import { CONGESTION_OPTION, TRUST_OPTIONS } from "./connect.ts";
import { POLICY_OPTIONS } from "./policies.ts";
import type { OptionTable, OptionValues } from "./options.ts";

const GROUP = "Where";

export const SERVER_OPTIONS = {
  "url": {
    kind: "string",
    metavar: "[NAME=]URL",
    multiple: true,
    group: GROUP,
    help: "Server to play with, and what to call it [a server is opened here]",
  },
  "transport": {
    kind: "choice",
    choices: [...TRANSPORT_NAMES, "all"],
    group: GROUP,
    help: "How to reach it [the URL's scheme; all where a server is opened here]",
  },
  "openpi": { kind: "flag", group: GROUP, requires: ["url"], help: "The URLs are servers of openpi's own protocol" },
  "token": { kind: "string", env: "PI0_TOKEN", group: GROUP, help: "The servers' token" },
  ...TRUST_OPTIONS,
  "congestion": { ...CONGESTION_OPTION, group: GROUP },
  "no-warm": { kind: "flag", group: GROUP, help: "Do not open the connections' windows after connecting" },
  "timeout-ms": {
    kind: "integer",
    min: 1,
    max: 3_600_000,
    default: 30_000,
    metavar: "MS",
    group: GROUP,
    help: "For each request, a lost connection's replacement included",
  },
  "connect-timeout-ms": {
    kind: "integer",
    min: 1,
    max: 3_600_000,
    default: 5000,
    metavar: "MS",
    group: GROUP,
    help: "For each connection",
  },
} as const satisfies OptionTable;

/**
 * For runs in which nothing but servers' policies play.
 *
 * @throws {UsageError} where an option says what a policy here should be.
 */
export function refuseOwnPolicy(options: OptionValues<typeof POLICY_OPTIONS>): void {
  const { policy, actionHorizon, actionDim, nullDelayMs, nullJitterMs, nullBusy } = options;
  const isUsual = policy === POLICY_OPTIONS.policy.default && actionHorizon === undefined &&
    actionDim === undefined && nullDelayMs === 0 && nullJitterMs === 0 && !nullBusy;
  if (isUsual) return;
  throw new UsageError("Cannot choose the policy of a far server: give its options to pi0 serve there");
}
