/**
 * A scene made ready: its shapes with numbers for their triangles and vertices, and how each lies before the camera.
 *
 * @module
 */

import { type PreparedMesh, prepareMesh } from "./prepare.ts";
import type { EyeMatrix } from "./project.ts";
import type { Mesh, Scene, Shape } from "./scene.ts";

/** A shape of the scene. */
export interface Actor {
  readonly shape: Shape;
  readonly prepared: PreparedMesh;
  /** Numbers of its triangles in the scene, counted from 1: 0 is where nothing is. */
  readonly numbers: Int32Array;
  /** Number of its first vertex in the scene. */
  readonly firstVertex: number;
  /** How it lies before the camera; written for each picture. */
  readonly eyeMatrix: EyeMatrix;
}

/** All shapes of a scene. */
export interface Stage {
  readonly actors: readonly Actor[];
  /** For each triangle number, which actor it belongs to. */
  readonly actorOf: Uint16Array;
  readonly vertexCount: number;
}

/** Most shapes that a scene may have. */
const MOST_SHAPES = 65_535;

/**
 * Prepares what does not move. Meshes that several shapes share are prepared once.
 *
 * @throws {RangeError} where there are too many shapes.
 */
export function setStage(scene: Scene): Stage {
  if (scene.shapes.length > MOST_SHAPES) {
    throw new RangeError(`Cannot draw ${scene.shapes.length} shapes: merge some, ${MOST_SHAPES} are the most`);
  }
  const preparedMeshes = new Map<Mesh, PreparedMesh>();
  let triangleCount = 1;
  let vertexCount = 0;
  const actors = scene.shapes.map((shape): Actor => {
    const prepared = preparedMeshes.get(shape.mesh) ?? prepareMesh(shape.mesh);
    preparedMeshes.set(shape.mesh, prepared);
    const first = triangleCount;
    const firstVertex = vertexCount;
    const count = shape.mesh.triangles.length / 3;
    triangleCount += count;
    vertexCount += shape.mesh.positions.length / 3;
    const numbers = Int32Array.from({ length: count }, (_, i) => first + i);
    return { shape, prepared, numbers, firstVertex, eyeMatrix: new Float64Array(12) };
  });
  const actorOf = new Uint16Array(triangleCount);
  actors.forEach(({ numbers }, i) => numbers.length > 0 && actorOf.fill(i, numbers[0]!, numbers[0]! + numbers.length));
  return { actors, actorOf, vertexCount };
}
