/**
 * The scripted expert: it knows where the objects began, and solves the joint angles of its way while it runs.
 *
 * @module
 */

import { PolicyError } from "../errors.ts";
import type { ActionChunk, Metadata, Observation, Policy, Simulation } from "../types.ts";
import { ACTION_DIM, placeAt } from "./aloha.ts";
import { HandSolver, type Pose } from "./kinematics.ts";
import { openWorld, type SceneFiles, type World } from "./mujoco.ts";
import { compose, normalise, type Quaternion, rotate, type Vector } from "./rotation.ts";
import { along, SCRIPT_STEPS, scriptOf, type Waypoint } from "./waypoints.ts";
import { insertion } from "./insertion.ts";
import { transferCube } from "./transfer_cube.ts";
import type { Task, TaskName } from "./task.ts";

/** What it has scripts for. */
const TASKS = { transfer_cube: transferCube, insertion } as const satisfies Record<TaskName, Task>;

/** As π₀ for this robot. */
const ACTION_HORIZON = 50;

/** Plans that are kept: an episode asks for its own again and again, and several run at once. 45 KB each. */
const KEPT_PLANS = 32;

/** Farther from the middle nothing can be reached, and solving would only take long. */
const REACH_M = 1.5;

/** From a grasp point to the frame of the gripper behind it: metres in the grasp's frame, and the turn between them. */
const GRIPPER = {
  left: { offset: [-0.134706, 0, 0.00205], turn: [1, 0, 0, 0] },
  right: { offset: [0.134706, 0, 0.00205], turn: [0, 0, 0, 1] },
} as const satisfies Record<string, { offset: Vector; turn: Quaternion }>;

function gripperPose(grasp: Waypoint, { offset, turn }: { offset: Vector; turn: Quaternion }): Pose {
  const orientation = normalise(grasp.orientation);
  const [x, y, z] = rotate(orientation, offset);
  const [gx, gy, gz] = grasp.position;
  return { position: [gx + x, gy + y, gz + z], orientation: compose(orientation, turn) };
}

/** Both arms of a world that nothing moves but the solver. */
class Planner {
  readonly #world: World;
  readonly #left: HandSolver;
  readonly #right: HandSolver;

  constructor(world: World) {
    this.#world = world;
    this.#left = new HandSolver(world, "vx300s_left/gripper_link", 0);
    this.#right = new HandSolver(world, "vx300s_right/gripper_link", 8);
  }

  /** All actions of an episode: {@linkcode SCRIPT_STEPS} × {@linkcode ACTION_DIM}. */
  plan(task: TaskName, objectPose: Float64Array): Float64Array {
    // The scene is that of the transfer task; where its cube lies makes no difference to the arms.
    placeAt(this.#world, objectPose.subarray(0, 7));
    const script = scriptOf(task, objectPose);
    const actions = new Float64Array(SCRIPT_STEPS * ACTION_DIM);
    for (let step = 0; step < SCRIPT_STEPS; step++) {
      const row = actions.subarray(step * ACTION_DIM);
      const left = along(script.left, step);
      const right = along(script.right, step);
      row.set(this.#left.solve(gripperPose(left, GRIPPER.left)), 0);
      row[6] = left.gripper;
      row.set(this.#right.solve(gripperPose(right, GRIPPER.right)), 7);
      row[13] = right.gripper;
    }
    return actions;
  }

  [Symbol.dispose](): void {
    this.#left[Symbol.dispose]();
    this.#right[Symbol.dispose]();
    this.#world[Symbol.dispose]();
  }
}

export class ExpertPolicy implements Policy {
  readonly name = "expert";
  readonly actionHorizon = ACTION_HORIZON;
  readonly actionDim = ACTION_DIM;
  readonly checkpointHash = null;
  readonly metadata: Metadata = {};
  readonly looks = false;
  readonly #scene: SceneFiles;
  #planner: Promise<Planner> | undefined;
  readonly #plans = new Map<string, Float64Array>();

  /** @param scene any scene of the transfer task: the arms are the same in all of them. */
  constructor(scene: SceneFiles) {
    this.#scene = scene;
  }

  async warmUp(): Promise<void> {
    await this.#ready();
  }

  #ready(): Promise<Planner> {
    return this.#planner ??= openWorld(this.#scene).then((world) => new Planner(world));
  }

  async infer({ simulation }: Observation, signal: AbortSignal): Promise<ActionChunk> {
    signal.throwIfAborted();
    const plan = this.#planFor(checked(simulation), await this.#ready());
    const actions = new Float64Array(ACTION_HORIZON * ACTION_DIM);
    for (let i = 0; i < ACTION_HORIZON; i++) {
      // After the end it stays where it is.
      const row = Math.min(simulation!.step + i, SCRIPT_STEPS - 1) * ACTION_DIM;
      actions.set(plan.subarray(row, row + ACTION_DIM), i * ACTION_DIM);
    }
    return { actions, actionHorizon: ACTION_HORIZON, actionDim: ACTION_DIM, timing: {} };
  }

  #planFor({ task, objectPose }: Simulation & { readonly task: TaskName }, planner: Planner): Float64Array {
    const key = `${task} ${objectPose.join()}`;
    const plan = this.#plans.get(key) ?? planner.plan(task, objectPose);
    // Put in again at the end: the first entry is the one that was not used for the longest time.
    this.#plans.delete(key);
    this.#plans.set(key, plan);
    if (this.#plans.size > KEPT_PLANS) this.#plans.delete(this.#plans.keys().next().value!);
    return plan;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const planner = this.#planner;
    this.#planner = undefined;
    (await planner)?.[Symbol.dispose]();
  }
}

function checked(simulation: Simulation | undefined): Simulation & { readonly task: TaskName } {
  if (simulation === undefined) {
    throw new PolicyError("policy_failed", "The expert acts in simulated worlds only: the observation names none");
  }
  const { task, objectPose, step } = simulation;
  if (!Object.hasOwn(TASKS, task)) {
    const known = Object.keys(TASKS).join(", ");
    throw new PolicyError("policy_failed", `The expert does not know the task ${task}: it knows ${known}`);
  }
  const numbers = 7 * TASKS[task as TaskName].objects.length;
  if (objectPose.length !== numbers || !Number.isInteger(step) || step < 0) {
    const wanted = `a step and ${numbers} numbers for ${task}`;
    const found = `step ${step} and ${objectPose.length} numbers`;
    throw new PolicyError("policy_failed", `The expert needs ${wanted}: found ${found}`);
  }
  const stray = objectPose.find((number) => !(Math.abs(number) <= REACH_M));
  if (stray !== undefined) {
    const message = `The expert cannot reach an object at ${stray}: it takes numbers from -${REACH_M} to ${REACH_M}`;
    throw new PolicyError("policy_failed", message);
  }
  return simulation as Simulation & { readonly task: TaskName };
}
