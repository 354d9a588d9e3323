/**
 * Opens a model folder.
 *
 * @module
 */
import { resolve } from "node:path";
import { SafetensorsFile } from "../checkpoint/safetensors.ts";
import { openWeights } from "./checkpoint_weights.ts";
import { parsePi0Config } from "./config.ts";
import { pathOf } from "./file_record.ts";
import { buildPi0Graph } from "./graph.ts";
import { countParameters, type Pi0Model } from "./model.ts";
import { type Manifest, readManifest, type Variant, verifyFolder } from "./model_folder.ts";
import { CHECKPOINT_LOCATION, FOLDER_FILES } from "./model_folder_export.ts";
import { readNormStats } from "./normalize.ts";
import { readPolicySettings } from "./policy_settings.ts";
import { makePipeline } from "./preprocess.ts";
import type { PromptSource } from "./prompt.ts";
import { makeSentencePieceTokenizer } from "./sentencepiece.ts";
import { foldTime } from "./time.ts";
import type { Bytes } from "../types.ts";

/**
 * Opens the model in a folder. Variants that it has no graph for are written when they are asked for.
 *
 * @param folder as typed.
 * @throws {Error} where the folder is not a whole model.
 */
export async function openModelFolder(folder: string): Promise<Pi0Model> {
  const manifest = await readManifest(folder);
  await verifyFolder(folder, manifest, { whole: false });
  const config = parsePi0Config(manifest.config);
  const normStatsPath = pathOf(folder, manifest.normStats);
  const pipeline = makePipeline({
    policy: readPolicySettings(manifest.policy, folder),
    normStats: readNormStats(await Deno.readTextFile(normStatsPath), normStatsPath),
    prompts: await openPrompts(folder, manifest),
    model: config,
  });
  const { derived, checkpoint } = manifest.weights;
  await using opened = new AsyncDisposableStack();
  const open = async (path: string) => opened.use(await SafetensorsFile.open(path));
  const weightFiles: Record<string, string> = { [FOLDER_FILES.weights]: resolve(pathOf(folder, derived)) };
  if (checkpoint !== null) weightFiles[CHECKPOINT_LOCATION] = resolve(pathOf(folder, checkpoint));
  const weights = await openWeights(config, manifest.precision, manifest.fusion, {
    derived: { file: await open(weightFiles[FOLDER_FILES.weights]!), location: FOLDER_FILES.weights },
    ...(checkpoint !== null && {
      checkpoint: { file: await open(weightFiles[CHECKPOINT_LOCATION]!), location: CHECKPOINT_LOCATION },
    }),
  });
  const kept = opened.move();
  return {
    name: folder,
    config,
    pipeline,
    weights,
    byteType: manifest.byteType,
    checkpointHash: manifest.provenance.checkpoint.sha256,
    parameters: countParameters(config),
    probes: manifest.probes,
    variants: manifest.graphs.map(({ cameras, flowSteps }) => ({ cameras, flowSteps })),
    folder: resolve(folder),
    weightFiles,
    async graph({ cameras, flowSteps }: Variant) {
      const own = manifest.graphs.find((graph) => graph.cameras === cameras && graph.flowSteps === flowSteps);
      if (own !== undefined) return { path: resolve(pathOf(folder, own.file)) };
      const time = await foldTime(weights, flowSteps, await readTimeEmbedding(folder, manifest));
      return { bytes: buildPi0Graph(weights, { cameras, time, probes: manifest.probes }) };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function openPrompts(folder: string, { tokenizer, prompts }: Manifest): Promise<PromptSource> {
  if (tokenizer !== null) {
    const bytes = await Deno.readFile(pathOf(folder, tokenizer)) as Bytes;
    return { kind: "tokenizer", tokenizer: makeSentencePieceTokenizer(bytes) };
  }
  if (prompts === null) throw new Error(`Cannot open ${folder} as a model: it has neither tokenizer nor prompts`);
  return { kind: "table", prompts: new Map(Object.entries(prompts)) };
}

async function readTimeEmbedding(folder: string, { timeEmbedding }: Manifest): Promise<Float32Array | undefined> {
  if (timeEmbedding === null) return undefined;
  return new Float32Array((await Deno.readFile(pathOf(folder, timeEmbedding))).buffer as ArrayBuffer);
}
