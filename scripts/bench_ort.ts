/**
 * What ONNX Runtime costs beside the model: the call, the thread, the event loop, and the memory of several sessions.
 *
 *     deno run -A scripts/bench_ort.ts [--ort-lib-dir FOLDER]
 *
 * Method: a model of one addition of four numbers, so that a run is nothing but overhead. "call" is the whole run through
 * FFI on this thread, ONNX Runtime's own part included; "thread" is the same run as the program does it, in a Worker.
 * "bare" is an empty message to a Worker and back, most of which is waking cores that sleep. They are measured in turns.
 * Event-loop gaps are the time between two timers of 1 ms while a chain of matrix products
 * runs. Memory is what the process has of its own (anonymous pages), after loading and running one session and three,
 * with weights of 192 MiB (float32) and 48 MiB (int8), in processes of their own; "shared" gives the sessions the same
 * weights in memory.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { sleep, systemClock } from "../src/clock.ts";
import { describeEnvironment } from "../src/commands/environment.ts";
import { VERSION } from "../src/commands/mod.ts";
import { percentile } from "../src/measure/statistics.ts";
import { encodeModel, type Initializer, type OnnxNode } from "../src/onnx/model.ts";
import { Engine } from "../src/ort/engine.ts";
import { type LoadOptions, openRuntime, type Runtime, type SharedWeight } from "../src/ort/mod.ts";
import { seededRandom } from "../src/random.ts";

const { values } = parseArgs({
  options: {
    "ort-lib-dir": { type: "string" },
    // What the script tells itself: measure the memory of the model in a folder, with shared weights or without.
    memory: { type: "string" },
    shared: { type: "boolean", default: false },
  },
});
const libraryFolder = values["ort-lib-dir"];
const clock = systemClock;
const cores = navigator.hardwareConcurrency;
const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));

const CALLS = 2000;
const ROUNDS = 7;
/** Weights of the memory models: this many square matrices of this size. */
const LAYERS = 12;
const WIDTH = 2048;
const ROWS = 64;

const node = (operator: string, inputs: string[], outputs: string[], attributes: OnnxNode["attributes"] = {}) => ({
  name: outputs[0]!,
  operator,
  domain: "",
  inputs,
  outputs,
  attributes,
});

const tiny = encodeModel({
  name: "tiny",
  operatorSets: { "": 17 },
  nodes: [node("Add", ["x", "x"], ["y"])],
  initializers: [],
  inputs: [{ name: "x", type: "float32", shape: [4] }],
  outputs: [{ name: "y", type: "float32", shape: [4] }],
});

const CHAIN = 400;
const CHAIN_WIDTH = 512;
const chain = encodeModel({
  name: "chain",
  operatorSets: { "": 17 },
  nodes: Array.from(
    { length: CHAIN },
    (_, i) => node("MatMul", [i === 0 ? "x" : `y${i - 1}`, "x"], [i === CHAIN - 1 ? "y" : `y${i}`]),
  ),
  initializers: [],
  inputs: [{ name: "x", type: "float32", shape: [CHAIN_WIDTH, CHAIN_WIDTH] }],
  outputs: [{ name: "y", type: "float32", shape: [CHAIN_WIDTH, CHAIN_WIDTH] }],
});

