import assert from "node:assert/strict";
import { decodePng } from "../../src/image.ts";
import { chartPaths, writeChart } from "../../src/report/chart_file.ts";
import { inFolder, namesIn } from "../support/program_here.ts";

const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="320" height="80"><text y="40">π₀</text></svg>`;

Deno.test("writeChart() writes the SVG as it is and a PNG of 1600 pixels, where chartPaths() says", () =>
  inFolder(async (folder) => {
    await writeChart(`${folder}/curve`, { svg });
    assert.deepEqual((await namesIn(folder)).map((name) => `${folder}/${name}`), chartPaths(`${folder}/curve`));
    const [png, text] = chartPaths(`${folder}/curve`);
    assert.equal(await Deno.readTextFile(text!), svg);
    const { width, height } = decodePng(await Deno.readFile(png!));
    assert.deepEqual([width, height], [1600, 400]);
  }));

Deno.test("writeChart() names the path that cannot be written", () =>
  inFolder(async (folder) => {
    await assert.rejects(
      () => writeChart(`${folder}/none/curve`, { svg }),
      /^Error: Cannot write the chart to ".*\/none\/curve\.png": its folder does not exist/,
    );
  }));
