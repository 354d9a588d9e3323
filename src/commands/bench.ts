/**
 * `pi0 bench`: what each transport costs to reach a policy.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import { gather } from "../measure/gather.ts";
import { type Plan, runRounds } from "../measure/rounds.ts";
import { closedLoop, paced } from "../measure/schedule.ts";
import { summarizeTransport, type TransportRun } from "../measure/statistics.ts";
import { findWarnings } from "../measure/verdict.ts";
import { seededRandom } from "../random.ts";
import { type Journal, openJournal } from "../report/journal.ts";
import { type BenchResults, RESULTS_SCHEMA, writeResults } from "../report/results.ts";
import { breakdownTable, latencyTable, zeroRttNotes } from "../report/table.ts";
import { exampleObservations } from "../robot/frames.ts";
import { ROBOT_NAMES, type RobotName } from "../robot/mod.ts";
import type { RobotProfile } from "../robot/profile.ts";
import { TRANSPORT_NAMES } from "../transport/mod.ts";
import type { Metadata } from "../types.ts";
import { measuredClient } from "./client.ts";
import { CONGESTION_OPTION, TRUST_OPTIONS } from "./connect.ts";
import { describeEnvironment } from "./environment.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { COMMON_OPTIONS, type OptionTable, type OptionValues } from "./options.ts";
import { MODEL_OPTION_NAMES } from "./model_options.ts";
import { chooseRobot, POLICY_OPTIONS } from "./policies.ts";
import { withoutSecrets } from "./secrets.ts";
import { findTargets, type Found } from "./targets.ts";
import { createProgress } from "./terminal.ts";

/** Round trips that are probed per round, for the floor. */
const PINGS = 10;