async function measureCalls(runtime: Runtime): Promise<void> {
  const options: LoadOptions = { model: { bytes: tiny }, provider: { name: "cpu" }, threads: 1, spinning: false };
  using engine = new Engine(runtime.library.path);
  const { session: direct } = engine.load(options, []);
  await using session = await runtime.load(options);
  const inputs = { x: new Float32Array(4) };
  const callUs: number[] = [];
  const threadUs: number[] = [];
  const bareUs: number[] = [];
  const echo = new Worker("data:text/javascript,onmessage = () => postMessage(0)", { type: "module" });
  const bounce = () =>
    new Promise<void>((resolve) => {
      echo.onmessage = () => resolve();
      echo.postMessage(0);
    });
  await bounce();
  for (let round = 0; round < ROUNDS; round++) {
    let startMs = clock.now();
    for (let i = 0; i < CALLS; i++) engine.run(direct);
    callUs.push((clock.now() - startMs) * 1000 / CALLS);
    startMs = clock.now();
    for (let i = 0; i < CALLS; i++) await session.run(inputs);
    threadUs.push((clock.now() - startMs) * 1000 / CALLS);
    startMs = clock.now();
    for (let i = 0; i < CALLS; i++) await bounce();
    bareUs.push((clock.now() - startMs) * 1000 / CALLS);
  }
  echo.terminate();
  const call = percentile(callUs.sort((a, b) => a - b), 0.5);
  const thread = percentile(threadUs.sort((a, b) => a - b), 0.5);
  const bare = percentile(bareUs.sort((a, b) => a - b), 0.5);
  print(`call    ${call.toFixed(1)} µs (goal 10), best of ${ROUNDS} rounds ${callUs[0]!.toFixed(1)}`);
  print(
    `thread  ${(thread - call).toFixed(0)} µs beyond the call (goal 150), best ${(threadUs[0]! - call).toFixed(0)}`,
  );
  print(`bare    ${bare.toFixed(0)} µs for an empty message to a Worker and back, best ${bareUs[0]!.toFixed(0)}`);
}

async function measureGaps(runtime: Runtime, threads: number): Promise<void> {
  const model = { bytes: chain };
  await using session = await runtime.load({ model, provider: { name: "cpu" }, threads });
  const inputs = { x: new Float32Array(CHAIN_WIDTH ** 2).fill(1 / CHAIN_WIDTH) };
  await session.run(inputs);
  const gapsMs: number[] = [];
  let running = true;
  const startMs = clock.now();
  const runs = (async () => {
    for (let i = 0; i < 5; i++) await session.run(inputs);
    running = false;
  })();
  for (let lastMs = clock.now(); running;) {
    await sleep(clock, 1);
    const nowMs = clock.now();
    gapsMs.push(nowMs - lastMs);
    lastMs = nowMs;
  }
  await runs;
  gapsMs.sort((a, b) => a - b);
  const runMs = (clock.now() - startMs) / 5;
  print(
    `gaps    ${percentile(gapsMs, 0.99).toFixed(1)} ms p99, ${gapsMs.at(-1)!.toFixed(1)} ms at most, ` +
      `with ${threads} of ${cores} cores computing (${runMs.toFixed(0)} ms per run)`,
  );
}

type WeightType = "float32" | "int8";

/** Writes a model of products with random weights, and the list of its weights. */
async function writeModel(folder: string, type: WeightType): Promise<void> {
  const path = `${folder}/weights.bin`;
  const bytesEach = WIDTH * WIDTH * (type === "float32" ? 4 : 1);
  const random = seededRandom(1);
  const tensors: SharedWeight[] = [];
  const initializers: Initializer[] = [];
  const nodes: OnnxNode[] = [];
  using file = await Deno.open(path, { write: true, create: true });
  for (let i = 0; i < LAYERS; i++) {
    const values = type === "float32" ? new Float32Array(WIDTH * WIDTH) : new Int8Array(WIDTH * WIDTH);
    for (let at = 0; at < values.length; at++) values[at] = (random() - 0.5) * (type === "float32" ? 0.07 : 255);
    const bytes = new Uint8Array(values.buffer);
    for (let sent = 0; sent < bytes.length;) sent += await file.write(bytes.subarray(sent));
    const weight = { name: `w${i}`, type, shape: [WIDTH, WIDTH] };
    const offset = i * bytesEach;
    tensors.push({ ...weight, offset });
    initializers.push({ ...weight, content: { file: "weights.bin", offset, length: bytesEach } });
    const [from, to] = [i === 0 ? "x" : `y${i - 1}`, i === LAYERS - 1 ? "y" : `y${i}`];
    if (type === "float32") nodes.push(node("MatMul", [from, `w${i}`], [to]));
    else {
      nodes.push(
        node("DynamicQuantizeLinear", [from], [`q${i}`, `s${i}`, `z${i}`]),
        node("MatMulInteger", [`q${i}`, `w${i}`, `z${i}`], [`m${i}`]),
        node("Cast", [`m${i}`], [`c${i}`], { to: { int: 1 } }),
        node("Mul", [`c${i}`, `s${i}`], [to]),
      );
    }
  }
  const port = (name: string) => ({ name, type: "float32" as const, shape: [ROWS, WIDTH] });
  const [inputs, outputs] = [[port("x")], [port("y")]];
  const bytes = encodeModel({ name: "layers", operatorSets: { "": 17 }, nodes, initializers, inputs, outputs });
  await Deno.writeFile(`${folder}/model.onnx`, bytes);
  await Deno.writeTextFile(`${folder}/weights.json`, JSON.stringify(tensors));
}

