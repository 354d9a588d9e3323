/**
 * What each trick of the graph brings on this machine, before and after, and how far 8 bits are from float32.
 *
 *     deno run -A scripts/bench_graph.ts [--runs N] [--threads N] [--full]
 *
 * Method: random weights of one pool, so that all variants of a size are one model; variants take turns in one process,
 * and the fastest of N runs of each is shown, since everything that disturbs a run makes it longer. `--full` adds the
 * released size (a minute or more). What folding removes is a graph of its own: the products with time that a graph
 * without folding would compute in each step.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { systemClock } from "../src/clock.ts";
import { GraphBuilder, MICROSOFT } from "../src/onnx/graph_builder.ts";
import { openRuntime, type Session, type Tensors } from "../src/ort/mod.ts";
import { PI0_CONFIGS, type Pi0Config } from "../src/pi0/config.ts";
import { buildPi0Graph, listInputs } from "../src/pi0/graph.ts";
import { makeRandomWeights } from "../src/pi0/random_weights.ts";
import type { ByteType } from "../src/pi0/quantize.ts";
import { buildSaturationProbe, chooseByteType, saturationInput } from "../src/pi0/saturation.ts";
import { foldTime } from "../src/pi0/time.ts";
import type { Fusion, Precision } from "../src/pi0/weights.ts";
import { seededRandom } from "../src/random.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "20" },
    threads: { type: "string", default: "2" },
    full: { type: "boolean", default: false },
  },
});
const runs = Number(values.runs);
const threads = Number(values.threads);

const APART: Fusion = { attention: false, gate: false };
const FUSED: Fusion = { attention: true, gate: false };

/** Between the tiny and the released size: 60 million parameters. */
const MID: Pi0Config = {
  ...PI0_CONFIGS.pi0,
  vision: { ...PI0_CONFIGS.pi0.vision, width: 384, depth: 8, mlpWidth: 1536, heads: 6, headDim: 64 },
  prefix: { width: 512, mlpWidth: 2048 },
  expert: { width: 256, mlpWidth: 1024 },
  depth: 8,
  heads: 8,
  headDim: 64,
  vocabularySize: 512,
};

interface Variant {
  readonly name: string;
  readonly config: Pi0Config;
  readonly precision: Precision;
  readonly fusion: Fusion;
  readonly cameras: number;
}

interface Measured {
  readonly bestMs: number;
  readonly actions: Float32Array | undefined;
}

interface Timed {
  readonly name: string;
  readonly session: Session;
  readonly inputs: Tensors;
}

const print = (line = "") => Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
await using runtime = await openRuntime();
const folder = await Deno.makeTempDir({ prefix: "pi0-bench-graph-" });
const byteType = await findByteType();
try {
  await print(`${threads} threads, fastest of ${runs} runs; 8-bit weights are ${byteType} on this processor`);
  await benchSize("tiny π₀", PI0_CONFIGS.tiny);
  await benchSize("mid π₀", MID);
  await benchSize("mid π₀.₅", { ...MID, family: "pi05", promptSlots: 200 });
  if (values.full) await benchSize("full π₀", PI0_CONFIGS.pi0, 2);
} finally {
  await Deno.remove(folder, { recursive: true });
}

async function findByteType(): Promise<ByteType> {
  await using session = await runtime.load({ model: { bytes: buildSaturationProbe() }, provider: { name: "cpu" } });
  const { product } = await session.run({ bytes: saturationInput() });
  return chooseByteType(product as Int32Array);
}

async function benchSize(title: string, config: Pi0Config, sizeRuns = runs): Promise<void> {
  const base = { config, precision: "float32", fusion: FUSED, cameras: 1 } as const;
  const variants: Variant[] = [
    { ...base, name: "as it is: 1 camera, float32, query+key+value fused" },
    { ...base, name: "int8", precision: "int8" },
    { ...base, name: "projections apart", fusion: APART },
    { ...base, name: "gate+up fused, too", fusion: { attention: true, gate: true } },
    { ...base, name: "absent cameras not pruned (3 cameras)", cameras: 3 },
    { ...base, name: "half the flow steps", config: { ...config, flowSteps: config.flowSteps / 2 } },
  ];
  // At the released size each session takes seconds to load, and each run seconds.
  const chosen = sizeRuns === runs ? variants : variants.slice(0, 2);
  const sessions: Timed[] = [];
  try {
    for (const variant of chosen) sessions.push(await loadVariant(variant));
    sessions.push(await loadTimeWork(config));
    const measured = await measure(sessions, sizeRuns);
    await print(`\n${title}`);
    const reference = measured.get(chosen[0]!.name)!;
    for (const [name, { bestMs, actions }] of measured) {
      const ratio = (bestMs / reference.bestMs).toFixed(2);
      const error = name === "int8"
        ? `   off by ${(100 * relativeError(actions!, reference.actions!)).toFixed(2)} %`
        : "";
      await print(`  ${name.padEnd(52)} ${bestMs.toFixed(2).padStart(9)} ms  ×${ratio}${error}`);
    }
  } finally {
    for (const { session } of sessions) await session[Symbol.asyncDispose]();
  }
}

