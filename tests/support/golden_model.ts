/**
 * The golden models of openpi, exported as the program exports them: the weights where the graph wants them, in a
 * folder that goes away again.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { SafetensorsFile } from "../../src/checkpoint/safetensors.ts";
import { decodePng } from "../../src/image.ts";
import { openWeights } from "../../src/pi0/checkpoint_weights.ts";
import { parsePi0Config, type Pi0Config } from "../../src/pi0/config.ts";
import { type DeriveOptions, deriveWeights } from "../../src/pi0/derive.ts";
import type { Pi0Weights } from "../../src/pi0/weights.ts";
import { GOLDEN_SETS, readFloat32, readJson } from "./golden_openpi.ts";

/** Where golden models may be: one request of each is kept, three are in PI0_SHARED. */
export const GOLDEN_MODEL_SETS = [
  { name: "kept data", folder: `${import.meta.dirname}/../fixtures/pi0_graph`, isMissing: false },
  GOLDEN_SETS[1]!,
] as const;

/** The kept configuration of the trained model, and where its weights may be. */
export const MINI_CONFIG = `${import.meta.dirname}/../fixtures/pi0_graph/mini.config.json`;
export const MINI_FOLDER = `${GOLDEN_SETS[1]!.folder}/../mini`;

/** A file of float32. */
export interface GoldenArray {
  readonly file: string;
  readonly shape: readonly number[];
}

/** One request, from what the model gets to what it gives. */
export interface GoldenModelCase {
  readonly name: string;
  readonly model_input: {
    readonly images: Readonly<Record<string, { readonly mask: boolean; readonly file: string | null }>>;
    readonly tokens: readonly number[];
    readonly valid_tokens: number;
    readonly state: readonly number[];
    readonly noise: GoldenArray;
  };
  readonly expected: {
    readonly actions: GoldenArray;
    readonly x_after_step: GoldenArray;
    readonly v_first_step: GoldenArray;
    readonly siglip_cam0: {
      readonly rows: readonly number[];
      readonly values: GoldenArray;
      readonly stats: Statistics;
    };
    readonly prefix_kv:
      & { readonly rows: readonly number[]; readonly stats_valid_rows: Readonly<Record<string, Statistics>> }
      & Readonly<Record<"k_first" | "v_first" | "k_last" | "v_last", GoldenArray>>;
    readonly suffix_embedding_first_step: { readonly rows: readonly number[]; readonly values: GoldenArray };
    readonly adarms_cond_first_step?: GoldenArray;
  };
}

/** What is known of all values together. */
export interface Statistics {
  readonly sum: number;
  readonly sum_abs: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** A model whose weights can be run. Disposing of it removes its folder. */
export class GoldenModel implements AsyncDisposable {
  readonly #files: SafetensorsFile[];

  private constructor(
    readonly config: Pi0Config,
    readonly weights: Pi0Weights,
    /** Holds what the graph refers to. */
    readonly folder: string,
    files: SafetensorsFile[],
  ) {
    this.#files = files;
  }

  /** Derives what the graph needs from a checkpoint. */
  static async make(configPath: string, checkpointPath: string, options: DeriveOptions): Promise<GoldenModel> {
    const config = parsePi0Config(await readJson(configPath));
    const folder = await Deno.makeTempDir({ prefix: "pi0-golden-" });
    await Deno.copyFile(checkpointPath, `${folder}/model.safetensors`);
    const checkpoint = await SafetensorsFile.open(`${folder}/model.safetensors`);
    await Deno.writeFile(`${folder}/derived`, ReadableStream.from(deriveWeights(config, checkpoint, options).chunks()));
    const derived = await SafetensorsFile.open(`${folder}/derived`);
    const weights = await openWeights(config, options.precision, options.fusion, {
      derived: { file: derived, location: "derived" },
      ...(options.refer && { checkpoint: { file: checkpoint, location: "model.safetensors" } }),
    });
    return new GoldenModel(config, weights, folder, [checkpoint, derived]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files) file[Symbol.dispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** A request's values under the names of the graph's inputs, and how many pictures it has. */
export async function goldenInputs(
  folder: string,
  { model_input: input }: GoldenModelCase,
  family: Pi0Config["family"],
) {
  const files = Object.values(input.images).flatMap(({ mask, file }) => mask && file !== null ? [file] : []);
  const pictures = await Promise.all(
    files.map(async (file) => decodePng(await Deno.readFile(`${folder}/${file}`)).data),
  );
  const images = new Uint8Array(pictures.reduce((sum, { length }) => sum + length, 0));
  pictures.reduce((offset, picture) => (images.set(picture, offset), offset + picture.length), 0);
  return {
    cameras: files.length,
    inputs: {
      images,
      tokens: Int32Array.from(input.tokens),
      token_count: Int32Array.of(input.valid_tokens),
      ...(family === "pi0" && { state: Float32Array.from(input.state) }),
      noise: await readFloat32(`${folder}/${input.noise.file}`),
    },
  };
}

/** Rows of a flat array. */
export function pickRows(values: Float32Array, width: number, rows: readonly number[]): Float32Array {
  return Float32Array.from(rows.flatMap((row) => [...values.subarray(row * width, (row + 1) * width)]));
}

/** Whether the trained model is there. */
export const hasMini = existsSync(MINI_FOLDER);
