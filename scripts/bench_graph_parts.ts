/**
 * Parts of the graph at the released size, each as it would be without a trick and as it is. A whole graph of that size
 * takes seconds per run, in which most tricks would not show; bench_graph.ts times these.
 *
 * @module
 */

import { GraphBuilder, MICROSOFT } from "../src/onnx/graph_builder.ts";
import type { Tensors } from "../src/ort/mod.ts";
import { PI0_CONFIGS, type Pi0Config } from "../src/pi0/config.ts";
import { writeFlow } from "../src/pi0/graph_flow.ts";
import { GemmaWriter, type KeysAndValues } from "../src/pi0/graph_gemma.ts";
import { type GraphContext, GraphSection, type Rotation, type Stream } from "../src/pi0/graph_section.ts";
import { makeRandomWeights } from "../src/pi0/random_weights.ts";
import { foldTime } from "../src/pi0/time.ts";
import type { Fusion } from "../src/pi0/weights.ts";
import { seededRandom } from "../src/random.ts";

/** A model that can be timed. */
export interface PartGraph {
  readonly model: Uint8Array<ArrayBuffer>;
  /** What a run is given; what it takes to make it is part of the run. */
  readonly inputs: () => Tensors;
}

/** One trick. */
export interface Part {
  readonly name: string;
  readonly before: PartGraph;
  readonly after: PartGraph;
}

/** The released widths, with as few layers as show something. */
const SIZE: Pi0Config = { ...PI0_CONFIGS.pi0, depth: 3 };
const CAMERAS = 1;
const PREFIX_TOKENS = CAMERAS * SIZE.vision.tokens + SIZE.promptSlots;
/** Norms of the prefix: two for each of the released 18 layers. */
const NORMS = 36;
const APART: Fusion = { attention: false, gate: false };

/** @param folder for the weights. */
export async function makeParts(folder: string): Promise<Part[]> {
  const within = (config: Pi0Config, fusion: Fusion = APART) => openSection(folder, config, fusion);
  const parts: Part[] = [];
  const add = async (
    name: string,
    before: PartGraph | Promise<PartGraph>,
    after: PartGraph | Promise<PartGraph>,
  ) => parts.push({ name, before: await before, after: await after });
  const whole = PI0_CONFIGS.pi0;
  for (const part of ["prefix", "expert"] as const) {
    const block = async (fusion: Fusion) => writeBlock(await within(SIZE, fusion), part);
    const apart = await block(APART);
    await add(`query+key+value fused, a block of the ${part}`, apart, block({ ...APART, attention: true }));
    await add(`gate+up fused, a block of the ${part}`, apart, block({ ...APART, gate: true }));
  }
  await add(
    "time folded to constants, ten steps of π₀",
    writeTimeBefore(await within(whole)),
    writeTimeAfter(await within(whole)),
  );
  const { pi05 } = PI0_CONFIGS;
  await add(
    "time folded to constants, ten steps of π₀.₅",
    writeTimeBefore(await within(pi05)),
    writeTimeAfter(await within(pi05)),
  );
  await add(
    `additions fused into ${NORMS} norms`,
    writeNorms(await within(SIZE), false),
    writeNorms(await within(SIZE), true),
  );
  await add(
    `state token in the prefix's cache, ${SIZE.depth} layers`,
    writeSteps(await within({ ...SIZE, actionHorizon: SIZE.actionHorizon + 1 }), false),
    writeSteps(await within(SIZE), true),
  );
  await add(
    "last block of the prefix pruned to its keys and values",
    writeBlock(await within(SIZE), "prefix"),
    writeLastKeys(await within(SIZE)),
  );
  await add(
    "bytes become numbers in the graph",
    writePatches(await within(SIZE), false),
    writePatches(await within(SIZE), true),
  );
  return parts;
}

interface Open {
  readonly context: GraphContext;
  readonly graph: GraphBuilder;
  section(tokens: number): GraphSection;
  readonly config: Pi0Config;
}

async function openSection(folder: string, config: Pi0Config, fusion: Fusion): Promise<Open> {
  const weights = await makeRandomWeights(config, { precision: "float32", fusion, seed: 1, folder });
  const graph = new GraphBuilder("part");
  const context: GraphContext = { graph, weights, quantized: new Map() };
  return { context, graph, config, section: (tokens) => new GraphSection(context, tokens) };
}

