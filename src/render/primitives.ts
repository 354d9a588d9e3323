/**
 * Boxes, spheres and their kin, cut into triangles as MuJoCo's OpenGL renderer cuts them: with lighting per vertex, the
 * places of the vertices show. Every surface carries texture coordinates from 0 to 1.
 *
 * @module
 */

import { meshFromCorners } from "./mesh.ts";
import type { Mesh } from "./scene.ts";

/** How finely round things are cut (`visual.quality` of a MuJoCo model). */
export interface Tessellation {
  /** Pieces around an axis. */
  readonly slices: number;
  /** Pieces along an axis. */
  readonly stacks: number;
  /** Squares along the side of a box. */
  readonly quads: number;
}

/** Cells that a plane's grid may have along each side (`mjMAXPLANEGRID`). */
const MOST_CELLS = 200;

/** Position, normal and texture coordinates of a corner. */
type Corner = readonly [x: number, y: number, z: number, nx: number, ny: number, nz: number, u: number, v: number];

class Surface {
  readonly #positions: number[] = [];
  readonly #normals: number[] = [];
  readonly #texcoords: number[] = [];

  triangle(a: Corner, b: Corner, c: Corner): void {
    for (const corner of [a, b, c]) {
      this.#positions.push(corner[0], corner[1], corner[2]);
      this.#normals.push(corner[3], corner[4], corner[5]);
      this.#texcoords.push(corner[6], corner[7]);
    }
  }

  /** Cut along the diagonal that Mesa takes for GL_QUADS. */
  quad(a: Corner, b: Corner, c: Corner, d: Corner): void {
    this.triangle(a, b, d);
    this.triangle(b, c, d);
  }

