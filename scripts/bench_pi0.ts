/**
 * What a model costs on this machine, as pi0 runs it: time per call, 8 bits against float32, and what it leaves of the
 * event loop.
 *
 *     deno run -A scripts/bench_pi0.ts [--runs N] [--threads N] [--full]
 *
 * Method: whole calls, from observation to the robot's actions, of the policy that serve uses. Precisions take turns in
 * one process, and the fastest and the median of N calls are shown. Errors are relative L2 norms of the robot's actions
 * against float32 of the same noise. Event-loop gaps are the time between two timers of 1 ms while a model infers on one
 * thread fewer than there are cores. `--full` adds the released size. Golden cases and the trained model are in the
 * folder that PI0_SHARED names; without it their lines are missing.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { sleep, systemClock } from "../src/clock.ts";
import { percentile } from "../src/measure/statistics.ts";
import { openRuntime } from "../src/ort/mod.ts";
import { parsePi0Config } from "../src/pi0/config.ts";
import type { Pi0Model } from "../src/pi0/model.ts";
import { exportModel } from "../src/pi0/model_folder_export.ts";
import { openModelFolder } from "../src/pi0/model_folder_open.ts";
import { readPolicySettings } from "../src/pi0/policy_settings.ts";
import type { ByteType } from "../src/pi0/quantize.ts";
import { makeRandomModel, type RandomModelName } from "../src/pi0/random_model.ts";
import type { Precision } from "../src/pi0/weights.ts";
import type { ModelPolicy } from "../src/policy/pi0.ts";
import { findByteType, loadPolicy } from "../src/policy/pi0_load.ts";
import { exampleObservations } from "../src/robot/frames.ts";
import { ROBOTS } from "../src/robot/mod.ts";
import type { Observation } from "../src/types.ts";
import {
  exportOptions,
  GOLDEN_MODELS,
  goldenCases,
  goldenFolders,
  goldenObservation,
} from "../tests/support/exported_model.ts";
import { hasMini, MINI_CONFIG, MINI_FOLDER } from "../tests/support/golden_model.ts";
import { readJson } from "../tests/support/golden_openpi.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "50" },
    threads: { type: "string", default: String(Math.max(1, navigator.hardwareConcurrency - 1)) },
    full: { type: "boolean", default: false },
  },
});
const runs = Number(values.runs);
const threads = Number(values.threads);
const clock = systemClock;
const endless = new AbortController().signal;
const print = (text = "") => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
const PRECISIONS = ["float32", "int8"] as const satisfies Precision[];

const folder = await Deno.makeTempDir({ prefix: "pi0-bench-" });
try {
  const byteType = await askByteType();
  print(
    `${threads} threads of ${navigator.hardwareConcurrency} cores; 8-bit weights are ${byteType} on this processor`,
  );
  const [observation] = await exampleObservations(ROBOTS.aloha, { seed: 0, prompt: "Transfer cube" });
  const seeded = { ...observation!, seed: 0 };
  print("\nmodel            precision     load ms   best ms    p50 ms   error");
  await benchPrecisions("random:tiny", runs, seeded, (precision) => randomModel("tiny", precision, byteType));
  if (hasMini) await benchPrecisions("trained mini", runs, seeded, (precision) => exportMini(precision, byteType));
  if (values.full) {
    await benchPrecisions("random:pi0", 3, seeded, (precision) => randomModel("pi0", precision, byteType));
  }
  await benchGolden(byteType);
  await benchEventLoop(seeded);
} finally {
  await Deno.remove(folder, { recursive: true });
}

async function askByteType(): Promise<ByteType> {
  await using runtime = await openRuntime();
  return await findByteType(runtime);
}

function randomModel(name: RandomModelName, precision: Precision, byteType: ByteType): Promise<Pi0Model> {
  return makeRandomModel({ name, robot: "aloha", precision, byteType, seed: 0, probes: false, folder });
}

async function exportMini(precision: Precision, byteType: ByteType): Promise<Pi0Model> {
  const json = await readJson<{ policy: unknown; prompts: Record<string, number[]> }>(MINI_CONFIG);
  const config = parsePi0Config(json);
  const outPath = `${folder}/mini-${precision}`;
  await exportModel({
    checkpointPath: `${MINI_FOLDER}/tiny_pi0.safetensors`,
    outPath,
    config,
    policy: readPolicySettings(json.policy, MINI_CONFIG),
    prompts: { table: json.prompts },
    normStats: { text: await Deno.readTextFile(`${MINI_FOLDER}/tiny_pi0.norm_stats.json`), name: "tiny_pi0" },
    precision,
    byteType,
    reference: false,
    cameras: [1],
    flowSteps: [config.flowSteps],
    timeEmbedding: null,
    probes: false,
    force: false,
    program: "bench",
  });
  return await openModelFolder(outPath);
}

async function load(model: Pi0Model, onThreads = threads): Promise<ModelPolicy> {
  await using opened = model;
  const policy = await loadPolicy(opened, { runtime: await openRuntime(), provider: "cpu", threads: onThreads, clock });
  return policy;
}

/** Times a model in each precision, in turns. */
async function benchPrecisions(
  title: string,
  count: number,
  observation: Observation,
  make: (precision: Precision) => Promise<Pi0Model>,
): Promise<void> {
  const policies: { precision: Precision; policy: ModelPolicy; loadMs: number; times: number[] }[] = [];
  const reference = { actions: new Float64Array() };
  try {
    for (const precision of PRECISIONS) {
      const model = await make(precision);
      const startedMs = clock.now();
      const policy = await load(model);
      policies.push({ precision, policy, loadMs: clock.now() - startedMs, times: [] });
    }
    const errors = new Map<Precision, number>();
    for (let run = -1; run < count; run++) {
      for (const { precision, policy, times } of policies) {
        const startedMs = clock.now();
        const { actions } = await policy.infer(observation, endless);
        // The first call of each warms up.
        if (run >= 0) times.push(clock.now() - startedMs);
        if (precision === "float32") reference.actions = actions as Float64Array<ArrayBuffer>;
        else errors.set(precision, relativeError(actions, reference.actions));
      }
    }
    for (const { precision, loadMs, times } of policies) {
      const sorted = times.toSorted((a, b) => a - b);
      const columns = [loadMs, sorted[0]!, percentile(sorted, 0.5)].map((ms) => ms.toFixed(2).padStart(10)).join("");
      const error = errors.get(precision);
      print(
        `${title.padEnd(17)}${precision.padEnd(10)}${columns}` +
          (error === undefined ? "" : `   ${(100 * error).toFixed(2)} %`),
      );
    }
  } finally {
    for (const { policy } of policies) await policy[Symbol.asyncDispose]();
  }
}

