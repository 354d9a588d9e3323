/**
 * Scene and camera in, picture out, by the rules of MuJoCo's OpenGL renderer on Mesa's llvmpipe: light per vertex, hard
 * shadows, four samples per pixel. The same bytes on every machine.
 *
 * Where to start: `scene.ts` says what can be drawn. A picture is made in three steps: `raster.ts` finds which triangle
 * each sample sees, `shadow_map.ts` does the same for each light that throws shadows, and `shade.ts` gives the triangles
 * that are seen their colours.
 *
 * @module
 */

import type { Image, PictureSize } from "../types.ts";
import { clipTriangles, findExtent, Projected, projectPlaces, type View, writeEyeMatrix } from "./project.ts";
import { CoveredSamples, CULL_BACK, CULL_FRONT, fillTriangles, type SampleGrid } from "./raster.ts";
import { Overlay } from "./overlay.ts";
import { type Background, resolvePixels, SAMPLES } from "./resolve.ts";
import type { Camera, Scene, Skybox } from "./scene.ts";
import { Shading } from "./shade.ts";
import { ShadowMap } from "./shadow_map.ts";
import { type Actor, setStage, type Stage } from "./stage.ts";
import { sampleSkybox } from "./texture.ts";

/** What can be left out of a picture. */
export interface RenderOptions {
  /** Whether lights throw shadows; they do unless said otherwise. */
  readonly shadows?: boolean;
}

/**
 * Where the four samples of a pixel lie, from its left, one in the middle of each quarter of its height, from the top:
 * llvmpipe's pattern, which OpenGL counts from below.
 */
const SAMPLE_X = Float64Array.of(0.625, 0.125, 0.875, 0.375);

/** Shapes with less alpha are drawn as transparent (`mjr_render`). */
const OPAQUE_ALPHA = 0.995;

/** Of its alpha, a sheet seen from behind keeps this share (`renderGeom`). */
const BEHIND_ALPHA = 0.3;

/** A sheet is taken for farther away than all other transparent shapes, at any distance. */
const SHEET_DISTANCE_M = 1e10;

/** Draws one scene, again and again: meshes are prepared once, and memory is kept between pictures. */
export class Renderer {
  readonly #scene: Scene;
  readonly #stage: Stage;
  readonly #shading: Shading;
  readonly #shadowMaps: readonly (ShadowMap | undefined)[];
  readonly #projected = new Projected();
  readonly #covered = new CoveredSamples();
  #grid: SampleGrid = makeGrid({ widthPx: 0, heightPx: 0 });

