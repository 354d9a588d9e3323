/**
 * What a world's cameras see: MuJoCo's model and data turned into a scene, drawn as MuJoCo's own renderer would.
 *
 * @module
 */

import { SimulationError } from "../errors.ts";
import { Renderer, type RenderOptions } from "../render/renderer.ts";
import type { Camera, Light, LightColours, Rgb, Scene, Shape } from "../render/scene.ts";
import type { Image, PictureSize } from "../types.ts";
import type { World } from "./mujoco.ts";
import { type Follower, makeShapes } from "./shapes.ts";

/** mjtLightType. */
const SPOT = 0, DIRECTIONAL = 1;

/** Pictures from the cameras of one world, wherever its bodies are. */
export class Cameras {
  readonly names: readonly string[];
  readonly #world: World;
  readonly #followers: readonly Follower[];
  readonly #lights: readonly { readonly light: Light; readonly id: number }[];
  readonly #renderer: Renderer;

  /** @throws {SimulationError} where the model has something that would be drawn wrong. */
  constructor(world: World) {
    this.#world = world;
    this.names = world.cameraNames;
    const { followers, skybox } = makeShapes(world);
    this.#followers = followers;
    this.#lights = makeLights(world);
    const { stat, vis } = world.model;
    const headlight = vis.headlight.active === 1 ? coloursOf(vis.headlight) : undefined;
    const scene: Scene = {
      shapes: followers.map(({ shape }) => shape),
      lights: this.#lights.map(({ light }) => light),
      nearM: vis.map.znear * stat.extent,
      farM: vis.map.zfar * stat.extent,
      shadowMap: {
        sizePx: vis.quality.shadowsize,
        reachM: vis.map.shadowclip * stat.extent,
        spotShare: vis.map.shadowscale,
      },
      ...(headlight === undefined ? {} : { headlight }),
      ...(skybox === undefined ? {} : { skybox }),
    };
    this.#renderer = new Renderer(scene);
  }

  /**
   * Draws the world as its data says: positions of bodies, cameras and lights must be up to date, as they are after
   * `forward()` and `advance()`.
   *
   * @throws {SimulationError} where there is no such camera.
   */
  render(camera: string, size: PictureSize, options?: RenderOptions): Image {
    const id = this.names.indexOf(camera);
    if (id < 0 || camera === "") {
      throw new SimulationError(`Cannot look through camera "${camera}": the scene has ${this.names.join(", ")}`);
    }
    const { model, data } = this.#world;
    if (model.cam_projection[id] !== 0 || model.cam_sensorsize[2 * id + 1] !== 0) {
      throw new SimulationError(`Cannot look through camera "${camera}": give it a fovy and no other projection`);
    }
    const viewer: Camera = {
      position: data.cam_xpos.slice(3 * id, 3 * id + 3),
      rotation: data.cam_xmat.slice(9 * id, 9 * id + 9),
      fovyDeg: model.cam_fovy[id],
    };
    this.#moveShapes(viewer);
    this.#moveLights();
    return this.#renderer.render(viewer, size, options);
  }

  #moveShapes(viewer: Camera): void {
    const { geom_xpos, geom_xmat, site_xpos, site_xmat } = this.#world.data;
    for (const { shape, kind, id, strides } of this.#followers) {
      const positions: Float64Array = kind === "geom" ? geom_xpos : site_xpos;
      const rotations: Float64Array = kind === "geom" ? geom_xmat : site_xmat;
      shape.position.set(positions.subarray(3 * id, 3 * id + 3));
      shape.rotation.set(rotations.subarray(9 * id, 9 * id + 9));
      strides?.forEach((stride, axis) => stride > 0 && followViewer(shape, viewer, axis, stride));
    }
  }

  #moveLights(): void {
    const { light_xpos, light_xdir } = this.#world.data;
    for (const { light, id } of this.#lights) {
      light.position.set(light_xpos.subarray(3 * id, 3 * id + 3));
      light.direction.set(light_xdir.subarray(3 * id, 3 * id + 3));
    }
  }
}

/** Moves a plane along one of its axes to below the viewer, by a whole number of strides. */
function followViewer({ position, rotation }: Shape, viewer: Camera, axis: number, stride: number): void {
  const along = (i: number) => rotation[3 * i + axis]!;
  const offset = [0, 1, 2].reduce((sum, i) => sum + (viewer.position[i]! - position[i]!) * along(i), 0);
  const steps = stride * Math.round(offset / stride);
  for (let i = 0; i < 3; i++) position[i] = position[i]! + steps * along(i);
}

function makeLights({ model }: World): { light: Light; id: number }[] {
  return Array.from({ length: model.nlight }, (_, id) => id).flatMap((id): { light: Light; id: number }[] => {
    // The arrays of booleans cannot be read whole in this build.
    using accessor = model.light(id);
    if (!accessor.active) return [];
    const triple = (values: Float32Array) => rgbOf(values.subarray(3 * id, 3 * id + 3));
    const shared = {
      position: new Float64Array(3),
      direction: new Float64Array(3),
      castsShadow: Boolean(accessor.castshadow),
      ambient: triple(model.light_ambient),
      diffuse: triple(model.light_diffuse),
      specular: triple(model.light_specular),
    };
    const type = model.light_type[id];
    if (type === DIRECTIONAL) return [{ id, light: { ...shared, kind: "directional" } }];
    if (type !== SPOT) {
      throw new SimulationError(`Cannot draw the light ${id} of this scene: make it directional or a spot`);
    }
    const attenuation = triple(model.light_attenuation);
    const cutoffDeg: number = model.light_cutoff[id];
    const exponent: number = model.light_exponent[id];
    return [{ id, light: { ...shared, kind: "spot", attenuation, cutoffDeg, exponent } }];
  });
}

function coloursOf(light: { ambient: ArrayLike<number>; diffuse: ArrayLike<number>; specular: ArrayLike<number> }) {
  const { ambient, diffuse, specular } = light;
  return { ambient: rgbOf(ambient), diffuse: rgbOf(diffuse), specular: rgbOf(specular) } satisfies LightColours;
}

function rgbOf(values: ArrayLike<number>): Rgb {
  return [values[0]!, values[1]!, values[2]!];
}
