/**
 * What a light sees: the distance to the first surface, for each texel of a map around the light.
 *
 * @module
 */

import {
  clipTriangles,
  type Extent,
  findExtent,
  joinExtents,
  overlapExtents,
  Projected,
  projectPlaces,
  UNBOUNDED,
  type View,
  writeEyeMatrix,
} from "./project.ts";
import { CULL_NONE, fillTriangles } from "./raster.ts";
import type { Light, ShadowMapSettings } from "./scene.ts";
import type { Actor } from "./stage.ts";

/**
 * Surfaces are moved away from the light by this many times their slope and by this many units of depth, so that they do
 * not shade themselves (`mjr_render`, where the clip range can be controlled).
 */
const OFFSET_FACTOR = -1.5;
const OFFSET_UNITS = -4;
/** One unit: the map has 24 bits of depth. */
const DEPTH_UNIT = 2 ** -24;
/** Soft contacts let things sink in by so much; that part is out of sight as well. */
const CONTACT_M = 1e-3;
/** Most degrees that a spot light's map spans. */
const WIDEST_DEG = 160;

const SAMPLE_X = new Float64Array(4).fill(0.5);

/** Which part of the world can receive a shadow that matters. */
export interface Receivers {
  readonly actors: readonly Actor[];
  /** Points whose hull holds all that the camera sees. */
  readonly hull: readonly (readonly [x: number, y: number, z: number])[];
}

/** A map that is drawn anew for each picture, as far as that picture needs it. */
export class ShadowMap {
  readonly #settings: ShadowMapSettings;
  readonly #nearM: number;
  readonly #farM: number;
  readonly #projected = new Projected();
  readonly #matrix = new Float64Array(12);
  #memory = new Float32Array(0);
  /** Columns and rows of the part that was drawn, and where in the whole map it begins. */
  columns = 0;
  rows = 0;
  left = 0;
  top = 0;
  /** Depth of the drawn part, row by row: 1 near, 0 far or nothing. */
  depth = new Float32Array(0);
  /** Texels per metre (at 1 m, for a spot light) and middle, when looking up: the drawn map is inset by one texel. */
  lookupScalePx = 0;
  /** The light's place and axes. */
  view: View | undefined;
  /** Depth is this plus {@linkcode depthScale} times the distance (of a spot light: divided by it). */
  depthOffset = 0;
  depthScale = 0;

  constructor(settings: ShadowMapSettings, nearM: number, farM: number) {
    this.#settings = settings;
    this.#nearM = nearM;
    this.#farM = farM;
  }