/** Ends a graph with one number, so that what comes out costs nothing. */
function finish(graph: GraphBuilder, values: readonly string[], inputs: Tensors): PartGraph {
  const sums = values.map((value) => graph.node("ReduceSum", [value], { attributes: { keepdims: { int: 0 } } }));
  graph.output(graph.node("Sum", sums), "sum", "float32", []);
  return { model: graph.finish(), inputs: () => inputs };
}

function noise(length: number): Float32Array<ArrayBuffer> {
  const random = seededRandom(length);
  return Float32Array.from({ length }, () => 2 * random() - 1);
}

/** An input of hidden values. */
function hidden({ graph }: Open, inputs: Record<string, Float32Array>, name: string, shape: readonly number[]): string {
  inputs[name] = noise(shape.reduce((product, size) => product * size, 1));
  return graph.input(name, "float32", shape);
}

function rotationTables(section: GraphSection): Omit<Rotation, "positions"> {
  const shape = [PREFIX_TOKENS + 1 + SIZE.actionHorizon, SIZE.headDim / 2];
  const values = noise(shape[0]! * shape[1]!);
  return { cosines: section.constant("cosines", shape, values), sines: section.constant("sines", shape, values) };
}

function rotationFrom(section: GraphSection, tokens: number): Rotation {
  const positions = BigInt64Array.from({ length: tokens }, (_, position) => BigInt(position));
  return {
    ...rotationTables(section),
    positions: section.graph.constant("positions", "int64", [1, tokens], positions),
  };
}

/** A block whose tokens attend to each other. */
function writeBlock(open: Open, part: "prefix" | "expert"): PartGraph {
  const { graph, config } = open;
  const tokens = part === "prefix" ? PREFIX_TOKENS : config.actionHorizon;
  const section = open.section(tokens);
  const inputs = {};
  const gemma = new GemmaWriter(section, part, rotationFrom(section, tokens));
  const validKeys = graph.integers([tokens]);
  const stream: Stream = { sum: hidden(open, inputs, "hidden", [1, tokens, config[part].width]) };
  const { sum, delta } = gemma.block(0, stream, (own) => ({ ...own, validKeys }));
  return finish(graph, [sum, delta!], inputs);
}

function writeLastKeys(open: Open): PartGraph {
  const { graph, config } = open;
  const section = open.section(PREFIX_TOKENS);
  const inputs = {};
  const gemma = new GemmaWriter(section, "prefix", rotationFrom(section, PREFIX_TOKENS));
  const stream = { sum: hidden(open, inputs, "hidden", [1, PREFIX_TOKENS, config.prefix.width]) };
  const { keys, values } = gemma.keysAndValues(config.depth - 1, stream);
  return finish(graph, [keys, values], inputs);
}

/** The actions' way to tokens, and π₀.₅'s modulations, from time vectors that are an input. */
function writeTimeBefore(open: Open): PartGraph {
  const { graph, config } = open;
  const { family, flowSteps, actionHorizon, actionDim, expert: { width }, depth } = config;
  const section = open.section(actionHorizon);
  const inputs = {};
  const actions = hidden(open, inputs, "actions", [1, actionHorizon, actionDim]);
  const times = hidden(open, inputs, "times", [flowSteps, width]);
  const swish = (value: string) =>
    graph.node("QuickGelu", [value], { domain: MICROSOFT, attributes: { alpha: { float: 1 } } });
  const results: string[] = [];
  for (let step = 0; step < flowSteps; step++) {
    const time = section.reshape(graph.node("Gather", [times, graph.integers([step])]), [1, 1, width]);
    const embedded = section.linear(actions, "action_in");
    if (family === "pi0") {
      const rows = graph.node("Expand", [time, graph.integers([1, actionHorizon, width])]);
      const both = graph.node("Concat", [embedded, rows], { attributes: { axis: { int: -1 } } });
      results.push(section.linear(both, "action_time_in"));
      continue;
    }
    const condition = swish(section.linear(swish(section.linear(time, "time_in")), "time_out"));
    const norms = Array.from({ length: depth }, (_, layer) => [`expert.${layer}.norm1`, `expert.${layer}.norm2`]);
    results.push(embedded, ...[...norms.flat(), "expert.norm"].map((norm) => section.linear(condition, norm)));
  }
  return finish(graph, results, inputs);
}

