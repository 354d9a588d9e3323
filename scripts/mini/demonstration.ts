/**
 * One demonstration: an episode that the demonstrator plays, disturbed on purpose, with what it would do from each
 * moment that is kept.
 *
 * @module
 */

import { resizeWithPad } from "../../src/image.ts";
import { seededRandom } from "../../src/random.ts";
import { placeAt } from "../../src/sim/aloha.ts";
import type { AlohaEnvironment } from "../../src/sim/environment.ts";
import { TASKS } from "../../src/sim/mod.ts";
import type { TaskName } from "../../src/sim/task.ts";
import type { Bytes } from "../../src/types.ts";
import { ACTION_DIM, planFrom, type Point } from "./demonstrator.ts";

/** What is kept of a moment. */
export interface Frame {
  readonly step: number;
  /** Rows 28–195 of the 224 × 224 picture of `cam_high`; the others are black. */
  readonly picture: Bytes;
  readonly state: Float64Array;
  /** The plan from here on: 50 × 14. */
  readonly actions: Float64Array;
  /** Centres of the objects, metres. */
  readonly objects: readonly Point[];
}

export interface Demonstration {
  readonly frames: readonly Frame[];
  readonly success: boolean;
  readonly steps: number;
}

/** The picture without its black bars. */
export const PICTURE_ROWS = 168;
const PICTURE_PX = 224;

/** Where the objects begin in the joint positions. */
const OBJECTS_START = 16;

const MAX_STEPS = 500;
/** Steps that are played after the first success, so that the policy has seen what comes then. */
const AFTER_SUCCESS = 24;
/** Steps between two plans, and so between two frames. */
const REPLAN = { least: 5, most: 14 };

/** Start positions go so far beyond the task's own range, so that its corners lie inside: metres. */
const BEYOND = 0.015;
/** Share of the objects that are drawn from the outer border of that width. */
const BORDER_SHARE = 0.25;
const BORDER = 0.03;

/** Standard deviations of the disturbance of an episode, in radians; held for about so many steps. */
const DISTURBANCES = { transfer_cube: [0, 0.01, 0.02, 0.03], insertion: [0, 0.005, 0.01, 0.015] };
const DISTURBANCE_STEPS = 12;
/** Share of it while fingers close or hold. */
const GRASPING_SHARE = 0.4;

/** Shares of the episodes in which something happens. */
const SHARES = { crookedStart: 0.3, pushed: 0.25, dropped: 0.15, missed: 0.2, inaccurate: 0.3, movedCamera: 0.6 };
/** σ of a crooked start (radians), and of an inaccurate grasp (metres). */
const CROOKED = 0.02;
const INACCURATE = 0.005;
/** σ of the camera's height in metres, and of its field of view in degrees; sideways it would turn, as it looks down. */
const CAMERA_RISE = 0.004;
const CAMERA_ZOOM = 0.3;
/** Steps for which a hand that shall drop something is kept open. */
const DROP_STEPS = 12;

/** Numbers of a normal distribution from even ones: Box and Muller's. */
function normalFrom(even: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - even())) * Math.cos(2 * Math.PI * even());
}

/** Where one object begins: somewhat beyond its range, and more often near its border. */
function drawPosition(task: TaskName, object: number, random: () => number): Point {
  const { low, high } = TASKS[task].objects[object]!;
  const [x, y] = ([0, 1] as const).map((axis) => {
    const from = low[axis] - BEYOND;
    return from + random() * (high[axis] + BEYOND - from);
  }) as [number, number];
  if (random() >= BORDER_SHARE) return [x, y, low[2]];
  const side = Math.floor(random() * 4);
  const depth = random() * BORDER;
  if (side === 0) return [low[0] - BEYOND + depth, y, low[2]];
  if (side === 1) return [high[0] + BEYOND - depth, y, low[2]];
  return side === 2 ? [x, low[1] - BEYOND + depth, low[2]] : [x, high[1] + BEYOND - depth, low[2]];
}