  /** Reads everything but the poses. */
  constructor(scene: Scene) {
    this.#scene = scene;
    this.#stage = setStage(scene);
    this.#shading = new Shading(scene, this.#stage);
    const { nearM, farM, shadowMap } = scene;
    this.#shadowMaps = scene.lights.map((light) =>
      light.castsShadow ? new ShadowMap(shadowMap, nearM, farM) : undefined
    );
  }

  /**
   * Draws what the camera sees now.
   *
   * @throws {RangeError} where the size is not made of whole numbers above 0.
   */
  render(camera: Camera, size: PictureSize, { shadows = true }: RenderOptions = {}): Image {
    const { widthPx, heightPx } = size;
    for (const side of [widthPx, heightPx]) {
      if (Number.isInteger(side) && side > 0) continue;
      throw new RangeError(`Cannot draw a picture of ${widthPx}×${heightPx} pixels: give whole numbers above 0`);
    }
    const view = this.#viewOf(camera, size);
    const grid = this.#clearGrid(size);
    const visible = this.#findVisible(view, size);
    const seeThrough = new Set(visible.filter((actor) => isSeeThrough(actor, camera)));
    const opaque = visible.filter((actor) => !seeThrough.has(actor));

    for (const actor of opaque) this.#drawActor(actor, view, grid, camera);
    const drawn = shadows ? this.#drawShadowMaps(opaque, view) : [];
    this.#shading.begin({ camera, view, shadows: drawn, seeThrough });

    const data = new Uint8Array(3 * widthPx * heightPx);
    const background = makeBackground(this.#scene.skybox, camera, view);
    resolvePixels(grid, this.#shading, background, data);
    if (seeThrough.size > 0) {
      const overlay = new Overlay(grid, this.#shading, background);
      this.#drawTransparent([...seeThrough], view, grid, camera, overlay);
      overlay.resolve(data);
    }
    return { width: widthPx, height: heightPx, layout: "hwc", data };
  }

  #viewOf(camera: Camera, { widthPx, heightPx }: PictureSize): View {
    return {
      position: camera.position,
      rotation: camera.rotation,
      scalePx: heightPx / 2 / Math.tan(camera.fovyDeg * Math.PI / 360),
      middleXPx: widthPx / 2,
      middleYPx: heightPx / 2,
      rowsPerPx: SAMPLES,
      nearM: this.#scene.nearM,
      farM: this.#scene.farM,
      parallel: false,
    };
  }

  #clearGrid(size: PictureSize): SampleGrid {
    const { columns, rows } = this.#grid;
    if (columns !== size.widthPx || rows !== SAMPLES * size.heightPx) this.#grid = makeGrid(size);
    // What is farther than the camera sees is not nearer than this.
    this.#grid.nearness.fill(1 / this.#scene.farM);
    this.#grid.seen.fill(0);
    return this.#grid;
  }

  /** Brings all shapes before the camera, and leaves out those that are wholly out of the picture. */
  #findVisible(view: View, { widthPx, heightPx }: PictureSize): Actor[] {
    return this.#stage.actors.filter(({ shape, prepared, eyeMatrix }) => {
      writeEyeMatrix(view, shape.position, shape.rotation, eyeMatrix);
      const { left, top, right, bottom, nearestM, farthestM } = findExtent(prepared, eyeMatrix, view);
      return farthestM >= view.nearM && nearestM <= view.farM && right >= 0 && left <= widthPx && bottom >= 0 &&
        top <= heightPx;
    });
  }

  /** @param covered if given, samples are not changed, and what would be seen is added here. */
  #drawActor(actor: Actor, view: View, grid: SampleGrid, camera: Camera, covered?: CoveredSamples): void {
    const { shape, prepared, numbers, eyeMatrix } = actor;
    const turned = shape.sheet && isBehind(shape.position, shape.rotation, camera);
    const cull = turned ? CULL_FRONT : CULL_BACK;
    const tooNear = projectPlaces(prepared, eyeMatrix, view, 1, 0, this.#projected);
    const list = { projected: this.#projected, triangles: prepared.placeTriangles, numbers };
    fillTriangles(grid, list, cull, 0, 0, covered);
    if (tooNear === 0) return;
    const clipped = clipTriangles(prepared, eyeMatrix, view, 1, 0, this.#projected);
    const sources = Int32Array.from(clipped.sources, (source) => numbers[source]!);
    fillTriangles(grid, { ...clipped, numbers: sources }, cull, 0, 0, covered);
  }

  #drawShadowMaps(receivers: readonly Actor[], view: View): { light: number; map: ShadowMap }[] {
    const farthestM = receivers.reduce((far, actor) => Math.max(far, this.#farthest(actor, view)), 0);
    const hull = makeHull(view, Math.min(farthestM, view.farM));
    return this.#shadowMaps.flatMap((map, light) => {
      if (map === undefined) return [];
      map.draw(this.#scene.lights[light]!, this.#stage.actors, { actors: receivers, hull });
      return [{ light, map }];
    });
  }

  #farthest({ prepared, eyeMatrix }: Actor, view: View): number {
    return findExtent(prepared, eyeMatrix, view).farthestM;
  }

  /** Twice, as MuJoCo does it: from front to back, then from back to front. */
  #drawTransparent(
    actors: readonly Actor[],
    view: View,
    grid: SampleGrid,
    camera: Camera,
    overlay: Overlay,
  ): void {
    const sorted = actors.map((actor) => ({ actor, distanceM: distanceTo(actor, camera) }))
      .sort((a, b) => a.distanceM - b.distanceM).map(({ actor }) => actor);
    for (const actor of [...sorted, ...sorted.toReversed()]) {
      const { shape } = actor;
      const behind = shape.sheet && isBehind(shape.position, shape.rotation, camera);
      this.#covered.length = 0;
      this.#drawActor(actor, view, grid, camera, this.#covered);
      const alpha = shape.material.alpha * (behind ? BEHIND_ALPHA : 1);
      overlay.blend(this.#covered, alpha);
    }
  }
}