const OPTIONS = {
  "url": {
    kind: "url",
    group: "Where",
    help: "Server to measure: http, ws, tcp, https, wss, tcps, quic, quic-tcp; a path is used as typed",
  },
  "transport": {
    kind: "choice",
    choices: [...TRANSPORT_NAMES, "all"],
    group: "Where",
    requires: ["url"],
    help: "How to reach it [the URL's scheme]; others are found through what the server says of itself",
  },
  "mode": {
    kind: "choice",
    choices: ["remote", "local"],
    default: "remote",
    group: "Where",
    help: "local measures a policy inside this process, without a network",
  },
  "openpi": {
    kind: "flag",
    group: "Where",
    requires: ["url"],
    help: "Speak openpi's own protocol, to any openpi server; nothing else is sent to it",
  },
  "token": { kind: "string", env: "PI0_TOKEN", group: "Where", help: "The server's token" },
  ...TRUST_OPTIONS,
  "congestion": { ...CONGESTION_OPTION, group: "Where" },
  "requests": {
    kind: "integer",
    short: "n",
    min: 1,
    max: 10_000_000,
    default: 200,
    group: "How much",
    help: "Measured requests per transport",
  },
  "warmup": {
    kind: "integer",
    min: 0,
    max: 100_000,
    default: 5,
    group: "How much",
    help: "Requests thrown away on each new connection",
  },
  "rounds": {
    kind: "integer",
    min: 1,
    max: 10_000,
    default: 5,
    group: "How much",
    help: "Turns of each transport, in random order, each on a new connection",
  },
  "concurrency": {
    kind: "integer",
    min: 1,
    max: 1024,
    default: 1,
    group: "How much",
    help: "Connections at once, each with one request in flight",
  },
  "hz": {
    kind: "number",
    min: 0.001,
    max: 100_000,
    group: "How much",
    help: "Send at this rate; latency counts from when a request was due [one after the other]",
  },
  "no-warm": { kind: "flag", group: "How much", help: "Do not open the connection's window after connecting" },
  "robot": {
    kind: "choice",
    choices: ROBOT_NAMES,
    group: "What",
    help: "Whose observations, where the server or the model is not to say [theirs]",
  },
  "pictures": {
    kind: "integer",
    min: 1,
    max: 4,
    group: "What",
    help: "Pictures in each observation [those that the robot must send]",
  },
  "prompt": { kind: "string", group: "What", help: "Instruction to send along [the server's own, where it has one]" },
  "seed": {
    kind: "integer",
    min: 0,
    max: 2 ** 32 - 1,
    default: 0,
    group: "What",
    help: "Decides the order of transports and pictures",
  },
  "timeout-ms": {
    kind: "integer",
    min: 1,
    max: 3_600_000,
    default: 10_000,
    metavar: "MS",
    group: "Limits",
    help: "For each request",
  },
  "connect-timeout-ms": {
    kind: "integer",
    min: 1,
    max: 3_600_000,
    default: 5000,
    metavar: "MS",
    group: "Limits",
    help: "For each connection",
  },
  "out": { kind: "string", metavar: "FILE", group: "Results", help: "Write everything measured to a JSON file" },
  ...POLICY_OPTIONS,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

type BenchOptions = OptionValues<typeof OPTIONS>;

export const bench = defineCommand({
  name: "bench",
  summary: "measure what each transport costs to reach a policy",
  description:
    "Sends real observations (32 pictures of a simulated ALOHA episode with their joint states) and measures connecting, the " +
    "first request and the steady state apart. Every request encodes another picture inside the measured time.\n\n" +
    "The parts of a request come from durations of one clock each; the network's is what remains of the round trip " +
    "after the time that the server says it held the request. Ctrl-C shows what was measured so far; with --out, not " +
    "even a crash loses it (FILE.partial.jsonl).\n\n" +
    "The policy options are for --mode local.",
  options: OPTIONS,
  examples: [
    {
      command: "pi0 bench --url http://127.0.0.1:8000 --transport all",
      text: "Compare every way of reaching that server.",
    },
    { command: "pi0 bench --url ws://gpu-box:8000 -n 1000 --out ws.json", text: "Measure one, and keep every sample." },
    {
      command: "pi0 bench --url tcp://gpu-box:8765 --hz 5",
      text: "Ask five times a second, as a robot that replans every 200 ms.",
    },
    { command: "pi0 bench --url ws://gpu-box:8000 --openpi", text: "Measure openpi's own Python server." },
    { command: "pi0 bench --mode local", text: "See what is left without any network." },
  ],
  async run(options, context) {
    checkOptions(options);
    const { clock, signal, terminal } = context;
    const robot = options.mode === "local" ? await chooseRobot(options.policy, options.robot) : options.robot;
    await using found = await findTargets(options, robot, context);
    const { profile } = found;
    const { seed, pictures } = options;
    checkPictures(pictures, profile);
    const prompt = options.prompt ?? defaultPromptOf(found.info);
    const observations = await exampleObservations(profile, { seed, prompt, cameras: pictures });
    const targets = found.targets.map(({ transport, url, open }) => ({
      transport,
      url,
      open: () =>
        measuredClient(open(), observations, { warm: !options.noWarm && !options.openpi && transport !== "local" }),
    }));
    const { hz } = options;
    const plan: Plan = {
      targets,
      rounds: Math.min(options.rounds, options.requests),
      count: options.requests,
      warmUp: options.warmup,
      pings: PINGS,
      concurrency: options.concurrency,
      schedule: (count) => hz === undefined ? closedLoop(count) : paced({ hz, count }),
      clock,
      random: seededRandom(options.seed),
      signal,
      startMs: clock.now(),
    };
    const startedAt = new Date().toISOString();
    const command = ["bench", ...withoutSecrets(context.argv)];
    using journal = options.out === undefined ? undefined : openJournal(options.out);
    journal?.append({ event: "run", startedAt, command });
    const runs = await measure(plan, context, options, journal);
    const summaries = runs.map(summarizeTransport);
    const results: BenchResults = {
      schema: RESULTS_SCHEMA,
      startedAt,
      command,
      seed: options.seed,
      options: plainOptions({ ...options, prompt, robot: profile.name as RobotName }),
      environment: await describeEnvironment(context.version),
      server: found.info,
      summaries,
      warnings: findWarnings(summaries),
      samples: runs.flatMap(({ samples }) => samples),
      pings: runs.flatMap(({ pings }) => pings),
      connects: runs.flatMap(({ connects }) => connects),
      interrupted: signal.aborted,
    };
    if (options.out !== undefined) await writeResults(options.out, results);
    journal?.discard();
    if (options.json) terminal.stdout(JSON.stringify(results, null, 1) + "\n");
    else print(results, found, profile, context, options);
    return signal.aborted || summaries.some(({ count }) => count === 0) ? 1 : 0;
  },
});

function checkOptions(options: BenchOptions): void {
  if (options.mode === "local") {
    if (options.url !== undefined) throw new UsageError("Cannot use --url with --mode local: nothing is reached");
    if (options.insecure || options.ca !== undefined || options.certSha256 !== undefined) {
      throw new UsageError("Cannot use --ca, --cert-sha256 or --insecure with --mode local: nobody is trusted there");
    }
    return;
  }
  const own = options.policy !== POLICY_OPTIONS.policy.default || options.actionHorizon !== undefined ||
    options.actionDim !== undefined ||
    options.nullDelayMs > 0 || options.nullJitterMs > 0 || options.nullBusy ||
    MODEL_OPTION_NAMES.some((name) => options[name]);
  if (own) throw new UsageError("Cannot choose the policy of a far server: give its options to pi0 serve there");
  if (options.url === undefined) {
    throw new UsageError("Cannot measure without a server: give --url, for example --url http://127.0.0.1:8000");
  }
  if (options.openpi && options.transport !== undefined && options.transport !== "ws") {
    throw new UsageError(`Cannot use --openpi with --transport ${options.transport}: openpi speaks WebSocket only`);
  }
}

/** The instruction that a server gives to requests without one; robots send theirs along, so the benchmark does. */
function defaultPromptOf(info: Metadata | null): string | undefined {
  const prompt = info?.["defaultPrompt"];
  return typeof prompt === "string" ? prompt : undefined;
}

function checkPictures(count: number | undefined, { name, cameras }: RobotProfile): void {
  if (count === undefined) return;
  const least = cameras.filter(({ required }) => required).length;
  if (count >= least && count <= cameras.length) return;
  const range = least === cameras.length ? `${least}` : `${least} to ${cameras.length}`;
  throw new UsageError(`Cannot send ${count} pictures: ${name} sends ${range}`);
}

/** Measures, shows the progress, and keeps everything as it comes. */
async function measure(
  plan: Plan,
  { terminal, clock }: CommandContext,
  { hz, quiet }: BenchOptions,
  journal: Journal | undefined,
): Promise<readonly TransportRun[]> {
  const progress = createProgress(terminal, clock, { quiet });
  const { runs, add } = gather(plan.targets, hz === undefined ? undefined : 1000 / hz);
  progress.start(plan.count * plan.targets.length, "bench");
  let done = 0;
  try {
    for await (const measured of runRounds(plan)) {
      journal?.append(measured);
      add(measured);
      if (measured.event === "sample") progress.advance(++done, `${measured.transport}, round ${measured.round + 1}`);
    }
  } finally {
    progress.end();
  }
  return runs;
}

function print(
  results: BenchResults,
  found: Found,
  profile: RobotProfile,
  { terminal }: CommandContext,
  options: BenchOptions,
): void {
  const { summaries, warnings, interrupted } = results;
  const { color } = terminal;
  const load = options.hz === undefined ? "closed loop" : `${options.hz} Hz`;
  const connections = options.concurrency === 1 ? "1 connection" : `${options.concurrency} connections`;
  terminal.stdout(
    `${found.description}\n${profile.name} observations, ${load}, ${connections}, ` +
      `${options.rounds} rounds in random order, seed ${options.seed}\n\n`,
  );
  terminal.stdout(
    `${latencyTable(summaries, { color })}${zeroRttNotes(summaries)}\n${breakdownTable(summaries, { color })}`,
  );
  if (warnings.length > 0) terminal.stdout("\n");
  for (const { transport, message } of warnings) terminal.stdout(`${transport}: ${message}\n`);
  for (const { transport, error } of results.connects) {
    if (error !== undefined) terminal.stderr(`pi0: ${transport}: ${error.message}\n`);
  }
  if (interrupted) terminal.stderr("pi0: interrupted; the table shows what was measured until then\n");
  if (options.out !== undefined && !options.quiet) terminal.stderr(`pi0: everything measured is in ${options.out}\n`);
}

function plainOptions(options: BenchOptions): Metadata {
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, value]) =>
      value === undefined || name === "token" || name === "help" ? [] : [[name, value]]
    ),
  ) as Metadata;
}
