/**
 * `pi0 export`: a checkpoint becomes a folder that can be served.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { UsageError } from "../errors.ts";
import { openRuntime } from "../ort/mod.ts";
import { parsePi0Config, type Pi0Config } from "../pi0/config.ts";
import { type PrecisionName, PRECISIONS } from "../pi0/model.ts";
import { exportModel, type ExportOptions } from "../pi0/model_folder_export.ts";
import { NAMED_CONFIGS, type NamedConfig } from "../pi0/named_configs.ts";
import { normStatsPaths } from "../pi0/normalize.ts";
import { type PolicySettings, readPolicySettings } from "../pi0/policy_settings.ts";
import type { ByteType } from "../pi0/quantize.ts";
import { findByteType } from "../policy/pi0_load.ts";
import type { Bytes } from "../types.ts";
import { defineCommand } from "./command.ts";
import { parseCounts } from "./model_options.ts";
import { COMMON_OPTIONS, type OptionTable, type OptionValues } from "./options.ts";
import { createProgress } from "./terminal.ts";

const NAMES = Object.keys(NAMED_CONFIGS).join(", ");

const OPTIONS = {
  "weights": { kind: "positional", required: true, help: "The checkpoint: a safetensors file, openpi's PyTorch names" },
  "out": { kind: "positional", required: true, help: "The folder to make" },
  "config": {
    kind: "string",
    metavar: "NAME|FILE",
    group: "Model",
    help: `The model's dimensions: a JSON file, or one of ${NAMES}`,
  },
  "policy-settings": {
    kind: "string",
    metavar: "FILE",
    group: "Model",
    help: "JSON with robot, normalization and so on, instead of those in the configuration",
  },
  "tokenizer": { kind: "string", metavar: "FILE", group: "Model", help: "The model's SentencePiece tokenizer.model" },
  "norm-stats": {
    kind: "string",
    metavar: "PATH",
    group: "Model",
    help: "norm_stats.json, or the folder that has it, perhaps in assets/ASSET_ID [beside the weights]",
  },
  "asset-id": { kind: "string", metavar: "ID", group: "Model", help: "Which norm stats to take [the configuration's]" },
  "time-embedding": {
    kind: "string",
    metavar: "FILE",
    group: "Model",
    help: "Time vectors to use, raw float32 [flow steps × expert width] [computed]",
  },
  "precision": {
    kind: "choice",
    choices: Object.keys(PRECISIONS) as PrecisionName[],
    default: "fp32",
    group: "Graph",
    help: "What the graph computes in: fp32 is exact, int8 for CPUs, fp16 and bf16 for GPUs",
  },
  "cameras": { kind: "string", metavar: "N,…", group: "Graph", help: "A graph for each number of cameras [1 to all]" },
  "flow-steps": {
    kind: "string",
    metavar: "N,…",
    group: "Graph",
    help: "And each number of Euler steps [the model's]",
  },
  "horizon": { kind: "integer", min: 1, max: 1000, group: "Graph", help: "Actions predicted at once [the model's]" },
  "probes": { kind: "flag", group: "Graph", help: "Make intermediate values outputs, too, for pi0 infer --probes" },
  "reference": {
    kind: "flag",
    group: "Graph",
    help: "Leave what serves as it lies in the checkpoint, which must stay where it is",
  },
  "force": { kind: "flag", group: "Graph", help: "Replace a model that is there already" },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

type Values = OptionValues<typeof OPTIONS>;

export const exportCommand = defineCommand({
  name: "export",
  summary: "make a model folder from a checkpoint",
  description:
    "Writes a folder with everything that serving needs: pi0.json (what the model is, and the SHA-256 of every file), " +
    "the graphs, the weights as the graphs want them, tokenizer and norm stats. It appears when it is whole.\n\n" +
    "A configuration file has openpi's dimensions, and in `policy` what the model expects around it. With `prompts` " +
    '({"text": [token ids]}) no tokenizer is needed, and other prompts are refused.',
  options: OPTIONS,
  examples: [
    {
      command: "pi0 export model.safetensors ./pi0_aloha_sim --config pi0_aloha_sim --tokenizer tokenizer.model",
      text: "Norm stats are found in assets/ beside the weights.",
    },
    {
      command: "pi0 export model.safetensors ./small --config config.json --tokenizer tokenizer.model --precision int8",
      text: "A quarter of the size, and twice as fast on a CPU.",
    },
  ],
  async run(options, { terminal, clock, signal, version }) {
    const progress = createProgress(terminal, clock, { quiet: options.quiet });
    const source = await readSource(options);
    const { config, policy } = source;
    const precision = PRECISIONS[options.precision];
    let label = "";
    try {
      const manifest = await exportModel({
        checkpointPath: options.weights,
        outPath: options.out,
        config,
        policy,
        prompts: source.prompts,
        normStats: await findNormStats(options, policy),
        precision,
        byteType: precision === "int8" ? await askByteType() : "U8",
        reference: options.reference,
        cameras: chooseCameras(options, config),
        flowSteps: parseCounts("--flow-steps", options.flowSteps) ?? [config.flowSteps],
        timeEmbedding: await readTimeEmbedding(options),
        probes: options.probes,
        force: options.force,
        program: `pi0 ${version}`,
        signal,
        onProgress: (stage, done, total) => {
          if (stage !== label) progress.start(100, label = stage);
          progress.advance(Math.floor(100 * done / Math.max(1, total)));
        },
      });
      progress.end();
      if (options.json) terminal.stdout(JSON.stringify(manifest, null, 2) + "\n");
      else if (!options.quiet) {
        const graphs = manifest.graphs.map(({ cameras, flowSteps }) => `${cameras} × ${flowSteps}`).join(", ");
        terminal.stderr(`pi0: exported to ${options.out} (${options.precision}; cameras × steps: ${graphs})\n`);
      }
      return 0;
    } catch (error) {
      throw explain(error, options.weights);
    } finally {
      progress.end();
    }
  },
});

interface Source {
  readonly config: Pi0Config;
  readonly policy: PolicySettings;
  readonly prompts: ExportOptions["prompts"];
}

async function readSource(options: Values): Promise<Source> {
  const { config: name } = options;
  if (name === undefined) throw new UsageError(`Cannot export without a configuration: give --config FILE or ${NAMES}`);
  let config: Pi0Config;
  let policy: PolicySettings | null;
  let table: Readonly<Record<string, readonly number[]>> | undefined;
  if (Object.hasOwn(NAMED_CONFIGS, name)) {
    ({ config, policy } = NAMED_CONFIGS[name as keyof typeof NAMED_CONFIGS] as NamedConfig);
  } else {
    const json = await readJson("configuration", name, `give --config FILE, or one of ${NAMES}`);
    config = parsePi0Config(json);
    const { policy: settings, prompts } = json as { policy?: unknown; prompts?: unknown };
    policy = settings === undefined || options.policySettings !== undefined ? null : readPolicySettings(settings, name);
    table = prompts === undefined ? undefined : readTable(prompts, name);
  }
  const { policySettings } = options;
  if (policySettings !== undefined) {
    policy = readPolicySettings(
      await readJson("policy settings", policySettings, "give --policy-settings FILE"),
      policySettings,
    );
  }
  if (policy === null) {
    throw new UsageError(
      `Cannot export with --config ${name} alone: it does not say for which robot; give --policy-settings FILE`,
    );
  }
  if (options.assetId !== undefined) policy = { ...policy, assetId: options.assetId };
  if (options.horizon !== undefined) config = { ...config, actionHorizon: options.horizon };
  return { config, policy, prompts: await readPrompts(options, table) };
}

async function readPrompts(
  { tokenizer, config }: Values,
  table: Readonly<Record<string, readonly number[]>> | undefined,
): Promise<ExportOptions["prompts"]> {
  if (table !== undefined) {
    if (tokenizer === undefined) return { table };
    throw new UsageError(`Cannot use --tokenizer with ${config}: its "prompts" take the tokenizer's place`);
  }
  if (tokenizer === undefined) {
    throw new UsageError("Cannot export without a tokenizer: give --tokenizer FILE, the tokenizer.model of PaliGemma");
  }
  return { tokenizer: await readBytes("tokenizer", tokenizer) };
}

function readTable(value: unknown, name: string): Record<string, number[]> {
  const isTable = typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.values(value).every((ids) => Array.isArray(ids) && ids.every((id) => typeof id === "number"));
  if (isTable && Object.keys(value).length > 0) return value as Record<string, number[]>;
  throw new UsageError(`Cannot use "prompts" of ${name}: it must be an object of token ids by prompt`);
}

function chooseCameras(options: Values, { cameraSlots }: Pi0Config): number[] {
  const cameras = parseCounts("--cameras", options.cameras) ?? cameraSlots.map((_, i) => i + 1);
  const tooMany = cameras.find((count) => count > cameraSlots.length);
  if (tooMany === undefined) return cameras;
  throw new UsageError(`Cannot export for ${tooMany} cameras: the model has places for ${cameraSlots.length}`);
}

async function findNormStats(
  { normStats, weights }: Values,
  { assetId }: PolicySettings,
): Promise<ExportOptions["normStats"]> {
  const given = normStats ?? dirname(weights);
  if (await Deno.stat(given).then(({ isFile }) => isFile, () => false)) {
    return { text: await Deno.readTextFile(given), name: given };
  }
  const paths = (assetId === null ? ["norm_stats.json"] : normStatsPaths(assetId)).map((path) => join(given, path));
  for (const path of paths) {
    const text = await Deno.readTextFile(path).catch((error) => {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
      throw error;
    });
    if (text !== undefined) return { text, name: path };
  }
  throw new Error(
    `Cannot find the norm stats: looked for ${paths.join(", ")}; give --norm-stats, or another --asset-id`,
  );
}

async function readTimeEmbedding({ timeEmbedding }: Values): Promise<Float32Array<ArrayBuffer> | null> {
  if (timeEmbedding === undefined) return null;
  const bytes = await readBytes("time embedding", timeEmbedding);
  if (bytes.length % 4 === 0) return new Float32Array(bytes.buffer, 0, bytes.length / 4);
  throw new Error(`Cannot use the time embedding ${timeEmbedding}: ${bytes.length} bytes are no float32 numbers`);
}

async function askByteType(): Promise<ByteType> {
  await using runtime = await openRuntime();
  return await findByteType(runtime);
}

async function readBytes(what: string, path: string): Promise<Bytes> {
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    throw unreadable(what, path, cause);
  }
}

async function readJson(what: string, path: string, remedy: string): Promise<unknown> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw unreadable(what, path, cause);
    throw new Error(`Cannot find the ${what} ${path}: ${remedy}`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`Cannot read the ${what} ${path}: it is no JSON`, { cause });
  }
}

function unreadable(what: string, path: string, cause: unknown): Error {
  const reason = cause instanceof Deno.errors.NotFound ? "it is not there" : (cause as Error).message;
  return new Error(`Cannot read the ${what} ${path}: ${reason}`, { cause });
}

/** The system's own words do not say what was wanted of a file. */
function explain(error: unknown, weights: string): unknown {
  return error instanceof Deno.errors.NotFound && error.message.includes(weights)
    ? unreadable("checkpoint", weights, error)
    : error;
}
