/**
 * The model inside the program, as a user meets it: the policy where none is named. What it can do in 200 episodes is in
 * src/pi0/mini/CARD.md; here a few tell whether it still looks, listens and feels.
 */

import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import type { ModelPolicy } from "../../src/policy/pi0.ts";
import { loadPolicy } from "../../src/policy/pi0_load.ts";
import { openRuntime } from "../../src/ort/mod.ts";
import { openMini } from "../../src/pi0/mini.ts";
import { playEpisode } from "../../src/rollout/episode.ts";
import { openEnvironment } from "../../src/sim/mod.ts";
import type { TaskName } from "../../src/sim/task.ts";
import type { Observation, Policy } from "../../src/types.ts";
import { inFolder, runHere } from "../support/program_here.ts";

const SOURCE = `${import.meta.dirname}/../../src/pi0/mini`;
const CONFIG = `${import.meta.dirname}/../../scripts/mini/config.json`;
const PICTURE = `${import.meta.dirname}/../../src/robot/frames/transfer_cube_000.png`;
const signal = new AbortController().signal;

async function loadMini(): Promise<ModelPolicy> {
  await using model = await openMini({ precision: "float32", byteType: "U8", probes: false });
  return await loadPolicy(model, { runtime: await openRuntime(), provider: "cpu", threads: 1, clock: systemClock });
}

Deno.test("mini is at most 4 MB, knows both tasks, and its manifest tells how it was trained", async () => {
  const { size } = await Deno.stat(`${SOURCE}/mini.safetensors`);
  assert.ok(size <= 4e6, `${size}`);
  const manifest = JSON.parse(await Deno.readTextFile(`${SOURCE}/manifest.json`));
  assert.equal(manifest.weights.bytes, size);
  assert.ok(manifest.training.steps > 1000 && manifest.training.seed > 0);
  await using model = await openMini({ precision: "float32", byteType: "U8", probes: false });
  const { policy, prompts } = model.pipeline;
  assert.deepEqual(policy.scenes, ["builtin", "gym-aloha"]);
  assert.equal(policy.defaultPrompt, "Transfer cube");
  assert.deepEqual(prompts.kind === "table" && [...prompts.prompts.keys()], ["Transfer cube", "Insert peg"]);
});

Deno.test("pi0 inspect mini says what it is and how it was trained", async () => {
  const { code, stdout, stderr } = await runHere(["inspect", "mini"]);
  assert.equal(code, 0, stderr);
  const { weights, training } = JSON.parse((await runHere(["inspect", "mini", "--json"])).stdout);
  for (
    const line of [
      `model       π₀, ${training.parameters.toLocaleString("en-US")} parameters`,
      "prompts     Transfer cube; Insert peg",
      "scenes      builtin, gym-aloha",
      `SHA-256     ${weights.sha256}, as it was made`,
    ]
  ) assert.ok(stdout.split("\n").includes(line), `no line ${line} in\n${stdout}`);
});

Deno.test("pi0 infer mini --probes writes its intermediate values", () =>
  inFolder(async (folder) => {
    const seen = ["--camera", `cam_high=${PICTURE}`, "--state", new Array(14).fill(0).join(), "--quiet"];
    const { code, stderr } = await runHere(["infer", "mini", ...seen, "--probes", `${folder}/probes`]);
    assert.equal(code, 0, stderr);
    const { size } = await Deno.stat(`${folder}/probes/x_after_step.bin`);
    assert.equal(size, 10 * 50 * 14 * Float32Array.BYTES_PER_ELEMENT, "10 Euler steps, 50 rows of 14");
  }));

Deno.test("pi0 infer gives the same actions with mini as with a folder that pi0 export makes of it", () =>
  inFolder(async (folder) => {
    const normStats = `${folder}/norm_stats.json`;
    const { norm_stats } = JSON.parse(await Deno.readTextFile(`${SOURCE}/manifest.json`));
    await Deno.writeTextFile(normStats, JSON.stringify({ norm_stats }));
    const exported = await runHere([
      ...["export", `${SOURCE}/mini.safetensors`, `${folder}/mini`],
      ...["--config", CONFIG, "--norm-stats", normStats, "--quiet"],
    ]);
    assert.equal(exported.code, 0, exported.stderr);
    const seen = ["--camera", `cam_high=${PICTURE}`, "--state", new Array(14).fill(0).join(), "--seed", "1", "--quiet"];
    const answers = [];
    for (const policy of ["mini", `${folder}/mini`]) {
      const { code, stdout, stderr } = await runHere(["infer", policy, ...seen, "--threads", "1"]);
      assert.equal(code, 0, stderr);
      answers.push(JSON.parse(stdout).actions);
    }
    assert.deepEqual(answers[0], answers[1]);
  }));

