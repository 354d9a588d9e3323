/**
 * What can stand behind `--policy`, as a table: a new kind of policy is one entry here.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { UsageError } from "../errors.ts";
import { readManifest } from "../pi0/model_folder.ts";
import { readPolicySettings } from "../pi0/policy_settings.ts";
import { NullPolicy } from "../policy/null.ts";
import { RemotePolicy } from "../policy/remote.ts";
import { readRecording } from "../policy/replay.ts";
import { withoutSimulation } from "../policy/without_simulation.ts";
import { seededRandom } from "../random.ts";
import type { RobotName } from "../robot/mod.ts";
import type { RobotProfile } from "../robot/profile.ts";
import type { Congestion, Trust } from "../transport/transport.ts";
import type { Policy } from "../types.ts";
import { checkTrust, remotePolicy } from "./connect.ts";
import {
  isModelFolder,
  isRandomModel,
  MINI,
  MODEL_OPTION_NAMES,
  MODEL_OPTIONS,
  type ModelSurroundings,
  openModelPolicy,
} from "./model_options.ts";
import { nearest, type OptionTable, type OptionValues } from "./options.ts";
import type { Progress } from "./terminal.ts";

const GROUP = "Policy";

/** The options of every command that can run a policy of its own. */
export const POLICY_OPTIONS = {
  "policy": {
    kind: "string",
    metavar: "POLICY",
    default: MINI,
    group: GROUP,
    help:
      "Who decides: mini (a small π₀ that comes with pi0), null (stay where you are), expert (scripted, for simulated worlds), replay:FILE (the actions " +
      "of an episode.json), a model folder, random:pi0, random:pi05 or random:tiny (made-up weights, for measuring), " +
      "or a URL (forward there: ws://, tcp://, quic:// …)",
  },
  "action-horizon": { kind: "integer", min: 1, max: 1000, group: GROUP, help: "Rows that null predicts [the robot's]" },
  "action-dim": { kind: "integer", min: 1, max: 256, group: GROUP, help: "Numbers per row of null [the robot's]" },
  "null-delay-ms": {
    kind: "number",
    min: 0,
    max: 60_000,
    default: 0,
    metavar: "MS",
    group: GROUP,
    help: "How long an inference of null takes",
  },
  "null-jitter-ms": {
    kind: "number",
    min: 0,
    max: 60_000,
    default: 0,
    metavar: "MS",
    group: GROUP,
    requires: ["null-delay-ms"],
    help: "Vary that by up to so much, both ways",
  },
  "null-busy": {
    kind: "flag",
    group: GROUP,
    requires: ["null-delay-ms"],
    help: "Keep a processor core busy meanwhile, as a model would",
  },
  ...MODEL_OPTIONS,
} as const satisfies OptionTable;

/** What a policy is made from. */
export interface PolicyParts {
  readonly profile: RobotProfile;
  readonly clock: Clock;
  readonly options: OptionValues<typeof POLICY_OPTIONS>;
  /** For a policy behind a URL. */
  readonly upstream: {
    readonly token: string | undefined;
    readonly trust: Trust | undefined;
    readonly congestion?: Congestion | undefined;
    readonly openpi: boolean;
    readonly warm: boolean;
  };
  readonly onRetry: (error: Error) => void;
  readonly env: (name: string) => string | undefined;
  readonly progress: Progress;
  /** Told what a model is loaded with, and what was tried before. */
  readonly log: (line: string) => void;
  /** Whether a random model shall give its intermediate values, too. */
  readonly probes?: boolean;
}

interface PolicyKind {
  /** How it is written, for messages. */
  readonly form: string;
  matches(text: string): boolean;
  /** Options that mean nothing to other kinds. */
  readonly own: readonly (keyof OptionValues<typeof POLICY_OPTIONS>)[];
  /** Whose observations it takes, where it knows one robot only. */
  robotOf?(text: string): Promise<RobotName>;
  /** Whether it may know the truth about a simulated world, instead of what can be seen and felt. */
  readonly readsSimulation: boolean;
  create(text: string, parts: PolicyParts): Policy | Promise<Policy>;
}

const NULL_OPTIONS = ["actionHorizon", "actionDim", "nullDelayMs", "nullJitterMs", "nullBusy"] as const;