  /** Draws what lies between the light and the receivers. */
  draw(light: Light, actors: readonly Actor[], receivers: Receivers): void {
    const { sizePx } = this.#settings;
    const near = this.#nearM, far = this.#farM;
    const parallel = light.kind === "directional";
    const half = parallel ? this.#settings.reachM : Math.tan(this.#spotWidthDeg(light.cutoffDeg) * Math.PI / 360);
    const whole: View = {
      position: light.position,
      rotation: lookAlong(light.direction),
      scalePx: (sizePx - 2) / (2 * half),
      middleXPx: sizePx / 2,
      middleYPx: sizePx / 2,
      rowsPerPx: 1,
      nearM: near,
      farM: far,
      parallel,
    };
    this.lookupScalePx = sizePx / (2 * half);
    this.depthScale = parallel ? -1 / (far - near) : near * far / (far - near);
    this.depthOffset = parallel ? far / (far - near) : -near / (far - near);

    const map = { ...UNBOUNDED, left: 1, top: 1, right: sizePx - 1, bottom: sizePx - 1 };
    // What throws shadows may be nearer to the light than all that receives them.
    const needed = { ...overlapExtents(this.#receiverExtent(receivers, whole), map), nearestM: near };
    const casters = actors.filter(({ shape }) => shape.castsShadow)
      .map((actor) => ({ actor, extent: this.#extentOf(actor, whole) }))
      .filter(({ extent }) => !isEmpty(overlapExtents(extent, needed)))
      .filter(({ actor }) => mayShade(actor, receivers.actors, light));
    const region = overlapExtents(casters.map(({ extent }) => extent).reduce(joinExtents, NOTHING), needed);
    const empty = isEmpty(region);
    this.left = empty ? 0 : Math.floor(region.left) - 1;
    this.top = empty ? 0 : Math.floor(region.top) - 1;
    this.columns = empty ? 0 : Math.ceil(region.right) + 1 - this.left;
    this.rows = empty ? 0 : Math.ceil(region.bottom) + 1 - this.top;
    const cells = this.columns * this.rows;
    if (this.#memory.length < cells) this.#memory = new Float32Array(cells);
    this.depth = this.#memory.subarray(0, cells).fill(0);
    this.view = { ...whole, middleXPx: sizePx / 2 - this.left, middleYPx: sizePx / 2 - this.top };
    for (const { actor, extent } of casters) this.#drawActor(actor, extent.nearestM < near);
  }

  #drawActor({ shape, prepared, numbers }: Actor, cut: boolean): void {
    const view = this.view!;
    const { columns, rows, depth: nearness } = this;
    const grid = { columns, rows, nearness, seen: new Int32Array(0), sampleX: SAMPLE_X };
    writeEyeMatrix(view, shape.position, shape.rotation, this.#matrix);
    projectPlaces(prepared, this.#matrix, view, this.depthScale, this.depthOffset, this.#projected);
    const units = OFFSET_UNITS * DEPTH_UNIT;
    const list = { projected: this.#projected, triangles: prepared.placeTriangles, numbers };
    fillTriangles(grid, list, CULL_NONE, OFFSET_FACTOR, units);
    if (!cut) return;
    const clipped = clipTriangles(prepared, this.#matrix, view, this.depthScale, this.depthOffset, this.#projected);
    const clippedNumbers = new Int32Array(clipped.sources.length);
    fillTriangles(grid, { ...clipped, numbers: clippedNumbers }, CULL_NONE, OFFSET_FACTOR, units);
  }

  #spotWidthDeg(cutoffDeg: number): number {
    return Math.min(2 * cutoffDeg * this.#settings.spotShare, WIDEST_DEG);
  }

  #extentOf({ shape, prepared }: Actor, view: View): Extent {
    writeEyeMatrix(view, shape.position, shape.rotation, this.#matrix);
    return findExtent(prepared, this.#matrix, view);
  }

  #receiverExtent({ actors, hull }: Receivers, view: View): Extent {
    const boxes = actors.map((actor) => this.#extentOf(actor, view)).reduce(joinExtents, NOTHING);
    if (!view.parallel) return boxes;
    const { rotation: r, position: p } = view;
    const points = hull.map(([x, y, z]) => {
      const dx = x - p[0]!, dy = y - p[1]!, dz = z - p[2]!;
      const column = view.middleXPx + (r[0]! * dx + r[3]! * dy + r[6]! * dz) * view.scalePx;
      const row = view.middleYPx - (r[1]! * dx + r[4]! * dy + r[7]! * dz) * view.scalePx;
      return { ...UNBOUNDED, left: column, right: column, top: row, bottom: row };
    });
    return overlapExtents(boxes, points.reduce(joinExtents, NOTHING));
  }
}

/**
 * Whether a shape may throw a shadow on any receiver. It throws none where a plane has the shape on one side and all
 * receivers and the light on the other, unless it shades itself. The planes that are tried are the sides of its box: a
 * table top is left out as long as all that is seen stands on it, and that saves most of the map. (MuJoCo's map has
 * speckles on large plates near its corners, which are lost with it.)
 */
function mayShade(caster: Actor, receivers: readonly Actor[], light: Light): boolean {
  if (!caster.prepared.faceted) return true;
  const others = receivers.filter((receiver) => receiver !== caster);
  return ![0, 1, 2, 3, 4, 5].some((side) => separates(caster, side, others, light));
}

function separates({ shape, prepared }: Actor, side: number, others: readonly Actor[], light: Light): boolean {
  const axis = side >> 1;
  const sign = (side & 1) === 0 ? 1 : -1;
  const normal = [0, 1, 2].map((i) => sign * shape.rotation[3 * i + axis]!);
  const along = (p: ArrayLike<number>) => normal[0]! * p[0]! + normal[1]! * p[1]! + normal[2]! * p[2]!;
  const top = along(shape.position) + (sign > 0 ? prepared.high[axis]! : -prepared.low[axis]!);
  const beyond = light.kind === "directional" ? -along(light.direction) >= 0 : along(light.position) > top;
  return beyond && others.every((other) => staysAbove(other, along, top - CONTACT_M));
}

/** Whether all of a shape is above a height: by its box if that is clear already, by its corners if not. */
function staysAbove({ shape, prepared }: Actor, along: (p: ArrayLike<number>) => number, height: number): boolean {
  const { low, high, places } = prepared;
  const start = along(shape.position);
  const lean = [0, 1, 2].map((i) => along([shape.rotation[i]!, shape.rotation[3 + i]!, shape.rotation[6 + i]!]));
  const box = lean.reduce((sum, slope, i) => sum + Math.min(slope * low[i]!, slope * high[i]!), start);
  if (box > height) return true;
  const [x, y, z] = [lean[0]!, lean[1]!, lean[2]!];
  for (let i = 0; i < places.length; i += 3) {
    if (start + x * places[i]! + y * places[i + 1]! + z * places[i + 2]! <= height) return false;
  }
  return true;
}

function isEmpty({ left, right, top, bottom, nearestM, farthestM }: Extent): boolean {
  return left > right || top > bottom || nearestM > farthestM;
}

/** Joins with another extent to that one. */
const NOTHING: Extent = {
  left: Infinity,
  top: Infinity,
  right: -Infinity,
  bottom: -Infinity,
  nearestM: Infinity,
  farthestM: -Infinity,
};

/** Axes of a light: columns right, up and backwards (`mjr_orthoVec`, `mjr_lookAt`). */
function lookAlong(direction: ArrayLike<number>): Float64Array {
  const forward = normalize([direction[0]!, direction[1]!, direction[2]!]);
  const tried = cross(forward, [-1, 0, 0]);
  const level = tried[0] ** 2 + tried[1] ** 2 + tried[2] ** 2 > 0.01 ? tried : cross(forward, [0, 1, 0]);
  const right = normalize(cross(forward, level));
  const up = cross(right, forward);
  return new Float64Array([0, 1, 2].flatMap((i) => [right[i]!, up[i]!, -forward[i]!]));
}

type Vector = readonly [number, number, number];

function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function normalize(v: Vector): Vector {
  const length = Math.hypot(...v);
  return [v[0] / length, v[1] / length, v[2] / length];
}
