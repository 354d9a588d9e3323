/**
 * The colour of a triangle at a pixel: vertex colours between its corners, shadows, texture.
 *
 * @module
 */

import { lightShape, lightVertex, type ShapeLighting } from "./lighting.ts";
import type { View } from "./project.ts";
import type { Camera, Scene } from "./scene.ts";
import type { ShadowMap } from "./shadow_map.ts";
import type { Actor, Stage } from "./stage.ts";
import { sampleTexture } from "./texture.ts";

/** What changes from picture to picture. */
export interface ShadingFrame {
  readonly camera: Camera;
  readonly view: View;
  /** Lights that shine in passes of their own, each with what it sees, in the scene's order. */
  readonly shadows: readonly { readonly light: number; readonly map: ShadowMap }[];
  /** Actors that are seen through; no shadow falls on them. */
  readonly seeThrough: ReadonlySet<Actor>;
}

/** Numbers per shadow light that lead from a pixel and a distance to its map: four rows of four. */
const LOOKUP_NUMBERS = 16;

/**
 * Shades pixels of one scene. Lights are summed as MuJoCo does it: first all that throw no shadow, rounded to 8 bits,
 * then each one that does, rounded again.
 */
export class Shading {
  readonly #scene: Scene;
  readonly #stage: Stage;
  /** Which set of planes a triangle has, or −1. */
  readonly #slots: Int32Array;
  /** In which frame a vertex was lit last. */
  readonly #litIn: Int32Array;
  #colours = new Float64Array(0);
  /** Of each slot: 1/distance, u/distance, v/distance, then red, green and blue/distance of each pass; see `#writePlane`. */
  #planes = new Float64Array(0);
  /** For each slot, bits: 0, whether it has a texture; 1 and up, whether that pass shines on it. */
  #passBits = new Int32Array(0);
  #slotCount = 0;
  #frameNumber = 0;
  #passes = 1;
  #stride = 0;
  #frame: ShadingFrame | undefined;
  #lighting: (ShapeLighting | undefined)[] = [];
  #lookups = new Float64Array(0);
  #maps: ShadowMap[] = [];
  #passOf: number[] = [];
  #allInOne: number[] = [];
  #perPixel = 0;
  #rightmost = 0;
  #topmost = 0;
  #texels = new Float64Array(0);

  constructor(scene: Scene, stage: Stage) {
    this.#scene = scene;
    this.#stage = stage;
    this.#slots = new Int32Array(stage.actorOf.length);
    this.#litIn = new Int32Array(stage.vertexCount);
  }

  /** Forgets the picture before. */
  begin(frame: ShadingFrame): void {
    const { view, shadows } = frame;
    this.#frame = frame;
    this.#frameNumber++;
    this.#passes = 1 + shadows.length;
    this.#stride = 9 + 9 * this.#passes;
    this.#slots.fill(-1);
    this.#slotCount = 0;
    this.#lighting = new Array(this.#stage.actors.length).fill(undefined);
    this.#maps = shadows.map(({ map }) => map);
    this.#allInOne = this.#scene.lights.map(() => 0);
    this.#passOf = this.#scene.lights.map((_, i) => 1 + shadows.findIndex(({ light }) => light === i));
    const colours = 3 * this.#passes * this.#stage.vertexCount;
    if (this.#colours.length < colours) this.#colours = new Float64Array(colours);
    this.#perPixel = 1 / view.scalePx;
    this.#rightmost = (0.5 - view.middleXPx) / view.scalePx;
    this.#topmost = (view.middleYPx - 0.5) / view.scalePx;
    this.#lookups = new Float64Array(LOOKUP_NUMBERS * shadows.length);
    this.#maps.forEach((map, i) => this.#writeLookup(map, LOOKUP_NUMBERS * i));
  }

  /**
   * Writes the colours of a triangle's plane in the middle of pixels side by side.
   *
   * @param number of the triangle in the scene, from 1.
   * @param rgb takes 3 bytes per pixel from `to` on.
   */
  shadeRun(number: number, x: number, endX: number, y: number, rgb: Uint8Array, to: number): void {
    let slot = this.#slots[number]!;
    if (slot < 0) slot = this.#prepareTriangle(number);
    const bits = this.#passBits[slot]!;
    const at = slot * this.#stride;
    const textured = (bits & 1) === 1;
    if (textured) this.#sampleTexels(number, at, x, endX, y);
    this.#shineFirst(at, x, endX, y, textured, rgb, to);
    for (let pass = 1; pass < this.#passes; pass++) {
      if ((bits >> pass & 1) === 1) this.#shineShadowed(at, pass, x, endX, y, textured, rgb, to);
    }
  }

  #shineFirst(at: number, x: number, endX: number, y: number, textured: boolean, rgb: Uint8Array, to: number): void {
    const p = this.#planes;
    const texels = this.#texels;
    const nearStep = p[at + 1]!, redStep = p[at + 10]!, greenStep = p[at + 13]!, blueStep = p[at + 16]!;
    let near = p[at]! + nearStep * x + p[at + 2]! * y;
    let red = p[at + 9]! + redStep * x + p[at + 11]! * y;
    let green = p[at + 12]! + greenStep * x + p[at + 14]! * y;
    let blue = p[at + 15]! + blueStep * x + p[at + 17]! * y;
    for (let texel = 0; x < endX; x++, to += 3) {
      // Texels are 0–255 themselves.
      const scale = (textured ? 1 : 255) / near;
      if (textured) {
        rgb[to] = toByte(red * scale * texels[texel++]!);
        rgb[to + 1] = toByte(green * scale * texels[texel++]!);
        rgb[to + 2] = toByte(blue * scale * texels[texel++]!);
      } else {
        rgb[to] = toByte(red * scale);
        rgb[to + 1] = toByte(green * scale);
        rgb[to + 2] = toByte(blue * scale);
      }
      near += nearStep, red += redStep, green += greenStep, blue += blueStep;
    }
  }