  /** Stretched along the axes; normals stay upright on the surface. */
  mesh(sx: number, sy: number, sz: number): Mesh {
    const positions = new Float32Array(this.#positions);
    const normals = new Float32Array(this.#normals);
    for (let i = 0; i < positions.length; i += 3) {
      const nx = normals[i]! / sx, ny = normals[i + 1]! / sy, nz = normals[i + 2]! / sz;
      const length = Math.hypot(nx, ny, nz);
      positions.set([positions[i]! * sx, positions[i + 1]! * sy, positions[i + 2]! * sz], i);
      normals.set([nx / length, ny / length, nz / length], i);
    }
    return meshFromCorners({ positions, normals, texcoords: new Float32Array(this.#texcoords) });
  }
}

/** A box of these half sizes around the origin. */
export function makeBox(sx: number, sy: number, sz: number, { quads }: Tessellation): Mesh {
  const surface = new Surface();
  /** `place` puts a square of the grid onto a face; `turned` faces go down the grid's second axis. */
  const face = (normal: readonly number[], place: (x: number, y: number) => readonly number[], turned: boolean) => {
    const corner = (i: number, j: number): Corner => {
      const [x, y, z] = place((2 * i) / quads - 1, (2 * j) / quads - 1);
      return [x!, y!, z!, normal[0]!, normal[1]!, normal[2]!, i / quads, 1 - j / quads];
    };
    for (let i = 0; i < quads; i++) {
      for (let j = 0; j < quads; j++) {
        const [low, high] = turned ? [j + 1, j] : [j, j + 1];
        surface.quad(corner(i, low), corner(i + 1, low), corner(i + 1, high), corner(i, high));
      }
    }
  };
  face([0, 0, 1], (x, y) => [x, y, 1], false);
  face([0, 0, -1], (x, y) => [x, y, -1], true);
  face([1, 0, 0], (x, y) => [1, x, y], false);
  face([-1, 0, 0], (x, y) => [-1, x, y], true);
  face([0, -1, 0], (x, y) => [x, -1, y], false);
  face([0, 1, 0], (x, y) => [x, 1, y], true);
  return surface.mesh(sx, sy, sz);
}

/** A sphere stretched to these half axes. */
export function makeEllipsoid(sx: number, sy: number, sz: number, { slices, stacks }: Tessellation): Mesh {
  const surface = new Surface();
  const half = stacks >> 1;
  addBands(surface, slices, -half, half, half, (elevation, part) => ({
    radius: Math.cos(elevation),
    z: Math.sin(elevation),
    normal: [Math.cos(elevation), Math.sin(elevation)],
    v: 0.5 - part / stacks,
  }));
  return surface.mesh(sx, sy, sz);
}

/** A tube along z, `halfLengthM` long to each side, with half spheres at its ends. */
export function makeCapsule(radiusM: number, halfLengthM: number, { slices, stacks }: Tessellation): Mesh {
  const surface = new Surface();
  addTube(surface, slices, stacks, halfLengthM / radiusM);
  const half = stacks >> 1;
  for (const sign of [-1, 1]) {
    const [first, last] = sign < 0 ? [-half, 0] : [0, half];
    addBands(surface, slices, first, last, half, (elevation, part) => ({
      radius: Math.cos(elevation),
      z: Math.sin(elevation) + (sign * halfLengthM) / radiusM,
      normal: [Math.cos(elevation), Math.sin(elevation)],
      v: sign < 0 ? -part / half : 1 - part / half,
    }));
  }
  return surface.mesh(radiusM, radiusM, radiusM);
}

/** A closed tube along z, `halfLengthM` long to each side. */
export function makeCylinder(radiusM: number, halfLengthM: number, { slices, stacks }: Tessellation): Mesh {
  const surface = new Surface();
  addDisk(surface, slices, stacks >> 1, -1);
  addTube(surface, slices, stacks, 1);
  addDisk(surface, slices, stacks >> 1, 1);
  return surface.mesh(radiusM, radiusM, halfLengthM);
}

/** One direction of a plane: where its grid has lines, and how its texture runs. */
export interface PlaneAxis {
  readonly lines: readonly number[];
  /** Texture coordinate along the first axis. */
  readonly u: (x: number) => number;
  /** Texture coordinate along the second axis, which runs the other way. */
  readonly v: (y: number) => number;
}

/** To `halfM` on each side, with a line every `2 × spacingM`. */
export function finiteAxis(halfM: number, spacingM: number): PlaneAxis {
  const spacing = Math.max(spacingM, halfM / (MOST_CELLS - 2));
  const cells = Math.floor(halfM / spacing);
  const inner = cells - (cells % 2);
  const rest = halfM - inner * spacing;
  const u = (x: number) => (x + halfM) / (2 * halfM);
  const lines = Array.from({ length: inner + 1 }, (_, i) => -halfM + rest + 2 * i * spacing);
  return { lines: [-halfM, ...lines, halfM], u, v: (y) => 1 - u(y) };
}

/** Farther than `farM` from a viewer who is up to `stepM` from its middle; the texture repeats every 2 m. */
export function endlessAxis(farM: number, stepM: number): PlaneAxis {
  const spacing = (2.1 * farM + 2 * stepM) / MOST_CELLS;
  const lines = Array.from({ length: MOST_CELLS + 1 }, (_, i) => spacing * (i - MOST_CELLS / 2));
  return { lines, u: (x) => 0.5 * x, v: (y) => -0.5 * y };
}

/** Step of {@linkcode endlessAxis} where no texture says another (`makePlane` in MuJoCo's renderer). */
export function plainStep(farM: number): number {
  return 2.1 * farM / (MOST_CELLS - 2);
}

/** A flat grid that faces +z. */
export function makePlane(along: PlaneAxis, across: PlaneAxis): Mesh {
  const surface = new Surface();
  const corner = (i: number, j: number): Corner => {
    const x = along.lines[i]!, y = across.lines[j]!;
    return [x, y, 0, 0, 0, 1, along.u(x), across.v(y)];
  };
  for (let i = 0; i + 1 < along.lines.length; i++) {
    for (let j = 0; j + 1 < across.lines.length; j++) {
      surface.quad(corner(i, j), corner(i + 1, j), corner(i + 1, j + 1), corner(i, j + 1));
    }
  }
  return surface.mesh(1, 1, 1);
}

/** A ring of a round surface: the normal has a part outwards and a part along z. */
interface Ring {
  readonly radius: number;
  readonly z: number;
  readonly normal: readonly [outwards: number, z: number];
  readonly v: number;
}

function ringCorner(slices: number, ring: Ring, slice: number): Corner {
  const angle = angleOf(slice, slices);
  const x = Math.cos(angle), y = Math.sin(angle);
  const [outwards, nz] = ring.normal;
  return [x * ring.radius, y * ring.radius, ring.z, x * outwards, y * outwards, nz, slice / slices, ring.v];
}

/** The last slice ends exactly where the first begins. */
function angleOf(slice: number, slices: number): number {
  return (2 * Math.PI * (slice % slices)) / slices;
}

/** Part of a sphere from ring `first` to `last`, where ±`half` are the poles. */
function addBands(
  surface: Surface,
  slices: number,
  first: number,
  last: number,
  half: number,
  ringAt: (elevation: number, part: number) => Ring,
): void {
  for (let part = first; part < last; part++) {
    const low = ringAt((Math.PI / 2) * (part / half), part);
    const high = ringAt((Math.PI / 2) * ((part + 1) / half), part + 1);
    for (let slice = 0; slice < slices; slice++) {
      const lowLeft = ringCorner(slices, low, slice), lowRight = ringCorner(slices, low, slice + 1);
      const highLeft = ringCorner(slices, high, slice), highRight = ringCorner(slices, high, slice + 1);
      const pole = (ring: Ring, nz: number): Corner => [0, 0, ring.z, 0, 0, nz, (slice + 0.5) / slices, ring.v];
      if (part === -half) surface.triangle(pole(low, -1), highRight, highLeft);
      else if (part + 1 === half) surface.triangle(lowLeft, lowRight, pole(high, 1));
      else surface.quad(lowLeft, lowRight, highRight, highLeft);
    }
  }
}

function addTube(surface: Surface, slices: number, stacks: number, halfLength: number): void {
  const ringAt = (part: number): Ring => {
    const height = (2 * part) / stacks - 1;
    return { radius: 1, z: height * halfLength, normal: [1, 0], v: (1 - height) / 2 };
  };
  for (let part = 0; part < stacks; part++) {
    const low = ringAt(part), high = ringAt(part + 1);
    for (let slice = 0; slice < slices; slice++) {
      surface.quad(
        ringCorner(slices, low, slice),
        ringCorner(slices, low, slice + 1),
        ringCorner(slices, high, slice + 1),
        ringCorner(slices, high, slice),
      );
    }
  }
}

function addDisk(surface: Surface, slices: number, stacks: number, side: 1 | -1): void {
  const corner = (part: number, slice: number): Corner => {
    const angle = angleOf(slice, slices);
    const x = (Math.cos(angle) * part) / stacks, y = (Math.sin(angle) * part) / stacks;
    return [x, y, side, 0, 0, side, 0.5 + 0.5 * x, 0.5 + 0.5 * y];
  };
  for (let slice = 0; slice < slices; slice++) {
    const [left, right] = side > 0 ? [slice, slice + 1] : [slice + 1, slice];
    surface.triangle(corner(1, left), corner(1, right), corner(0, slice));
    for (let part = 1; part < stacks; part++) {
      const inner = [corner(part, slice), corner(part, slice + 1)] as const;
      const outer = [corner(part + 1, slice), corner(part + 1, slice + 1)] as const;
      if (side > 0) surface.quad(outer[0], outer[1], inner[1], inner[0]);
      else surface.quad(inner[0], inner[1], outer[1], outer[0]);
    }
  }
}
