import assert from "node:assert/strict";
import { Metrics } from "../../src/serving/metrics.ts";

const linesOf = (metrics: Metrics, start: string) =>
  metrics.format().split("\n").filter((line) => line.startsWith(start));

Deno.test("Metrics counts per set of labels, and the same labels are the same series", () => {
  const metrics = new Metrics();
  metrics.series("requests_total", { transport: "tcp", code: "ok" }).add(1);
  metrics.series("requests_total", { transport: "tcp", code: "busy" }).add(1);
  metrics.series("requests_total", { transport: "tcp", code: "ok" }).add(2);
  assert.deepEqual(linesOf(metrics, "pi0_requests_total"), [
    'pi0_requests_total{transport="tcp",code="ok"} 3',
    'pi0_requests_total{transport="tcp",code="busy"} 1',
  ]);
});

Deno.test("Metrics sets a gauge, up and down", () => {
  const metrics = new Metrics();
  const depth = metrics.series("queue_depth");
  depth.set(4);
  depth.add(-1);
  assert.deepEqual(linesOf(metrics, "pi0_queue_depth"), ["pi0_queue_depth 3"]);
});

Deno.test("Metrics writes a histogram as Prometheus reads it: cumulative, in seconds, bounds included", () => {
  const metrics = new Metrics();
  const residence = metrics.histogram("residence_seconds", { transport: "ws" });
  for (const milliseconds of [0, 0.05, 1, 30, 30, 20_000]) residence.observeMs(milliseconds);
  const lines = linesOf(metrics, "pi0_residence_seconds");
  const count = (bound: string) => lines.find((line) => line.includes(`le="${bound}"`))?.split(" ")[1];
  assert.deepEqual(
    ["0.00005", "0.0001", "0.0005", "0.001", "0.025", "0.05", "10", "+Inf"].map(count),
    ["2", "2", "2", "3", "3", "5", "5", "6"],
  );
  assert.deepEqual(lines.slice(-3), [
    'pi0_residence_seconds_bucket{transport="ws",le="+Inf"} 6',
    'pi0_residence_seconds_sum{transport="ws"} 20.06105',
    'pi0_residence_seconds_count{transport="ws"} 6',
  ]);
});

Deno.test("Metrics writes bounds in growing order, without exponents", () => {
  const metrics = new Metrics();
  metrics.histogram("residence_seconds").observeMs(1);
  const bounds = linesOf(metrics, "pi0_residence_seconds_bucket").map((line) => /le="(.*)"/.exec(line)![1]!);
  assert.equal(bounds.at(-1), "+Inf");
  const numbers = bounds.slice(0, -1).map(Number);
  assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b));
  assert.ok(bounds.slice(0, -1).every((bound) => /^[\d.]+$/.test(bound)), bounds.join(" "));
});

Deno.test("Metrics declares every family before its first sample, also where there is none yet", () => {
  const lines = new Metrics().format().trimEnd().split("\n");
  const helps = lines.filter((line) => line.startsWith("# HELP pi0_"));
  const types = lines.filter((line) => /^# TYPE pi0_\w+ (counter|gauge|histogram)$/.test(line));
  assert.equal(helps.length, types.length);
  assert.equal(lines.length, helps.length + types.length);
  assert.ok(new Metrics().format().endsWith("\n"));
});

Deno.test("Metrics lets no label out of its quotes", () => {
  const metrics = new Metrics();
  metrics.series("sessions", { transport: 'a"} 1\nb\\' }).set(1);
  assert.deepEqual(linesOf(metrics, "pi0_sessions"), ['pi0_sessions{transport="a_} 1_b_"} 1']);
});
