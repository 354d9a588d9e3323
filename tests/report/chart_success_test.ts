import assert from "node:assert/strict";
import { successChart, type SuccessCurve } from "../../src/report/chart_success.ts";

function curve(name: string, successes: readonly number[], episodes = 50): SuccessCurve {
  return {
    name,
    points: successes.map((count, i) => ({
      delayMs: 200 * i,
      episodes,
      successes: count,
      interval: [Math.max(0, count / episodes - 0.1), Math.min(1, count / episodes + 0.1)],
    })),
  };
}

async function draw(...curves: SuccessCurve[]) {
  const { svg } = await successChart({ subject: "transfer_cube · π₀ mini", curves });
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
  return { svg, texts: [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text!) };
}

Deno.test("successChart() names subject, counts, units and every delay", async () => {
  const { texts } = await draw(curve("hold", [50, 45, 10]));
  for (
    const text of [
      "transfer_cube · π₀ mini",
      "Success rate by delay: 100 % at 0 ms, 20 % at 400 ms",
      "n = 50 episodes for each point; whiskers: 95 % interval",
      "delay of every chunk of actions, in ms",
      "success rate, in %",
      "hold",
      "200",
      "400",
      "50/50",
      "45/50",
      "10/50",
    ]
  ) assert.ok(texts.includes(text), `${text} in ${texts.join("|")}`);
});

Deno.test("successChart() draws whiskers as long as the interval", async () => {
  const { svg } = await draw(curve("ws", [50, 25]));
  const lines = [...svg.matchAll(/<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"[^>]*stroke="#0072b2"/g)]
    .map(([, ...numbers]) => numbers.map(Number));
  const lengths = lines.filter(([x1, , x2]) => x1 === x2).map(([, y1, , y2]) => y1! - y2!);
  assert.equal(lengths.length, 2);
  // 90 to 100 %, and 40 to 60 %.
  assert.ok(Math.abs(lengths[1]! / lengths[0]! - 2) < 0.01, String(lengths));
});

Deno.test("successChart() draws a line for every mode and keeps their whiskers apart", async () => {
  const { svg, texts } = await draw(curve("local", [50, 50, 50]), curve("ws", [50, 45, 10]), curve("tcp", [50, 44, 9]));
  for (const name of ["local", "ws", "tcp"]) assert.ok(texts.includes(name), name);
  assert.ok(texts.includes("Success rate by delay"));
  const starts = ["#4b5563", "#0072b2", "#009e73"].map((color) =>
    new RegExp(`<path d="M([\\d.]+) [\\d.]+L[^"]*"[^>]*stroke="${color}"`).exec(svg)![1]
  );
  assert.equal(new Set(starts).size, 3, String(starts));
});

Deno.test("successChart() sorts the delays", async () => {
  const { points } = curve("ws", [50, 45, 10]);
  assert.equal(
    (await draw({ name: "ws", points: points.toReversed() })).svg,
    (await draw({ name: "ws", points })).svg,
  );
});

Deno.test("successChart() names what was not measured and draws the rest", async () => {
  const { points } = curve("ws", [50, 45, 10]);
  const stopped = points.map((point, i) => i === 2 ? { ...point, episodes: 0, successes: 0 } : point);
  const { texts } = await draw({ name: "ws", points: stopped }, curve("tcp", []), curve("http", [3], 4));
  assert.ok(texts.some((text) => text.startsWith("n = 4 to 50 episodes for each point; ")));
  assert.ok(texts.some((text) => text.includes("ws: not measured at 400 ms; tcp: not measured")));
});

Deno.test("successChart() without an episode says so", async () => {
  assert.ok((await draw()).texts.includes("not measured: no episode was run"));
  assert.ok((await draw(curve("ws", [0, 0], 0))).texts.includes("not measured: no episode was run"));
});

Deno.test("successChart() of one delay, and of many, is a chart", async () => {
  assert.ok((await draw(curve("ws", [7], 10))).texts.includes("7/10"));
  const many = await draw(curve("ws", Array.from({ length: 60 }, (_, i) => 60 - i), 60));
  assert.ok(many.texts.filter((text) => /^[\d,]+$/.test(text)).length < 30, many.texts.join("|"));
});
