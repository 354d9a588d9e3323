/**
 * Makes demonstrations for the small policy: both tasks in both scenes, on all cores.
 *
 *     deno task mini:data DIR [--episodes 300] [--validation 12] [--workers N]
 *
 * Each episode is a file of its own, so that the same command goes on where it was stopped. The seeds of training,
 * 10,000,000 on, and of validation, 20,000,000 on, decide everything of an episode by a generator that evaluations do
 * not use. The official scene is read from `assets/gym_aloha` of the folder that PI0_SHARED names.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { SCENE_NAMES, type SceneName, TASK_NAMES } from "../../src/sim/mod.ts";
import type { TaskName } from "../../src/sim/task.ts";

export interface DataJob {
  readonly task: TaskName;
  readonly scene: SceneName;
  readonly sceneFolder: string;
  readonly split: "training" | "validation";
  readonly seed: number;
  /** The file to write. */
  readonly path: string;
}

export interface DataAnswer {
  readonly seed: number;
  readonly success: boolean;
  /** Control steps until the success. */
  readonly steps: number;
  readonly frames: number;
}

const FIRST_SEEDS = { training: 10_000_000, validation: 20_000_000 };
/** Apart, so that no two kinds of episodes share a seed. */
const SEEDS_PER_KIND = 1_000_000;

const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text));

function jobsOf(folder: string, counts: Record<DataJob["split"], number>, sceneFolder: string): DataJob[] {
  const kinds = TASK_NAMES.flatMap((task) => SCENE_NAMES.map((scene) => ({ task, scene })));
  const jobs: DataJob[] = [];
  for (const split of ["validation", "training"] as const) {
    for (let i = 0; i < counts[split]; i++) {
      kinds.forEach(({ task, scene }, kind) => {
        const seed = FIRST_SEEDS[split] + kind * SEEDS_PER_KIND + i;
        const path = `${folder}/${split}_${task}_${scene}_${seed}.safetensors`;
        jobs.push({ task, scene, sceneFolder, split, seed, path });
      });
    }
  }
  return jobs;
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      episodes: { type: "string", default: "300" },
      validation: { type: "string", default: "12" },
      workers: { type: "string", default: String(navigator.hardwareConcurrency) },
    },
  });
  const [folder] = positionals;
  if (folder === undefined) {
    print("Name the folder for the demonstrations: deno task mini:data DIR\n");
    Deno.exit(2);
  }
  const shared = Deno.env.get("PI0_SHARED") ?? `${import.meta.dirname}/../../../shared`;
  await Deno.mkdir(folder, { recursive: true });
  const counts = { training: Number(values.episodes), validation: Number(values.validation) };
  const all = jobsOf(folder, counts, `${shared}/assets/gym_aloha`);
  // A failed episode leaves a note, so that it is not played again.
  const failures = `${folder}/failed.txt`;
  const failed = new Set(existsSync(failures) ? (await Deno.readTextFile(failures)).trim().split("\n") : []);
  const jobs = all.filter(({ path, seed }) => !failed.has(String(seed)) && !existsSync(path));
  print(`${all.length} episodes, ${all.length - jobs.length} of them done before\n`);
  let done = 0;
  let frames = 0;
  const waiting = jobs.values();
  await Promise.all(Array.from({ length: Number(values.workers) }, async () => {
    const worker = new Worker(new URL("./data_worker.ts", import.meta.url), { type: "module" });
    for (const job of waiting) {
      const { promise, resolve, reject } = Promise.withResolvers<DataAnswer>();
      worker.onmessage = ({ data }: MessageEvent<DataAnswer>) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(job);
      const answer = await promise;
      if (!answer.success) await Deno.writeTextFile(failures, `${job.seed}\n`, { append: true });
      frames += answer.frames;
      done++;
      if (done % 20 === 0 || done === jobs.length) print(`${done} of ${jobs.length} episodes, ${frames} frames\n`);
    }
    worker.terminate();
  }));
}
