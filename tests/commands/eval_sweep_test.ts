import assert from "node:assert/strict";
import { sweepChartPaths, sweepCurves, writeSweepChart } from "../../src/commands/eval_sweep.ts";
import type { ConditionSummary } from "../../src/measure/evaluation.ts";
import type { EvaluationResults } from "../../src/report/evaluation.ts";
import { inFolder, namesIn, runHere } from "../support/program_here.ts";

function summary(mode: string, task: string, delayMs: number, successes: number): ConditionSummary {
  const counts = { executedRows: 0, staleRows: 0, heldSteps: 0, exhaustedSteps: 0, errors: 0 };
  return {
    mode,
    task,
    delayMs,
    episodes: 10,
    successes,
    successRate: successes / 10,
    interval: [0.1, 0.9],
    meanMaxReward: 4,
    meanStallMs: 0,
    ...counts,
  };
}

const options = { sweepDelay: "0,200", seed: 7, whileWaiting: "hold", replanSteps: 10 } as const;

Deno.test("sweepChartPaths() are beside the results, and nowhere without a sweep or without results", () => {
  assert.deepEqual(sweepChartPaths({ out: "a/sweep.json", sweepDelay: "0,200" }), ["a/sweep.png", "a/sweep.svg"]);
  assert.deepEqual(sweepChartPaths({ out: "a/sweep", sweepDelay: "0,200" }), ["a/sweep.png", "a/sweep.svg"]);
  // Never the file of the results itself.
  assert.deepEqual(sweepChartPaths({ out: "curve.svg", sweepDelay: "0" }), ["curve.svg.png", "curve.svg.svg"]);
  assert.deepEqual(sweepChartPaths({ out: "a/plain.json", sweepDelay: undefined }), []);
  assert.deepEqual(sweepChartPaths({ out: undefined, sweepDelay: "0,200" }), []);
});

Deno.test("sweepCurves() has a curve for each mode in each task, named by what differs", () => {
  const names = (...summaries: ConditionSummary[]) => sweepCurves({ summaries }).map(({ name }) => name);
  assert.deepEqual(names(summary("local", "insertion", 0, 9), summary("ws", "insertion", 0, 8)), ["local", "ws"]);
  assert.deepEqual(names(summary("ws", "insertion", 0, 9), summary("ws", "transfer_cube", 0, 8)), [
    "insertion",
    "transfer_cube",
  ]);
  assert.deepEqual(
    names(
      summary("local", "insertion", 0, 9),
      summary("ws", "insertion", 0, 9),
      summary("local", "transfer_cube", 0, 8),
      summary("ws", "transfer_cube", 0, 8),
    ),
    ["local · insertion", "ws · insertion", "local · transfer_cube", "ws · transfer_cube"],
  );
  const [curve] = sweepCurves({ summaries: [summary("ws", "insertion", 0, 9), summary("ws", "insertion", 200, 3)] });
  assert.deepEqual(curve!.points, [
    { delayMs: 0, episodes: 10, successes: 9, interval: [0.1, 0.9] },
    { delayMs: 200, episodes: 10, successes: 3, interval: [0.1, 0.9] },
  ]);
});

Deno.test("writeSweepChart() draws every delay, and says what was played", () =>
  inFolder(async (folder) => {
    const results = {
      scene: "builtin",
      modes: [{ mode: "local", policy: "expert", checkpointHash: null }],
      summaries: [summary("local", "insertion", 0, 10), summary("local", "insertion", 200, 3)],
    } as unknown as EvaluationResults;
    await writeSweepChart(results, { ...options, out: `${folder}/sweep.json` });
    assert.deepEqual(await namesIn(folder), ["sweep.png", "sweep.svg"]);
    const svg = await Deno.readTextFile(`${folder}/sweep.svg`);
    for (
      const text of [
        "expert · insertion · builtin scene · seed 7 · hold while waiting · 10 rows of each chunk",
        "Success rate by delay: 100 % at 0 ms, 30 % at 200 ms",
      ]
    ) assert.ok(svg.includes(`>${text}</text>`), text);
    await writeSweepChart(results, { ...options, out: `${folder}/other.json`, sweepDelay: undefined });
    assert.deepEqual(await namesIn(folder), ["sweep.png", "sweep.svg"]);
  }));

Deno.test("pi0 eval --sweep-delay --out draws the chart beside the results, names it, and never overwrites one", () =>
  inFolder(async (folder) => {
    const short = ["--policy", "null", "--max-steps", "2", "-n", "1", "--workers", "1"];
    const sweep = ["eval", ...short, "--sweep-delay", "0,20", "--out", `${folder}/sweep.json`];
    const { code, stderr } = await runHere(sweep);
    assert.equal(code, 0, stderr);
    assert.deepEqual(await namesIn(folder), ["sweep.json", "sweep.png", "sweep.svg"]);
    assert.ok(stderr.includes(`latency is drawn in ${folder}/sweep.png and ${folder}/sweep.svg\n`), stderr);
    await Deno.remove(`${folder}/sweep.json`);
    const again = await runHere(sweep);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /sweep\.png": it is there already; choose another file, or type --force/);
    assert.deepEqual(await namesIn(folder), ["sweep.png", "sweep.svg"]);
    assert.equal((await runHere([...sweep, "--force"])).code, 0);
  }));
