/**
 * Makes a model folder from a checkpoint.
 *
 * @module
 */
import { basename, dirname, join, resolve } from "node:path";
import { SafetensorsFile } from "../checkpoint/safetensors.ts";
import { openWeights } from "./checkpoint_weights.ts";
import type { Pi0Config } from "./config.ts";
import { formatPi0Config } from "./config_json.ts";
import { deriveWeights } from "./derive.ts";
import { type FileRecord, recordFile, writeRecorded } from "./file_record.ts";
import { buildPi0Graph } from "./graph.ts";
import { type Manifest, MANIFEST_FORMAT, MANIFEST_NAME, MANIFEST_VERSION, type Variant } from "./model_folder.ts";
import { readNormStats } from "./normalize.ts";
import { type PolicySettings, SETTING_NAMES } from "./policy_settings.ts";
import { makePipeline } from "./preprocess.ts";
import type { PromptSource } from "./prompt.ts";
import type { ByteType } from "./quantize.ts";
import { makeSentencePieceTokenizer } from "./sentencepiece.ts";
import { foldTime } from "./time.ts";
import type { Fusion, Precision } from "./weights.ts";
import type { Bytes } from "../types.ts";

/** Names of the files in a folder. */
export const FOLDER_FILES = {
  weights: "weights.safetensors",
  tokenizer: "tokenizer.model",
  normStats: "norm_stats.json",
  timeEmbedding: "time_embedding.bin",
} as const;

/**
 * What the graphs call a checkpoint that stays where it is. ONNX Runtime wants a file of that name in the folder, though
 * it is handed the checkpoint's tensors and never reads it; so there is an empty one.
 */
export const CHECKPOINT_LOCATION = "checkpoint.safetensors";

