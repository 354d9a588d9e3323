/**
 * SVG to PNG, with text in DejaVu Sans, which has every sign that the charts use ("π₀" among them). Needs no font and no
 * library of the system.
 *
 * @module
 */

import type { Bytes } from "../types.ts";

type Resvg = typeof import("@resvg/resvg-wasm");
type FontOptions = NonNullable<import("@resvg/resvg-wasm").ResvgRenderOptions["font"]>;

/** The fonts that texts without and with `font-weight: bold` are drawn in. */
const FONT_FILES = ["dejavu-fonts-ttf/ttf/DejaVuSans.ttf", "dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf"];
/** Name of that family, in SVG and CSS. */
export const FONT_FAMILY = "DejaVu Sans";

/** A picture with alpha. */
export interface Raster {
  readonly widthPx: number;
  readonly heightPx: number;
  /**
   * `4 × widthPx × heightPx` values, 0–255: red, green, blue, each multiplied by the fourth, alpha; row 0 is the top.
   */
  readonly rgba: Bytes;
}

let engine: Promise<{ readonly resvg: Resvg; readonly font: FontOptions }> | undefined;

/** Loads the renderer and its fonts once per process; the renderer refuses to be initialised twice. */
function loadEngine(): NonNullable<typeof engine> {
  return engine ??= (async () => {
    const [resvg, wasm, ...fontBuffers] = await Promise.all([
      import("@resvg/resvg-wasm"),
      readPackageFile("@resvg/resvg-wasm/index_bg.wasm"),
      ...FONT_FILES.map(readPackageFile),
    ]);
    await resvg.initWasm(wasm);
    return { resvg, font: { fontBuffers, defaultFontFamily: FONT_FAMILY, sansSerifFamily: FONT_FAMILY } };
  })();
}

/** Resolved as the module system does, so that it is found in the compiled binary, too. */
function readPackageFile(specifier: string): Promise<Bytes> {
  return Deno.readFile(new URL(import.meta.resolve(specifier)));
}

/**
 * Draws an SVG into a PNG file.
 *
 * @param widthPx width of the picture; the height follows from the SVG's proportions.
 * @throws {Error} where the text is no SVG.
 */
export async function renderPng(svg: string, { widthPx }: { readonly widthPx: number }): Promise<Bytes> {
  return await draw(svg, widthPx, (picture) => Uint8Array.from(picture.asPng()));
}

/**
 * Draws an SVG into pixels; what it leaves free is transparent.
 *
 * @param widthPx width of the picture; the height follows from the SVG's proportions.
 * @throws {Error} where the text is no SVG.
 */
export async function rasterize(svg: string, { widthPx }: { readonly widthPx: number }): Promise<Raster> {
  return await draw(svg, widthPx, ({ width, height, pixels }) => ({
    widthPx: width,
    heightPx: height,
    rgba: Uint8Array.from(pixels),
  }));
}

type RenderedImage = ReturnType<InstanceType<Resvg["Resvg"]>["render"]>;

/** What the renderer allocates lies outside of the garbage collector's reach and is freed here. */
async function draw<T>(svg: string, widthPx: number, take: (picture: RenderedImage) => T): Promise<T> {
  const { resvg, font } = await loadEngine();
  let tree: InstanceType<Resvg["Resvg"]>;
  try {
    tree = new resvg.Resvg(svg, { font, fitTo: { mode: "width", value: widthPx } });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot draw an SVG of ${svg.length} characters: ${reason}`, { cause });
  }
  try {
    const picture = tree.render();
    try {
      return take(picture);
    } finally {
      picture.free();
    }
  } finally {
    tree.free();
  }
}
