/**
 * Meshes from loose triangles.
 *
 * @module
 */

import type { Mesh } from "./scene.ts";

/** Triangles as single corners: three after another make one. */
export interface Corners {
  /** 3 per corner. */
  readonly positions: Float32Array;
  /** 3 per corner. */
  readonly normals: Float32Array;
  /** 2 per corner. */
  readonly texcoords?: Float32Array;
}

/** Triangles over lists of positions, normals and texture coordinates, each with numbers of its own. */
export interface FaceLists {
  /** 3 per position. */
  readonly positions: Float32Array;
  /** 3 numbers of positions per face. */
  readonly faces: ArrayLike<number>;
  /** 3 per normal. */
  readonly normals: Float32Array;
  /** 3 numbers of normals per face. */
  readonly faceNormals: ArrayLike<number>;
  /** 2 per texture coordinate. */
  readonly texcoords?: Float32Array;
  /** 3 numbers of texture coordinates per face. */
  readonly faceTexcoords?: ArrayLike<number>;
}

/** Below this cosine between a vertex normal and its face, the face's own normal is used (`mjr_uploadMesh`). */
const SHARP_COSINE = 0.8;

/** Makes a mesh whose equal corners are one vertex. */
export function meshFromCorners({ positions, normals, texcoords }: Corners): Mesh {
  const count = positions.length / 3;
  const width = texcoords === undefined ? 6 : 8;
  const rows = new Float32Array(width * count);
  for (let i = 0; i < count; i++) {
    rows.set(positions.subarray(3 * i, 3 * i + 3), width * i);
    rows.set(normals.subarray(3 * i, 3 * i + 3), width * i + 3);
    if (texcoords !== undefined) rows.set(texcoords.subarray(2 * i, 2 * i + 2), width * i + 6);
  }
  const { unique, index } = mergeEqualRows(rows, width);
  const column = (first: number, columns: number) => {
    const values = new Float32Array(columns * unique.length);
    unique.forEach((row, i) =>
      values.set(rows.subarray(width * row + first, width * row + first + columns), columns * i)
    );
    return values;
  };
  const mesh = { positions: column(0, 3), normals: column(3, 3), triangles: index };
  return texcoords === undefined ? mesh : { ...mesh, texcoords: column(6, 2) };
}

/**
 * Makes a mesh as MuJoCo hands it to OpenGL: normals are shared between faces, except at sharp edges of a mesh without
 * texture coordinates.
 */
export function meshFromFaces(lists: FaceLists): Mesh {
  const { faces, faceNormals, texcoords, faceTexcoords } = lists;
  const positions = gather(lists.positions, faces, 3);
  const normals = gather(lists.normals, faceNormals, 3);
  if (texcoords !== undefined && faceTexcoords !== undefined) {
    return meshFromCorners({ positions, normals, texcoords: gather(texcoords, faceTexcoords, 2) });
  }
  const face = new Float32Array(3);
  for (let at = 0; at < positions.length; at += 9) {
    writeFaceNormal(positions, at, face);
    for (let corner = at; corner < at + 9; corner += 3) {
      const cosine = normals[corner]! * face[0]! + normals[corner + 1]! * face[1]! + normals[corner + 2]! * face[2]!;
      if (cosine < SHARP_COSINE) normals.set(face, corner);
    }
  }
  return meshFromCorners({ positions, normals });
}

/** The same mesh with other texture coordinates: one pair for each vertex, from its position. */
export function withTexcoords(mesh: Mesh, place: (x: number, y: number) => readonly [number, number]): Mesh {
  const { positions } = mesh;
  const texcoords = new Float32Array((positions.length / 3) * 2);
  for (let i = 0; i < texcoords.length / 2; i++) {
    texcoords.set(place(positions[3 * i]!, positions[3 * i + 1]!), 2 * i);
  }
  return { ...mesh, texcoords };
}

/** The same mesh with its texture repeated more often. */
export function repeatTexture(mesh: Mesh, timesU: number, timesV: number): Mesh {
  const { texcoords } = mesh;
  if (texcoords === undefined) return mesh;
  return { ...mesh, texcoords: texcoords.map((value, i) => value * (i % 2 === 0 ? timesU : timesV)) };
}

function gather(values: Float32Array, index: ArrayLike<number>, width: number): Float32Array {
  const gathered = new Float32Array(width * index.length);
  for (let i = 0; i < index.length; i++) {
    for (let k = 0; k < width; k++) gathered[width * i + k] = values[width * index[i]! + k]!;
  }
  return gathered;
}

function writeFaceNormal(p: Float32Array, at: number, normal: Float32Array): void {
  const ax = p[at + 3]! - p[at]!, ay = p[at + 4]! - p[at + 1]!, az = p[at + 5]! - p[at + 2]!;
  const bx = p[at + 6]! - p[at]!, by = p[at + 7]! - p[at + 1]!, bz = p[at + 8]! - p[at + 2]!;
  const x = ay * bz - az * by, y = az * bx - ax * bz, z = ax * by - ay * bx;
  const length = Math.hypot(x, y, z);
  // As MuJoCo does with triangles that have no area.
  if (length < 1e-10) normal.set([0, 0, 1]);
  else normal.set([x / length, y / length, z / length]);
}

/** Rows that differ, by number of their first appearance, and for each row the number of its equal among them. */
export function mergeEqualRows(rows: Float32Array, width: number): { unique: number[]; index: Uint32Array } {
  const count = rows.length / width;
  // Adding 0 makes −0 equal to 0.
  const bits = new Int32Array(rows.map((value) => value + 0).buffer);
  const slots = 1 << Math.ceil(Math.log2(2 * count + 2));
  const table = new Int32Array(slots).fill(-1);
  const index = new Uint32Array(count);
  const unique: number[] = [];
  for (let row = 0; row < count; row++) {
    let hash = 0;
    for (let k = 0; k < width; k++) hash = Math.imul(hash ^ bits[width * row + k]!, 0x9e3779b1) ^ (hash >>> 15);
    let slot = (hash ^ (hash >>> 16)) & (slots - 1);
    while (table[slot]! >= 0 && !equalRows(bits, width, unique[table[slot]!]!, row)) slot = (slot + 1) & (slots - 1);
    if (table[slot]! < 0) {
      table[slot] = unique.length;
      unique.push(row);
    }
    index[row] = table[slot]!;
  }
  return { unique, index };
}

function equalRows(bits: Int32Array, width: number, a: number, b: number): boolean {
  for (let k = 0; k < width; k++) if (bits[width * a + k] !== bits[width * b + k]) return false;
  return true;
}
