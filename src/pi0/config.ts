/**
 * Every dimension of a π₀ or π₀.₅ model, as JSON tells it and as the graph uses it.
 *
 * @module
 */
import { UsageError } from "../errors.ts";

/** The SigLIP tower that turns a picture into tokens. */
export interface VisionConfig {
  readonly width: number;
  /** Blocks. */
  readonly depth: number;
  readonly mlpWidth: number;
  readonly heads: number;
  /** `width / heads`. */
  readonly headDim: number;
  /** Side of a square patch. */
  readonly patchPx: number;
  /** Patches of one picture, row by row from the top left. */
  readonly tokens: number;
}

/** A Gemma transformer: the one for pictures and prompt (prefix) or the one for actions (expert). */
export interface GemmaConfig {
  readonly width: number;
  readonly mlpWidth: number;
}

/** A model's dimensions. Both transformers share depth, heads and head dimension, since they share their attention. */
export interface Pi0Config {
  /** π₀ has a state token and a time MLP; π₀.₅ has adaptive norms instead. */
  readonly family: "pi0" | "pi05";
  readonly imageHeightPx: number;
  readonly imageWidthPx: number;
  /** The model's picture slots in their order, as openpi names them (`base_0_rgb` …). */
  readonly cameraSlots: readonly string[];
  readonly vision: VisionConfig;
  readonly prefix: GemmaConfig;
  readonly expert: GemmaConfig;
  readonly depth: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Rows of the embedding table. */
  readonly vocabularySize: number;
  /** Prompt tokens at most; shorter prompts are padded. */
  readonly promptSlots: number;
  /** Numbers per action and of the padded state. */
  readonly actionDim: number;
  /** Actions predicted at once. */
  readonly actionHorizon: number;
  /** Euler steps from noise to actions, unless a variant says otherwise. */
  readonly flowSteps: number;
  /** Shortest and longest period of the time vector's waves, in units of flow time (0 to 1). */
  readonly timePeriods: { readonly shortest: number; readonly longest: number };
  /** Base of the rotary position frequencies. */
  readonly ropeBase: number;
  /** Added to variances. */
  readonly normEpsilon: number;
}

/** Keys that other parts of the program read, and what a training program notes for its own use. */
const OTHER_KEYS = [
  "policy",
  "prompts",
  "precision",
  "params_layout",
  "mask_value",
  "leaf_count",
  "parameter_count",
];

/**
 * Reads a configuration from parsed JSON with openpi's names (`model_type`, `vision`, `paligemma`, `action_expert` …).
 *
 * @throws {UsageError} naming the first key that is missing, unknown, of the wrong kind or at odds with another.
 */
export function parsePi0Config(json: unknown): Pi0Config {
  const top = new Section("", json);
  const family = top.choice("model_type", ["pi0", "pi05"] as const);
  if (top.flag("pi05") !== (family === "pi05")) top.fail("pi05", `must be ${family === "pi05"} for ${family}`);
  const [imageHeightPx, imageWidthPx] = top.pair("image_resolution");
  const visionPart = top.section("vision");
  const prefixPart = top.section("paligemma");
  const expertPart = top.section("action_expert");
  const timePart = top.section("time_embedding");

  const vision: VisionConfig = {
    width: visionPart.count("width"),
    depth: visionPart.count("depth"),
    mlpWidth: visionPart.count("mlp_dim"),
    heads: visionPart.count("num_heads"),
    headDim: visionPart.count("head_dim"),
    patchPx: visionPart.count("patch_size"),
    tokens: visionPart.count("tokens"),
  };
  const prefix = { width: prefixPart.count("width"), mlpWidth: prefixPart.count("mlp_dim") };
  const expert = { width: expertPart.count("width"), mlpWidth: expertPart.count("mlp_dim") };
  const config: Pi0Config = {
    family,
    imageHeightPx,
    imageWidthPx,
    cameraSlots: top.texts("image_keys"),
    vision,
    prefix,
    expert,
    depth: prefixPart.count("depth"),
    heads: prefixPart.count("num_heads"),
    kvHeads: prefixPart.count("num_kv_heads"),
    headDim: prefixPart.count("head_dim"),
    vocabularySize: prefixPart.count("vocab_size"),
    promptSlots: top.count("max_token_len"),
    actionDim: top.count("action_dim"),
    actionHorizon: top.count("action_horizon"),
    flowSteps: top.count("num_steps"),
    timePeriods: { shortest: timePart.positive("min_period"), longest: timePart.positive("max_period") },
    ropeBase: top.positive("rope_base"),
    normEpsilon: top.positive("norm_eps"),
  };

  visionPart.equal("output_width", prefix.width, "paligemma.width");
  for (const key of ["depth", "num_heads", "num_kv_heads", "head_dim"]) {
    expertPart.equal(key, prefixPart.count(key), `paligemma.${key}`);
  }
  timePart.equal("width", expert.width, "action_expert.width");
  for (const section of [top, visionPart, prefixPart, expertPart, timePart]) section.refuseOthers(OTHER_KEYS);
  checkPi0Config(config);
  return config;
}

/**
 * Checks that the numbers fit each other, for configurations that were not parsed.
 *
 * @throws {UsageError} naming the numbers that do not.
 */