Deno.test("pi0 serve without a policy serves mini, and pi0 bench asks it as it wants to be asked", async () => {
  const ports = ["--port", "0", "--tcp-port", "0", "--quic-port", "off", "--quic-tcp-port", "off"];
  const stop = new AbortController();
  const { promise: ready, resolve } = Promise.withResolvers<Record<string, unknown>>();
  const serving = runHere(["serve", "--json", "--quiet", ...ports], {
    signal: stop.signal,
    onStdout: (text) => resolve(JSON.parse(text.split("\n")[0]!)),
  });
  const { policy, robot, defaultPrompt, metadata, portals, model } = await ready;
  assert.deepEqual([policy, robot, defaultPrompt], ["mini", "aloha", "Transfer cube"]);
  assert.deepEqual(metadata, { scenes: ["builtin", "gym-aloha"] });
  const { training } = JSON.parse(await Deno.readTextFile(`${SOURCE}/manifest.json`));
  assert.equal((model as Record<string, unknown>)["parameters"], training.parameters);

  const url = (portals as Record<string, string>)["tcp"]!;
  const bench = ["bench", "--url", url, "-n", "2", "--rounds", "1", "--no-warm", "--json", "--quiet"];
  const asked = JSON.parse((await runHere(bench)).stdout);
  assert.deepEqual([asked.options.prompt, asked.options.robot], ["Transfer cube", "aloha"]);
  assert.deepEqual([asked.summaries[0].count, asked.summaries[0].errors], [2, 0]);
  const unknown = JSON.parse((await runHere([...bench, "--prompt", "Fold the towel"])).stdout);
  assert.match(unknown.connects[0].error.message, /one of "Transfer cube", "Insert peg"/);
  const droid = await runHere([...bench, "--robot", "droid"]);
  assert.equal(droid.code, 2);
  assert.match(droid.stderr, /Cannot measure with observations of droid: .* serves aloha; use --robot aloha/);
  stop.abort();
  assert.equal((await serving).code, 0);
});

/** What a policy is told instead of the truth. */
type Lie = (observation: Observation) => Observation;

/** Successes of mini in episodes that start differently. */
async function countSuccesses(mini: Policy, task: TaskName, seeds: readonly number[], lie: Lie): Promise<number> {
  const environment = await openEnvironment({
    ...{ task, scene: "builtin", sceneFolder: "", maxSteps: 400, observed: ["cam_high"] },
  });
  const policy: Policy = {
    name: mini.name,
    actionHorizon: mini.actionHorizon,
    actionDim: mini.actionDim,
    checkpointHash: mini.checkpointHash,
    metadata: mini.metadata,
    warmUp: (signal) => mini.warmUp(signal),
    infer: (observation, signal) => mini.infer(lie(observation), signal),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  let successes = 0;
  for (const seed of seeds) {
    const episode = await playEpisode({
      ...{ environment, policy, seed, replanSteps: 10, stopAtSuccess: true, clock: systemClock, signal },
    });
    if (episode.success) successes++;
  }
  return successes;
}

const SEEDS = [301, 302, 303, 304];
const TRUTH: Lie = (observation) => observation;
const LIES: Readonly<Record<string, Lie>> = {
  "black pictures": (observation) => ({
    ...observation,
    images: Object.fromEntries(
      Object.entries(observation.images).map(([name, image]) => [
        name,
        { ...image, data: new Uint8Array(image.data.length) },
      ]),
    ),
  }),
  "the other task's prompt": (observation) => ({ ...observation, prompt: "Insert peg" }),
  "a state in another order": (observation) => ({ ...observation, state: observation.state.toReversed() }),
};

Deno.test("mini gives the cube over, and does not with black pictures, another prompt or a shuffled state", async () => {
  await using mini = await loadMini();
  assert.ok(await countSuccesses(mini, "transfer_cube", SEEDS, TRUTH) >= 3);
  for (const [name, lie] of Object.entries(LIES)) {
    assert.equal(await countSuccesses(mini, "transfer_cube", SEEDS.slice(0, 2), lie), 0, name);
  }
});

Deno.test("mini puts the peg into the socket when it is told to", async () => {
  await using mini = await loadMini();
  assert.ok(await countSuccesses(mini, "insertion", SEEDS, TRUTH) >= 2);
});
