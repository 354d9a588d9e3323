import assert from "node:assert/strict";
import { logAxis, logMarks, panelLegend } from "../../src/report/chart_layout.ts";

Deno.test("logMarks() surrounds the values with round numbers", () => {
  assert.deepEqual(logMarks(17, 42), [15, 20, 25, 30, 40, 50]);
  assert.deepEqual(logMarks(0.3, 45), [0.2, 0.5, 1, 2, 5, 10, 20, 50]);
  assert.deepEqual(logMarks(0.02, 3000), [0.01, 0.1, 1, 10, 100, 1000, 10_000]);
});

Deno.test("logMarks() makes an axis of one value, too", () => {
  assert.deepEqual(logMarks(20, 20), [20, 25]);
});

Deno.test("logAxis() runs over logarithms and names the milliseconds", () => {
  const { min, max, axisLabel, name } = logAxis("latency in ms, log", 0.3, 45);
  assert.equal(name, "latency in ms, log");
  assert.deepEqual([min, max], [Math.log10(0.2), Math.log10(50)]);
  assert.deepEqual(axisLabel.customValues.map(axisLabel.formatter), ["0.2", "0.5", "1", "2", "5", "10", "20", "50"]);
});

Deno.test("panelLegend() takes a second line where the names do not fit into one", () => {
  const names = ["http", "ws", "tcp", "quic", "quic-tcp", "local"];
  const one = panelLegend(names, 700, { widthPx: 20 }).heightPx;
  assert.equal(panelLegend(names, 350, { widthPx: 20 }).heightPx, 2 * one);
  assert.equal(panelLegend([], 350, { widthPx: 20 }).heightPx, one);
});
