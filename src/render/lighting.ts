/**
 * How bright a vertex is: OpenGL's fixed-function lighting, computed in the coordinates of the shape.
 *
 * @module
 */

import type { Camera, LightColours, Material, Scene, Shape } from "./scene.ts";

/** Brightness without any light in the scene (`initLights` in MuJoCo's renderer). */
const AMBIENT_WITHOUT_LIGHTS = 0.3;

/** A light as a shape sees it. */
interface LocalLight extends LightColours {
  /** Towards the light, of length 1; for a spot light, unused. */
  readonly towards: Float64Array;
  readonly spot?: {
    readonly position: Float64Array;
    /** Axis of the cone, of length 1. */
    readonly axis: Float64Array;
    readonly attenuation: readonly [number, number, number];
    readonly cutoffCosine: number;
    readonly exponent: number;
  };
  /** Which pass the light belongs to. */
  readonly pass: number;
}

/** Everything that lights one shape. */
export interface ShapeLighting {
  readonly eye: Float64Array;
  readonly lights: readonly LocalLight[];
  readonly base: number;
  readonly exponent: number;
  readonly material: Material;
}

/**
 * Turns the lights into a shape's coordinates.
 *
 * @param passOf the pass in which each light of the scene is drawn; the headlight and emission are in pass 0.
 */
export function lightShape(scene: Scene, shape: Shape, camera: Camera, passOf: readonly number[]): ShapeLighting {
  const { material, rotation } = shape;
  const turn = (x: number, y: number, z: number) => {
    const local = new Float64Array(3);
    for (let i = 0; i < 3; i++) local[i] = rotation[i]! * x + rotation[3 + i]! * y + rotation[6 + i]! * z;
    return local;
  };
  const place = (p: ArrayLike<number>) => {
    const [ox, oy, oz] = shape.position;
    return turn(p[0]! - ox!, p[1]! - oy!, p[2]! - oz!);
  };
  const lights: LocalLight[] = [];
  if (scene.headlight !== undefined) {
    const { rotation: r } = camera;
    lights.push({ ...scene.headlight, towards: unit(turn(r[2]!, r[5]!, r[8]!)), pass: 0 });
  }
  scene.lights.forEach((light, i) => {
    const [dx, dy, dz] = light.direction;
    const { ambient, diffuse, specular } = light;
    const towards = unit(turn(-dx!, -dy!, -dz!));
    const local = { ambient, diffuse, specular, towards, pass: passOf[i]! };
    if (light.kind === "directional") {
      lights.push(local);
      return;
    }
    const { attenuation, cutoffDeg, exponent } = light;
    const axis = unit(turn(dx!, dy!, dz!));
    const cutoffCosine = Math.cos(cutoffDeg * Math.PI / 180);
    lights.push({ ...local, spot: { position: place(light.position), axis, attenuation, cutoffCosine, exponent } });
  });
  return {
    eye: place(camera.position),
    lights,
    base: material.emission + (lights.length === 0 ? AMBIENT_WITHOUT_LIGHTS : 0),
    exponent: 128 * material.shininess,
    material,
  };
}

function unit(v: Float64Array): Float64Array {
  const length = Math.hypot(v[0]!, v[1]!, v[2]!);
  return length > 0 ? v.map((value) => value / length) : v;
}

/**
 * Writes the colour of a vertex, 0–1, three numbers for each pass.
 *
 * @param vertex its number in the mesh.
 */
export function lightVertex(
  lighting: ShapeLighting,
  positions: Float32Array,
  normals: Float32Array,
  vertex: number,
  passes: number,
  colours: Float64Array,
  at: number,
): void {
  const { eye, lights, base, exponent, material } = lighting;
  const [red, green, blue] = material.rgb;
  const specular = material.specular;
  const x = positions[3 * vertex]!, y = positions[3 * vertex + 1]!, z = positions[3 * vertex + 2]!;
  const nx = normals[3 * vertex]!, ny = normals[3 * vertex + 1]!, nz = normals[3 * vertex + 2]!;
  let vx = eye[0]! - x, vy = eye[1]! - y, vz = eye[2]! - z;
  const perDistance = 1 / Math.sqrt(vx * vx + vy * vy + vz * vz);
  vx *= perDistance, vy *= perDistance, vz *= perDistance;
  colours[at] = base * red;
  colours[at + 1] = base * green;
  colours[at + 2] = base * blue;
  colours.fill(0, at + 3, at + 3 * passes);
  for (let i = 0; i < lights.length; i++) {
    const light = lights[i]!;
    let lx = light.towards[0]!, ly = light.towards[1]!, lz = light.towards[2]!;
    let strength = 1;
    const { spot } = light;
    if (spot !== undefined) {
      lx = spot.position[0]! - x, ly = spot.position[1]! - y, lz = spot.position[2]! - z;
      const distance = Math.sqrt(lx * lx + ly * ly + lz * lz);
      lx /= distance, ly /= distance, lz /= distance;
      const cosine = -(lx * spot.axis[0]! + ly * spot.axis[1]! + lz * spot.axis[2]!);
      if (cosine < spot.cutoffCosine) continue;
      const [constant, linear, quadratic] = spot.attenuation;
      strength = raise(cosine, spot.exponent) / (constant + (linear + quadratic * distance) * distance);
    }
    const facing = nx * lx + ny * ly + nz * lz;
    const lit = facing > 0 ? facing : 0;
    let shine = 0;
    if (facing > 0 && specular > 0) {
      const hx = lx + vx, hy = ly + vy, hz = lz + vz;
      const mirrored = (nx * hx + ny * hy + nz * hz) / Math.sqrt(hx * hx + hy * hy + hz * hz);
      if (mirrored > 0) shine = raise(mirrored, exponent) * specular * strength;
    }
    const { ambient, diffuse } = light;
    const to = at + 3 * light.pass;
    colours[to] = colours[to]! + (ambient[0] + lit * diffuse[0]) * red * strength + shine * light.specular[0];
    colours[to + 1] = colours[to + 1]! + (ambient[1] + lit * diffuse[1]) * green * strength + shine * light.specular[1];
    colours[to + 2] = colours[to + 2]! + (ambient[2] + lit * diffuse[2]) * blue * strength + shine * light.specular[2];
  }
  for (let i = at; i < at + 3 * passes; i++) if (colours[i]! > 1) colours[i] = 1;
}

/** Exponents are whole numbers as a rule, and then a few products are four times as fast as `Math.pow`. */
function raise(base: number, exponent: number): number {
  if (exponent !== (exponent | 0)) return Math.pow(base, exponent);
  let result = 1;
  for (let rest = exponent | 0, power = base; rest > 0; rest >>= 1, power *= power) {
    if ((rest & 1) === 1) result *= power;
  }
  return result;
}
