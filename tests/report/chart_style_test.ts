import assert from "node:assert/strict";
import { formatMs, lineStyles, shorten } from "../../src/report/chart_style.ts";

Deno.test("lineStyles() gives a known transport the same style in every company", () => {
  const alone = lineStyles(["ws"]).get("ws");
  assert.deepEqual(lineStyles(["somewhere", "tcp", "ws"]).get("ws"), alone);
});

Deno.test("lineStyles() draws eight names in eight ways", () => {
  const names = ["http", "ws", "tcp", "quic", "quic-tcp", "local", "lab", "constructor"];
  const styles = lineStyles(names);
  assert.deepEqual([...styles.keys()], names);
  assert.equal(new Set([...styles.values()].map((style) => JSON.stringify(style))).size, 8);
  assert.equal(new Set([...styles.values()].map(({ color }) => color)).size, 8);
});

Deno.test("lineStyles() has a style for every one of many unknown names", () => {
  const names = Array.from({ length: 20 }, (_, i) => `name ${i}`);
  assert.ok([...lineStyles(names).values()].every((style) => style.color.startsWith("#")));
});

Deno.test("formatMs() has a unit only where there is a number", () => {
  assert.equal(formatMs(3.2), "3.20 ms");
  assert.equal(formatMs(undefined), "-");
});

Deno.test("shorten() keeps what fits and cuts what does not", () => {
  assert.equal(shorten("quic-tcp", 8), "quic-tcp");
  assert.equal(shorten("quic-tcp", 6), "quic-…");
});