/** How far 8 bits are from float32 on openpi's own cases. */
async function benchGolden(byteType: ByteType): Promise<void> {
  for (const name of GOLDEN_MODELS) {
    const { folders, isMissing } = goldenFolders(name)[1]!;
    if (isMissing) continue;
    print(`\n${name}, int8: error of the model's normalised actions`);
    for (const golden of await goldenCases(folders)) {
      const outputs: Float32Array[] = [];
      for (const precision of PRECISIONS) {
        const outPath = `${folder}/${name}-${golden.name}-${precision}`;
        await exportModel(await exportOptions(folders, golden, outPath, { precision, byteType }));
        await using policy = await load(await openModelFolder(outPath));
        const inference = await policy.inferAll(await goldenObservation(folders, golden), endless);
        outputs.push(inference.outputs["actions"] as Float32Array);
      }
      print(`  ${golden.name}  ${(100 * relativeError(outputs[1]!, outputs[0]!)).toFixed(2)} %`);
    }
  }
}

/** The gaps that a model leaves between two turns of the event loop. */
async function benchEventLoop(observation: Observation): Promise<void> {
  const cores = navigator.hardwareConcurrency;
  const onThreads = Math.max(1, cores - 1);
  await using policy = await load(await randomModel("tiny", "float32", "U8"), onThreads);
  await policy.warmUp(endless);
  const gaps: number[] = [];
  let inferring = true;
  const calls = (async () => {
    for (let run = 0; run < 4 * runs; run++) await policy.infer(observation, endless);
    inferring = false;
  })();
  let lastMs = clock.now();
  while (inferring) {
    await sleep(clock, 1);
    const nowMs = clock.now();
    gaps.push(nowMs - lastMs);
    lastMs = nowMs;
  }
  await calls;
  const sorted = gaps.toSorted((a, b) => a - b);
  const [p50, p99] = [percentile(sorted, 0.5), percentile(sorted, 0.99)];
  print(
    `\nevent loop while random:tiny infers on ${onThreads} of ${cores} cores: gaps p50 ${p50.toFixed(1)} ms, ` +
      `p99 ${p99.toFixed(1)} ms, largest ${sorted.at(-1)!.toFixed(1)} ms`,
  );
}

function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (found[i]! - expected[i]!) ** 2;
    size += expected[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}
