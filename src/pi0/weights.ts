/**
 * The weights as the graph wants them: which tensors there are, and from which of openpi's they are made.
 *
 * A *matrix* stays in a file, where the runtime maps it, unless the whole model is small and in memory. A *vector*
 * (norms, biases, positions: 1 in 1,000 values) is read into memory and goes into the model file. Names are ours; openpi's
 * PyTorch names are the `sources`.
 *
 * @module
 */
import type { ExternalBytes } from "../onnx/model.ts";
import type { TensorType } from "../checkpoint/safetensors.ts";
import type { Pi0Config } from "./config.ts";

/** What the graph computes with. `int8` has 8-bit weights and activations, quantised per token, and float32 between. */
export type Precision = "float32" | "float16" | "bfloat16" | "int8";

/**
 * What a matrix is for, which decides its type: `layer` the precision asked for; `exact` always float32 (the small
 * projections around the transformers, which openpi keeps in float32 too); `patch` the same, with the columns of a kernel
 * [width, channel, y, x] brought into the order of an interleaved picture, [width, y, x, channel]; `lookup` (rows are gathered) and `fold` (used
 * while the graph is written) whatever the checkpoint has.
 */
export type MatrixUse = "layer" | "exact" | "patch" | "lookup" | "fold";

/** A matrix `rows × columns` (PyTorch's out × in): the rows of its sources, one below the other. */
export interface MatrixSpec {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly sources: readonly string[];
  readonly use: MatrixUse;
}

/** A vector: its sources end to end. */
export interface VectorSpec {
  readonly name: string;
  readonly length: number;
  readonly sources: readonly string[];
  /** `offset scale` is stored as w and used as 1 + w (Gemma's norms). */
  readonly kind: "bias" | "scale" | "offset scale";
}

/** Which projections are one matrix. Fewer and larger products, at the price of a copy of the weights. */
export interface Fusion {
  /** Query, key and value. */
  readonly attention: boolean;
  /** Gemma's gate and up projections. */
  readonly gate: boolean;
}

/**
 * What to fuse where nobody says otherwise. On a CPU fusing brings nothing in float32 (scripts/bench_graph.ts), and apart
 * a float32 checkpoint serves as it lies; in 8 bits it saves two of three multiplications by the row's factor. On a GPU
 * fewer and larger products pay.
 */
export const FUSIONS = {
  float32: { attention: false, gate: false },
  float16: { attention: true, gate: true },
  bfloat16: { attention: true, gate: true },
  int8: { attention: true, gate: false },
} as const satisfies Record<Precision, Fusion>;

/** Where a matrix is and how it lies there. */
export interface StoredMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly type: TensorType;
  /** `rows`: row-major rows × columns, as PyTorch has it. `columns`: the transpose of that. */
  readonly order: "rows" | "columns";
  /** In a file, or in memory: then they go into the model file. */
  readonly bytes: ExternalBytes | Uint8Array<ArrayBuffer>;
  /** For int8: one factor per row. */
  readonly scales?: Float32Array<ArrayBuffer>;
}

/** A model's weights, whatever they are made of. */
export interface Pi0Weights {
  readonly config: Pi0Config;
  readonly precision: Precision;
  readonly fusion: Fusion;
  matrix(name: string): StoredMatrix;
  vector(name: string): Float32Array<ArrayBuffer>;
  /** The values of an `exact` or `fold` matrix, row-major rows × columns. */
  readMatrix(name: string): Promise<Float32Array<ArrayBuffer>>;
}

/** Looks a tensor up by its name. @throws {RangeError} where there is none. */
export function pickWeights<T>(tensors: ReadonlyMap<string, T>, name: string): T {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new RangeError(`Cannot find "${name}": the configuration has no such weights`);
  return tensor;
}

const VISION = "paligemma_with_expert.paligemma.model.vision_tower.vision_model.";
const PROJECTOR = "paligemma_with_expert.paligemma.model.multi_modal_projector.linear.";
const PREFIX = "paligemma_with_expert.paligemma.model.language_model.";
const EXPERT = "paligemma_with_expert.gemma_expert.model.";

/** The embedding table; `lm_head` is the same tensor and may be the only one stored (safetensors keeps one name). */
export const EMBEDDING_SOURCES = [`${PREFIX}embed_tokens.weight`, "paligemma_with_expert.paligemma.lm_head.weight"];

/** Every tensor that a configuration's graph needs. */
export function listWeights(config: Pi0Config, fusion: Fusion): { matrices: MatrixSpec[]; vectors: VectorSpec[] } {
  const list = new WeightList();
  listVision(list, config, fusion);
  list.matrix("prefix.embedding", config.vocabularySize, config.prefix.width, [EMBEDDING_SOURCES[0]!], "lookup");
  for (let layer = 0; layer < config.depth; layer++) {
    // Of the prefix's last block only keys and values are used.
    const isLast = layer === config.depth - 1;
    listGemmaBlock(list, config, fusion, "prefix", layer, isLast);
    list.vector(`prefix.${layer}.norm1`, config.prefix.width, [
      `${PREFIX}layers.${layer}.input_layernorm.weight`,
    ], "offset scale");
    if (!isLast) {
      list.vector(`prefix.${layer}.norm2`, config.prefix.width, [
        `${PREFIX}layers.${layer}.post_attention_layernorm.weight`,
      ], "offset scale");
    }
    listGemmaBlock(list, config, fusion, "expert", layer, false);
    listExpertNorm(list, config, `expert.${layer}.norm1`, `${EXPERT}layers.${layer}.input_layernorm`);
    listExpertNorm(list, config, `expert.${layer}.norm2`, `${EXPERT}layers.${layer}.post_attention_layernorm`);
  }
  listExpertNorm(list, config, "expert.norm", `${EXPERT}norm`);
  listProjections(list, config);
  return list;
}

