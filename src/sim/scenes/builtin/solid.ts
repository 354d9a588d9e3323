/**
 * Closed solids for the parts that are only looked at: bevelled prisms over any outline, merged into one mesh.
 *
 * Everything is in millimetres in the frame of the link that carries the part: x along the arm, y to its left, z up.
 *
 * @module
 */

/** A point in space, millimetres. */
export type Point = readonly [number, number, number];

/** A point of an outline, millimetres. */
export type OutlinePoint = readonly [number, number];

/** Triangles over shared vertices, counter-clockwise seen from outside. */
export interface Solid {
  readonly vertices: readonly Point[];
  readonly faces: readonly Point[];
}

/** An outline and how far to push it; `axis` is the direction in which it is pushed. */
export interface Extrusion {
  readonly axis: "x" | "y" | "z";
  readonly from: number;
  readonly to: number;
  /** Width of the edge that is taken off at 45°, at both ends. */
  readonly bevel?: number;
}

/** A rectangle with its corners cut off by `cut`. */
export function rectangle(
  [left, bottom]: OutlinePoint,
  [right, top]: OutlinePoint,
  cut = 0,
): OutlinePoint[] {
  if (cut === 0) return [[left, bottom], [right, bottom], [right, top], [left, top]];
  return [
    [left + cut, bottom],
    [right - cut, bottom],
    [right, bottom + cut],
    [right, top - cut],
    [right - cut, top],
    [left + cut, top],
    [left, top - cut],
    [left, bottom + cut],
  ];
}

/** A regular polygon around `center`, its first corner towards `startDegrees`. */
export function circle(center: OutlinePoint, radius: number, sides = 24, startDegrees = 0): OutlinePoint[] {
  return arc(center, radius, startDegrees, startDegrees + 360 - 360 / sides, sides);
}

/** `count` points from one angle to another, both included, counter-clockwise from the first axis. */
export function arc(
  [centerU, centerV]: OutlinePoint,
  radius: number,
  fromDegrees: number,
  toDegrees: number,
  count: number,
): OutlinePoint[] {
  return Array.from({ length: count }, (_, i) => {
    const angle = (fromDegrees + (toDegrees - fromDegrees) * i / (count - 1)) * Math.PI / 180;
    return [centerU + radius * Math.cos(angle), centerV + radius * Math.sin(angle)];
  });
}

/**
 * Pushes a simple outline, listed counter-clockwise, along an axis. The outline's plane is (y, z) for the axis x,
 * (x, z) for y and (x, y) for z.
 */
export function prism(outline: readonly OutlinePoint[], { axis, from, to, bevel = 0 }: Extrusion): Solid {
  const inner = bevel === 0 ? outline : inset(outline, bevel);
  const rings: [readonly OutlinePoint[], number][] = bevel === 0
    ? [[outline, from], [outline, to]]
    : [[inner, from], [outline, from + bevel], [outline, to - bevel], [inner, to]];
  const count = outline.length;
  const vertices = rings.flatMap(([ring, at]) => ring.map(([u, v]) => place(axis, u, v, at)));
  const faces: Point[] = [];
  for (let ring = 0; ring + 1 < rings.length; ring++) {
    for (let i = 0; i < count; i++) {
      const [a, b] = [ring * count + i, ring * count + (i + 1) % count];
      faces.push([a, b, b + count], [a, b + count, a + count]);
    }
  }
  const top = (rings.length - 1) * count;
  for (const [a, b, c] of triangulate(inner)) faces.push([c, b, a], [top + a, top + b, top + c]);
  // (x, z) and y make a left-handed frame: there, what was outside is inside.
  return axis === "y" ? { vertices, faces: faces.map(flip) } : { vertices, faces };
}

/** A box between two corners, all its edges taken off by `bevel`. */
export function box(low: Point, high: Point, bevel = 0): Solid {
  return prism(rectangle([low[0], low[1]], [high[0], high[1]], bevel), {
    axis: "z",
    from: low[2],
    to: high[2],
    bevel,
  });
}

/** The solid with every point moved by a map that keeps inside and outside apart. */
export function reshape(solid: Solid, move: (point: Point) => Point): Solid {
  return { vertices: solid.vertices.map(move), faces: solid.faces };
}

/** The same solid on the other side of the arm: y negated. */
export function mirror(solid: Solid): Solid {
  return { vertices: solid.vertices.map(([x, y, z]) => [x, -y, z]), faces: solid.faces.map(flip) };
}

/** Both sides at once. */
export function pair(solid: Solid): Solid[] {
  return [solid, mirror(solid)];
}

/** All solids as one mesh. */
export function merge(solids: readonly Solid[]): Solid {
  const vertices: Point[] = [];
  const faces: Point[] = [];
  for (const solid of solids) {
    const first = vertices.length;
    vertices.push(...solid.vertices);
    faces.push(...solid.faces.map(([a, b, c]): Point => [a + first, b + first, c + first]));
  }
  return { vertices, faces };
}

function place(axis: Extrusion["axis"], u: number, v: number, at: number): Point {
  if (axis === "x") return [at, u, v];
  return axis === "y" ? [u, at, v] : [u, v, at];
}

function flip([a, b, c]: Point): Point {
  return [c, b, a];
}

/** The outline moved inwards by `distance`, corners mitred. */
function inset(outline: readonly OutlinePoint[], distance: number): OutlinePoint[] {
  const count = outline.length;
  const normals = outline.map((point, i): OutlinePoint => {
    const next = outline[(i + 1) % count]!;
    const [du, dv] = [next[0] - point[0], next[1] - point[1]];
    const length = Math.hypot(du, dv);
    return [-dv / length, du / length];
  });
  return outline.map(([u, v], i) => {
    const [beforeU, beforeV] = normals[(i + count - 1) % count]!;
    const [afterU, afterV] = normals[i]!;
    const scale = distance / (1 + beforeU * afterU + beforeV * afterV);
    return [u + (beforeU + afterU) * scale, v + (beforeV + afterV) * scale];
  });
}

/** Cuts a simple counter-clockwise polygon into triangles by its ears. */
function triangulate(outline: readonly OutlinePoint[]): Point[] {
  const left = outline.map((_, i) => i);
  const triangles: Point[] = [];
  while (left.length > 3) {
    const ear = left.findIndex((_, i) => isEar(outline, left, i));
    if (ear < 0) throw new RangeError("Cannot triangulate an outline that crosses itself; list it counter-clockwise");
    triangles.push(corner(left, ear));
    left.splice(ear, 1);
  }
  return [...triangles, corner(left, 1)];
}

function corner(left: readonly number[], i: number): Point {
  const count = left.length;
  return [left[(i + count - 1) % count]!, left[i]!, left[(i + 1) % count]!];
}

function isEar(outline: readonly OutlinePoint[], left: readonly number[], i: number): boolean {
  const [a, b, c] = corner(left, i);
  if (turn(outline[a]!, outline[b]!, outline[c]!) <= 0) return false;
  return left.every((other) => {
    if (other === a || other === b || other === c) return true;
    const point = outline[other]!;
    const inside = turn(outline[a]!, outline[b]!, point) >= 0 && turn(outline[b]!, outline[c]!, point) >= 0 &&
      turn(outline[c]!, outline[a]!, point) >= 0;
    return !inside;
  });
}

/** Positive where the way a → b → c turns left. */
function turn(a: OutlinePoint, b: OutlinePoint, c: OutlinePoint): number {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}
