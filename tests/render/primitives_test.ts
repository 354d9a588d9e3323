/**
 * Primitives: closed, facing outwards, and cut as MuJoCo cuts them.
 */

import assert from "node:assert/strict";
import { prepareMesh } from "../../src/render/prepare.ts";
import {
  endlessAxis,
  finiteAxis,
  makeBox,
  makeCapsule,
  makeCylinder,
  makeEllipsoid,
  makePlane,
} from "../../src/render/primitives.ts";
import type { Mesh } from "../../src/render/scene.ts";

const TESSELLATION = { slices: 28, stacks: 16, quads: 4 };

/** Each with its triangles and its volume when perfectly round. */
const SOLIDS: Readonly<Record<string, { mesh: Mesh; triangles: number; volume: number }>> = {
  box: { mesh: makeBox(0.1, 0.2, 0.3, TESSELLATION), triangles: 6 * 16 * 2, volume: 8 * 0.1 * 0.2 * 0.3 },
  sphere: {
    mesh: makeEllipsoid(0.1, 0.1, 0.1, TESSELLATION),
    triangles: 28 * (2 + 14 * 2),
    volume: 4 / 3 * Math.PI * 0.001,
  },
  ellipsoid: {
    mesh: makeEllipsoid(0.1, 0.2, 0.3, TESSELLATION),
    triangles: 28 * (2 + 14 * 2),
    volume: 4 / 3 * Math.PI * 0.006,
  },
  cylinder: {
    mesh: makeCylinder(0.1, 0.2, TESSELLATION),
    triangles: 28 * (2 * (1 + 7 * 2) + 16 * 2),
    volume: Math.PI * 0.01 * 0.4,
  },
  capsule: {
    mesh: makeCapsule(0.1, 0.2, TESSELLATION),
    triangles: 28 * (2 * (1 + 7 * 2) + 16 * 2),
    volume: Math.PI * 0.01 * 0.4 + 4 / 3 * Math.PI * 0.001,
  },
};

for (const [name, { mesh, triangles, volume }] of Object.entries(SOLIDS)) {
  Deno.test(`a ${name} has as many triangles as MuJoCo's and no open edge`, () => {
    assert.equal(mesh.triangles.length / 3, triangles);
    const { placeTriangles } = prepareMesh(mesh);
    const edges = new Map<string, number>();
    for (let i = 0; i < placeTriangles.length; i++) {
      const from = placeTriangles[i]!;
      const to = placeTriangles[i % 3 === 2 ? i - 2 : i + 1]!;
      const key = `${Math.min(from, to)}-${Math.max(from, to)}`;
      edges.set(key, (edges.get(key) ?? 0) + Math.sign(to - from));
    }
    assert.deepEqual([...edges.values()].filter((open) => open !== 0), []);
  });

  Deno.test(`a ${name} faces outwards, with normals of length 1 that do, too`, () => {
    const { positions: p, normals: n } = mesh;
    let sum = 0;
    for (let i = 0; i < mesh.triangles.length; i += 3) {
      const [a, b, c] = [0, 1, 2].map((k) => 3 * mesh.triangles[i + k]!) as [number, number, number];
      const u = [0, 1, 2].map((k) => p[b + k]! - p[a + k]!), v = [0, 1, 2].map((k) => p[c + k]! - p[a + k]!);
      const face = [0, 1, 2].map((k) => u[(k + 1) % 3]! * v[(k + 2) % 3]! - u[(k + 2) % 3]! * v[(k + 1) % 3]!);
      sum += face.reduce((total, value, k) => total + value * p[a + k]!, 0) / 6;
      for (const corner of [a, b, c]) {
        assert.ok(Math.abs(Math.hypot(n[corner]!, n[corner + 1]!, n[corner + 2]!) - 1) < 1e-6);
        const cosine = face.reduce((total, value, k) => total + value * n[corner + k]!, 0) / Math.hypot(...face);
        assert.ok(cosine > 0.9, `${cosine} at triangle ${i / 3}`);
      }
    }
    // Cut into 28 × 16 flat pieces, round things lose up to 3 %.
    assert.ok(sum <= volume * 1.000001 && sum > 0.96 * volume, `${sum} of ${volume}`);
  });
}

Deno.test("a box has texture coordinates from 0 to 1 on each side, upright for who looks at its top", () => {
  const { positions, normals, texcoords } = SOLIDS.box!.mesh;
  for (let i = 0; i < positions.length / 3; i++) {
    if (normals[3 * i + 2] !== 1) continue;
    assert.ok(Math.abs(texcoords![2 * i]! - (positions[3 * i]! / 0.1 + 1) / 2) < 1e-6);
    assert.ok(Math.abs(texcoords![2 * i + 1]! - (1 - positions[3 * i + 1]! / 0.2) / 2) < 1e-6);
  }
  const values = Array.from(texcoords!);
  assert.deepEqual([Math.min(...values), Math.max(...values)], [0, 1]);
});

Deno.test("finiteAxis() keeps lines at the wanted spacing and the rest at both ends, and at most 200 cells", () => {
  const { lines, u, v } = finiteAxis(1, 0.3);
  const expected = [-1, -0.6, 0, 0.6, 1];
  lines.forEach((line, i) => assert.ok(Math.abs(line - expected[i]!) < 1e-9, lines.join()));
  assert.deepEqual([u(-1), u(1), v(-1), v(1)], [0, 1, 1, 0]);
  assert.ok(finiteAxis(10, 0.001).lines.length <= 201);
});

Deno.test("endlessAxis() reaches farther than one can see and repeats its texture every 2 m", () => {
  const { lines, u, v } = endlessAxis(50, 2);
  assert.ok(lines.at(-1)! > 50 + 2 && lines[0]! < -52);
  assert.deepEqual([u(4) - u(2), v(4) - v(2)], [1, -1]);
});

Deno.test("makePlane() faces +z everywhere", () => {
  const mesh = makePlane(finiteAxis(1, 0.5), finiteAxis(2, 0.5));
  assert.ok(prepareMesh(mesh).faceted);
  assert.deepEqual(new Set(mesh.normals.filter((_, i) => i % 3 === 2)), new Set([1]));
  const [a, b, c] = Array.from(
    mesh.triangles.subarray(0, 3),
    (i) => [mesh.positions[3 * i]!, mesh.positions[3 * i + 1]!],
  );
  const area = (b![0]! - a![0]!) * (c![1]! - a![1]!) - (c![0]! - a![0]!) * (b![1]! - a![1]!);
  assert.ok(area >= 0);
});

Deno.test("prepareMesh() knows what cannot shade itself", () => {
  assert.equal(prepareMesh(SOLIDS.box!.mesh).faceted, true);
  assert.equal(prepareMesh(SOLIDS.sphere!.mesh).faceted, false, "smooth normals");
  const { positions, normals, triangles } = SOLIDS.box!.mesh;
  const inward = { positions: positions.map((value) => -value), normals, triangles };
  assert.equal(prepareMesh(inward).faceted, false, "a room seen from inside");
});
