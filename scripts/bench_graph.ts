/**
 * What each trick of the graph brings on this machine, before and after, and how far 8 bits are from float32.
 *
 *     deno run -A scripts/bench_graph.ts [--runs N] [--threads N] [--full]
 *
 * Method: random weights of one pool, so that all variants of a size are one model; variants take turns in one process,
 * and the fastest of N runs of each is shown, since everything that disturbs a run makes it longer. Tricks that whole
 * graphs of a handy size would not show are timed in parts of the released size (bench_graph_parts.ts). `--full` adds the
 * released size as a whole, and which part of it 8 bits cost how much (some minutes).
 *
 * @module
 */

import { parseArgs } from "node:util";
import { systemClock } from "../src/clock.ts";
import { openRuntime, type Session, type Tensors } from "../src/ort/mod.ts";
import { PI0_CONFIGS, type Pi0Config } from "../src/pi0/config.ts";
import { buildPi0Graph, listInputs } from "../src/pi0/graph.ts";
import { makeRandomWeights } from "../src/pi0/random_weights.ts";
import type { ByteType } from "../src/pi0/quantize.ts";
import { buildSaturationProbe, chooseByteType, saturationInput } from "../src/pi0/saturation.ts";
import { foldTime } from "../src/pi0/time.ts";
import type { Fusion, Pi0Weights, Precision } from "../src/pi0/weights.ts";
import { seededRandom } from "../src/random.ts";
import { makeParts, type PartGraph } from "./bench_graph_parts.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "6" },
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
  readonly config: Pi0Config;
  readonly precision: Precision;
  readonly fusion: Fusion;
  readonly cameras: number;
  /** Matrices with such names stay in float32. */
  readonly keep?: RegExp;
}

interface Measured {
  readonly bestMs: number;
  readonly actions: Float32Array | undefined;
}

interface Timed {
  readonly name: string;
  readonly session: Session;
  readonly inputs: () => Tensors;
}

/** The row of a table: how the trick is called, and which variants it changes into which. */
type Row = readonly [trick: string, before: string, after: string];

const print = (line = "") => Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
await using runtime = await openRuntime();
const folder = await Deno.makeTempDir({ prefix: "pi0-bench-graph-" });
const byteType = await findByteType();
try {
  await print(`${threads} threads, fastest of ${runs} runs; 8-bit weights are ${byteType} on this processor`);
  await benchSize("tiny π₀, whole", PI0_CONFIGS.tiny);
  await benchSize("mid π₀ (60 million parameters), whole", MID);
  await benchSize("mid π₀.₅, whole", { ...MID, family: "pi05", promptSlots: 200 });
  await benchParts();
  if (values.full) await benchFull();
} finally {
  await Deno.remove(folder, { recursive: true });
}

async function findByteType(): Promise<ByteType> {
  await using session = await runtime.load({ model: { bytes: buildSaturationProbe() }, provider: { name: "cpu" } });
  const { product } = await session.run({ bytes: saturationInput() });
  return chooseByteType(product as Int32Array);
}

/** A model as a whole. */
async function benchSize(title: string, config: Pi0Config): Promise<void> {
  const base = { config, precision: "float32", fusion: FUSED, cameras: 1 } as const;
  await bench(title, runs, {
    "as it is": base,
    "apart": { ...base, fusion: APART },
    "both fused": { ...base, fusion: { attention: true, gate: true } },
    "3 cameras": { ...base, cameras: 3 },
    "int8": { ...base, precision: "int8" },
    "int8 apart": { ...base, precision: "int8", fusion: APART },
  }, [
    ["query+key+value fused", "apart", "as it is"],
    ["gate+up fused, too", "as it is", "both fused"],
    ["two absent cameras pruned", "3 cameras", "as it is"],
    ["8 bits instead of float32", "as it is", "int8"],
    ["query+key+value fused, 8 bits", "int8 apart", "int8"],
  ]);
}

