/**
 * How fast the physics is, and whether it keeps its memory.
 *
 *     deno task bench:sim [EPISODES]
 *
 * Method: episodes of the scripted expert without pictures, in the builtin scene, one thread; 50 control steps are one
 * second of the world. Beside it a calibration loop of plain arithmetic, so that machines compare. The first episode
 * warms up and is not counted.
 *
 * @module
 */

import { systemClock } from "../src/clock.ts";
import { describeEnvironment } from "../src/commands/environment.ts";
import { VERSION } from "../src/commands/mod.ts";
import { mean, median, percentile } from "../src/measure/statistics.ts";
import { playEpisode } from "../src/rollout/episode.ts";
import { ExpertPolicy } from "../src/sim/expert.ts";
import { openEnvironment, TASK_NAMES } from "../src/sim/mod.ts";
import { builtinScene } from "../src/sim/scenes/builtin.ts";

const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
const episodes = Number(Deno.args[0] ?? 100);
const clock = systemClock;
const { signal } = new AbortController();

/** Milliseconds of 2^24 dependent multiplications and additions. */
function calibrate(): number {
  const startedMs = clock.now();
  let x = 0.5;
  for (let i = 0; i < 2 ** 24; i++) x = 3.99 * x * (1 - x);
  if (Number.isNaN(x)) throw new Error("the loop must not be optimised away");
  return clock.now() - startedMs;
}

const megabytes = () => Math.round(Deno.memoryUsage().rss / 1e6);
const { cpu, os, deno, cores } = await describeEnvironment(VERSION);
print(`pi0 ${VERSION}, Deno ${deno}, ${os}, ${cpu ?? "unknown processor"}, ${cores} cores`);
print(`calibration loop: ${median([calibrate(), calibrate(), calibrate()]).toFixed(0)} ms`);

for (const task of TASK_NAMES) {
  await using policy = new ExpertPolicy(builtinScene("transfer_cube"));
  using environment = await openEnvironment({ task, scene: "builtin", sceneFolder: "", maxSteps: 400, observed: [] });
  const stepMs: number[] = [];
  let successes = 0;
  let memory = 0;
  for (let episode = 0; episode <= episodes; episode++) {
    let lastMs = 0;
    const { success } = await playEpisode({
      environment,
      policy,
      seed: episode,
      replanSteps: 50,
      stopAtSuccess: false,
      clock,
      signal,
      onStep: (step) => {
        const nowMs = clock.now();
        // Every 50th step contains a plan of the expert.
        if (episode > 0 && step % 50 !== 1 && step > 0) stepMs.push(nowMs - lastMs);
        lastMs = nowMs;
      },
    });
    if (episode > 0 && success) successes++;
    if (episode === Math.ceil(episodes / 10)) memory = megabytes();
  }
  stepMs.sort((a, b) => a - b);
  const meanMs = mean(stepMs);
  print(
    `${task.padEnd(14)} ${(20 / meanMs).toFixed(1)} × real time: a control step takes ${meanMs.toFixed(2)} ms ` +
      `(median ${median(stepMs).toFixed(2)}, p99 ${percentile(stepMs, 0.99).toFixed(2)}); ` +
      `${successes} of ${episodes} succeed; memory ${memory} MB after a tenth of the episodes, ${megabytes()} MB at the end`,
  );
}
