/**
 * A model folder: `pi0.json`, which says what the model is and what belongs to it, and those files.
 *
 * model_folder_export.ts makes one, model_folder_open.ts opens it.
 *
 * @module
 */
import { join } from "node:path";
import { checkFile, type FileRecord, type OnBytes } from "./file_record.ts";
import type { Fusion, Precision } from "./weights.ts";
import type { ByteType } from "./quantize.ts";

export const MANIFEST_NAME = "pi0.json";

/** Says that a JSON file is such a manifest. */
export const MANIFEST_FORMAT = "pi0 model";

/** Raised when a program that reads the last one would misread the next. */
export const MANIFEST_VERSION = 1;

/** One number of cameras with one number of Euler steps: a graph of its own. */
export interface Variant {
  readonly cameras: number;
  readonly flowSteps: number;
}

/** What `pi0.json` says. */
export interface Manifest {
  readonly format: typeof MANIFEST_FORMAT;
  readonly version: typeof MANIFEST_VERSION;
  /** Dimensions, with openpi's names; see {@linkcode parsePi0Config}. */
  readonly config: unknown;
  /** What the model expects around it; see {@linkcode readPolicySettings}. */
  readonly policy: unknown;
  /** Token ids by prompt; null where there is a tokenizer. */
  readonly prompts: Readonly<Record<string, readonly number[]>> | null;
  readonly tokenizer: FileRecord | null;
  readonly normStats: FileRecord;
  readonly precision: Precision;
  /** For int8: what the weights' bytes are; null for other precisions. */
  readonly byteType: ByteType | null;
  readonly fusion: Fusion;
  readonly graphs: readonly (Variant & { readonly file: FileRecord })[];
  /** The tensors as the graphs want them; `checkpoint`, where it is not null, has those that serve as they lie. */
  readonly weights: { readonly derived: FileRecord; readonly checkpoint: FileRecord | null };
  /** The time vectors that were given, float32 [flowSteps × expert width]; null where they are our own. */
  readonly timeEmbedding: FileRecord | null;
  /** Whether the graphs have the intermediate values as outputs. */
  readonly probes: boolean;
  readonly provenance: {
    /** Program and version that exported it. */
    readonly program: string;
    /** The file that the weights come from: its name, not its place. */
    readonly checkpoint: FileRecord;
  };
}

/** Files up to this size are read whole whenever a folder is opened: a tenth of a second. */
const HASHED_BYTES = 64 * 1024 * 1024;

/**
 * Reads the manifest of a folder.
 *
 * @throws {Error} where there is none, or one that this program does not understand.
 */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, MANIFEST_NAME);
  const fail = (reason: string, cause?: unknown) => new Error(`Cannot open ${folder} as a model: ${reason}`, { cause });
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound) && !(cause instanceof Deno.errors.NotADirectory)) throw cause;
    const isThere = await Deno.stat(folder).then(() => true, () => false);
    throw fail(`${isThere ? `it has no ${MANIFEST_NAME}` : "it is not there"}; make a model with pi0 export`, cause);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw fail(`${MANIFEST_NAME} is no JSON`, cause);
  }
  if (!isRecord(json) || json["format"] !== MANIFEST_FORMAT) {
    throw fail(`${MANIFEST_NAME} is no manifest of a model`);
  }
  if (json["version"] !== MANIFEST_VERSION) {
    throw fail(
      `its version is ${json["version"]}, this program knows ${MANIFEST_VERSION}; export it with this program`,
    );
  }
  for (const [key, isRight] of Object.entries(FIELDS)) {
    if (!isRight(json[key])) throw fail(`"${key}" of ${MANIFEST_NAME} is missing or broken; export the model again`);
  }
  return json as unknown as Manifest;
}

/** What each field must be. Configuration and settings have readers of their own. */
const FIELDS: Readonly<Record<keyof Omit<Manifest, "format" | "version">, (value: unknown) => boolean>> = {
  config: isRecord,
  policy: isRecord,
  prompts: (value) => value === null || (isRecord(value) && Object.values(value).every(isNumbers)),
  tokenizer: (value) => value === null || isFileRecord(value),
  normStats: isFileRecord,
  precision: (value) => ["float32", "float16", "bfloat16", "int8"].includes(value as string),
  byteType: (value) => value === null || value === "I8" || value === "U8",
  fusion: (value) => isRecord(value) && typeof value["attention"] === "boolean" && typeof value["gate"] === "boolean",
  graphs: (value) =>
    Array.isArray(value) && value.length > 0 &&
    value.every((graph) =>
      isRecord(graph) && isNumbers([graph["cameras"], graph["flowSteps"]]) && isFileRecord(graph["file"])
    ),
  weights: (value) =>
    isRecord(value) && isFileRecord(value["derived"]) &&
    (value["checkpoint"] === null || isFileRecord(value["checkpoint"])),
  timeEmbedding: (value) => value === null || isFileRecord(value),
  probes: (value) => typeof value === "boolean",
  provenance: (value) => isRecord(value) && typeof value["program"] === "string" && isFileRecord(value["checkpoint"]),
};

function isFileRecord(value: unknown): value is FileRecord {
  return isRecord(value) && typeof value["path"] === "string" && isNumbers([value["bytes"]]) &&
    typeof value["sha256"] === "string" && /^[0-9a-f]{64}$/.test(value["sha256"]);
}

function isNumbers(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Every file that belongs to a model. */
export function listFiles(manifest: Manifest): FileRecord[] {
  const { weights, tokenizer, normStats, timeEmbedding, graphs } = manifest;
  const files = [
    normStats,
    tokenizer,
    timeEmbedding,
    ...graphs.map(({ file }) => file),
    weights.derived,
    weights.checkpoint,
  ];
  return files.filter((file) => file !== null);
}

/**
 * Makes sure that the files are as they were exported. Of those above 64 MiB only the size is compared, unless `whole`.
 *
 * @throws {Error} naming the first that is not.
 */
export async function verifyFolder(
  folder: string,
  manifest: Manifest,
  { whole, onBytes }: { readonly whole: boolean; readonly onBytes?: OnBytes },
): Promise<void> {
  for (const record of listFiles(manifest)) {
    await checkFile(folder, record, { hashUpToBytes: whole ? Infinity : HASHED_BYTES, onBytes });
  }
}
