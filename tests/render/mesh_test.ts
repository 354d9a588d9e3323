/**
 * Meshes from loose triangles, and MuJoCo's rule for normals at edges.
 */

import assert from "node:assert/strict";
import { mergeEqualRows, meshFromCorners, meshFromFaces, repeatTexture, withTexcoords } from "../../src/render/mesh.ts";

/** Two triangles that share an edge along y and rise from it by an angle. */
function fold(angle: number, normalAtEdge: readonly number[]) {
  const [x, z] = [Math.cos(angle), Math.sin(angle)];
  return {
    positions: Float32Array.of(0, 0, 0, 0, 1, 0, -1, 0, 0, x, 0, z),
    faces: [0, 1, 2, 1, 0, 3],
    normals: Float32Array.from([...normalAtEdge, 0, 0, 1, -z, 0, x]),
    faceNormals: [0, 0, 1, 0, 0, 2],
  };
}

Deno.test("meshFromCorners() makes equal corners one vertex, and −0 equal to 0", () => {
  const mesh = meshFromCorners({
    positions: Float32Array.of(0, 0, 0, 1, 0, 0, 0, 1, 0, -0, 0, 0, 0, 1, 0, 0, 0, 1),
    normals: Float32Array.of(0, 0, 1, 0, 0, 1, 0, 0, 1, 0, -0, 1, 1, 0, 0, 1, 0, 0),
    texcoords: Float32Array.of(0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0),
  });
  assert.deepEqual(Array.from(mesh.triangles), [0, 1, 2, 0, 3, 4]);
  assert.deepEqual(Array.from(mesh.positions), [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1]);
  assert.deepEqual(Array.from(mesh.normals), [0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0]);
  assert.deepEqual(Array.from(mesh.texcoords!), [0, 0, 1, 0, 0, 1, 0, 1, 0, 0]);
});

Deno.test("meshFromFaces() keeps a shared normal at a blunt edge and takes the face's own at a sharp one", () => {
  const normalsAtEdge = (angle: number) => {
    const half = [-Math.sin(angle / 2), 0, Math.cos(angle / 2)];
    const { normals, triangles } = meshFromFaces(fold(angle, half));
    return Array.from(triangles, (vertex) => Array.from(normals.subarray(3 * vertex, 3 * vertex + 3)));
  };
  const close = (found: readonly number[], expected: readonly number[]) =>
    found.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) < 1e-6, `${found} for ${expected}`));
  // 70° apart: each face is 35° from the shared normal, whose cosine is 0.82; 80° apart it is 0.77.
  for (const [degrees, shared] of [[70, true], [80, false]] as const) {
    const angle = degrees * Math.PI / 180;
    const [a, b, , c, d] = normalsAtEdge(angle);
    const half = [-Math.sin(angle / 2), 0, Math.cos(angle / 2)];
    for (const normal of [a!, b!]) close(normal, shared ? half : [0, 0, 1]);
    for (const normal of [c!, d!]) close(normal, shared ? half : [-Math.sin(angle), 0, Math.cos(angle)]);
  }
});

Deno.test("meshFromFaces() leaves normals alone where there are texture coordinates", () => {
  const texcoords = { texcoords: Float32Array.of(0, 0, 1, 1), faceTexcoords: [0, 1, 0, 1, 0, 1] };
  const mesh = meshFromFaces({ ...fold(Math.PI / 2, [0.6, 0, 0.8]), ...texcoords });
  const [a, b] = mesh.triangles;
  assert.deepEqual(Array.from(mesh.normals.subarray(3 * a!, 3 * a! + 3)), [0.6, 0, 0.8].map(Math.fround));
  assert.deepEqual(Array.from(mesh.texcoords!.subarray(2 * b!, 2 * b! + 2)), [1, 1]);
});

Deno.test("meshFromFaces() gives a triangle without area a normal", () => {
  const mesh = meshFromFaces({
    positions: new Float32Array(3),
    faces: [0, 0, 0],
    normals: Float32Array.of(1, 0, 0),
    faceNormals: [0, 0, 0],
  });
  assert.deepEqual(Array.from(mesh.normals), [0, 0, 1]);
});

Deno.test("repeatTexture() and withTexcoords() change texture coordinates and nothing else", () => {
  const mesh = meshFromCorners({
    positions: Float32Array.of(0, 0, 5, 1, 2, 5, 3, 4, 5),
    normals: Float32Array.of(0, 0, 1, 0, 0, 1, 0, 0, 1),
  });
  const placed = withTexcoords(mesh, (x, y) => [x / 2, -y]);
  assert.deepEqual(Array.from(placed.texcoords!), [0, -0, 0.5, -2, 1.5, -4]);
  assert.equal(placed.positions, mesh.positions);
  assert.deepEqual(Array.from(repeatTexture(placed, 2, 3).texcoords!), [0, -0, 1, -6, 3, -12]);
  assert.equal(repeatTexture(mesh, 2, 3), mesh);
});

Deno.test("mergeEqualRows() numbers rows by their first appearance", () => {
  const { unique, index } = mergeEqualRows(Float32Array.of(1, 2, 3, 4, 1, 2, 2, 1, 3, 4), 2);
  assert.deepEqual([unique, Array.from(index)], [[0, 1, 3], [0, 1, 0, 2, 1]]);
});