  /** Adds a light's pass where the light sees the surface. */
  #shineShadowed(
    at: number,
    pass: number,
    x: number,
    endX: number,
    y: number,
    textured: boolean,
    rgb: Uint8Array,
    to: number,
  ): void {
    const p = this.#planes, texels = this.#texels;
    const map = this.#maps[pass - 1]!;
    const { columns, rows, depth } = map;
    const parallel = map.view!.parallel;
    // A point is its distance times these, which are linear over the picture, plus a constant.
    const m = this.#lookups, l = LOOKUP_NUMBERS * (pass - 1);
    const columnStep = m[l + 1]!, rowStep = m[l + 5]!, depthStep = m[l + 9]!, awayStep = m[l + 13]!;
    let columnRay = m[l]! + columnStep * x + m[l + 2]! * y;
    let rowRay = m[l + 4]! + rowStep * x + m[l + 6]! * y;
    let depthRay = m[l + 8]! + depthStep * x + m[l + 10]! * y;
    let awayRay = m[l + 12]! + awayStep * x + m[l + 14]! * y;
    const columnStart = m[l + 3]!, rowStart = m[l + 7]!, depthStart = m[l + 11]!, awayStart = m[l + 15]!;
    const first = at + 9 + 9 * pass;
    const nearStep = p[at + 1]!, redStep = p[first + 1]!, greenStep = p[first + 4]!, blueStep = p[first + 7]!;
    let near = p[at]! + nearStep * x + p[at + 2]! * y;
    let red = p[first]! + redStep * x + p[first + 2]! * y;
    let green = p[first + 3]! + greenStep * x + p[first + 5]! * y;
    let blue = p[first + 6]! + blueStep * x + p[first + 8]! * y;
    for (let texel = 0; x < endX; x++, to += 3, texel += 3) {
      const distance = 1 / near;
      let column = columnStart + columnRay * distance, row = rowStart + rowRay * distance;
      let nearness = depthStart + depthRay * distance;
      if (!parallel) {
        const perAway = 1 / (awayStart + awayRay * distance);
        column *= perAway, row *= perAway, nearness *= perAway;
      }
      // Also false for what is no number.
      const mapped = column >= 0 && column < columns && row >= 0 && row < rows;
      if (!mapped || (nearness < 0 ? 0 : nearness) >= depth[(row | 0) * columns + (column | 0)]!) {
        const scale = (textured ? 1 : 255) * distance;
        const sum0 = rgb[to]! + toByte(red * scale * (textured ? texels[texel]! : 1));
        const sum1 = rgb[to + 1]! + toByte(green * scale * (textured ? texels[texel + 1]! : 1));
        const sum2 = rgb[to + 2]! + toByte(blue * scale * (textured ? texels[texel + 2]! : 1));
        rgb[to] = sum0 > 255 ? 255 : sum0;
        rgb[to + 1] = sum1 > 255 ? 255 : sum1;
        rgb[to + 2] = sum2 > 255 ? 255 : sum2;
      }
      near += nearStep, red += redStep, green += greenStep, blue += blueStep;
      columnRay += columnStep, rowRay += rowStep, depthRay += depthStep, awayRay += awayStep;
    }
  }

  /**
   * Four rows that lead from a pixel and a distance to the map: column, row, nearness and distance from the light. Each is
   * a base, a step per pixel to the right and one down, all to be multiplied by the distance, and a constant. With
   * perspective, the first three have to be divided by the last.
   */
  #writeLookup(map: ShadowMap, at: number): void {
    const { camera } = this.#frame!;
    const { position, rotation: to, parallel, middleXPx, middleYPx } = map.view!;
    const from = camera.rotation;
    const ahead = new Float64Array(4);
    const direction = (axis: number, scale: number) => {
      const x = to[axis]! * scale, y = to[3 + axis]! * scale, z = to[6 + axis]! * scale;
      const along = (column: number) => x * from[column]! + y * from[3 + column]! + z * from[6 + column]!;
      const rayX = along(0), rayY = along(1), ray = -along(2);
      const { position: eye } = camera;
      const constant = x * (eye[0]! - position[0]!) + y * (eye[1]! - position[1]!) + z * (eye[2]! - position[2]!);
      return [
        ray + rayX * this.#rightmost + rayY * this.#topmost,
        rayX * this.#perPixel,
        -rayY * this.#perPixel,
        constant,
      ];
    };
    ahead.set(direction(2, -1));
    const rows = [
      { row: direction(0, map.lookupScalePx), perAway: middleXPx, constant: middleXPx },
      { row: direction(1, -map.lookupScalePx), perAway: middleYPx, constant: middleYPx },
    ];
    rows.forEach(({ row, perAway, constant }, i) => {
      // Divided by the distance from the light in the end, the middle has to be multiplied by it before.
      const whole = row.map((value, k) => value + (parallel ? (k === 3 ? constant : 0) : perAway * ahead[k]!));
      this.#lookups.set(whole, at + 4 * i);
    });
    const depth = Array.from(ahead, (value, k) => {
      if (parallel) return map.depthScale * value + (k === 3 ? map.depthOffset : 0);
      return map.depthOffset * value + (k === 3 ? map.depthScale : 0);
    });
    this.#lookups.set(depth, at + 8);
    this.#lookups.set(ahead, at + 12);
  }

  /** Writes the texture's colours, 0–255, of pixels side by side. */
  #sampleTexels(number: number, at: number, x: number, endX: number, y: number): void {
    if (this.#texels.length < 3 * (endX - x)) this.#texels = new Float64Array(3 * (endX - x));
    const p = this.#planes;
    const { texture } = this.#stage.actors[this.#stage.actorOf[number]!]!.shape.material;
    const { widthPx, heightPx } = texture!.levels[0]!;
    for (let texel = 0; x < endX; x++, texel += 3) {
      const distance = 1 / (p[at]! + p[at + 1]! * x + p[at + 2]! * y);
      const u = (p[at + 3]! + p[at + 4]! * x + p[at + 5]! * y) * distance;
      const v = (p[at + 6]! + p[at + 7]! * x + p[at + 8]! * y) * distance;
      const across = widthPx * distance, down = heightPx * distance;
      const perPixel = Math.max(
        Math.abs((p[at + 4]! - u * p[at + 1]!) * across),
        Math.abs((p[at + 5]! - u * p[at + 2]!) * across),
        Math.abs((p[at + 7]! - v * p[at + 1]!) * down),
        Math.abs((p[at + 8]! - v * p[at + 2]!) * down),
      );
      sampleTexture(texture!, u, v, perPixel, this.#texels, texel);
    }
  }

  /**
   * Finds the planes of 1/distance, u/distance, v/distance and colours/distance over the picture. They come from the
   * triangle in space, so that they hold for triangles that reach behind the camera too.
   */
  #prepareTriangle(number: number): number {
    const { actors, actorOf } = this.#stage;
    const actorNumber = actorOf[number]!;
    const actor = actors[actorNumber]!;
    const { shape, numbers, firstVertex, eyeMatrix: m } = actor;
    const { positions, texcoords, triangles } = shape.mesh;
    const passes = this.#passes;
    const slot = this.#takeSlot();
    this.#slots[number] = slot;
    const lighting = this.#lighting[actorNumber] ??= lightShape(
      this.#scene,
      shape,
      this.#frame!.camera,
      this.#frame!.seeThrough.has(actor) ? this.#allInOne : this.#passOf,
    );
    const e = this.#corners;
    const vertices = this.#vertices;
    const first = 3 * (number - numbers[0]!);
    for (let i = 0; i < 3; i++) {
      const vertex = triangles[first + i]!;
      vertices[i] = vertex;
      const x = positions[3 * vertex]!, y = positions[3 * vertex + 1]!, z = positions[3 * vertex + 2]!;
      e[3 * i] = m[0]! * x + m[1]! * y + m[2]! * z + m[3]!;
      e[3 * i + 1] = m[4]! * x + m[5]! * y + m[6]! * z + m[7]!;
      e[3 * i + 2] = -(m[8]! * x + m[9]! * y + m[10]! * z + m[11]!);
      const inScene = firstVertex + vertex;
      if (this.#litIn[inScene] === this.#frameNumber) continue;
      this.#litIn[inScene] = this.#frameNumber;
      lightVertex(lighting, shape.mesh, vertex, passes, this.#colours, 3 * passes * inScene);
    }
    this.#writeGradients();
    let at = slot * this.#stride;
    this.#writePlane(at, 1, 1, 1);
    let bits = 0;
    const a = vertices[0]!, b = vertices[1]!, c = vertices[2]!;
    if (texcoords !== undefined && shape.material.texture !== undefined) {
      bits = 1;
      this.#writePlane(at + 3, texcoords[2 * a]!, texcoords[2 * b]!, texcoords[2 * c]!);
      this.#writePlane(at + 6, texcoords[2 * a + 1]!, texcoords[2 * b + 1]!, texcoords[2 * c + 1]!);
    }
    at += 9;
    const lit = this.#colours;
    const ca = 3 * passes * (firstVertex + a), cb = 3 * passes * (firstVertex + b), cc = 3 * passes * (firstVertex + c);
    for (let i = 0; i < 3 * passes; i++, at += 3) {
      const va = lit[ca + i]!, vb = lit[cb + i]!, vc = lit[cc + i]!;
      this.#writePlane(at, va, vb, vc);
      if (i >= 3 && va + vb + vc > 0) bits |= 1 << ((i / 3) | 0);
    }
    this.#passBits[slot] = bits;
    return slot;
  }

  /** Eye coordinates of the corners of the triangle in hand, its vertices, and the vectors that planes are made of. */
  readonly #corners = new Float64Array(9);
  readonly #vertices = new Int32Array(3);
  readonly #gradients = new Float64Array(9);

  /** For each corner, the vector whose product with a ray (x, y, 1) is that corner's share / distance. */
  #writeGradients(): void {
    const e = this.#corners, g = this.#gradients;
    for (let i = 0; i < 3; i++) {
      const b = 3 * ((i + 1) % 3), c = 3 * ((i + 2) % 3);
      g[3 * i] = e[b + 1]! * e[c + 2]! - e[b + 2]! * e[c + 1]!;
      g[3 * i + 1] = e[b + 2]! * e[c]! - e[b]! * e[c + 2]!;
      g[3 * i + 2] = e[b]! * e[c + 1]! - e[b + 1]! * e[c]!;
    }
    const volume = e[0]! * g[0]! + e[1]! * g[1]! + e[2]! * g[2]!;
    for (let i = 0; i < 9; i++) g[i] = g[i]! / volume;
  }

  /** From values at the corners to base, step per column and step per row. */
  #writePlane(at: number, a: number, b: number, c: number): void {
    const g = this.#gradients, p = this.#planes;
    const x = a * g[0]! + b * g[3]! + c * g[6]!;
    const y = a * g[1]! + b * g[4]! + c * g[7]!;
    p[at] = a * g[2]! + b * g[5]! + c * g[8]! + x * this.#rightmost + y * this.#topmost;
    p[at + 1] = x * this.#perPixel;
    p[at + 2] = -y * this.#perPixel;
  }

  #takeSlot(): number {
    const needed = (this.#slotCount + 1) * this.#stride;
    if (needed > this.#planes.length) {
      const larger = new Float64Array(2 * needed + 4096 * this.#stride);
      larger.set(this.#planes);
      this.#planes = larger;
    }
    if (this.#slotCount >= this.#passBits.length) {
      const larger = new Int32Array(2 * this.#slotCount + 4096);
      larger.set(this.#passBits);
      this.#passBits = larger;
    }
    return this.#slotCount++;
  }
}

/** Rounds to a whole number from 0 to 255; what is no number becomes 0. */
function toByte(value: number): number {
  return value >= 255 ? 255 : value > 0 ? (value + 0.5) | 0 : 0;
}
