/**
 * Noise to actions: the state token's keys and values, then the Euler steps one after the other.
 *
 * @module
 */
import { MICROSOFT } from "../onnx/graph_builder.ts";
import { GemmaWriter, type KeysAndValues } from "./graph_gemma.ts";
import { type GraphContext, GraphSection, type Rotation, type Stream } from "./graph_section.ts";
import type { FoldedTime } from "./time.ts";

/** What the flow needs from the rest of the graph. */
export interface FlowInputs {
  /** By layer; padding last. */
  readonly prefix: readonly KeysAndValues[];
  readonly tables: Omit<Rotation, "positions">;
  readonly time: FoldedTime;
  /** float32 `[actionDim]`; absent for π₀.₅. */
  readonly state: string | undefined;
  /** float32 `[actionHorizon, actionDim]`. */
  readonly noise: string;
  /** int64 `[1]`: prefix tokens that count; also the next position. */
  readonly prefixCount: string;
}

/** What the flow gives. */
export interface FlowOutputs {
  /** float32 `[actionHorizon, actionDim]`. */
  readonly actions: string;
  /** Writes what a probe shows, by the names of {@linkcode listProbes}; float32. */
  readonly probes: Readonly<Record<string, () => string>>;
}

/** Writes the flow. */
export function writeFlow(context: GraphContext, inputs: FlowInputs): FlowOutputs {
  const { graph, weights: { config } } = context;
  const { actionHorizon, expert: { width } } = config;
  const { time } = inputs;
  const section = new GraphSection(context, actionHorizon);
  const state = inputs.state === undefined
    ? undefined
    : graph.within("state", () => writeState(context, inputs, inputs.state!));
  const cached = state?.layers ?? inputs.prefix;
  const before = state === undefined ? 0 : 1;
  const offsets = BigInt64Array.from({ length: actionHorizon }, (_, row) => BigInt(before + row));
  const rotation = {
    ...inputs.tables,
    positions: graph.node("Add", [
      inputs.prefixCount,
      graph.constant("flow.positions", "int64", [1, actionHorizon], offsets),
    ]),
  };
  const validKeys = graph.node("Add", [inputs.prefixCount, graph.integers([before + actionHorizon])]);

  const probes: Record<string, () => string> = {};
  const snapshots: string[] = [];
  let actions = inputs.noise;
  for (let step = 0; step < time.flowSteps; step++) {
    graph.within(`step${step}`, () => {
      const embedded = writeActionEmbedding(section, actions, time, step);
      const modulate = time.modulations &&
        ((norm: string) => ({ label: `step${step}`, modulation: time.modulations!.get(norm)![step]! }));
      const gemma = new GemmaWriter(section, "expert", rotation, modulate);
      let stream: Stream = {
        sum: section.cast(section.reshape(embedded, [1, actionHorizon, width]), "float32", section.type),
      };
      for (let layer = 0; layer < config.depth; layer++) {
        stream = gemma.block(layer, stream, (own) => ({ ...concatenate(section, own, cached[layer]!), validKeys }));
      }
      const change = writeChange(section, gemma.finalNorm(stream), -1 / time.flowSteps);
      if (step === 0) {
        probes["suffix_embedding_first_step"] = () =>
          state === undefined ? embedded : concatenateRows(section, [state.embedded, embedded], 0);
        probes["v_first_step"] = () => graph.node("Mul", [change, graph.scalar(-time.flowSteps)]);
      }
      actions = graph.node("Add", [actions, change]);
      snapshots.push(actions);
    });
  }
  probes["x_after_step"] = () => concatenateRows(section, snapshots, 0);
  const condition = time.conditions?.[0];
  if (condition !== undefined) {
    probes["adarms_cond_first_step"] = () => section.constant("flow.condition", [width], condition, "float32");
  }
  return { actions, probes };
}

/** The state token's embedding, and for each layer its keys and values in front of the prefix's. */
function writeState(
  context: GraphContext,
  inputs: FlowInputs,
  state: string,
): { embedded: string; layers: KeysAndValues[] } {
  const { graph, weights: { config } } = context;
  const section = new GraphSection(context, 1);
  const embedded = gemm(section, section.reshape(state, [1, config.actionDim]), "state_in");
  const rotation = { ...inputs.tables, positions: section.reshape(inputs.prefixCount, [1, 1]) };
  const gemma = new GemmaWriter(section, "expert", rotation);
  const validKeys = graph.node("Add", [inputs.prefixCount, graph.integers([1])]);
  const layers: KeysAndValues[] = [];
  let stream: Stream = {
    sum: section.cast(section.reshape(embedded, [1, 1, config.expert.width]), "float32", section.type),
  };
  for (let layer = 0; layer < config.depth - 1; layer++) {
    stream = gemma.block(layer, stream, (own) => {
      const all = concatenate(section, own, inputs.prefix[layer]!);
      layers.push(all);
      return { ...all, validKeys };
    });
  }
  layers.push(concatenate(section, gemma.keysAndValues(config.depth - 1, stream), inputs.prefix.at(-1)!));
  return { embedded, layers };
}

/** float32 `[actionHorizon, expert width]`: each action as a token, with the moment's time in it for π₀. */
function writeActionEmbedding(section: GraphSection, actions: string, time: FoldedTime, step: number): string {
  const { graph, weights: { config } } = section;
  const { expert: { width }, actionDim } = config;
  const weight = section.constant("flow.action_weight", [width, actionDim], time.actionWeight, "float32");
  const biases = time.actionBiases[step]!;
  // π₀.₅'s bias does not change, so it is one constant.
  const label = config.family === "pi0" ? `flow.action_bias.${step}` : "flow.action_bias";
  const bias = section.constant(label, [width], biases, "float32");
  const embedded = graph.node("Gemm", [actions, weight, bias], { attributes: { transB: { int: 1 } } });
  if (config.family === "pi05") return embedded;
  // x · sigmoid(x), which is QuickGelu with factor 1.
  const swished = graph.node("QuickGelu", [embedded], { domain: MICROSOFT, attributes: { alpha: { float: 1 } } });
  return gemm(section, swished, "action_time_out");
}

/** float32 `[actionHorizon, actionDim]`: the velocity times the step's length. */
function writeChange(section: GraphSection, normed: string, length: number): string {
  const { actionHorizon, expert: { width } } = section.weights.config;
  const rows = section.reshape(section.cast(normed, section.type, "float32"), [actionHorizon, width]);
  return gemm(section, rows, "action_out", length);
}

/** A float32 product with bias of two-dimensional values, times a factor. */
function gemm(section: GraphSection, value: string, name: string, factor = 1): string {
  const bias = section.weights.vector(`${name}.bias`);
  return section.graph.node("Gemm", [
    value,
    section.matrix(name),
    section.constant(`${name}.bias`, [bias.length], bias, "float32"),
  ], {
    attributes: {
      transB: { int: section.weights.matrix(name).order === "rows" ? 1 : 0 },
      alpha: { float: factor },
      beta: { float: factor },
    },
  });
}

function concatenate(section: GraphSection, own: KeysAndValues, others: KeysAndValues): KeysAndValues {
  return {
    keys: concatenateRows(section, [own.keys, others.keys], 1),
    values: concatenateRows(section, [own.values, others.values], 1),
  };
}

function concatenateRows(section: GraphSection, values: readonly string[], axis: number): string {
  return section.graph.node("Concat", values, { attributes: { axis: { int: axis } } });
}
