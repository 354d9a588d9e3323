import assert from "node:assert/strict";
import { decode } from "fast-png";
import { rasterize, renderPng } from "../../src/report/chart_png.ts";

function svg(inner: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20">${inner}</svg>`;
}

const text = (letters: string) =>
  svg(`<text x="1" y="16" style="font-size:14px;font-family:sans-serif">${letters}</text>`);

async function inkOf(letters: string): Promise<number> {
  const { rgba } = await rasterize(text(letters), { widthPx: 40 });
  return rgba.filter((_, i) => i % 4 === 3).reduce((sum, alpha) => sum + alpha, 0);
}

Deno.test("renderPng() makes a PNG as wide as asked and as high as the SVG's proportions say", async () => {
  const { width, height, data } = decode(
    await renderPng(svg(`<rect width="40" height="20" fill="#0080ff"/>`), { widthPx: 80 }),
  );
  assert.deepEqual([width, height], [80, 40]);
  assert.deepEqual([...data.subarray(0, 4)], [0, 128, 255, 255]);
});

Deno.test("rasterize() gives pixels whose colours are multiplied by their alpha", async () => {
  const { widthPx, heightPx, rgba } = await rasterize(
    svg(`<rect width="20" height="20" fill="rgb(200,100,50)" opacity="0.5"/>`),
    { widthPx: 40 },
  );
  assert.deepEqual([widthPx, heightPx, rgba.length], [40, 20, 40 * 20 * 4]);
  assert.deepEqual([...rgba.subarray(0, 4)], [100, 50, 25, 128]);
  assert.deepEqual([...rgba.subarray(4 * 39, 4 * 40)], [0, 0, 0, 0]);
});

Deno.test("rasterize() draws π and ₀, each with a shape of its own", async () => {
  const missing = await inkOf("\u{10ffff}");
  const inks = [await inkOf("π"), await inkOf("₀"), await inkOf("0")];
  assert.ok(inks.every((ink) => ink > 0 && ink !== missing), `${inks} beside ${missing}`);
  assert.equal(new Set(inks).size, 3);
});

Deno.test("rasterize() has letters for bold text", async () => {
  const bold = text("Latency").replace("font-size", "font-weight:bold;font-size");
  const [thin, thick] = await Promise.all([text("Latency"), bold].map(async (svg) => {
    const { rgba } = await rasterize(svg, { widthPx: 40 });
    return rgba.reduce((sum, value) => sum + value, 0);
  }));
  assert.ok(thick! > 1.1 * thin!, `${thick} beside ${thin}`);
});

Deno.test("renderPng() refuses what is no SVG, and draws the next one", async () => {
  await assert.rejects(renderPng("<svg", { widthPx: 40 }), /^Error: Cannot draw an SVG of 4 characters: /);
  assert.ok((await renderPng(svg(""), { widthPx: 40 })).length > 0);
});