function makeGrid({ widthPx, heightPx }: PictureSize): SampleGrid {
  const samples = SAMPLES * widthPx * heightPx;
  return {
    columns: widthPx,
    rows: SAMPLES * heightPx,
    nearness: new Float32Array(samples),
    seen: new Int32Array(samples),
    sampleX: SAMPLE_X,
  };
}

function isSeeThrough({ shape }: Actor, camera: Camera): boolean {
  return shape.material.alpha < OPAQUE_ALPHA || (shape.sheet && isBehind(shape.position, shape.rotation, camera));
}

function isBehind(position: Float64Array, rotation: Float64Array, camera: Camera): boolean {
  const [x, y, z] = camera.position;
  return (x! - position[0]!) * rotation[2]! + (y! - position[1]!) * rotation[5]! + (z! - position[2]!) * rotation[8]! <
    0;
}

/** From the camera to the surface of a ball around the shape. */
function distanceTo({ shape, prepared }: Actor, camera: Camera): number {
  if (shape.sheet) return SHEET_DISTANCE_M;
  const [x, y, z] = camera.position;
  const [px, py, pz] = shape.position;
  return Math.hypot(x! - px!, y! - py!, z! - pz!) - prepared.reachM;
}

/** The camera and the corners of what it sees at that distance. */
function makeHull({ position, rotation, scalePx, middleXPx, middleYPx }: View, distanceM: number) {
  const [px, py, pz] = [position[0]!, position[1]!, position[2]!];
  // A pixel more on each side: colours are taken in the middle of pixels, even of those that are seen at their edge only.
  const right = (middleXPx + 1) / scalePx, up = (middleYPx + 1) / scalePx;
  const corners = [[-right, -up], [right, -up], [-right, up], [right, up]].map(([x, y]) => {
    const along = (row: number) => rotation[row]! * x! + rotation[row + 1]! * y! - rotation[row + 2]!;
    return [px + along(0) * distanceM, py + along(3) * distanceM, pz + along(6) * distanceM] as const;
  });
  return [[px, py, pz] as const, ...corners];
}

function makeBackground(skybox: Skybox | undefined, camera: Camera, view: View): Background {
  if (skybox === undefined) return (x, endX, _y, rgb, to) => rgb.fill(0, to, to + 3 * (endX - x));
  const { rotation: r } = camera;
  const colour = new Float64Array(3);
  return (x, endX, y, rgb, to) => {
    const rayY = (view.middleYPx - y - 0.5) / view.scalePx;
    for (; x < endX; x++, to += 3) {
      const rayX = (x + 0.5 - view.middleXPx) / view.scalePx;
      const wx = r[0]! * rayX + r[1]! * rayY - r[2]!;
      const wy = r[3]! * rayX + r[4]! * rayY - r[5]!;
      const wz = r[6]! * rayX + r[7]! * rayY - r[8]!;
      const pixelRad = 1 / (view.scalePx * Math.sqrt(1 + rayX * rayX + rayY * rayY));
      sampleSkybox(skybox, wx, wy, wz, pixelRad, colour);
      rgb.set(colour, to);
    }
  };
}
