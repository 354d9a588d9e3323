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
import { SCENE_NAMES, type SceneName, TASK_NAMES } from "../src/sim/mod.ts";
import type { TaskName } from "../src/sim/task.ts";

export interface ExpertJob {
  readonly task: TaskName;
  readonly scene: SceneName;
  readonly sceneFolder: string;
  readonly seeds: readonly number[];
}

export interface ExpertAnswer {
  readonly seed: number;
  readonly success: boolean;
  readonly firstStepOfReward: Readonly<Record<string, number | null>>;
  readonly error: string | undefined;
}

const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));

const FIRST_SEED = 5000;

/** Plays the seeds of a job, spread over Workers. */
async function play(job: ExpertJob, workers: number): Promise<ExpertAnswer[]> {
  const answers: ExpertAnswer[] = [];
  await Promise.all(Array.from({ length: workers }, (_, worker) => {
    const seeds = job.seeds.filter((_, i) => i % workers === worker);
    if (seeds.length === 0) return Promise.resolve();
    return new Promise<void>((resolve, reject) => {
      const thread = new Worker(new URL("./expert_worker.ts", import.meta.url), { type: "module" });
      let left = seeds.length;
      thread.onmessage = ({ data }: MessageEvent<ExpertAnswer>) => {
        answers.push(data);
        if (--left > 0) return;
        thread.terminate();
        resolve();
      };
      thread.onerror = (event) => {
        thread.terminate();
        reject(new Error(event.message));
      };
      thread.postMessage({ ...job, seeds } satisfies ExpertJob);
    });
  }));
  return answers.sort((a, b) => a.seed - b.seed);
}

if (import.meta.main) {
  const count = Number(Deno.args[0] ?? 200);
  const shared = Deno.env.get("PI0_SHARED") ?? `${import.meta.dirname}/../../shared`;
  const sceneFolder = `${shared}/assets/gym_aloha`;
  const seeds = Array.from({ length: count }, (_, i) => FIRST_SEED + i);
  let missed = false;
  for (const scene of SCENE_NAMES) {
    for (const task of TASK_NAMES) {
      if (scene === "gym-aloha" && !existsSync(sceneFolder)) {
        print(`${scene.padEnd(10)} ${task.padEnd(14)} left out: no ${sceneFolder}`);
        continue;
      }
      const answers = await play({ task, scene, sceneFolder, seeds }, navigator.hardwareConcurrency);
      const failed = answers.filter(({ success }) => !success);
      const steps = answers.flatMap(({ firstStepOfReward }) => firstStepOfReward[4] ?? []);
      const range = steps.length === 0 ? "" : `, first success at step ${Math.min(...steps)} to ${Math.max(...steps)}`;
      const names = failed.length === 0 ? "" : `; failed: ${failed.map(({ seed }) => seed).join(", ")}`;
      print(`${scene.padEnd(10)} ${task.padEnd(14)} ${count - failed.length} of ${count}${range}${names}`);
      if (failed.length > count / 100) missed = true;
    }
  }
  if (missed) Deno.exit(1);
}
