/**
 * Places on the picture: from a mesh through a viewer's eye onto a grid of 256ths of a pixel, as Mesa's llvmpipe snaps
 * them, with triangles cut where they come nearer than the viewer sees.
 *
 * @module
 */

import type { PreparedMesh } from "./prepare.ts";

/** Steps of the grid per pixel. */
const STEPS = 256;

/** A place to look from: a camera, or a light that throws shadows. */
export interface View {
  readonly position: ArrayLike<number>;
  /** Row-major 3×3 whose columns point right, up and backwards. */
  readonly rotation: ArrayLike<number>;
  /** Pixels per metre at 1 m; for a parallel view, anywhere. */
  readonly scalePx: number;
  /** Where straight ahead is, from the top left. */
  readonly middleXPx: number;
  readonly middleYPx: number;
  /** Rows of samples per pixel. */
  readonly rowsPerPx: number;
  readonly nearM: number;
  readonly farM: number;
  /** Without perspective. */
  readonly parallel: boolean;
}

/** Mesh to eye (right, up, backwards): row-major 3×4. */
export type EyeMatrix = Float64Array;

/** Writes how a shape's mesh lies before a view. */
export function writeEyeMatrix(
  view: View,
  position: ArrayLike<number>,
  rotation: ArrayLike<number>,
  matrix: EyeMatrix,
  at = 0,
): void {
  const eye = view.rotation;
  const dx = position[0]! - view.position[0]!;
  const dy = position[1]! - view.position[1]!;
  const dz = position[2]! - view.position[2]!;
  for (let row = 0; row < 3; row++) {
    const x = eye[row]!, y = eye[3 + row]!, z = eye[6 + row]!;
    for (let column = 0; column < 3; column++) {
      matrix[at + 4 * row + column] = x * rotation[column]! + y * rotation[3 + column]! + z * rotation[6 + column]!;
    }
    matrix[at + 4 * row + 3] = x * dx + y * dy + z * dz;
  }
}

/** Snapped places and their nearness, one after another. */
export class Projected {
  /** Pixels from the left. */
  xs = new Float64Array(0);
  /** Rows of samples from the top. */
  ys = new Float64Array(0);
  /** Larger is nearer; linear on the picture. 1/distance for a camera, 1 (near) to 0 (far) for a light. */
  nearness = new Float64Array(0);

  /** Makes room; what was there may be lost. */
  reserve(count: number): void {
    if (this.xs.length >= count) return;
    this.xs = new Float64Array(count);
    this.ys = new Float64Array(count);
    this.nearness = new Float64Array(count);
  }
}

/** Marks a place that is too near to be projected; no such nearness exists. */
export const TOO_NEAR = -1;

/**
 * Projects all places of a mesh.
 *
 * @param depthScale nearness is `depthOffset + depthScale / distance`, in a parallel view `… × distance`.
 * @returns how many are {@linkcode TOO_NEAR}.
 */
export function projectPlaces(
  prepared: PreparedMesh,
  matrix: EyeMatrix,
  view: View,
  depthScale: number,
  depthOffset: number,
  into: Projected,
): number {
  const { places } = prepared;
  const count = places.length / 3;
  into.reserve(count);
  const { xs, ys, nearness } = into;
  const m0 = matrix[0]!, m1 = matrix[1]!, m2 = matrix[2]!, m3 = matrix[3]!;
  const m4 = matrix[4]!, m5 = matrix[5]!, m6 = matrix[6]!, m7 = matrix[7]!;
  const m8 = -matrix[8]!, m9 = -matrix[9]!, m10 = -matrix[10]!, m11 = -matrix[11]!;
  const scale = view.scalePx * STEPS;
  // Half a step more, because rounding is done by cutting off.
  const middleX = view.middleXPx * STEPS + 0.5, middleY = view.middleYPx * STEPS + 0.5;
  const { nearM, parallel } = view;
  const perStep = 1 / STEPS, rowsPerStep = view.rowsPerPx / STEPS;
  let tooNear = 0;
  for (let i = 0, at = 0; i < count; i++, at += 3) {
    const x = places[at]!, y = places[at + 1]!, z = places[at + 2]!;
    const distance = m8 * x + m9 * y + m10 * z + m11;
    if (distance < nearM) {
      nearness[i] = TOO_NEAR;
      tooNear++;
      continue;
    }
    const inverse = parallel ? 1 : 1 / distance;
    const shrink = scale * inverse;
    xs[i] = Math.floor(middleX + (m0 * x + m1 * y + m2 * z + m3) * shrink) * perStep;
    ys[i] = Math.floor(middleY - (m4 * x + m5 * y + m6 * z + m7) * shrink) * rowsPerStep;
    nearness[i] = depthOffset + depthScale * (parallel ? distance : inverse);
  }
  return tooNear;
}

/** A rectangle on the picture, in pixels, and the distances of what lies in it. */
export interface Extent {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly nearestM: number;
  readonly farthestM: number;
}

/** Everywhere. */
export const UNBOUNDED: Extent = {
  left: -Infinity,
  top: -Infinity,
  right: Infinity,
  bottom: Infinity,
  nearestM: -Infinity,
  farthestM: Infinity,
};

