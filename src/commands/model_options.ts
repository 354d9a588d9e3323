/**
 * How a model is chosen and loaded: the options of every command that can run one, and what they lead to.
 *
 * @module
 */

import { mkdirSync } from "node:fs";
import type { Clock } from "../clock.ts";
import { OrtError, UsageError } from "../errors.ts";
import { openRuntime, type ProviderName, type Runtime } from "../ort/mod.ts";
import { cacheFolder } from "../ort/unpack.ts";
import { openMini } from "../pi0/mini.ts";
import { type Pi0Model, type PrecisionName, PRECISIONS } from "../pi0/model.ts";
import { openModelFolder } from "../pi0/model_folder_open.ts";
import { makeRandomModel, RANDOM_MODELS, type RandomModelName } from "../pi0/random_model.ts";
import type { ByteType } from "../pi0/quantize.ts";
import type { Precision } from "../pi0/weights.ts";
import type { ModelPolicy } from "../policy/pi0.ts";
import { findByteType, loadPolicy } from "../policy/pi0_load.ts";
import type { RobotName } from "../robot/mod.ts";
import type { CutPrompt } from "../types.ts";
import type { OptionTable, OptionValues } from "./options.ts";
import type { Progress } from "./terminal.ts";

const GROUP = "Model";

/** The options of every command that can run a model. */
export const MODEL_OPTIONS = {
  "cameras": {
    kind: "string",
    metavar: "N,…",
    group: GROUP,
    help: "Load the model for so many cameras, 1,2,3 say [what it was exported for; random: those the robot must send]",
  },
  "flow-steps": {
    kind: "string",
    metavar: "N,…",
    group: GROUP,
    help: "Load the model for so many Euler steps; requests may choose one, the first is the default [the model's]",
  },
  "precision": {
    kind: "choice",
    choices: Object.keys(PRECISIONS) as PrecisionName[],
    group: GROUP,
    help: "What mini and random models compute in; a folder has its own [fp32; random models on CUDA bf16]",
  },
  "provider": {
    kind: "choice",
    choices: ["cpu", "webgpu", "cuda"],
    group: GROUP,
    conflicts: ["gpu"],
    help: "What runs the model, or nothing does [cpu]",
  },
  "gpu": {
    kind: "flag",
    values: ["auto"],
    group: GROUP,
    help: "Run the model with CUDA, or say what is missing; with =auto go on with the CPU then",
  },
  "threads": { kind: "integer", min: 1, max: 1024, group: GROUP, help: "Threads of the model [one less than cores]" },
  "ort-lib-dir": {
    kind: "string",
    metavar: "FOLDER",
    group: GROUP,
    help: "Take ONNX Runtime from there, with its CUDA provider [PI0_ORT_LIB_DIR, or what comes with pi0]",
  },
} as const satisfies OptionTable;

export type ModelOptionValues = OptionValues<typeof MODEL_OPTIONS>;
/** The options in camel case, for whoever must refuse them. */
export const MODEL_OPTION_NAMES = [
  "cameras",
  "flowSteps",
  "precision",
  "provider",
  "gpu",
  "threads",
  "ortLibDir",
] as const satisfies readonly (keyof ModelOptionValues)[];

/** What a model is opened with. */
export interface ModelSurroundings {
  readonly options: ModelOptionValues;
  /** Robot of a random model. */
  readonly robot: RobotName;
  readonly clock: Clock;
  readonly env: (name: string) => string | undefined;
  readonly progress: Progress;
  /** Told what was tried and what came of it. */
  readonly log: (line: string) => void;
  readonly probes: boolean;
}

/** The model inside the program, as it is typed. */
export const MINI = "mini";

/** Whether a policy on the command line is a model. */
export function isModel(text: string): boolean {
  return text === MINI || isRandomModel(text) || isModelFolder(text);
}

/** Whether it is a random model. */
export function isRandomModel(text: string): boolean {
  return text.startsWith("random:");
}

/** Whether it is a model folder: a path, or a folder's name. */
export function isModelFolder(text: string): boolean {
  const isPath = /[/\\]/.test(text) || text === "." || text === "..";
  // A word and a colon in front mean another kind of policy, mistyped perhaps; on Windows one letter is a drive.
  if (isPath && !/^\w{2,}:/.test(text)) return true;
  try {
    return Deno.statSync(text).isDirectory;
  } catch {
    // Not there, so it is no folder.
    return false;
  }
}

/**
 * Opens a model and loads it.
 *
 * @param text `mini`, `random:NAME` or a folder.
 * @throws {UsageError} for options that make no sense. @throws {OrtError} where it cannot be run here.
 */
