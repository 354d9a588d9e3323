/**
 * Which triangle is seen where: fills grids of samples with the nearest triangle.
 *
 * @module
 */

import { type Projected, TOO_NEAR } from "./project.ts";

/**
 * A grid of samples, filled row by row. A picture with four samples per pixel has four rows per row of pixels, because
 * each of the four lies at a height of its own.
 */
export interface SampleGrid {
  readonly columns: number;
  readonly rows: number;
  /** Nearness of what is seen; what is not nearer than the first value is not seen. */
  readonly nearness: Float32Array;
  /** Number of the triangle that is seen; as long as `nearness`, or empty where nobody asks. */
  readonly seen: Int32Array;
  /** Where in a column the samples lie, 0–1 from its left, for each of four rows in turn; in a row, in the middle. */
  readonly sampleX: Float64Array;
}

/** Which triangles to leave out: the ones that turn their back, none, or the ones that turn their face. */
export const CULL_BACK = -1;
export const CULL_NONE = 0;
export const CULL_FRONT = 1;

/** Samples that a see-through triangle covers, in drawing order: place in the grid, number of the triangle. */
export class CoveredSamples {
  pairs = new Int32Array(1024);
  length = 0;

  add(place: number, triangle: number): void {
    if (this.length + 2 > this.pairs.length) {
      const larger = new Int32Array(2 * this.pairs.length);
      larger.set(this.pairs);
      this.pairs = larger;
    }
    this.pairs[this.length++] = place;
    this.pairs[this.length++] = triangle;
  }
}

/** What `fillTriangles` draws. */
export interface TriangleList {
  readonly projected: Projected;
  /** 3 places per triangle; those with a place that is too near are left out. */
  readonly triangles: Uint32Array;
  /** Number that each triangle is known by. */
  readonly numbers: Int32Array;
}

/**
 * Draws triangles: a sample belongs to the one that covers its very point, the nearest, and the later one where equal.
 * Edges that two triangles share leave no gap and no overlap.
 *
 * @param cull {@linkcode CULL_BACK} and so on.
 * @param slopeShift nearness is changed by this times its steepest change per column or row …
 * @param constantShift … and by this.
 * @param covered if given, the grid is only looked at, and what would be seen is added here.
 */
export function fillTriangles(
  grid: SampleGrid,
  list: TriangleList,
  cull: number,
  slopeShift: number,
  constantShift: number,
  covered?: CoveredSamples,
): void {
  const { columns, rows, nearness: best, seen, sampleX } = grid;
  const { xs, ys, nearness } = list.projected;
  const { triangles, numbers } = list;
  const identify = seen.length > 0;
  for (let t = 0, at = 0; at < triangles.length; t++, at += 3) {
    let a = triangles[at]!, b = triangles[at + 1]!, c = triangles[at + 2]!;
    let ax = xs[a]!, bx = xs[b]!, cx = xs[c]!;
    let ay = ys[a]!, by = ys[b]!, cy = ys[c]!;
    // y points down, so that what is counter-clockwise has an area below 0.
    const area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay);
    if (area === 0 || area * cull < 0) continue;
    // From top to bottom: a, b, c.
    let swap: number;
    if (ay > by) {
      swap = a, a = b, b = swap;
      swap = ax, ax = bx, bx = swap;
      swap = ay, ay = by, by = swap;
    }
    if (by > cy) {
      swap = b, b = c, c = swap;
      swap = bx, bx = cx, cx = swap;
      swap = by, by = cy, cy = swap;
      if (ay > by) {
        swap = a, a = b, b = swap;
        swap = ax, ax = bx, bx = swap;
        swap = ay, ay = by, by = swap;
      }
    }
    let row = (Math.floor(ay - 0.5) + 1) | 0;
    let middleRow = (Math.floor(by - 0.5) + 1) | 0;
    let endRow = (Math.floor(cy - 0.5) + 1) | 0;
    if (row < 0) row = 0;
    if (endRow > rows) endRow = rows;
    if (row >= endRow) continue;
    if (middleRow < row) middleRow = row;
    if ((ax < 0 && bx < 0 && cx < 0) || (ax > columns && bx > columns && cx > columns)) continue;
    const az = nearness[a]!;
    if (az === TOO_NEAR || nearness[b] === TOO_NEAR || nearness[c] === TOO_NEAR) continue;

    // Nearness per column and per row.
    const abx = bx - ax, aby = by - ay, acx = cx - ax, acy = cy - ay;
    const sorted = abx * acy - acx * aby;
    const scale = 1 / sorted;
    const bz = nearness[b]! - az, cz = nearness[c]! - az;
    const rightward = (bz * acy - cz * aby) * scale;
    const downward = (cz * abx - bz * acx) * scale;
    let startZ = az + constantShift - ax * rightward - ay * downward;
    if (slopeShift !== 0) {
      const steepX = rightward < 0 ? -rightward : rightward, steepY = downward < 0 ? -downward : downward;
      startZ += slopeShift * (steepX > steepY ? steepX : steepY);
    }
    const number = numbers[t]!;

    // Each edge starts at its own first row, so that both of its triangles compute the same numbers.
    const longIsLeft = sorted > 0;
    const longStep = acx / acy;
    let longX = ax + (row + 0.5 - ay) * longStep;
    let shortStep = 0, shortX = 0;
    if (middleRow > row) {
      shortStep = abx / aby;
      shortX = ax + (row + 0.5 - ay) * shortStep;
    }
    for (; row < endRow; row++, longX += longStep, shortX += shortStep) {
      if (row === middleRow) {
        shortStep = (cx - bx) / (cy - by);
        shortX = bx + (row + 0.5 - by) * shortStep;
      }
      const offset = sampleX[row & 3]!;
      let column = Math.ceil((longIsLeft ? longX : shortX) - offset) | 0;
      let endColumn = Math.ceil((longIsLeft ? shortX : longX) - offset) | 0;
      if (column < 0) column = 0;
      if (endColumn > columns) endColumn = columns;
      if (column >= endColumn) continue;
      let z = startZ + (column + offset) * rightward + (row + 0.5) * downward;
      const first = row * columns;
      let place = first + column;
      const end = first + endColumn;
      if (covered !== undefined) {
        for (; place < end; place++, z += rightward) if (z >= best[place]!) covered.add(place, number);
      } else if (identify) {
        for (; place < end; place++, z += rightward) {
          if (z >= best[place]!) {
            best[place] = z;
            seen[place] = number;
          }
        }
      } else {
        for (; place < end; place++, z += rightward) if (z > best[place]!) best[place] = z;
      }
    }
  }
}
