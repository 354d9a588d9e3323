import assert from "node:assert/strict";
import { decode } from "fast-png";
import type { LatencySample } from "../../src/measure/sample.ts";
import { latencyChart } from "../../src/report/chart_latency.ts";
import { renderPng } from "../../src/report/chart_png.ts";
import type { BenchResults } from "../../src/report/results.ts";
import { seededRandom } from "../../src/random.ts";
import { answeredSample, benchResults, failedSample, withoutResidence } from "../support/bench_results.ts";

function samples(transport: string, count: number, aroundMs: number): LatencySample[] {
  const random = seededRandom(1);
  return Array.from(
    { length: count },
    (_, index) => answeredSample({ transport, index, roundTripMs: aroundMs + 4 * random() }),
  );
}

async function textsOf(results: BenchResults): Promise<string[]> {
  const { svg } = await latencyChart(results);
  return [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text!);
}

const three = benchResults({ http: samples("http", 40, 30), ws: samples("ws", 50, 20), tcp: samples("tcp", 60, 25) });

Deno.test("latencyChart() has five panels, each with its sample count and its units", async () => {
  const texts = await textsOf(three);
  const has = (pattern: RegExp, times = 1) =>
    assert.equal(texts.filter((text) => pattern.test(text)).length, times, `${pattern} in ${texts.join("|")}`);
  has(/^The median request over ws takes 2\d\.\d ms$/);
  has(/^Median of each stage, by transport$/);
  has(/^Latency over the run$/);
  has(/^Share of requests answered within a time$/);
  has(/^Spread of the latency, by transport$/);
  has(/^1 of n = 50; /);
  has(/^n = 150(;| answered|$)/, 4);
  has(/^n = (40|50|60)$/, 6);
  has(/^time since the request was started, in ms$/);
  has(/^time in ms$/);
  has(/^time since the run&#39;s start, in s$/);
  has(/^latency in ms$/);
  has(/^latency in ms, log$/, 2);
  has(/^share of requests, in %$/);
  has(/^policy π₀ mini · 3 transports · each request sent when the last was answered · 2026-01-02 03:04 UTC$/);
});

Deno.test("latencyChart() prints the stages of one request, which add up to its round trip", async () => {
  const { svg } = await latencyChart(
    benchResults({ ws: [answeredSample({ transport: "ws", index: 0, roundTripMs: 22 })] }),
  );
  const first = svg.split(/<rect [^>]*rx="8"/)[1]!;
  assert.match(first, />The median request over ws takes 22\.0 ms<\/text>/);
  const values = [...first.matchAll(/>([\d.]+) ms<\/text>/g)].map(([, value]) => Number(value));
  const wholeMs = values.pop();
  assert.equal(wholeMs, 22);
  const sumMs = values.reduce((sum, value) => sum + value, 0);
  assert.equal(values.length, 8);
  assert.ok(Math.abs(sumMs / 22 - 1) < 0.01, `${values} add up to ${sumMs}`);
  assert.equal(first.split(">not measured</text>").length - 1, 2, "preprocess and postprocess");
});

Deno.test("latencyChart() draws the waterfall's bars end to end", async () => {
  const { svg } = await latencyChart(
    benchResults({ ws: [answeredSample({ transport: "ws", index: 0, roundTripMs: 22 })] }),
  );
  const bar = (color: string) => {
    const [, x, width] = new RegExp(`<path d="M([\\d.]+) [\\d.]+l([\\d.]+) 0[^>]*fill="${color}"`).exec(svg)!;
    return { leftPx: Number(x), rightPx: Number(x) + Number(width) };
  };
  const [encode, network, infer, whole] = [bar("#ddcc77"), bar("#332288"), bar("#117733"), bar("#1f2937")];
  const pxPerMs = (whole.rightPx - whole.leftPx) / 22;
  const near = (actual: number, expected: number) =>
    assert.ok(Math.abs(actual - expected) < 0.1, `${actual} ${expected}`);
  near(encode.leftPx, whole.leftPx);
  near(network.leftPx, encode.rightPx);
  near(network.rightPx, whole.leftPx + 13 * pxPerMs);
  near(infer.leftPx, whole.leftPx + 14.5 * pxPerMs);
  near(infer.rightPx, whole.leftPx + 20.5 * pxPerMs);
});

Deno.test("latencyChart() becomes a PNG of 1600 pixels' width", async () => {
  const { svg } = await latencyChart(three);
  const { width, height, data, channels } = decode(await renderPng(svg, { widthPx: 1600 }));
  assert.deepEqual([width, height, channels], [1600, 1416, 4]);
  const colors = new Set<number>();
  for (let i = 0; i < data.length; i += 4) colors.add(data[i]! << 16 | data[i + 1]! << 8 | data[i + 2]!);
  for (const color of [0xe69f00, 0x0072b2, 0x009e73, 0x332288, 0x117733]) {
    assert.ok(colors.has(color), `#${color.toString(16).padStart(6, "0")} is in the picture`);
  }
});

Deno.test("latencyChart() draws the same results the same way every time", async () => {
  assert.equal((await latencyChart(three)).svg, (await latencyChart(structuredClone(three))).svg);
});

Deno.test("latencyChart() of eight transports names every one in each panel that tells them apart", async () => {
  const names = ["http", "ws", "tcp", "quic", "quic-tcp", "local", "modal", "a-server-with-a-very-long-name"];
  const texts = await textsOf(
    benchResults(Object.fromEntries(names.map((name, i) => [name, samples(name, 20, 20 + i)]))),
  );
  for (const name of names.slice(0, 7)) assert.equal(texts.filter((text) => text === name).length, 4, name);
  assert.equal(texts.filter((text) => text === "a-server-with-…").length, 2);
  assert.equal(texts.filter((text) => text === "a-server-with-a-very-lo…").length, 2);
});

Deno.test("latencyChart() says of a server without stages what was not measured", async () => {
  const texts = await textsOf(benchResults({ ws: samples("ws", 20, 20).map(withoutResidence) }));
  assert.equal(texts.filter((text) => text === "not measured").length, 6);
  assert.ok(texts.includes("1 of n = 20; rest: the network and what the server did not measure"));
  assert.equal(texts.filter((text) => text === "server queue").length, 1, "a row, but no entry of the bars' legend");
});

Deno.test("latencyChart() counts what failed and leaves a transport without answers in its place", async () => {
  const http = [failedSample("http", 0), failedSample("http", 1)];
  const texts = await textsOf(benchResults({ http, ws: [...samples("ws", 20, 20), failedSample("ws", 20)] }));
  assert.equal(texts.filter((text) => text === "n = 0, 2 failed").length, 2);
  assert.equal(texts.filter((text) => text === "n = 20, 1 failed").length, 2);
  assert.ok(texts.includes("n = 20 answered requests; 3 failed (×, when they were given up)"));
  assert.ok(texts.includes("n = 20, without 3 that failed"));
  assert.ok(texts.includes("not measured"));
});

Deno.test("latencyChart() without one answer says why in every panel that needs one", async () => {
  const texts = await textsOf(benchResults({ ws: [failedSample("ws", 0)] }));
  assert.equal(texts.filter((text) => text === "not measured: no request was answered (ws 1 × deadline)").length, 4);
  assert.ok(texts.includes("n = 0 answered requests; 1 failed (×, when they were given up)"));
});

Deno.test("latencyChart() of no transport at all is still a figure", async () => {
  const texts = await textsOf({ ...benchResults({}), server: null, interrupted: true });
  assert.equal(texts.filter((text) => text === "not measured: no request was answered").length, 5);
  assert.ok(texts.some((text) => text.startsWith("0 transports") && text.endsWith("interrupted before its end")));
});

Deno.test("latencyChart() of a paced run counts from when requests were due", async () => {
  const texts = await textsOf(benchResults({ ws: samples("ws", 20, 20) }, { periodMs: 200 }));
  assert.ok(texts.some((text) => text.includes("1 transport · 5 requests per second")));
  assert.equal(texts.filter((text) => text.startsWith("latency from when due, in ms")).length, 3);
});

Deno.test("latencyChart() takes answers without any delay", async () => {
  const ws = samples("ws", 3, 20).map((sample) => ({
    ...sample,
    sentMs: sample.startedMs,
    receivedMs: sample.startedMs,
    finishedMs: sample.startedMs,
    residenceMs: 0,
    timing: {},
  }));
  const { svg } = await latencyChart(benchResults({ ws }));
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
});
