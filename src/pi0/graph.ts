/**
 * The whole model as one ONNX graph: pictures, prompt, state and noise in, actions out, in one run.
 *
 * It has static shapes, no loop and no mask. What makes that exact:
 * - A camera that is not there is left out, since nothing attends to it: one graph per number of cameras.
 * - The prompt's padding comes last among the keys, where attention's key count ends before it. A softmax does not
 *   care about the order of keys, since each key carries its position in its rotation.
 * - π₀'s state token sees the prefix and itself only, and never the time: its keys and values are computed once, and
 *   the actions attend to everything that is left.
 * - The Euler steps are written one after the other, so what depends on time alone is constant.
 *
 * Start with {@linkcode buildPi0Graph}; graph_vision.ts, graph_gemma.ts and graph_flow.ts are its parts.
 *
 * @module
 */
import { GraphBuilder } from "../onnx/graph_builder.ts";
import { writeFlow } from "./graph_flow.ts";
import { GemmaWriter, type KeysAndValues } from "./graph_gemma.ts";
import { GRAPH_TYPES, type GraphContext, GraphSection, type Rotation, type Stream } from "./graph_section.ts";
import { writeVision } from "./graph_vision.ts";
import type { FoldedTime } from "./time.ts";
import type { Pi0Config } from "./config.ts";
import type { Pi0Weights } from "./weights.ts";

/** One variant of a model. */
export interface Pi0GraphOptions {
  /** Pictures per request: one or more, in the order of the model's slots with the empty slots left out. */
  readonly cameras: number;
  /** From {@linkcode foldTime}; says how many Euler steps there are. */
  readonly time: FoldedTime;
  /** Whether intermediate values are outputs too; their names are in {@linkcode listProbes}. */
  readonly probes: boolean;
}

/** A named input or output of the graph. */
export interface Port {
  readonly name: string;
  readonly type: "uint8" | "int32" | "float32";
  readonly shape: readonly number[];
}

/**
 * The graph's inputs, in order. All pictures are one tensor, so that they are one batch and one buffer to fill.
 * `token_count` says how many of `tokens` are the prompt; the others must be valid token ids and count for nothing.
 */
export function listInputs(config: Pi0Config, cameras: number): Port[] {
  return [
    { name: "images", type: "uint8", shape: [cameras, config.imageHeightPx, config.imageWidthPx, 3] },
    { name: "tokens", type: "int32", shape: [config.promptSlots] },
    { name: "token_count", type: "int32", shape: [1] },
    ...(config.family === "pi0" ? [{ name: "state", type: "float32", shape: [config.actionDim] } as const] : []),
    { name: "noise", type: "float32", shape: [config.actionHorizon, config.actionDim] },
  ];
}

/** The graph's one output besides probes: normalised actions. */
export function actionsPort(config: Pi0Config): Port {
  return { name: "actions", type: "float32", shape: [config.actionHorizon, config.actionDim] };
}

/**
 * The intermediate values that `probes` adds, all float32: picture tokens of the first camera, keys (rotated) and
 * values of the prefix's first and last layer (rows: pictures, then prompt slots), the first step's suffix tokens,
 * velocity and (π₀.₅) condition, and the actions after each step.
 */
export function listProbes(config: Pi0Config, cameras: number, flowSteps: number): Port[] {
  const { actionHorizon, actionDim, expert, vision } = config;
  const keyShape = [cameras * vision.tokens + config.promptSlots, config.kvHeads * config.headDim];
  const suffix = actionHorizon + (config.family === "pi0" ? 1 : 0);
  const port = (name: string, shape: number[]): Port => ({ name, type: "float32", shape });
  return [
    port("siglip_cam0", [vision.tokens, config.prefix.width]),
    ...["k_first", "v_first", "k_last", "v_last"].map((name) => port(name, keyShape)),
    port("suffix_embedding_first_step", [suffix, expert.width]),
    port("v_first_step", [actionHorizon, actionDim]),
    port("x_after_step", [flowSteps, actionHorizon, actionDim]),
    ...(config.family === "pi05" ? [port("adarms_cond_first_step", [expert.width])] : []),
  ];
}

/**
 * Writes the graph. Its matrices stay where {@linkcode Pi0Weights} says they are.
 *
 * @return the bytes of an `.onnx` file: 4 MB for the full π₀, 9 MB for π₀.₅ or 8 bits.
 * @throws {RangeError} where the number of cameras is not one that the model has.
 */