export function checkPi0Config(config: Pi0Config): void {
  const { vision } = config;
  const patches = (config.imageHeightPx / vision.patchPx) * (config.imageWidthPx / vision.patchPx);
  const rules: [boolean, string][] = [
    [
      config.imageHeightPx % vision.patchPx === 0 && config.imageWidthPx % vision.patchPx === 0,
      `image_resolution must be a multiple of vision.patch_size = ${vision.patchPx}`,
    ],
    [
      patches === vision.tokens,
      `vision.tokens must be ${patches}, the ${vision.patchPx}-pixel patches of ` +
      `${config.imageHeightPx} × ${config.imageWidthPx} pixels, but is ${vision.tokens}`,
    ],
    [
      vision.heads * vision.headDim === vision.width,
      `vision.width must be num_heads × head_dim = ${vision.heads * vision.headDim}, but is ${vision.width}`,
    ],
    [
      config.heads % config.kvHeads === 0,
      `paligemma.num_heads must be a multiple of num_kv_heads = ${config.kvHeads}, but is ${config.heads}`,
    ],
    [config.headDim % 2 === 0, `paligemma.head_dim must be even, but is ${config.headDim}`],
    [config.expert.width % 2 === 0, `action_expert.width must be even, but is ${config.expert.width}`],
    [config.cameraSlots.length > 0, "image_keys must name one picture slot at least"],
    [new Set(config.cameraSlots).size === config.cameraSlots.length, "image_keys must name each picture slot once"],
    [
      config.timePeriods.shortest < config.timePeriods.longest,
      `time_embedding.min_period must be below max_period = ${config.timePeriods.longest}`,
    ],
  ];
  for (const [holds, message] of rules) if (!holds) throw new UsageError(`Cannot use the configuration: ${message}`);
}

const RELEASED: Omit<Pi0Config, "family" | "promptSlots"> = {
  imageHeightPx: 224,
  imageWidthPx: 224,
  cameraSlots: ["base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb"],
  vision: { width: 1152, depth: 27, mlpWidth: 4304, heads: 16, headDim: 72, patchPx: 14, tokens: 256 },
  prefix: { width: 2048, mlpWidth: 16384 },
  expert: { width: 1024, mlpWidth: 4096 },
  depth: 18,
  heads: 8,
  kvHeads: 1,
  headDim: 256,
  vocabularySize: 257152,
  actionDim: 32,
  actionHorizon: 50,
  flowSteps: 10,
  timePeriods: { shortest: 0.004, longest: 4 },
  ropeBase: 10000,
  normEpsilon: 1e-6,
};

/** The built-in configurations: the released sizes, and a small one that answers in milliseconds. */
export const PI0_CONFIGS = {
  pi0: { ...RELEASED, family: "pi0", promptSlots: 48 },
  pi05: { ...RELEASED, family: "pi05", promptSlots: 200 },
  tiny: {
    ...RELEASED,
    family: "pi0",
    promptSlots: 48,
    vision: { width: 48, depth: 2, mlpWidth: 104, heads: 4, headDim: 12, patchPx: 14, tokens: 256 },
    prefix: { width: 64, mlpWidth: 128 },
    expert: { width: 32, mlpWidth: 96 },
    depth: 3,
    heads: 4,
    headDim: 16,
    vocabularySize: 512,
  },
} as const satisfies Record<string, Pi0Config>;

/** One object of the JSON, read key by key. */
class Section {
  readonly #path: string;
  readonly #values: Record<string, unknown>;
  readonly #known = new Set<string>();

  constructor(path: string, value: unknown) {
    this.#path = path;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      const what = path === "" ? "it" : `"${path.slice(0, -1)}"`;
      throw new UsageError(`Cannot use the configuration: ${what} must be a JSON object`);
    }
    this.#values = value as Record<string, unknown>;
  }

  fail(key: string, rule: string): never {
    const found = JSON.stringify(this.#values[key]);
    throw new UsageError(
      `Cannot use the configuration: "${this.#path}${key}" ${rule}, but is ${found === undefined ? "absent" : found}`,
    );
  }

  section(key: string): Section {
    return new Section(`${this.#path}${key}.`, this.#get(key));
  }

  count(key: string): number {
    const value = this.#get(key);
    if (!Number.isSafeInteger(value) || (value as number) < 1) this.fail(key, "must be a whole number above zero");
    return value as number;
  }

  positive(key: string): number {
    const value = this.#get(key);
    if (typeof value !== "number" || !(value > 0 && value < Infinity)) this.fail(key, "must be a number above zero");
    return value;
  }

  flag(key: string): boolean {
    const value = this.#get(key);
    if (typeof value !== "boolean") this.fail(key, "must be true or false");
    return value;
  }

  choice<T extends string>(key: string, choices: readonly T[]): T {
    const choice = choices.find((item) => item === this.#get(key));
    if (choice === undefined) this.fail(key, `must be one of ${choices.join(", ")}`);
    return choice;
  }

  texts(key: string): string[] {
    const value = this.#get(key);
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
      this.fail(key, "must be a list of texts");
    }
    return value;
  }

  /** Two whole numbers above zero. */
  pair(key: string): [number, number] {
    const value = this.#get(key);
    if (!Array.isArray(value) || value.length !== 2 || !value.every((item) => Number.isSafeInteger(item) && item > 0)) {
      this.fail(key, "must be two whole numbers above zero");
    }
    return value as [number, number];
  }

  equal(key: string, expected: number, other: string): void {
    if (this.count(key) !== expected) this.fail(key, `must be ${expected} like ${other}`);
  }

  refuseOthers(allowed: readonly string[]): void {
    for (const key of Object.keys(this.#values)) {
      if (!this.#known.has(key) && !allowed.includes(key)) {
        throw new UsageError(`Cannot use the configuration: "${this.#path}${key}" is not a known key`);
      }
    }
  }

  #get(key: string): unknown {
    this.#known.add(key);
    return this.#values[key];
  }
}