class WeightList {
  readonly matrices: MatrixSpec[] = [];
  readonly vectors: VectorSpec[] = [];

  matrix(name: string, rows: number, columns: number, sources: string[], use: MatrixUse): void {
    this.matrices.push({ name, rows, columns, sources, use });
  }

  vector(name: string, length: number, sources: string[], kind: VectorSpec["kind"]): void {
    this.vectors.push({ name, length, sources, kind });
  }

  /** A matrix `name` with a vector `name.bias`. */
  linear(name: string, rows: number, columns: number, sources: string[], use: MatrixUse): void {
    this.matrix(name, rows, columns, sources.map((source) => `${source}.weight`), use);
    this.vector(`${name}.bias`, rows, sources.map((source) => `${source}.bias`), "bias");
  }
}

function listVision(list: WeightList, config: Pi0Config, fusion: Fusion): void {
  const { width, depth, mlpWidth, patchPx, tokens } = config.vision;
  list.linear("vision.patch", width, 3 * patchPx ** 2, [`${VISION}embeddings.patch_embedding`], "patch");
  list.vector("vision.position", tokens * width, [`${VISION}embeddings.position_embedding.weight`], "bias");
  const norm = (name: string, source: string) => {
    list.vector(`${name}.scale`, width, [`${source}.weight`], "scale");
    list.vector(`${name}.bias`, width, [`${source}.bias`], "bias");
  };
  for (let layer = 0; layer < depth; layer++) {
    const name = `vision.${layer}`;
    const source = `${VISION}encoder.layers.${layer}`;
    norm(`${name}.norm1`, `${source}.layer_norm1`);
    norm(`${name}.norm2`, `${source}.layer_norm2`);
    const projections = ["q", "k", "v"].map((letter) => `${source}.self_attn.${letter}_proj`);
    if (fusion.attention) list.linear(`${name}.qkv`, 3 * width, width, projections, "layer");
    else {["q", "k", "v"].forEach((letter, i) =>
        list.linear(`${name}.${letter}`, width, width, [projections[i]!], "layer")
      );}
    list.linear(`${name}.out`, width, width, [`${source}.self_attn.out_proj`], "layer");
    list.linear(`${name}.up`, mlpWidth, width, [`${source}.mlp.fc1`], "layer");
    list.linear(`${name}.down`, width, mlpWidth, [`${source}.mlp.fc2`], "layer");
  }
  norm("vision.norm", `${VISION}post_layernorm`);
  list.linear("vision.project", config.prefix.width, width, [PROJECTOR.slice(0, -1)], "layer");
}

function listGemmaBlock(
  list: WeightList,
  config: Pi0Config,
  fusion: Fusion,
  part: "prefix" | "expert",
  layer: number,
  keysOnly: boolean,
): void {
  const { width, mlpWidth } = config[part];
  const queryWidth = config.heads * config.headDim;
  const keyWidth = config.kvHeads * config.headDim;
  const name = `${part}.${layer}`;
  const source = `${part === "prefix" ? PREFIX : EXPERT}layers.${layer}`;
  const [q, k, v] = ["q", "k", "v"].map((letter) => `${source}.self_attn.${letter}_proj.weight`) as [
    string,
    string,
    string,
  ];
  if (!fusion.attention) {
    if (!keysOnly) list.matrix(`${name}.q`, queryWidth, width, [q], "layer");
    list.matrix(`${name}.k`, keyWidth, width, [k], "layer");
    list.matrix(`${name}.v`, keyWidth, width, [v], "layer");
  } else if (keysOnly) list.matrix(`${name}.kv`, 2 * keyWidth, width, [k, v], "layer");
  else list.matrix(`${name}.qkv`, queryWidth + 2 * keyWidth, width, [q, k, v], "layer");
  if (keysOnly) return;
  list.matrix(`${name}.out`, width, queryWidth, [`${source}.self_attn.o_proj.weight`], "layer");
  const [gate, up] = [`${source}.mlp.gate_proj.weight`, `${source}.mlp.up_proj.weight`];
  if (fusion.gate) list.matrix(`${name}.gate_up`, 2 * mlpWidth, width, [gate, up], "layer");
  else {
    list.matrix(`${name}.gate`, mlpWidth, width, [gate], "layer");
    list.matrix(`${name}.up`, mlpWidth, width, [up], "layer");
  }
  list.matrix(`${name}.down`, width, mlpWidth, [`${source}.mlp.down_proj.weight`], "layer");
}

function listExpertNorm(list: WeightList, config: Pi0Config, name: string, source: string): void {
  const { width } = config.expert;
  if (config.family === "pi0") list.vector(name, width, [`${source}.weight`], "offset scale");
  else list.linear(name, 3 * width, width, [`${source}.dense`], "fold");
}

function listProjections(list: WeightList, config: Pi0Config): void {
  const { actionDim, expert: { width } } = config;
  list.linear("action_in", width, actionDim, ["action_in_proj"], "fold");
  list.linear("action_out", actionDim, width, ["action_out_proj"], "exact");
  if (config.family === "pi0") {
    list.linear("state_in", width, actionDim, ["state_proj"], "exact");
    list.linear("action_time_in", width, 2 * width, ["action_time_mlp_in"], "fold");
    list.linear("action_time_out", width, width, ["action_time_mlp_out"], "exact");
  } else {
    list.linear("time_in", width, width, ["time_mlp_in"], "fold");
    list.linear("time_out", width, width, ["time_mlp_out"], "fold");
  }
}