export function buildPi0Graph(weights: Pi0Weights, options: Pi0GraphOptions): Uint8Array<ArrayBuffer> {
  const { config } = weights;
  const { cameras, time } = options;
  if (!Number.isInteger(cameras) || cameras < 1 || cameras > config.cameraSlots.length) {
    throw new RangeError(
      `Cannot write a graph for ${cameras} cameras: the model takes 1 to ${config.cameraSlots.length}`,
    );
  }
  const graph = new GraphBuilder(config.family);
  const context: GraphContext = { graph, weights, quantized: new Map() };
  const inputs = new Map(
    listInputs(config, cameras).map(({ name, type, shape }) => [name, graph.input(name, type, shape)]),
  );
  const imageTokens = cameras * config.vision.tokens;
  const prefixTokens = imageTokens + config.promptSlots;
  const section = new GraphSection(context, prefixTokens);
  const count = section.cast(inputs.get("token_count")!, "int32", "int64");
  /** The int64 `[1]` that counts the prompt's tokens and `more`. */
  const countPlus = (more: number) => graph.node("Add", [count, graph.integers([more])]);

  const pictures = graph.within("vision", () => writeVision(context, inputs.get("images")!, cameras));
  const embeddings = graph.within("prompt", () => writePrompt(section, pictures, inputs.get("tokens")!));
  const tables = rotationTables(section, prefixTokens + 1 + config.actionHorizon);
  const prefix = graph.within("prefix", () => {
    const positions = Array.from({ length: prefixTokens }, (_, position) => BigInt(position));
    const rotation = {
      ...tables,
      positions: graph.constant("prefix.positions", "int64", [1, prefixTokens], BigInt64Array.from(positions)),
    };
    return writePrefix(section, embeddings, rotation, countPlus(imageTokens));
  });
  const flow = writeFlow(context, {
    prefix,
    tables,
    time,
    state: inputs.get("state"),
    noise: inputs.get("noise")!,
    prefixCount: countPlus(imageTokens),
  });

  const actions = actionsPort(config);
  graph.output(flow.actions, actions.name, actions.type, actions.shape);
  if (options.probes) {
    const firstCamera = graph.node("Slice", [
      pictures,
      ...[0, config.vision.tokens, 1].map((value) => graph.integers([value])),
    ]);
    const [first, last] = [prefix[0]!, prefix.at(-1)!];
    const typed: Record<string, string> = {
      siglip_cam0: firstCamera,
      k_first: first.keys,
      v_first: first.values,
      k_last: last.keys,
      v_last: last.values,
    };
    for (const { name, type, shape } of listProbes(config, cameras, time.flowSteps)) {
      const value = flow.probes[name]?.() ?? section.cast(typed[name]!, section.type, "float32");
      graph.output(section.reshape(value, shape), name, type, shape);
    }
  }
  return graph.finish();
}

/** Prompt tokens behind the pictures'. Only the prompt's are multiplied by √width, as Gemma's embeddings are. */
function writePrompt(section: GraphSection, pictures: string, tokens: string): string {
  const { graph, weights: { config } } = section;
  const stored = GRAPH_TYPES[section.weights.matrix("prefix.embedding").type];
  const rows = graph.node("Gather", [
    section.matrix("prefix.embedding"),
    section.reshape(tokens, [1, config.promptSlots]),
  ]);
  const wide = section.cast(rows, stored, "float32");
  const scaled = graph.node("Mul", [wide, graph.scalar(Math.sqrt(config.prefix.width))]);
  return graph.node("Concat", [pictures, section.cast(scaled, "float32", section.type)], {
    attributes: { axis: { int: 1 } },
  });
}

/** Keys and values of every layer. Rows of padding compute something finite that nothing attends to. */
function writePrefix(
  section: GraphSection,
  embeddings: string,
  rotation: Rotation,
  validKeys: string,
): KeysAndValues[] {
  const { depth } = section.weights.config;
  const gemma = new GemmaWriter(section, "prefix", rotation);
  const layers: KeysAndValues[] = [];
  let stream: Stream = { sum: embeddings };
  for (let layer = 0; layer < depth - 1; layer++) {
    stream = gemma.block(layer, stream, (own) => {
      layers.push(own);
      return { ...own, validKeys };
    });
  }
  return [...layers, gemma.keysAndValues(depth - 1, stream)];
}

/** Cosines and sines for `count` positions, computed in float64. */
function rotationTables(section: GraphSection, count: number): Omit<Rotation, "positions"> {
  const { headDim, ropeBase } = section.weights.config;
  const half = headDim / 2;
  const [cosines, sines] = [new Float32Array(count * half), new Float32Array(count * half)];
  for (let position = 0; position < count; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position / ropeBase ** (i / half);
      cosines[position * half + i] = Math.cos(angle);
      sines[position * half + i] = Math.sin(angle);
    }
  }
  return {
    cosines: section.constant("rotation.cosines", [count, half], cosines),
    sines: section.constant("rotation.sines", [count, half], sines),
  };
}