export async function openModelPolicy(text: string, surroundings: ModelSurroundings): Promise<ModelPolicy> {
  const { options, clock, progress, log } = surroundings;
  const cameras = parseCounts("--cameras", options.cameras);
  const flowSteps = parseCounts("--flow-steps", options.flowSteps);
  const threads = options.threads ?? Math.max(1, navigator.hardwareConcurrency - 1);
  const runtime = await openRuntime({
    libraryFolder: options.ortLibDir,
    readVariable: surroundings.env,
  });
  try {
    if (runtime.library.remark !== undefined) log(runtime.library.remark);
    const load = async (provider: ProviderName) => {
      await using model = await openModel(text, provider, runtime, surroundings);
      if (provider === "cpu" && (model.weights.precision === "bfloat16" || model.weights.precision === "float16")) {
        log(
          `${model.name} is in half precision, which the CPU computes slowly or not at all; take fp32 or int8`,
        );
      }
      return await loadPolicy(model, {
        runtime,
        provider,
        threads,
        cameras,
        flowSteps,
        clock,
        ...progressOf(progress),
      });
    };
    const policy = await loadOnGpuOrNot(options, runtime, load, log);
    const { version } = runtime.description;
    const { provider, precision } = policy.model;
    log(`ONNX Runtime ${version} from ${runtime.library.path}: ${provider}, ${precision}, ${threads} threads`);
    return policy;
  } catch (error) {
    await runtime[Symbol.asyncDispose]();
    throw error;
  } finally {
    progress.end();
  }
}

/** Chooses the provider: what was typed, and nothing else unless `--gpu=auto` says so. */
async function loadOnGpuOrNot(
  { provider, gpu }: ModelOptionValues,
  runtime: Runtime,
  load: (provider: ProviderName) => Promise<ModelPolicy>,
  log: (line: string) => void,
): Promise<ModelPolicy> {
  if (gpu === false) return await load(provider ?? "cpu");
  if (gpu === true) return await load("cuda");
  const { problem, folder } = await runtime.findCuda();
  if (problem === undefined) {
    try {
      return await load("cuda");
    } catch (error) {
      if (!(error instanceof OrtError) || error.code === "crashed") throw error;
      log(`tried cuda with ${folder}: ${error.message}; going on with the CPU`);
    }
  } else log(`tried cuda: ${problem}; going on with the CPU`);
  return await load("cpu");
}

async function openModel(
  text: string,
  provider: ProviderName,
  runtime: Runtime,
  { options, robot, env, progress, probes }: ModelSurroundings,
): Promise<Pi0Model> {
  if (text === MINI) {
    const precision = PRECISIONS[options.precision ?? "fp32"];
    return await openMini({ precision, byteType: await byteTypeOf(precision, runtime), probes });
  }
  if (!isRandomModel(text)) {
    const model = await openModelFolder(text);
    const wanted = options.precision && PRECISIONS[options.precision];
    if (wanted === undefined || wanted === model.weights.precision) return model;
    await model[Symbol.asyncDispose]();
    throw new UsageError(
      `Cannot use --precision ${options.precision} with ${text}: it was exported in another one; export it again`,
    );
  }
  const name = text.slice("random:".length);
  if (!isRandomName(name)) {
    const forms = RANDOM_MODELS.map((one) => `random:${one}`).join(", ");
    throw new UsageError(`Cannot use --policy ${text}: random models are ${forms}`);
  }
  const precision = PRECISIONS[options.precision ?? (provider === "cuda" ? "bf16" : "fp32")];
  const byteType = await byteTypeOf(precision, runtime);
  progress.start(100, "making random weights");
  const model = await makeRandomModel({
    name,
    robot,
    precision,
    byteType,
    seed: 0,
    probes,
    folder: randomFolder(env),
    onProgress: (done, total) => progress.advance(Math.floor(100 * done / total)),
  });
  progress.end();
  return model;
}

/** What 8-bit weights shall be on this processor; of no importance to other precisions. */
async function byteTypeOf(precision: Precision, runtime: Runtime): Promise<ByteType> {
  return precision === "int8" ? await findByteType(runtime) : "U8";
}

function isRandomName(name: string): name is RandomModelName {
  return RANDOM_MODELS.some((one) => one === name);
}

/** Where random weights are kept for the next start. */
function randomFolder(env: (name: string) => string | undefined): string {
  // In a folder that everybody may write, somebody else's numbers are no danger: they are random anyway.
  const folder = `${cacheFolder(env) ?? "/tmp/pi0"}/random`;
  mkdirSync(folder, { recursive: true });
  return folder;
}

function progressOf(progress: Progress) {
  const report = (label: string) => (done: number, total: number) =>
    done === 0 ? progress.start(total, label) : done < total ? progress.advance(done) : progress.end();
  return { onLoad: report("loading variants"), onWarmUp: report("warming up") };
}

/** What happened to a prompt that is too long. openpi warns of it, too, and goes on. */
export function describeCut({ tokens, slots }: CutPrompt): string {
  return `the prompt has ${tokens} tokens, and the model reads ${slots}: its end is cut off`;
}

/**
 * Reads `1,2,3`.
 *
 * @throws {UsageError} where it is no list of different whole numbers above zero.
 */
export function parseCounts(flag: string, text: string | undefined): number[] | undefined {
  if (text === undefined) return undefined;
  const words = text.split(",").map((word) => word.trim());
  const counts = words.map(Number);
  const fine = words.every((word) => /^[1-9]\d{0,3}$/.test(word)) && new Set(counts).size === counts.length;
  if (fine) return counts;
  throw new UsageError(`Cannot use ${flag} ${text}: write different whole numbers with commas between, such as 1,2,3`);
}
