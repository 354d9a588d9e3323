/**
 * A chart as two files: PNG for slides and chats, SVG for papers and pages.
 *
 * @module
 */

import type { Chart } from "./chart.ts";
import { renderPng } from "./chart_png.ts";
import { writeWhole } from "./file.ts";

/** Width of the PNG: a large screen's. */
const PNG_WIDTH_PX = 1600;

/** Where {@linkcode writeChart} puts a chart. */
export function chartPaths(pathWithoutExtension: string): string[] {
  return [`${pathWithoutExtension}.png`, `${pathWithoutExtension}.svg`];
}

/** Writes both files, each whole or not at all. @throws {Error} that names the path that cannot be written. */
export async function writeChart(pathWithoutExtension: string, { svg }: Chart): Promise<void> {
  const [pngPath, svgPath] = chartPaths(pathWithoutExtension);
  await writeWhole(pngPath!, await renderPng(svg, { widthPx: PNG_WIDTH_PX }), "the chart");
  await writeWhole(svgPath!, svg, "the chart");
}
