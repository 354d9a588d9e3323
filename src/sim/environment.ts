/**
 * An episode of a bimanual task: gym-aloha's environment, step for step.
 *
 * @module
 */

import { SimulationError, UsageError } from "../errors.ts";
import { resizeWithPad } from "../image.ts";
import type { Environment, Image, Observation, PictureSize } from "../types.ts";
import { ACTION_DIM, CONTROL_HZ, controlsOf, OBJECTS_START, PHYSICS_STEPS, placeAt, stateOf } from "./aloha.ts";
import { Cameras } from "./cameras.ts";
import { openWorld, type SceneFiles, type World } from "./mujoco.ts";
import { RandomState } from "./random_state.ts";
import { MAX_REWARD, type Task } from "./task.ts";

/** What gym-aloha renders, and what π₀ is given of it. */
const RENDERED: PictureSize = { widthPx: 640, heightPx: 480 };
const OBSERVED_PX = 224;

/** Which camera of the scene plays which camera of the robot. Any other goes by its own name. */
const ROBOT_CAMERAS: Readonly<Record<string, string>> = {
  cam_high: "top",
  cam_low: "angle",
  cam_left_wrist: "left_wrist",
  cam_right_wrist: "right_wrist",
};

export interface EnvironmentOptions {
  readonly task: Task;
  /** Name and files of the scene. */
  readonly scene: string;
  readonly files: SceneFiles;
  /** Control steps until the episode is over. */
  readonly maxSteps: number;
  /** Pictures in an observation, by the robot's names (`cam_high`) or the scene's (`angle`). */
  readonly observed: readonly string[];
}

/** Where the objects of a task begin with a seed: seven numbers each. */
export function objectPoseOf(task: Task, seed: number): Float64Array {
  const random = new RandomState(seed);
  const pose = new Float64Array(7 * task.objects.length);
  task.objects.forEach(({ low, high }, i) => {
    // z is drawn, too, though it has no room to vary: the next object's numbers depend on it.
    for (const axis of [0, 1, 2] as const) pose[7 * i + axis] = random.uniform(low[axis], high[axis]);
    pose[7 * i + 3] = 1;
  });
  return pose;
}

function blackImage(sidePx: number): Image {
  return { width: sidePx, height: sidePx, layout: "hwc", data: new Uint8Array(3 * sidePx * sidePx) };
}

export class AlohaEnvironment implements Environment {
  readonly scene: string;
  readonly engine: string;
  readonly controlHz = CONTROL_HZ;
  readonly actionDim = ACTION_DIM;
  readonly maxReward = MAX_REWARD;
  readonly maxSteps: number;
  readonly #task: Task;
  /** The physics behind it. */
  readonly world: World;
  readonly #cameras: Cameras;
  readonly #observed: readonly string[];
  #episode: { readonly seed: number; readonly objectPose: Float64Array } | undefined;
  #step = 0;
  #reward = 0;

  /**
   * Compiles the scene. Call {@linkcode reset} before anything else.
   *
   * @throws {SimulationError} where MuJoCo does not take the scene. @throws {UsageError} where it lacks a camera.
   */
  static async open(options: EnvironmentOptions): Promise<AlohaEnvironment> {
    const world = await openWorld(options.files);
    try {
      return new AlohaEnvironment(world, options);
    } catch (error) {
      world[Symbol.dispose]();
      throw error;
    }
  }

  private constructor(world: World, { task, scene, maxSteps, observed }: EnvironmentOptions) {
    this.world = world;
    this.#task = task;
    this.scene = scene;
    this.maxSteps = maxSteps;
    this.engine = `MuJoCo ${world.version}`;
    this.#cameras = new Cameras(world);
    for (const name of observed) {
      if (this.cameras.includes(ROBOT_CAMERAS[name] ?? name)) continue;
      const known = [...Object.keys(ROBOT_CAMERAS), ...this.cameras].join(", ");
      throw new UsageError(`Cannot observe with the camera ${name}: there are ${known}`);
    }
    this.#observed = observed;
  }

  get task(): string {
    return this.#task.name;
  }

  get prompt(): string {
    return this.#task.prompt;
  }

  get stepCount(): number {
    return this.#step;
  }

  get reward(): number {
    return this.#reward;
  }

  get success(): boolean {
    return this.#reward === MAX_REWARD;
  }

  get state(): Float64Array {
    return stateOf(this.world.qpos);
  }

  get qpos(): Float64Array {
    return this.world.qpos.slice();
  }

  get qvel(): Float64Array {
    return this.world.qvel.slice();
  }

  get cameras(): readonly string[] {
    return this.#cameras.names;
  }

  /** @throws {RangeError} where the seed is no whole number from 0 to 2³² − 1. */
  reset(seed: number): void {
    const objectPose = objectPoseOf(this.#task, seed);
    placeAt(this.world, objectPose);
    this.#episode = { seed, objectPose };
    this.#step = 0;
    this.#reward = 0;
  }

  /** Draws what a joint state looks like, outside of any episode; call {@linkcode reset} afterwards. */
  pose(qpos: ArrayLike<number>): void {
    const { nq } = this.world.model;
    if (qpos.length !== nq) {
      const layout = `${OBJECTS_START} joints, then 7 numbers per object`;
      throw new SimulationError(`Cannot pose ${this.task} with ${qpos.length} numbers: it has ${nq} (${layout})`);
    }
    this.world.reset();
    this.world.qpos.set(qpos);
    this.world.forward();
    this.#episode = undefined;
  }

  observe({ drawn = true }: { readonly drawn?: boolean } = {}): Observation {
    const { seed, objectPose } = this.#running();
    const images: Record<string, Image> = {};
    for (const name of this.#observed) {
      images[name] = drawn
        ? resizeWithPad(this.render(ROBOT_CAMERAS[name] ?? name, RENDERED), OBSERVED_PX, OBSERVED_PX)
        : blackImage(OBSERVED_PX);
    }
    const simulation = { task: this.task, seed, step: this.#step, objectPose };
    return { images, state: this.state, prompt: this.prompt, simulation };
  }

  step(action: Float64Array): void {
    this.#running();
    if (action.length !== ACTION_DIM) {
      throw new SimulationError(
        `Cannot execute an action of ${action.length} numbers: ${this.task} takes ${ACTION_DIM}`,
      );
    }
    const bad = action.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw new SimulationError(`Cannot execute an action with ${action[bad]} as number ${bad}`);
    this.world.ctrl.set(controlsOf(action));
    try {
      this.world.advance(PHYSICS_STEPS);
    } catch (error) {
      // What the state is now means nothing.
      this.#episode = undefined;
      throw error;
    }
    this.#step++;
    const pairs = this.world.touchingPairs();
    this.#reward = this.#task.reward((geom1, geom2) => pairs.has(`${geom1}\n${geom2}`));
  }

  /** The same seed puts it to the same place: where the next seed would have put it. */
  push(): void {
    const { seed } = this.#running();
    const { qpos, qvel } = this.world;
    qpos.set(objectPoseOf(this.#task, (seed + 1) % 2 ** 32).subarray(0, 7), OBJECTS_START);
    qvel.fill(0, OBJECTS_START, OBJECTS_START + 6);
    this.world.forward();
  }

  render(camera: string, size: PictureSize): Image {
    return this.#cameras.render(camera, size);
  }

  #running(): { readonly seed: number; readonly objectPose: Float64Array } {
    if (this.#episode === undefined) throw new Error("No episode is running: call reset() first");
    return this.#episode;
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }
}