/** The released size, and where its 8 bits lose what they lose: each part in float32 once. */
async function benchFull(): Promise<void> {
  const base = { config: PI0_CONFIGS.pi0, precision: "float32", fusion: FUSED, cameras: 1 } as const;
  const keeps = { "vision": /^vision/, "the prefix": /^prefix/, "the expert": /^expert/ };
  const kept = Object.entries(keeps).map(([part, keep]) =>
    [`8 bits, but not in ${part}`, { ...base, precision: "int8", keep }] as const
  );
  await bench("released π₀, whole", 2, {
    "as it is": base,
    "int8": { ...base, precision: "int8" },
    ...Object.fromEntries(kept),
  }, [["8 bits instead of float32", "as it is", "int8"], ...kept.map(([name]) => [name, "as it is", name] as const)]);
}

async function bench(
  title: string,
  count: number,
  variants: Readonly<Record<string, Variant>>,
  rows: readonly Row[],
): Promise<void> {
  const sessions: Timed[] = [];
  try {
    for (const [name, variant] of Object.entries(variants)) sessions.push(await loadVariant(name, variant));
    const measured = await measure(sessions, count);
    await printHeading(title);
    for (const [trick, before, after] of rows) await printRow(trick, measured.get(before)!, measured.get(after)!);
  } finally {
    await dispose(sessions);
  }
}

async function benchParts(): Promise<void> {
  await printHeading("parts of the released π₀");
  for (const { name, before, after } of await makeParts(folder)) {
    const sessions: Timed[] = [];
    try {
      for (const [key, part] of Object.entries({ before, after })) sessions.push(await loadPart(key, part));
      const measured = await measure(sessions, runs);
      await printRow(name, measured.get("before")!, measured.get("after")!);
    } finally {
      await dispose(sessions);
    }
  }
}

async function printHeading(title: string): Promise<void> {
  await print(`\n${title.padEnd(62)}${"before".padStart(10)}${"after".padStart(13)}`);
}

async function printRow(trick: string, before: Measured, after: Measured): Promise<void> {
  const times = [before, after].map(({ bestMs }) => `${bestMs.toFixed(2).padStart(10)} ms`).join("");
  const error = trick.startsWith("8 bits") ? `   off by ${percent(after.actions!, before.actions!)}` : "";
  await print(`  ${trick.padEnd(60)}${times}   ×${(after.bestMs / before.bestMs).toFixed(2)}${error}`);
}

async function dispose(sessions: readonly Timed[]): Promise<void> {
  for (const { session } of sessions) await session[Symbol.asyncDispose]();
}

async function loadVariant(name: string, { config, precision, fusion, cameras, keep }: Variant): Promise<Timed> {
  const make = (wanted: Precision) =>
    makeRandomWeights(config, { precision: wanted, fusion, seed: 1, folder, byteType });
  const own = await make(precision);
  const weights = keep === undefined ? own : mix(own, await make("float32"), keep);
  const time = await foldTime(weights, config.flowSteps);
  const session = await runtime.load({
    model: { bytes: buildPi0Graph(weights, { cameras, time, probes: false }) },
    provider: { name: "cpu" },
    threads,
    initializersFolder: folder,
    // A copy of float32 weights in another order would double the memory of the released size.
    prepacking: precision === "int8" || config !== PI0_CONFIGS.pi0,
  });
  const inputs = makeInputs(config, cameras);
  return { name, session, inputs: () => inputs };
}

function mix(weights: Pi0Weights, float: Pi0Weights, keep: RegExp): Pi0Weights {
  return { ...weights, matrix: (name) => (keep.test(name) ? float : weights).matrix(name) };
}

async function loadPart(name: string, { model, inputs }: PartGraph): Promise<Timed> {
  const options = { provider: { name: "cpu" }, threads, initializersFolder: folder, prepacking: false } as const;
  return { name, session: await runtime.load({ model: { bytes: model }, ...options }), inputs };
}

async function measure(sessions: readonly Timed[], count: number): Promise<Map<string, Measured>> {
  const measured = new Map<string, Measured>();
  for (let run = -1; run < count; run++) {
    for (const { name, session, inputs } of sessions) {
      const startMs = systemClock.now();
      const outputs = await session.run(inputs());
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

/** The relative error, `1.96 %`. */
function percent(found: Float32Array, expected: Float32Array): string {
  const error = Math.hypot(...found.map((value, i) => value - expected[i]!)) / Math.hypot(...expected);
  return `${(100 * error).toFixed(2)} %`;
}
