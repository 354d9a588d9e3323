/**
 * How often the scripted expert succeeds: seeds 5000 to 5199 of both tasks, in both scenes, on all cores.
 *
 *     deno task expert [SEEDS]
 *
 * Exit code 1 where it succeeds in less than 99 of 100. The official scene is read from `assets/gym_aloha` of the folder
 * that PI0_SHARED names, and left out where there is none.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { EVAL_OPTIONS } from "../src/commands/eval_options.ts";
import { EvalPool } from "../src/commands/eval_pool.ts";
import { LOCAL } from "../src/commands/eval_ways.ts";
import { VERSION } from "../src/commands/mod.ts";
import { parseOptions } from "../src/commands/options.ts";
import type { EpisodeOutcome } from "../src/measure/evaluation.ts";
import { SCENE_NAMES, TASK_NAMES } from "../src/sim/mod.ts";

const FIRST_SEED = 5000;

const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));

if (import.meta.main) {
  const count = Number(Deno.args[0] ?? 200);
  const shared = Deno.env.get("PI0_SHARED") ?? `${import.meta.dirname}/../../shared`;
  const sceneFolder = `${shared}/assets/gym_aloha`;
  const options = parseOptions(EVAL_OPTIONS, ["--policy", "expert"], { command: "eval", env: () => undefined });
  if (options.help) throw new Error("Cannot play: the options of pi0 eval were read as a wish for help");
  const { maxSteps, replanSteps, whileWaiting } = options;
  const { signal } = new AbortController();
  let missed = false;
  for (const scene of SCENE_NAMES) {
    if (scene === "gym-aloha" && !existsSync(sceneFolder)) {
      for (const task of TASK_NAMES) print(`${scene.padEnd(10)} ${task.padEnd(14)} left out: no ${sceneFolder}`);
      continue;
    }
    const rules = { scene, sceneFolder, observed: [], maxSteps, replanSteps, whileWaiting };
    const setup = { ways: [{ mode: LOCAL }], options, ...rules, version: VERSION };
    using pool = new EvalPool(setup, Math.min(navigator.hardwareConcurrency, count));
    await pool.open(signal);
    for (const task of TASK_NAMES) {
      const condition = { mode: LOCAL, task, delayMs: 0 };
      const jobs = Array.from({ length: count }, (_, index) => ({ condition, index, seed: FIRST_SEED + index }));
      const outcomes: EpisodeOutcome[] = [];
      await pool.play(jobs, (outcome) => outcomes.push(outcome), signal);
      const failed = outcomes.filter(({ success }) => !success).map(({ seed }) => seed).toSorted((a, b) => a - b);
      const steps = outcomes.flatMap(({ success, steps }) => success ? [steps] : []);
      const range = steps.length === 0 ? "" : `, first success at step ${Math.min(...steps)} to ${Math.max(...steps)}`;
      const names = failed.length === 0 ? "" : `; failed: ${failed.join(", ")}`;
      print(`${scene.padEnd(10)} ${task.padEnd(14)} ${count - failed.length} of ${count}${range}${names}`);
      if (failed.length > count / 100) missed = true;
    }
  }
  if (missed) Deno.exit(1);
}