/** Memory that belongs to this process alone, in MiB. */
async function readOwnMiB(): Promise<number> {
  const text = await Deno.readTextFile("/proc/self/smaps_rollup");
  return Number(/^Anonymous:\s+(\d+) kB/m.exec(text)![1]) / 1024;
}

/** Prints what one session and three of the model in a folder take. */
async function measureMemory(folder: string, shared: boolean): Promise<void> {
  await using runtime = await openRuntime({ libraryFolder });
  const tensors: SharedWeight[] = JSON.parse(await Deno.readTextFile(`${folder}/weights.json`));
  const own: number[] = [await readOwnMiB()];
  const loadMs: number[] = [];
  for (let i = 0; i < 3; i++) {
    const startMs = clock.now();
    const session = await runtime.load({
      model: { path: `${folder}/model.onnx` },
      provider: { name: "cpu" },
      ...(shared ? { sharedWeights: [{ path: `${folder}/weights.bin`, tensors }] } : {}),
    });
    loadMs.push(clock.now() - startMs);
    await session.run({ x: new Float32Array(ROWS * WIDTH).fill(1) });
    own.push(await readOwnMiB());
  }
  const [start, one, , three] = own as [number, number, number, number];
  print(
    `memory  ${tensors[0]!.type} ${shared ? "shared" : "apart "}: one session ${(one - start).toFixed(0)} MiB, ` +
      `three ${(three - start).toFixed(0)} MiB (${((three - start) / (one - start)).toFixed(2)}×); ` +
      `loaded in ${loadMs.map((ms) => ms.toFixed(0)).join(", ")} ms`,
  );
}

/** Measures memory in processes of their own, where nothing else comes and goes. */
async function measureSharing(type: WeightType): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await writeModel(folder, type);
    const options = ["--memory", folder, ...(libraryFolder === undefined ? [] : ["--ort-lib-dir", libraryFolder])];
    for (const more of [[], ["--shared"]]) {
      await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", new URL(import.meta.url).href, ...options, ...more],
      }).spawn().status;
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function measureAll(): Promise<void> {
  const startMs = clock.now();
  await using runtime = await openRuntime({ libraryFolder });
  print(Object.values(await describeEnvironment(VERSION)).join(" · "));
  print(`ONNX Runtime ${runtime.description.version}, opened and tested in ${(clock.now() - startMs).toFixed(0)} ms`);
  await measureCalls(runtime);
  await measureGaps(runtime, Math.max(1, cores - 1));
  await measureGaps(runtime, cores);
  // Memory is read from /proc.
  if (Deno.build.os === "linux") { for (const type of ["float32", "int8"] as const) await measureSharing(type); }
}

if (values.memory === undefined) await measureAll();
else await measureMemory(values.memory, values.shared);