/** What to export, and how. */
export interface ExportOptions {
  /** A safetensors file with openpi's PyTorch names. */
  readonly checkpointPath: string;
  /** The folder to make. */
  readonly outPath: string;
  readonly config: Pi0Config;
  readonly policy: PolicySettings;
  /** A tokenizer.model, or the table of all prompts. */
  readonly prompts: { readonly tokenizer: Bytes } | { readonly table: Readonly<Record<string, readonly number[]>> };
  /** The text of openpi's `norm_stats.json`, and what to call it in errors. */
  readonly normStats: { readonly text: string; readonly name: string };
  readonly precision: Precision;
  /** For int8. */
  readonly byteType: ByteType;
  /** Leave what serves as it lies in the checkpoint, which must then stay where it is. */
  readonly reference: boolean;
  /** Numbers of cameras, and of Euler steps: one graph for each pair. */
  readonly cameras: readonly number[];
  readonly flowSteps: readonly number[];
  /** float32 [flowSteps × expert width], instead of our own. */
  readonly timeEmbedding: Float32Array<ArrayBuffer> | null;
  readonly probes: boolean;
  /** Replace a model that is there already. */
  readonly force: boolean;
  /** Name and version of the program, for the record. */
  readonly program: string;
  readonly onProgress?: (label: string, done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Exports a model. The folder appears when it is whole: everything is written under another name first.
 *
 * @throws {Error} where something does not fit; nothing is left behind then.
 */
export async function exportModel(options: ExportOptions): Promise<Manifest> {
  const out = resolve(options.outPath);
  await checkTarget(out, options.force);
  const source = promptSource(options.prompts);
  makePipeline({
    policy: options.policy,
    normStats: readNormStats(options.normStats.text, options.normStats.name),
    prompts: source,
    model: options.config,
  });
  using checkpoint = await SafetensorsFile.open(options.checkpointPath);
  await Deno.mkdir(dirname(out), { recursive: true });
  const draft = await Deno.makeTempDir({ dir: dirname(out), prefix: `${basename(out)}.unfinished-` });
  try {
    const manifest = await writeFolder(draft, checkpoint, options);
    await Deno.writeTextFile(join(draft, MANIFEST_NAME), JSON.stringify(manifest, null, 2) + "\n");
    // makeTempDir's folders are for their maker only.
    await Deno.chmod(draft, 0o755).catch(() => undefined); // Windows has no such bits.
    await replace(draft, out);
    return manifest;
  } catch (error) {
    await Deno.remove(draft, { recursive: true });
    throw error;
  }
}

function promptSource(prompts: ExportOptions["prompts"]): PromptSource {
  return "tokenizer" in prompts
    ? { kind: "tokenizer", tokenizer: makeSentencePieceTokenizer(prompts.tokenizer) }
    : { kind: "table", prompts: new Map(Object.entries(prompts.table)) };
}

async function writeFolder(
  draft: string,
  checkpoint: SafetensorsFile,
  options: ExportOptions,
): Promise<Manifest> {
  const { config, policy, precision, byteType, reference, probes, signal, onProgress } = options;
  // A fused matrix is a copy, so nothing is fused that could stay where it is.
  const fusion: Fusion = { attention: !reference, gate: false };
  const derivation = deriveWeights(config, checkpoint, { precision, fusion, refer: reference, byteType });
  const checkpointPath = resolve(checkpoint.path);
  const hashed = await recordFile("", checkpointPath, (done, total) => {
    signal?.throwIfAborted();
    onProgress?.("hashing the checkpoint", done, total);
  });
  const derived = await writeRecorded(draft, FOLDER_FILES.weights, derivation.chunks(), (done) => {
    signal?.throwIfAborted();
    onProgress?.("writing weights", done, derivation.bytes);
  });
  if (reference) await Deno.writeFile(join(draft, CHECKPOINT_LOCATION), new Uint8Array());
  const { prompts, normStats, timeEmbedding } = options;
  const write = (path: string, bytes: Uint8Array) => writeRecorded(draft, path, [bytes]);
  const written = {
    tokenizer: "tokenizer" in prompts ? await write(FOLDER_FILES.tokenizer, prompts.tokenizer) : null,
    normStats: await write(FOLDER_FILES.normStats, new TextEncoder().encode(normStats.text)),
    timeEmbedding: timeEmbedding === null
      ? null
      : await write(FOLDER_FILES.timeEmbedding, new Uint8Array(timeEmbedding.buffer)),
  };
  return {
    format: MANIFEST_FORMAT,
    version: MANIFEST_VERSION,
    config: formatPi0Config(config),
    policy: formatPolicySettings(policy),
    prompts: "table" in prompts ? prompts.table : null,
    ...written,
    precision,
    byteType: precision === "int8" ? byteType : null,
    fusion,
    graphs: await writeGraphs(draft, checkpoint, fusion, options),
    weights: { derived, checkpoint: reference ? hashed : null },
    probes,
    provenance: { program: options.program, checkpoint: { ...hashed, path: basename(checkpointPath) } },
  };
}

async function writeGraphs(
  draft: string,
  checkpoint: SafetensorsFile,
  fusion: Fusion,
  { config, precision, reference, cameras, flowSteps, timeEmbedding, probes, onProgress }: ExportOptions,
): Promise<(Variant & { file: FileRecord })[]> {
  using derived = await SafetensorsFile.open(join(draft, FOLDER_FILES.weights));
  const weights = await openWeights(config, precision, fusion, {
    derived: { file: derived, location: FOLDER_FILES.weights },
    ...(reference && { checkpoint: { file: checkpoint, location: CHECKPOINT_LOCATION } }),
  });
  const graphs: (Variant & { file: FileRecord })[] = [];
  const total = flowSteps.length * cameras.length;
  for (const steps of flowSteps) {
    onProgress?.("writing graphs", graphs.length, total);
    const time = await foldTime(weights, steps, timeEmbedding ?? undefined);
    for (const count of cameras) {
      const bytes = buildPi0Graph(weights, { cameras: count, time, probes });
      const name = `graph.${count}-cameras.${steps}-steps.onnx`;
      graphs.push({ cameras: count, flowSteps: steps, file: await writeRecorded(draft, name, [bytes]) });
      onProgress?.("writing graphs", graphs.length, total);
    }
  }
  return graphs;
}

/** Settings with the names that files have for them. */
export function formatPolicySettings(policy: PolicySettings): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(SETTING_NAMES).map(([key, name]) => [name, policy[key as keyof PolicySettings]]),
  );
}

/** @throws {Error} where the place is taken by something that must not be overwritten. */
async function checkTarget(out: string, force: boolean): Promise<void> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(out)) names.push(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (error instanceof Deno.errors.NotADirectory) throw new Error(`Cannot export to ${out}: it is a file`);
    throw error;
  }
  if (names.length === 0) return;
  if (!names.includes(MANIFEST_NAME)) {
    throw new Error(`Cannot export to ${out}: it holds other things than a model; choose an empty or a new folder`);
  }
  if (!force) throw new Error(`Cannot export to ${out}: a model is there; give --force to replace it`);
}

/** Puts the finished folder in its place; the old one, if any, goes when the new one is there. */
async function replace(draft: string, out: string): Promise<void> {
  const old = `${draft}.old`;
  const wasThere = await Deno.rename(out, old).then(() => true, (error) => {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  });
  await Deno.rename(draft, out);
  if (wasThere) await Deno.remove(old, { recursive: true });
}
