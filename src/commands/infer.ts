/**
 * `pi0 infer`: one observation, one answer, no server.
 *
 * @module
 */

import { join } from "node:path";
import { UsageError } from "../errors.ts";
import { ROBOT_NAMES, type RobotName, ROBOTS } from "../robot/mod.ts";
import type { ActionChunk, Observation } from "../types.ts";
import { Encoder } from "../wire/msgpack.ts";
import { encodeReply } from "../wire/reply.ts";
import type { Dialect } from "../wire/request.ts";
import { defineCommand } from "./command.ts";
import { describeCut, isModel, MODEL_OPTIONS, openModelPolicy } from "./model_options.ts";
import { observationFromFlags, readObservation } from "./observation_file.ts";
import { COMMON_OPTIONS, type OptionTable } from "./options.ts";
import { chooseRobot } from "./policies.ts";
import { createProgress } from "./terminal.ts";

const GROUP = "Observation";

const OPTIONS = {
  "policy": {
    kind: "positional",
    required: true,
    help: "mini, a model folder, random:pi0, random:pi05 or random:tiny",
  },
  "observation": {
    kind: "string",
    metavar: "FILE",
    group: GROUP,
    conflicts: ["camera", "state"],
    help: "A message as robots send it: MessagePack, or JSON if the name ends in .json",
  },
  "camera": {
    kind: "string",
    metavar: "NAME=PNG",
    multiple: true,
    group: GROUP,
    help: "A picture, instead of --observation",
  },
  "state": { kind: "string", metavar: "N,…", group: GROUP, help: "The robot's state, instead of --observation" },
  "prompt": { kind: "string", group: GROUP, help: "Instruction [the observation's, or the model's own]" },
  "noise": {
    kind: "string",
    metavar: "FILE",
    group: GROUP,
    conflicts: ["seed"],
    help: "What to start from: raw little-endian float32, as many rows and columns as the model has",
  },
  "seed": {
    kind: "integer",
    min: 0,
    max: 2 ** 32 - 1,
    group: GROUP,
    help: "Draws the noise; 0 is a fresh openpi server's [0]",
  },
  "robot": {
    kind: "choice",
    choices: ROBOT_NAMES,
    group: GROUP,
    help: "Whose observation [the robot of the model folder, else aloha]",
  },
  "out": {
    kind: "string",
    metavar: "FILE",
    group: "Results",
    help: "MessagePack, or JSON if it ends in .json [stdout]",
  },
  "probes": {
    kind: "string",
    metavar: "DIR",
    group: "Results",
    help: "Write intermediate values there, raw float32; the model must have been exported with --probes",
  },
  ...MODEL_OPTIONS,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

export const infer = defineCommand({
  name: "infer",
  summary: "answer one observation without a server",
  description:
    "Loads a model, answers, and ends. The answer is what a server would send: the same bytes of actions for the same " +
    "observation, noise and machine.",
  options: OPTIONS,
  examples: [
    {
      command: "pi0 infer ./pi0_aloha_sim --observation request.msgpack --seed 0 --out reply.json",
      text: "The first answer of a fresh server.",
    },
    {
      command: "pi0 infer mini --camera cam_high=top.png --state 0,0,0,0,0,0,0,0,0,0,0,0,0,0",
      text: "Without a file for the observation, by the model that comes with pi0.",
    },
  ],
  async run(options, { terminal, clock, env, signal }) {
    const profile = ROBOTS[await chooseRobot(options.policy, options.robot)];
    const read = options.observation === undefined
      ? await observationFromFlags(options, profile)
      : await readObservation(options.observation, profile);
    const observation = await withFlags(read.observation, options);
    const progress = createProgress(terminal, clock, { quiet: options.quiet });
    if (!isModel(options.policy)) {
      throw new UsageError(
        `Cannot infer with ${options.policy}: give mini, a model folder, or random:tiny and the like`,
      );
    }
    await using policy = await openModelPolicy(options.policy, {
      robot: profile.name as RobotName,
      clock,
      options,
      env,
      progress,
      log: (line) => options.quiet ? undefined : terminal.stderr(`pi0: ${line}\n`),
      probes: options.probes !== undefined,
    });
    const { chunk, outputs } = await policy.inferAll(observation, signal);
    for (const camera of chunk.ignoredCameras ?? []) {
      if (!options.quiet) terminal.stderr(`pi0: ${profile.name}'s policies do not look at ${camera}\n`);
    }
    if (chunk.cutPrompt !== undefined && !options.quiet) terminal.stderr(`pi0: ${describeCut(chunk.cutPrompt)}\n`);
    if (options.probes !== undefined) await writeProbes(options.probes, options.policy, outputs);
    const { out } = options;
    if (out === undefined || options.json) terminal.stdout(formatJson(chunk));
    if (out !== undefined) {
      await Deno.writeFile(
        out,
        /\.json$/i.test(out) ? new TextEncoder().encode(formatJson(chunk)) : encode(chunk, read.dialect),
      );
    }
    return 0;
  },
});

interface FlowFlags {
  readonly prompt: string | undefined;
  readonly noise: string | undefined;
  readonly seed: number | undefined;
}

/** The observation with what was typed in the place of what it had. */
async function withFlags(read: Observation, { prompt, noise, seed }: FlowFlags): Promise<Observation> {
  const observation = prompt === undefined ? read : { ...read, prompt };
  if (noise === undefined && seed === undefined) return observation;
  const { noise: _noise, noiseShape: _shape, seed: _seed, ...rest } = observation;
  if (seed !== undefined) return { ...rest, seed };
  const bytes = await Deno.readFile(noise!).catch((cause) => {
    const reason = cause instanceof Deno.errors.NotFound ? "it is not there" : cause.message;
    throw new UsageError(`Cannot read the noise ${noise}: ${reason}`, { cause });
  });
  if (bytes.length % 4 === 0) return { ...rest, noise: new Float32Array(bytes.buffer) };
  throw new UsageError(`Cannot use the noise ${noise}: ${bytes.length} bytes are no float32 numbers`);
}

/** What a server would have sent, stages included. */
function encode(chunk: ActionChunk, dialect: Dialect): Uint8Array {
  const { preprocess = 0, infer = 0, postprocess = 0 } = chunk.timing;
  const policyMs = preprocess + infer + postprocess;
  return encodeReply(new Encoder(), chunk, { dialect, timing: true, policyMs, previous: {} });
}

function formatJson({ actions, actionHorizon, actionDim, timing }: ActionChunk): string {
  const rows = Array.from(
    { length: actionHorizon },
    (_, row) => Array.from(actions.subarray(row * actionDim, (row + 1) * actionDim)),
  );
  return JSON.stringify({ actions: rows, timing }) + "\n";
}

async function writeProbes(
  folder: string,
  policy: string,
  outputs: Readonly<Record<string, ArrayBufferView>>,
): Promise<void> {
  if (Object.keys(outputs).length === 1) {
    throw new UsageError(`Cannot write probes of ${policy}: it was exported without them; use pi0 export --probes`);
  }
  await Deno.mkdir(folder, { recursive: true });
  for (const [name, { buffer, byteOffset, byteLength }] of Object.entries(outputs)) {
    await Deno.writeFile(join(folder, `${name}.bin`), new Uint8Array(buffer, byteOffset, byteLength));
  }
}
