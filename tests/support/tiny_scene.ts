/**
 * Small scenes for tests of the renderer: flat shapes before a camera at the origin that looks along −z, 90° high.
 */

import { meshFromCorners } from "../../src/render/mesh.ts";
import { Renderer, type RenderOptions } from "../../src/render/renderer.ts";
import type { Camera, DirectionalLight, Material, Mesh, Scene, Shape } from "../../src/render/scene.ts";
import type { Image } from "../../src/types.ts";

type Point = readonly [x: number, y: number, z: number];

export const IDENTITY = Float64Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1);

/** With a picture of 8 × 8 pixels, a pixel is a quarter as wide as its distance. */
export const CAMERA: Camera = { position: new Float64Array(3), rotation: IDENTITY, fovyDeg: 90 };

/** A surface that shines by itself, the same everywhere. */
export function glowing(red: number, green: number, blue: number): Material {
  return { rgb: [red, green, blue], alpha: 1, specular: 0, shininess: 0.5, emission: 1 };
}

export const WHITE = glowing(1, 1, 1);

/** Dull white: as bright as the light that falls on it. */
export const DULL: Material = { rgb: [1, 1, 1], alpha: 1, specular: 0, shininess: 0.5, emission: 0 };

/** Triangles of three corners each, with the normals given or those of the triangles. */
export function meshOf(corners: readonly Point[], normals?: readonly Point[]): Mesh {
  const flat: Point[] = corners.map((_, i) => {
    const [a, b, c] = [0, 1, 2].map((k) => corners[i - i % 3 + k]!) as [Point, Point, Point];
    const [u, v] = [[0, 1, 2].map((k) => b[k]! - a[k]!), [0, 1, 2].map((k) => c[k]! - a[k]!)] as [number[], number[]];
    const cross = [0, 1, 2].map((k) => u[(k + 1) % 3]! * v[(k + 2) % 3]! - u[(k + 2) % 3]! * v[(k + 1) % 3]!);
    const length = Math.hypot(...cross) || 1;
    return [cross[0]! / length, cross[1]! / length, cross[2]! / length];
  });
  const floats = (points: readonly Point[]) => new Float32Array(points.flat());
  return meshFromCorners({ positions: floats(corners), normals: floats(normals ?? flat) });
}

/** A rectangle that faces the camera, at distance `-z`; cut from its lower right to its upper left. */
export function rectangle(left: number, bottom: number, right: number, top: number, z: number): Mesh {
  const [a, b, c, d]: Point[] = [[left, bottom, z], [right, bottom, z], [right, top, z], [left, top, z]];
  return meshOf([a!, b!, d!, b!, c!, d!]);
}

export function shapeOf(mesh: Mesh, material: Material = WHITE, changes: Partial<Shape> = {}): Shape {
  const pose = { position: new Float64Array(3), rotation: IDENTITY.slice() };
  return { mesh, material, ...pose, castsShadow: true, sheet: false, ...changes };
}

/** White light along `direction`. */
export function directional(direction: Point, changes: Partial<DirectionalLight> = {}): DirectionalLight {
  const length = Math.hypot(...direction);
  return {
    kind: "directional",
    position: Float64Array.from(direction, (value) => -value),
    direction: Float64Array.from(direction, (value) => value / length),
    castsShadow: false,
    ambient: [0, 0, 0],
    diffuse: [1, 1, 1],
    specular: [1, 1, 1],
    ...changes,
  };
}

export function sceneOf(shapes: readonly Shape[], changes: Partial<Scene> = {}): Scene {
  const shadowMap = { sizePx: 256, reachM: 4, spotShare: 1 };
  return { shapes, lights: [directional([0, 0, -1])], nearM: 0.1, farM: 100, shadowMap, ...changes };
}

/** 8 × 8 pixels unless said otherwise. */
export function draw(
  shapes: readonly Shape[],
  changes: Partial<Scene> = {},
  { camera = CAMERA, widthPx = 8, heightPx = 8, ...options }: DrawOptions = {},
): Image {
  return new Renderer(sceneOf(shapes, changes)).render(camera, { widthPx, heightPx }, options);
}

interface DrawOptions extends RenderOptions {
  readonly camera?: Camera;
  readonly widthPx?: number;
  readonly heightPx?: number;
}

export function pixelAt({ width, data }: Image, x: number, y: number): number[] {
  return Array.from(data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3));
}

/** Rows of the red channel. */
export function redRows({ width, height, data }: Image): number[][] {
  return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => data[3 * (y * width + x)]!));
}
