import assert from "node:assert/strict";
import { drawFigure, type Panel } from "../../src/report/chart.ts";

const place = { xPx: 10, yPx: 80, widthPx: 380, heightPx: 200 };
const size = { widthPx: 400, heightPx: 300 };
const panel: Panel = {
  title: "Two points",
  note: "n = 2",
  drawing: {
    xAxis: { type: "value" },
    yAxis: { type: "category", data: ["<b>&\"zr0-c0'"] },
    series: [{ type: "line", data: [[1, 0], [2, 0]] }],
  },
};
const draw = (panel: Panel) => drawFigure(size, { title: "All of π₀", note: "of today" }, [{ panel, place }]);

Deno.test("drawFigure() keeps titles, notes and π₀ as text", async () => {
  const { svg } = await draw(panel);
  for (const text of ["All of π₀", "of today", "Two points", "n = 2"]) assert.match(svg, new RegExp(`>${text}</text>`));
  assert.match(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"[^>]* width="400" height="300"/);
  assert.match(svg, /font-family:DejaVu Sans/);
});

Deno.test("drawFigure() draws the same data the same way every time", async () => {
  const [first, other, again] = [await draw(panel), await draw({ title: "x", note: "y" }), await draw(panel)];
  assert.equal(again.svg, first.svg);
  assert.notEqual(other.svg, first.svg);
});

Deno.test("drawFigure() escapes names and leaves them as they are", async () => {
  const { svg } = await draw(panel);
  assert.match(svg, />&lt;b&gt;&amp;&quot;zr0-c0&#39;<\/text>/);
});

Deno.test("drawFigure() places texts in a way that every program understands", async () => {
  const { svg } = await draw(panel);
  assert.doesNotMatch(svg, /-baseline/);
  assert.equal(svg.match(/ dy="0\.35em"/g)?.length, svg.match(/<text/g)?.length);
});

Deno.test("drawFigure() names each part once, so that two panels do not clip each other", async () => {
  const { svg } = await drawFigure(size, { title: "t", note: "n" }, [{ panel, place }, { panel, place }]);
  const names = [...svg.matchAll(/ id="([^"]+)"/g)].map(([, name]) => name);
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.length >= 2, "lines are clipped to their axes");
  for (const [, name] of svg.matchAll(/url\(#([^)]+)\)/g)) assert.ok(names.includes(name!), name);
});

Deno.test("drawFigure() says in a panel without a drawing why it has none", async () => {
  const { svg } = await draw({ title: "Nothing", note: "n = 0", missing: "not measured: nobody asked" });
  assert.match(svg, />not measured: nobody asked<\/text>/);
});