const POLICIES = {
  mini: {
    form: MINI,
    matches: (text) => text === MINI,
    own: MODEL_OPTION_NAMES,
    robotOf: () => Promise.resolve("aloha"),
    readsSimulation: false,
    create: createModel,
  },
  null: {
    form: "null",
    matches: (text) => text === "null",
    own: NULL_OPTIONS,
    readsSimulation: false,
    create: (_, { profile, clock, options }) =>
      new NullPolicy({
        actionHorizon: options.actionHorizon ?? profile.actionHorizon,
        actionDim: options.actionDim ?? profile.actionDim,
        clock,
        random: seededRandom(0),
        delayMs: options.nullDelayMs,
        jitterMs: options.nullJitterMs,
        busy: options.nullBusy,
      }),
  },
  expert: {
    form: "expert",
    matches: (text) => text === "expert",
    own: [],
    readsSimulation: true,
    create: async (text, parts) => {
      requireAloha(text, parts);
      // Loaded when it is used: physics takes longer to load than all the rest.
      const [{ ExpertPolicy }, { builtinScene }] = await Promise.all([
        import("../sim/expert.ts"),
        import("../sim/scenes/builtin.ts"),
      ]);
      return new ExpertPolicy(builtinScene("transfer_cube"));
    },
  },
  replay: {
    form: "replay:FILE",
    matches: (text) => text.startsWith("replay:"),
    own: [],
    // Only the step: a recording has no other way to know its place.
    readsSimulation: true,
    create: async (text, parts) => {
      requireAloha(text, parts);
      const path = text.slice("replay:".length);
      if (path === "") throw new UsageError("Cannot use --policy replay: without a file: write replay:FILE");
      return await readRecording(path, parts.profile.actionDim);
    },
  },
  random: {
    form: "random:NAME",
    matches: isRandomModel,
    own: MODEL_OPTION_NAMES,
    readsSimulation: false,
    create: createModel,
  },
  remote: {
    form: "a URL",
    matches: (text) => /^[a-z-]+:\/\//i.test(text),
    own: [],
    // The far server knows what its policy may see.
    readsSimulation: true,
    create: (text, { profile, clock, upstream, onRetry }) => {
      if (!URL.canParse(text)) throw new UsageError(`Cannot use --policy ${text}: it is no URL such as ws://host:8000`);
      checkTrust(upstream.trust, [text]);
      const limits = { connectMs: 5000, requestMs: 30_000 };
      return remotePolicy({ url: text, profile, clock, ...limits, ...upstream, timing: true, exact: true, onRetry });
    },
  },
  folder: {
    form: "a model folder",
    matches: isModelFolder,
    own: MODEL_OPTION_NAMES,
    robotOf: async (folder) => readPolicySettings((await readManifest(folder)).policy, folder).robot,
    readsSimulation: false,
    create: createModel,
  },
} satisfies Record<string, PolicyKind>;

/**
 * Makes the policy that was asked for; it is not warmed up yet.
 *
 * @throws {UsageError} where there is no such policy, or options of another kind are given.
 */
export async function createPolicy(parts: PolicyParts): Promise<Policy> {
  const { options } = parts;
  const text = options.policy;
  const kinds: PolicyKind[] = Object.values(POLICIES);
  const kind = kinds.find((kind) => kind.matches(text));
  if (kind === undefined) {
    const forms = kinds.map((kind) => kind.form);
    const similar = nearest(wordOf(text), forms.map(wordOf));
    const hint = similar === undefined ? "" : ` (did you mean ${forms.find((form) => wordOf(form) === similar)}?)`;
    throw new UsageError(`Cannot use --policy ${text}: policies are ${forms.join(", ")}${hint}`);
  }
  for (
    const [names, owner] of [
      [NULL_OPTIONS, "--policy null"],
      [MODEL_OPTION_NAMES, "a model, such as --policy mini or a folder"],
    ] as const
  ) {
    const stray = names.find((name) => !kind.own.includes(name) && options[name]);
    if (stray === undefined) continue;
    const flag = stray.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(`Cannot use --${flag} with --policy ${text}: it belongs to ${owner}`);
  }
  const { openpi, trust } = parts.upstream;
  const farOnly = openpi ? "--openpi" : trust !== undefined ? "--ca, --cert-sha256 or --insecure" : undefined;
  if (farOnly !== undefined && kind.form !== POLICIES.remote.form) {
    throw new UsageError(`Cannot use ${farOnly} with --policy ${text}: it belongs to a --policy URL`);
  }
  const policy = await kind.create(text, parts);
  return kind.readsSimulation ? policy : withoutSimulation(policy);
}

/**
 * Makes a policy ready for its first observation.
 *
 * A server that is not there is told to the user; only `pi0 serve`, which may be started before it, waits for one.
 *
 * @throws {TransportError} where a far policy cannot be reached. @throws {PolicyError} where it turns us away.
 */
export async function makeReady(policy: Policy, signal: AbortSignal): Promise<void> {
  if (policy instanceof RemotePolicy) await policy.open(signal, 0);
  await policy.warmUp(signal);
}

/** `replay:FILE` → `replay`. */
function wordOf(form: string): string {
  return form.split(":")[0]!;
}

/** @throws {UsageError} where the policy knows another robot than the one asked for. */
function requireAloha(text: string, { profile }: PolicyParts): void {
  if (profile.name === "aloha") return;
  throw new UsageError(`Cannot use --policy ${text} with --robot ${profile.name}: it acts for aloha`);
}

async function createModel(text: string, parts: PolicyParts): Promise<Policy> {
  const { profile, probes = false } = parts;
  const surroundings: ModelSurroundings = { ...parts, robot: profile.name as RobotName, probes };
  return await openModelPolicy(text, surroundings);
}

/**
 * Whose observations a policy takes: those of the robot that it was trained for, else of the one that was typed.
 *
 * @param typed what `--robot` says; undefined where it was not given.
 * @throws {UsageError} where both differ.
 */
export async function chooseRobot(policy: string, typed: RobotName | undefined): Promise<RobotName> {
  const kinds: PolicyKind[] = Object.values(POLICIES);
  const robot = await kinds.find((kind) => kind.matches(policy))?.robotOf?.(policy);
  if (robot === undefined) return typed ?? "aloha";
  if (typed === undefined || typed === robot) return robot;
  throw new UsageError(
    `Cannot use --robot ${typed} with --policy ${policy}: its robot is ${robot}; choose a policy for ${typed}, such as --policy null`,
  );
}
