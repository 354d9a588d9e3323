/**
 * What can be known of a mesh before anything moves.
 *
 * @module
 */

import { mergeEqualRows } from "./mesh.ts";
import type { Mesh } from "./scene.ts";

/** A mesh made ready for projecting each place once, however many normals meet there. */
export interface PreparedMesh {
  readonly mesh: Mesh;
  /** Places that differ, 3 numbers each. */
  readonly places: Float32Array;
  /** 3 numbers of places per triangle. */
  readonly placeTriangles: Uint32Array;
  /** No part is before the plane of any triangle, and each triangle is evenly lit: it cannot shade itself. */
  readonly faceted: boolean;
  /** Corners of a box that holds everything. */
  readonly low: readonly [x: number, y: number, z: number];
  readonly high: readonly [x: number, y: number, z: number];
  /** Distance from the origin to the farthest place. */
  readonly reachM: number;
}

/** Finds equal places, open edges and the size of a mesh. */
export function prepareMesh(mesh: Mesh): PreparedMesh {
  const { positions, triangles } = mesh;
  const { unique, index } = mergeEqualRows(positions, 3);
  const places = new Float32Array(3 * unique.length);
  unique.forEach((vertex, i) => places.set(positions.subarray(3 * vertex, 3 * vertex + 3), 3 * i));
  const placeTriangles = triangles.map((vertex) => index[vertex]!);
  return { mesh, places, placeTriangles, faceted: isFaceted(mesh), ...findBox(places), reachM: findReach(places) };
}

function findBox(places: Float32Array): Pick<PreparedMesh, "low" | "high"> {
  const low: [number, number, number] = [Infinity, Infinity, Infinity];
  const high: [number, number, number] = [-Infinity, -Infinity, -Infinity];
  places.forEach((value, i) => {
    low[i % 3] = Math.min(low[i % 3]!, value);
    high[i % 3] = Math.max(high[i % 3]!, value);
  });
  return { low, high };
}

function findReach(places: Float32Array): number {
  let reachM = 0;
  for (let i = 0; i < places.length; i += 3) {
    reachM = Math.max(reachM, Math.hypot(places[i]!, places[i + 1]!, places[i + 2]!));
  }
  return reachM;
}

/** How far before a plane a corner may be, as float32 rounds it, in parts of the distance from the origin. */
const ROUNDING = 1e-6;

/** More planes than this are not looked at, because each is held against all vertices. */
const MOST_PLANES = 64;

function isFaceted({ positions, normals, triangles }: Mesh): boolean {
  let planes = 0;
  let last: readonly number[] = [];
  for (let i = 0; i < triangles.length; i += 3) {
    const a = 3 * triangles[i]!, b = 3 * triangles[i + 1]!, c = 3 * triangles[i + 2]!;
    const nx = normals[a]!, ny = normals[a + 1]!, nz = normals[a + 2]!;
    if (normals[b] !== nx || normals[b + 1] !== ny || normals[b + 2] !== nz) return false;
    if (normals[c] !== nx || normals[c + 1] !== ny || normals[c + 2] !== nz) return false;
    const height = nx * positions[a]! + ny * positions[a + 1]! + nz * positions[a + 2]!;
    // Triangles of one plane follow each other, as a rule.
    const same = nx === last[0] && ny === last[1] && nz === last[2] && Math.abs(height - last[3]!) < ROUNDING;
    if (same) continue;
    last = [nx, ny, nz, height];
    if (++planes > MOST_PLANES) return false;
    for (let p = 0; p < positions.length; p += 3) {
      const x = positions[p]!, y = positions[p + 1]!, z = positions[p + 2]!;
      if (nx * x + ny * y + nz * z > height + ROUNDING * (Math.abs(x) + Math.abs(y) + Math.abs(z))) return false;
    }
  }
  return true;
}
