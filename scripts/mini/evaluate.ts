/**
 * What pi0-mini's card says it can do: 200 episodes of each kind, on starts that neither trained nor chose it.
 *
 *     deno task mini:evaluate [--policy mini] [--episodes 200] [--seed 2026] [--only NAME] [--out FILE]
 *
 * Prints a line for each kind, with Wilson's 95 % interval, and how the cube's start decides. With --out the outcomes
 * are kept, and the same command goes on where it was stopped. The official scene is read from `assets/gym_aloha` of
 * the folder that PI0_SHARED names, and left out where there is none.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { EVAL_OPTIONS } from "../../src/commands/eval_options.ts";
import { listJobs } from "../../src/commands/eval_plan.ts";
import { EvalPool } from "../../src/commands/eval_pool.ts";
import { LOCAL } from "../../src/commands/eval_ways.ts";
import { VERSION } from "../../src/commands/mod.ts";
import { parseOptions } from "../../src/commands/options.ts";
import type { EpisodeOutcome } from "../../src/measure/evaluation.ts";
import { wilsonInterval } from "../../src/measure/proportion.ts";
import { objectPoseOf } from "../../src/sim/environment.ts";
import { SCENE_NAMES, type SceneName, TASKS } from "../../src/sim/mod.ts";
import type { TaskName } from "../../src/sim/task.ts";

/** What is evaluated. */
interface Kind {
  readonly task: TaskName;
  readonly scene: SceneName;
  readonly replanSteps: number;
  readonly delayMs?: number;
  /** The object is put elsewhere before this step, when a hand is about to grasp it. */
  readonly pushAt?: number;
  readonly maxSteps?: number;
}

const KINDS: readonly Kind[] = SCENE_NAMES.flatMap((scene): Kind[] => [
  { task: "transfer_cube", scene, replanSteps: 10 },
  { task: "insertion", scene, replanSteps: 10 },
  { task: "transfer_cube", scene, replanSteps: 25 },
  { task: "transfer_cube", scene, replanSteps: 10, pushAt: 60 },
  { task: "transfer_cube", scene, replanSteps: 10, delayMs: 200 },
]);

/** One kind's episodes. */
interface Evaluated extends Kind {
  readonly name: string;
  readonly outcomes: readonly Pick<EpisodeOutcome, "seed" | "success" | "maxReward" | "steps">[];
}

const CELLS = 4;

const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));

function nameOf({ task, scene, replanSteps, delayMs, pushAt }: Kind): string {
  const push = pushAt === undefined ? "" : `, pushed at ${pushAt}`;
  const delay = delayMs === undefined ? "" : `, ${delayMs} ms`;
  return `${task}, ${scene}, every ${replanSteps}${push}${delay}`;
}

function percent(successes: number, trials: number): string {
  const [low, high] = wilsonInterval(successes, trials).map((share) => (100 * share).toFixed(1));
  return `${successes}/${trials} = ${(100 * successes / trials).toFixed(1)} % (${low}–${high})`;
}

/** Successes by where the task's first object begins: rows from far to near, columns from left to right. */
function gridOf({ task, outcomes }: Evaluated): string[] {
  const { low, high } = TASKS[task].objects[0]!;
  const cells = Array.from({ length: CELLS * CELLS }, () => ({ successes: 0, trials: 0 }));
  for (const { seed, success } of outcomes) {
    const pose = objectPoseOf(TASKS[task], seed);
    const [column, row] = ([0, 1] as const).map((axis) => {
      const share = (pose[axis]! - low[axis]) / (high[axis] - low[axis]);
      return Math.min(CELLS - 1, Math.floor(CELLS * share));
    }) as [number, number];
    const cell = cells[CELLS * (CELLS - 1 - row) + column]!;
    cell.trials++;
    if (success) cell.successes++;
  }
  return Array.from(
    { length: CELLS },
    (_, row) =>
      cells.slice(CELLS * row, CELLS * (row + 1)).map(({ successes, trials }) => `${successes}/${trials}`.padStart(7))
        .join(
          "",
        ),
  );
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      policy: { type: "string", default: "mini" },
      episodes: { type: "string", default: "200" },
      seed: { type: "string", default: "2026" },
      only: { type: "string" },
      workers: { type: "string", default: String(navigator.hardwareConcurrency) },
      out: { type: "string" },
    },
  });
  const { out } = values;
  const kept: Evaluated[] = out !== undefined && existsSync(out) ? JSON.parse(await Deno.readTextFile(out)).kinds : [];
  const shared = Deno.env.get("PI0_SHARED") ?? `${import.meta.dirname}/../../../shared`;
  const sceneFolder = `${shared}/assets/gym_aloha`;
  const words = ["--policy", values.policy, "--threads", "1", "--quiet"];
  const options = parseOptions(EVAL_OPTIONS, words, { command: "eval", env: () => undefined });
  if (options.help) throw new Error("Cannot play: the options of pi0 eval were read as a wish for help");
  const { signal } = new AbortController();
  for (const kind of KINDS) {
    const name = nameOf(kind);
    if (values.only !== undefined && !name.includes(values.only)) continue;
    if (kind.scene === "gym-aloha" && !existsSync(sceneFolder)) {
      print(`${name}: left out, no ${sceneFolder}`);
      continue;
    }
    const { task, scene, delayMs = 0, maxSteps = options.maxSteps, replanSteps, pushAt } = kind;
    const jobs = listJobs([{ mode: LOCAL, task, delayMs }], Number(values.episodes), Number(values.seed));
    let evaluated = kept.find((one) => one.name === name && one.outcomes.length === jobs.length);
    if (evaluated === undefined) {
      const whileWaiting = delayMs > 0 ? "continue" : "hold";
      const rules = { scene, sceneFolder, observed: options.observe, maxSteps, replanSteps, whileWaiting } as const;
      const push = pushAt === undefined ? {} : { pushAt };
      const setup = { ways: [{ mode: LOCAL }], options, ...rules, ...push, version: VERSION };
      using pool = new EvalPool(setup, Math.min(Number(values.workers), jobs.length));
      await pool.open(signal);
      const outcomes: EpisodeOutcome[] = [];
      await pool.play(jobs, (outcome) => outcomes.push(outcome), signal);
      outcomes.sort((a, b) => a.index - b.index);
      const few = outcomes.map(({ seed, success, maxReward, steps }) => ({ seed, success, maxReward, steps }));
      evaluated = { ...kind, name, outcomes: few };
      kept.splice(0, kept.length, ...kept.filter((one) => one.name !== name), evaluated);
      if (out !== undefined) {
        const { policy, episodes, seed } = values;
        await Deno.writeTextFile(out, JSON.stringify({ policy, episodes, seed, kinds: kept }) + "\n");
      }
    }
    const { outcomes } = evaluated;
    const best = outcomes.filter(({ success }) => !success).map(({ maxReward }) => maxReward);
    const failures = best.length === 0 ? "" : `; best rewards of the failures: ${best.toSorted().join(" ")}`;
    print(`${name}: ${percent(outcomes.length - best.length, outcomes.length)}${failures}`);
    for (const line of gridOf(evaluated)) print(`  ${line}`);
  }
}
