/**
 * Golden models of openpi as exported folders, and their requests as observations.
 *
 * @module
 */

import { decodePng, toChw } from "../../src/image.ts";
import { parsePi0Config } from "../../src/pi0/config.ts";
import { exportModel, type ExportOptions } from "../../src/pi0/model_folder_export.ts";
import { normStatsPaths } from "../../src/pi0/normalize.ts";
import { readPolicySettings } from "../../src/pi0/policy_settings.ts";
import type { Image, Observation } from "../../src/types.ts";
import { GOLDEN_SETS, readFloat32, readFloat64, readJson } from "./golden_openpi.ts";

const KEPT = `${import.meta.dirname}/../fixtures`;

/** The golden models, by their folders' names. */
export const GOLDEN_MODELS = ["pi0_tiny", "pi05_tiny"] as const;
export type GoldenModelName = (typeof GOLDEN_MODELS)[number];

interface Picture {
  readonly file: string;
  readonly layout: "CHW" | "HWC";
}

/** One case, as `cases.json` has it. */
export interface GoldenCase {
  readonly name: string;
  readonly policy: unknown;
  readonly request: Readonly<Record<string, unknown>>;
}

/** Where a case's parts are. */
export interface CaseFolders {
  /** `model.safetensors`, `config.json`, the time vectors, noise and intermediate values. */
  readonly model: string;
  /** Requests, norm stats and the robot's actions. */
  readonly policy: string;
}

/** The cases that can be run, with the reason where the whole set is not there. */
export function goldenFolders(name: GoldenModelName): { set: string; folders: CaseFolders; isMissing: boolean }[] {
  const shared = GOLDEN_SETS[1]!;
  const both = `${shared.folder}/${name}`;
  return [
    {
      set: "kept data",
      folders: { model: `${KEPT}/pi0_graph/${name}`, policy: `${KEPT}/pi0/${name}` },
      isMissing: false,
    },
    { set: shared.name, folders: { model: both, policy: both }, isMissing: shared.isMissing },
  ];
}

/** The cases of a set whose pictures are there: the first only in the kept data. */
export async function goldenCases({ model, policy }: CaseFolders): Promise<GoldenCase[]> {
  const { cases } = await readJson<{ cases: GoldenCase[] }>(`${policy}/cases.json`);
  return model === policy ? cases : cases.slice(0, 1);
}

/** Options that export a golden case; `changes` replace some. */
export async function exportOptions(
  { model, policy: policyFolder }: CaseFolders,
  golden: GoldenCase,
  outPath: string,
  changes: Partial<ExportOptions> = {},
): Promise<ExportOptions> {
  const policy = readPolicySettings(golden.policy, golden.name);
  const config = parsePi0Config(await readJson(`${model}/config.json`));
  const normStats = `${policyFolder}/${normStatsPaths(policy.assetId!)[0]}`;
  return {
    checkpointPath: `${model}/model.safetensors`,
    outPath,
    config,
    policy,
    prompts: { tokenizer: await Deno.readFile(`${KEPT}/pi0/tokenizer/tokenizer.model`) },
    normStats: { text: await Deno.readTextFile(normStats), name: normStats },
    precision: "float32",
    byteType: "U8",
    reference: false,
    cameras: [1, 2, 3],
    flowSteps: [config.flowSteps],
    timeEmbedding: await readFloat32(`${model}/time_embedding.bin`),
    probes: true,
    force: false,
    program: "pi0 test",
    ...changes,
  };
}

/** Runs `work` with a folder that goes away again. */
export async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pi0-model-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Exports the kept π₀ into `folder/model`, and says where it is. */
export async function exportKept(folder: string, changes: Partial<ExportOptions> = {}): Promise<string> {
  const { folders } = goldenFolders("pi0_tiny")[0]!;
  const [golden] = await goldenCases(folders);
  await exportModel(await exportOptions(folders, golden!, `${folder}/model`, changes));
  return `${folder}/model`;
}

/** A case's request as the robot's client would send it, with the noise of its model. */
export async function goldenObservation(folders: CaseFolders, golden: GoldenCase): Promise<Observation> {
  const images: Record<string, Image> = {};
  const state: number[] = [];
  const read = async (name: string, { file, layout }: Picture) => {
    const image = decodePng(await Deno.readFile(await pictureFile(folders, golden.name, file)));
    images[name] = layout === "CHW" ? toChw(image) : image;
  };
  for (const [key, value] of Object.entries(golden.request)) {
    if (key === "images") {
      for (const [name, picture] of Object.entries(value as Record<string, Picture>)) await read(name, picture);
    } else if (typeof value === "object" && "file" in (value as Picture)) {
      await read(key.replace("observation/", ""), value as Picture);
    } else if (Array.isArray(value) || typeof value === "number") state.push(...[value].flat());
  }
  const { prompt } = golden.request as { prompt?: string };
  return {
    images,
    state: Float64Array.from(state),
    noise: await readFloat32(`${folders.model}/cases/${golden.name}.noise.bin`),
    noiseShape: [50, 32],
    ...(prompt === undefined ? {} : { prompt }),
  };
}

/** The picture as it was sent, or, where only that was kept, as the model gets it. */
async function pictureFile({ model }: CaseFolders, name: string, file: string): Promise<string> {
  const sent = `${model}/${file}`;
  const isThere = await Deno.stat(sent).then(() => true, () => false);
  return isThere ? sent : `${model}/cases/${name}.model_base_0_rgb.png`;
}

/** What openpi answered. */
export async function goldenAnswer({ model, policy }: CaseFolders, { name }: GoldenCase) {
  return {
    actions: await readFloat32(`${model}/cases/${name}.actions.bin`),
    xAfterStep: await readFloat32(`${model}/cases/${name}.x_after_step.bin`),
    robotActions: await readFloat64(`${policy}/cases/${name}.robot_actions.bin`),
  };
}