/** A rectangle that holds a mesh's picture; everything where part of the mesh may be too near for a perspective. */
export function findExtent({ low, high }: PreparedMesh, matrix: EyeMatrix, view: View): Extent {
  let left = Infinity,
    top = Infinity,
    right = -Infinity,
    bottom = -Infinity,
    nearestM = Infinity,
    farthestM = -Infinity;
  for (let corner = 0; corner < 8; corner++) {
    const x = corner & 1 ? high[0] : low[0], y = corner & 2 ? high[1] : low[1], z = corner & 4 ? high[2] : low[2];
    const distance = -(matrix[8]! * x + matrix[9]! * y + matrix[10]! * z + matrix[11]!);
    nearestM = Math.min(nearestM, distance);
    farthestM = Math.max(farthestM, distance);
    const shrink = view.scalePx / (view.parallel ? 1 : distance);
    const pictureX = view.middleXPx + (matrix[0]! * x + matrix[1]! * y + matrix[2]! * z + matrix[3]!) * shrink;
    const pictureY = view.middleYPx - (matrix[4]! * x + matrix[5]! * y + matrix[6]! * z + matrix[7]!) * shrink;
    left = Math.min(left, pictureX);
    right = Math.max(right, pictureX);
    top = Math.min(top, pictureY);
    bottom = Math.max(bottom, pictureY);
  }
  if (nearestM < view.nearM && !view.parallel) return { ...UNBOUNDED, nearestM, farthestM };
  return { left, top, right, bottom, nearestM, farthestM };
}

/** The smallest rectangle that holds both. */
export function joinExtents(a: Extent, b: Extent): Extent {
  return {
    left: Math.min(a.left, b.left),
    top: Math.min(a.top, b.top),
    right: Math.max(a.right, b.right),
    bottom: Math.max(a.bottom, b.bottom),
    nearestM: Math.min(a.nearestM, b.nearestM),
    farthestM: Math.max(a.farthestM, b.farthestM),
  };
}

/** What lies in both. */
export function overlapExtents(a: Extent, b: Extent): Extent {
  return {
    left: Math.max(a.left, b.left),
    top: Math.max(a.top, b.top),
    right: Math.min(a.right, b.right),
    bottom: Math.min(a.bottom, b.bottom),
    nearestM: Math.max(a.nearestM, b.nearestM),
    farthestM: Math.min(a.farthestM, b.farthestM),
  };
}

/** Triangles that stand in for some of a mesh's own, with the number of the one that each is part of. */
export interface ClippedTriangles {
  readonly projected: Projected;
  readonly triangles: Uint32Array;
  readonly sources: Uint32Array;
}

/**
 * Cuts off what is nearer than the view sees, from the triangles that are partly so.
 *
 * @param projected the mesh's places, some of them {@linkcode TOO_NEAR}.
 */
export function clipTriangles(
  prepared: PreparedMesh,
  matrix: EyeMatrix,
  view: View,
  depthScale: number,
  depthOffset: number,
  projected: Projected,
): ClippedTriangles {
  const { placeTriangles } = prepared;
  const xs: number[] = [], ys: number[] = [], nearness: number[] = [];
  const triangles: number[] = [], sources: number[] = [];
  for (let triangle = 0; triangle < placeTriangles.length / 3; triangle++) {
    const corners = placeTriangles.subarray(3 * triangle, 3 * triangle + 3);
    const hidden = corners.filter((place) => projected.nearness[place] === TOO_NEAR).length;
    if (hidden === 0 || hidden === 3) continue;
    const polygon = clipPolygon(Array.from(corners, (place) => eyePoint(prepared.places, place, matrix)), view.nearM);
    const first = xs.length;
    for (const [x, y, distance] of polygon) {
      const inverse = view.parallel ? 1 : 1 / distance;
      xs.push(Math.floor((view.middleXPx + x * view.scalePx * inverse) * STEPS + 0.5) / STEPS);
      ys.push(Math.floor((view.middleYPx - y * view.scalePx * inverse) * STEPS + 0.5) / STEPS * view.rowsPerPx);
      nearness.push(depthOffset + depthScale * (view.parallel ? distance : inverse));
    }
    for (let i = 2; i < polygon.length; i++) {
      triangles.push(first, first + i - 1, first + i);
      sources.push(triangle);
    }
  }
  const result = new Projected();
  result.xs = new Float64Array(xs);
  result.ys = new Float64Array(ys);
  result.nearness = new Float64Array(nearness);
  return { projected: result, triangles: new Uint32Array(triangles), sources: new Uint32Array(sources) };
}

/** Right, up and distance ahead. */
type EyePoint = readonly [x: number, y: number, distance: number];

function eyePoint(places: Float32Array, place: number, matrix: EyeMatrix): EyePoint {
  const x = places[3 * place]!, y = places[3 * place + 1]!, z = places[3 * place + 2]!;
  const row = (at: number) => matrix[at]! * x + matrix[at + 1]! * y + matrix[at + 2]! * z + matrix[at + 3]!;
  return [row(0), row(4), -row(8)];
}

function clipPolygon(points: EyePoint[], nearM: number): EyePoint[] {
  const kept: EyePoint[] = [];
  points.forEach((point, i) => {
    const next = points[(i + 1) % points.length]!;
    if (point[2] >= nearM) kept.push(point);
    if ((point[2] >= nearM) === (next[2] >= nearM)) return;
    const share = (nearM - point[2]) / (next[2] - point[2]);
    kept.push([point[0] + share * (next[0] - point[0]), point[1] + share * (next[1] - point[1]), nearM]);
  });
  return kept;
}