/** The same as one small product per step, with another constant bias in each. */
function writeTimeAfter(open: Open): PartGraph {
  const { graph, config } = open;
  const { flowSteps, actionHorizon, actionDim, expert: { width } } = config;
  const section = open.section(actionHorizon);
  const inputs = {};
  const actions = hidden(open, inputs, "actions", [actionHorizon, actionDim]);
  const weight = section.constant("weight", [width, actionDim], noise(width * actionDim));
  const results = Array.from({ length: flowSteps }, (_, step) => {
    const bias = section.constant(`bias.${step}`, [width], noise(width).map((value) => value + step));
    return graph.node("Gemm", [actions, weight, bias], { attributes: { transB: { int: 1 } } });
  });
  return finish(graph, results, inputs);
}

/** A stream that is added to and normed again and again. */
function writeNorms(open: Open, fused: boolean): PartGraph {
  const { graph, config } = open;
  const section = open.section(PREFIX_TOKENS);
  const inputs = {};
  const scale = section.offsetScale("prefix.0.norm1");
  let sum = hidden(open, inputs, "hidden", [1, PREFIX_TOKENS, config.prefix.width]);
  let normed = section.rmsNorm({ sum }, scale).normed;
  for (let norm = 0; norm < NORMS; norm++) {
    const stream = fused ? { sum, delta: normed } : { sum: graph.node("Add", [sum, normed]) };
    ({ sum, normed } = section.rmsNorm(stream, scale));
  }
  return finish(graph, [sum, normed], inputs);
}

/**
 * The flow's steps with a prefix that is given. Without the cache the state's token is one more row in every step; that
 * it must not see the actions would take a mask, which is left out here.
 */
async function writeSteps(open: Open, cached: boolean): Promise<PartGraph> {
  const { context, graph, config } = open;
  const { actionHorizon, actionDim, depth, kvHeads, headDim } = config;
  const inputs: Record<string, Float32Array> = {};
  const shape = [1, PREFIX_TOKENS, kvHeads * headDim];
  const prefix: KeysAndValues[] = Array.from({ length: depth }, (_, layer) => ({
    keys: hidden(open, inputs, `keys.${layer}`, shape),
    values: hidden(open, inputs, `values.${layer}`, shape),
  }));
  const state = cached ? hidden(open, inputs, "state", [actionDim]) : undefined;
  const { actions } = writeFlow(context, {
    prefix,
    tables: rotationTables(open.section(actionHorizon)),
    time: await foldTime(context.weights, config.flowSteps),
    state,
    noise: hidden(open, inputs, "noise", [actionHorizon, actionDim]),
    prefixCount: graph.integers([PREFIX_TOKENS]),
  });
  return finish(graph, [actions], inputs);
}

/** Pictures to patches' embeddings, from bytes or from float32 that JavaScript makes of them. */
function writePatches(open: Open, inGraph: boolean): PartGraph {
  const { graph, config } = open;
  const { imageHeightPx, imageWidthPx, vision: { patchPx, tokens } } = config;
  const section = open.section(CAMERAS * tokens);
  const shape = [CAMERAS, imageHeightPx, imageWidthPx, 3];
  const images = graph.input("images", inGraph ? "uint8" : "float32", shape);
  const split = [CAMERAS * imageHeightPx / patchPx, patchPx, imageWidthPx / patchPx, patchPx * 3];
  const turned = graph.node("Transpose", [section.reshape(images, split)], {
    attributes: { perm: { ints: [0, 2, 1, 3] } },
  });
  let pixels = section.reshape(turned, [1, CAMERAS * tokens, 3 * patchPx ** 2]);
  if (inGraph) {
    const scaled = graph.node("Div", [section.cast(pixels, "uint8", "float32"), graph.scalar(127.5)]);
    pixels = graph.node("Sub", [scaled, graph.scalar(1)]);
  }
  const { model } = finish(graph, [section.product(pixels, "vision.patch")], {});
  const random = seededRandom(1);
  const bytes = Uint8Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () => 256 * random());
  const convert = () => {
    const numbers = new Float32Array(bytes.length);
    for (let i = 0; i < bytes.length; i++) numbers[i] = bytes[i]! / 127.5 - 1;
    return numbers;
  };
  return { model, inputs: () => ({ images: inGraph ? bytes : convert() }) };
}