async function loadVariant({ name, config, precision, fusion, cameras }: Variant): Promise<Timed> {
  const weights = await makeRandomWeights(config, { precision, fusion, seed: 1, folder, byteType });
  const time = await foldTime(weights, config.flowSteps);
  const session = await runtime.load({
    model: { bytes: buildPi0Graph(weights, { cameras, time, probes: false }) },
    provider: { name: "cpu" },
    threads,
    initializersFolder: folder,
    // A copy of float32 weights in another order would double the memory of the released size.
    prepacking: precision === "int8" || config !== PI0_CONFIGS.pi0,
  });
  return { name, session, inputs: makeInputs(config, cameras) };
}

/** The products that depend on time alone, from time vectors that are an input. */
async function loadTimeWork(config: Pi0Config): Promise<Timed> {
  const { width } = config.expert;
  const graph = new GraphBuilder("time");
  const times = graph.input("times", "float32", [config.flowSteps, width]);
  const random = seededRandom(1);
  const layer = (name: string, rows: number) =>
    graph.constant(name, "float32", [rows, width], Float32Array.from({ length: rows * width }, () => random() - 0.5));
  const results: string[] = [];
  for (let step = 0; step < config.flowSteps; step++) {
    const time = graph.node("Gather", [times, graph.integers([step])]);
    const dense = (value: string, matrix: string) =>
      graph.node("FusedMatMul", [value, matrix], { domain: MICROSOFT, attributes: { transB: { int: 1 } } });
    if (config.family === "pi0") {
      results.push(dense(time, layer("mlp", width)));
      continue;
    }
    const swish = (value: string) =>
      graph.node("QuickGelu", [value], { domain: MICROSOFT, attributes: { alpha: { float: 1 } } });
    const condition = swish(dense(swish(dense(time, layer("in", width))), layer("out", width)));
    for (let norm = 0; norm <= 2 * config.depth; norm++) {
      results.push(dense(condition, layer(`norm${norm}`, 3 * width)));
    }
  }
  const sums = results.map((result) => graph.node("ReduceSum", [result, graph.integers([0, 1])]));
  graph.output(graph.node("Sum", sums), "sum", "float32", [1, 1]);
  const session = await runtime.load({ model: { bytes: graph.finish() }, provider: { name: "cpu" }, threads });
  const inputs = { times: new Float32Array(config.flowSteps * width).fill(0.1) };
  return { name: "what folding the time removes", session, inputs };
}

async function measure(sessions: readonly Timed[], count: number): Promise<Map<string, Measured>> {
  const measured = new Map<string, Measured>();
  for (let run = -1; run < count; run++) {
    for (const { name, session, inputs } of sessions) {
      const startMs = systemClock.now();
      const outputs = await session.run(inputs);
      const ms = systemClock.now() - startMs;
      // The first run of each warms up.
      const bestMs = run < 0 ? Infinity : Math.min(ms, measured.get(name)!.bestMs);
      measured.set(name, { bestMs, actions: outputs["actions"] as Float32Array | undefined });
    }
  }
  return measured;
}

function makeInputs(config: Pi0Config, cameras: number): Record<string, Uint8Array | Int32Array | Float32Array> {
  const random = seededRandom(2);
  return Object.fromEntries(
    listInputs(config, cameras).map(({ name, type, shape }) => {
      const length = shape.reduce((product, size) => product * size, 1);
      if (type === "uint8") return [name, Uint8Array.from({ length }, () => 256 * random())];
      if (type === "float32") return [name, Float32Array.from({ length }, () => 2 * random() - 1)];
      return [name, name === "token_count" ? Int32Array.of(4) : Int32Array.from({ length }, (_, i) => i)];
    }),
  );
}

function relativeError(found: Float32Array, expected: Float32Array): number {
  return Math.hypot(...found.map((value, i) => value - expected[i]!)) / Math.hypot(...expected);
}
