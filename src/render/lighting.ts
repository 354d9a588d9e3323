/**
 * How bright a vertex is: OpenGL's fixed-function lighting, computed in the coordinates of the shape.
 *
 * @module
 */

import type { Camera, LightColours, Material, Mesh, Scene, Shape } from "./scene.ts";

/** Brightness without any light in the scene (`initLights` in MuJoCo's renderer). */
const AMBIENT_WITHOUT_LIGHTS = 0.3;

/** Numbers per light, which are kept in one array because vertices are lit by the ten thousands. */
const LIGHT_NUMBERS = 24;
const AMBIENT = 0, DIFFUSE = 3, SPECULAR = 6;
/** Towards a directional light, or the place of a spot light. */
const PLACE = 9;
const IS_SPOT = 12, PASS = 13;
/** Of a spot light: axis of the cone, cosine of its edge, exponent, attenuation. */
const AXIS = 14, CUTOFF_COSINE = 17, EXPONENT = 18, ATTENUATION = 19;

/** Everything that lights one shape, in the shape's coordinates. */
export interface ShapeLighting {
  readonly eye: Float64Array;
  readonly lights: Float64Array;
  /** Share of the material's colour that is there without light. */
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
  const { material, rotation, position } = shape;
  const { headlight } = scene;
  const turn = (x: number, y: number, z: number) =>
    [0, 1, 2].map((i) => rotation[i]! * x + rotation[3 + i]! * y + rotation[6 + i]! * z);
  const place = (p: ArrayLike<number>) => turn(p[0]! - position[0]!, p[1]! - position[1]!, p[2]! - position[2]!);
  const count = scene.lights.length + (headlight === undefined ? 0 : 1);
  const lights = new Float64Array(LIGHT_NUMBERS * count);
  const writeColours = (at: number, { ambient, diffuse, specular }: LightColours) => {
    lights.set(ambient, at + AMBIENT);
    lights.set(diffuse, at + DIFFUSE);
    lights.set(specular, at + SPECULAR);
  };
  scene.lights.forEach((light, i) => {
    const at = LIGHT_NUMBERS * i;
    const [dx, dy, dz] = light.direction;
    writeColours(at, light);
    lights[at + PASS] = passOf[i]!;
    if (light.kind === "directional") {
      lights.set(unit(turn(-dx!, -dy!, -dz!)), at + PLACE);
      return;
    }
    lights.set(place(light.position), at + PLACE);
    lights[at + IS_SPOT] = 1;
    lights.set(unit(turn(dx!, dy!, dz!)), at + AXIS);
    lights[at + CUTOFF_COSINE] = Math.cos(light.cutoffDeg * Math.PI / 180);
    lights[at + EXPONENT] = light.exponent;
    lights.set(light.attenuation, at + ATTENUATION);
  });
  if (headlight !== undefined) {
    const at = LIGHT_NUMBERS * scene.lights.length;
    writeColours(at, headlight);
    lights.set(unit(turn(camera.rotation[2]!, camera.rotation[5]!, camera.rotation[8]!)), at + PLACE);
  }
  return {
    eye: Float64Array.from(place(camera.position)),
    lights,
    base: material.emission + (count === 0 ? AMBIENT_WITHOUT_LIGHTS : 0),
    exponent: 128 * material.shininess,
    material,
  };
}

function unit(v: number[]): number[] {
  const length = Math.hypot(...v);
  return length > 0 ? v.map((value) => value / length) : v;
}

/**
 * Writes the colour of a vertex, 0–1, three numbers for each pass.
 *
 * @param vertex its number in the mesh.
 */
export function lightVertex(
  lighting: ShapeLighting,
  { positions, normals }: Mesh,
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
  const end = at + 3 * passes;
  for (let i = at + 3; i < end; i++) colours[i] = 0;
  colours[at] = base * red;
  colours[at + 1] = base * green;
  colours[at + 2] = base * blue;
  for (let l = 0; l < lights.length; l += LIGHT_NUMBERS) {
    let lx = lights[l + PLACE]!, ly = lights[l + PLACE + 1]!, lz = lights[l + PLACE + 2]!;
    let strength = 1;
    if (lights[l + IS_SPOT] === 1) {
      lx -= x, ly -= y, lz -= z;
      const distance = Math.sqrt(lx * lx + ly * ly + lz * lz);
      lx /= distance, ly /= distance, lz /= distance;
      const cosine = -(lx * lights[l + AXIS]! + ly * lights[l + AXIS + 1]! + lz * lights[l + AXIS + 2]!);
      if (cosine < lights[l + CUTOFF_COSINE]!) continue;
      const linear = lights[l + ATTENUATION + 1]! + lights[l + ATTENUATION + 2]! * distance;
      strength = raise(cosine, lights[l + EXPONENT]!) / (lights[l + ATTENUATION]! + linear * distance);
    }
    const facing = nx * lx + ny * ly + nz * lz;
    let lit = 0, shine = 0;
    if (facing > 0) {
      lit = facing;
      const hx = lx + vx, hy = ly + vy, hz = lz + vz;
      const mirrored = nx * hx + ny * hy + nz * hz;
      if (mirrored > 0 && specular > 0) {
        shine = raise(mirrored / Math.sqrt(hx * hx + hy * hy + hz * hz), exponent) * specular * strength;
      }
    }
    const to = at + 3 * lights[l + PASS]!;
    const dim = lit * strength;
    colours[to] = colours[to]! + shine * lights[l + SPECULAR]! +
      (lights[l + AMBIENT]! * strength + lights[l + DIFFUSE]! * dim) * red;
    colours[to + 1] = colours[to + 1]! + shine * lights[l + SPECULAR + 1]! +
      (lights[l + AMBIENT + 1]! * strength + lights[l + DIFFUSE + 1]! * dim) * green;
    colours[to + 2] = colours[to + 2]! + shine * lights[l + SPECULAR + 2]! +
      (lights[l + AMBIENT + 2]! * strength + lights[l + DIFFUSE + 2]! * dim) * blue;
  }
  for (let i = at; i < end; i++) if (colours[i]! > 1) colours[i] = 1;
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