/** Plays one demonstration; the same seed gives the same one. */
export function demonstrate(environment: AlohaEnvironment, task: TaskName, seed: number): Demonstration {
  const random = seededRandom(seed);
  const normal = normalFrom(random);
  const happens = (share: number) => random() < share;
  const between = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  const { world } = environment;
  const count = TASKS[task].objects.length;

  environment.reset(0);
  const pose = Array.from({ length: count }, (_, i) => [...drawPosition(task, i, random), 1, 0, 0, 0]).flat();
  moveCamera(environment, happens(SHARES.movedCamera) ? normal : () => 0);
  placeAt(world, pose);
  if (happens(SHARES.crookedStart)) {
    for (const first of [0, 8]) {
      for (let i = 0; i < 6; i++) world.qpos[first + i]! += CROOKED * normal();
    }
    world.forward();
  }

  const objects = (): Point[] =>
    Array.from({ length: count }, (_, i) => {
      const [x, y, z] = world.qpos.subarray(OBJECTS_START + 7 * i);
      return [x!, y!, z!] as const;
    });
  const sigma = DISTURBANCES[task][between(0, 3)]!;
  const pushAt = happens(SHARES.pushed) ? between(15, 130) : -1;
  const pushed = between(0, count - 1);
  const dropAt = happens(SHARES.dropped) ? between(90, 240) : -1;
  const dropper = count === 1 || happens(0.5) ? 13 : 6;
  const inaccuracy = happens(SHARES.inaccurate) ? INACCURATE : 0;
  let mistakes = wrongPlaces(count, inaccuracy, normal);
  let misses = happens(SHARES.missed);
  if (misses) mistakes = wrongPlaces(count, 0.03, normal);

  const frames: Frame[] = [];
  let command = environment.state;
  command[6] = 0;
  command[13] = 0;
  let plan: Float64Array = new Float64Array(0);
  let planned = 0;
  let next = 0;
  let disturbance = new Float64Array(ACTION_DIM);
  let success = -1;
  for (let step = 0; step < MAX_STEPS && (success < 0 || step < success + AFTER_SUCCESS); step++) {
    const dropping = dropAt >= 0 && step >= dropAt && step < dropAt + DROP_STEPS && success < 0;
    if (step === pushAt && command[6 + (count === 1 || pushed === 0 ? 7 : 0)]! > 0.5) {
      push(environment, task, pushed, random);
      next = step;
    }
    if (dropAt >= 0 && step === dropAt + DROP_STEPS) next = step;
    if (step === next) {
      const where = objects();
      const { state } = environment;
      const moment = { command, state, objects: where };
      const label = planFrom(task, moment);
      // A mistaken hand goes on until its fingers have closed on nothing, or on something, a little aside.
      if (misses && (command[6]! < 0.05 || command[13]! < 0.05) && step > 60) {
        misses = false;
        mistakes = wrongPlaces(count, inaccuracy, normal);
      }
      const held = command[6]! < 0.5 || command[13]! < 0.5;
      const mistaken = where.map((point, i) => held && !misses ? point : shifted(point, mistakes[i]!));
      plan = misses || inaccuracy > 0 ? planFrom(task, { ...moment, objects: mistaken }) : label;
      planned = step;
      next = step + between(REPLAN.least, REPLAN.most);
      if (!dropping) frames.push({ step, picture: pictureOf(environment), state, actions: label, objects: where });
    }
    if (step % DISTURBANCE_STEPS === 0) {
      disturbance = Float64Array.from({ length: ACTION_DIM }, (_, i) => i % 7 === 6 ? 0 : sigma * normal());
    }
    const row = (step - planned) * ACTION_DIM;
    command = plan.slice(row, row + ACTION_DIM);
    const grasping = command[6]! < 0.9 && step > 60 || command[13]! < 0.9 && step > 60;
    if (dropping) command[dropper] = 1;
    // The plans go on from what they asked for, so that a label leads back from where the disturbance has brought the arm.
    environment.step(command.map((value, i) => value + disturbance[i]! * (grasping ? GRASPING_SHARE : 1)));
    if (success < 0 && environment.success) success = step;
  }
  return { frames, success: success >= 0, steps: success };
}

function wrongPlaces(count: number, sigma: number, normal: () => number): Point[] {
  return Array.from({ length: count }, () => [sigma * normal(), sigma * normal(), 0] as const);
}

function shifted([x, y, z]: Point, [dx, dy]: Point): Point {
  return [x + dx, y + dy, z];
}

/** Puts an object somewhere else on the table, at rest. */
function push({ world }: AlohaEnvironment, task: TaskName, object: number, random: () => number): void {
  const [x, y, z] = drawPosition(task, object, random);
  const first = OBJECTS_START + 7 * object;
  world.qpos.set([x, y, z, 1, 0, 0, 0], first);
  world.qvel.fill(0, OBJECTS_START + 6 * object, OBJECTS_START + 6 * object + 6);
  world.forward();
}

/** Height and field of view of the camera before anybody moved it. */
const cameras = new WeakMap<AlohaEnvironment, { readonly height: number; readonly fovyDeg: number }>();

function moveCamera(environment: AlohaEnvironment, normal: () => number): void {
  const { model } = environment.world;
  const top = environment.cameras.indexOf("top");
  const usual = cameras.get(environment) ?? { height: model.cam_pos[3 * top + 2], fovyDeg: model.cam_fovy[top] };
  cameras.set(environment, usual);
  model.cam_pos[3 * top + 2] = usual.height + CAMERA_RISE * normal();
  model.cam_fovy[top] = usual.fovyDeg + CAMERA_ZOOM * normal();
}

/** What the policy sees, without the black bars. */
function pictureOf(environment: AlohaEnvironment): Bytes {
  const { data } = resizeWithPad(environment.render("top", { widthPx: 640, heightPx: 480 }), PICTURE_PX, PICTURE_PX);
  const row = 3 * PICTURE_PX;
  const bar = (PICTURE_PX - PICTURE_ROWS) / 2;
  return data.slice(bar * row, (bar + PICTURE_ROWS) * row);
}
