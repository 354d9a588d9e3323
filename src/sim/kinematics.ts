/**
 * Inverse kinematics: joint angles that bring a hand where it should be.
 *
 * @module
 */

import type { JacobianBuffer, World } from "./mujoco.ts";
import { compose, inverse, type Quaternion, rotationVector, type Vector } from "./rotation.ts";

/** A place and an orientation in the world, in metres. */
export interface Pose {
  readonly position: Vector;
  readonly orientation: Quaternion;
}

const JOINTS = 6;

/** Near enough: metres, radians. */
const POSITION_TOLERANCE = 1e-5;
const ROTATION_TOLERANCE = 1e-4;
const MAX_ROUNDS = 60;
/** Keeps the steps short where the arm is stretched out and the Jacobian loses rank. */
const DAMPING = 1e-3;
/** Radians per round and joint: beyond that the linear model is no longer true. */
const MAX_STEP = 0.2;

/** Moves one arm of a world by damped least squares. */
export class HandSolver {
  readonly #world: World;
  readonly #hand: number;
  readonly #first: number;
  readonly #low: readonly number[];
  readonly #high: readonly number[];
  readonly #jacobian: JacobianBuffer;

  /**
   * @param hand name of the body to place.
   * @param first number of the arm's first joint; the six joints are neighbours.
   */
  constructor(world: World, hand: string, first: number) {
    this.#world = world;
    this.#hand = world.bodyId(hand);
    this.#first = first;
    const ranges = world.model.jnt_range as Float64Array;
    this.#low = Array.from({ length: JOINTS }, (_, i) => ranges[2 * (first + i)]!);
    this.#high = Array.from({ length: JOINTS }, (_, i) => ranges[2 * (first + i) + 1]!);
    this.#jacobian = world.jacobianBuffer();
  }

  /**
   * The six joint angles that bring the hand to a pose, found from where the arm is now; the arm stays there.
   *
   * A pose out of reach gives the angles after the last round, as near as it got.
   */
  solve(target: Pose): Float64Array {
    const world = this.#world;
    const first = this.#first;
    for (let round = 0;; round++) {
      world.kinematics();
      const error = this.#error(target);
      const near = Math.hypot(error[0]!, error[1]!, error[2]!) < POSITION_TOLERANCE &&
        Math.hypot(error[3]!, error[4]!, error[5]!) < ROTATION_TOLERANCE;
      if (near || round === MAX_ROUNDS) return world.qpos.slice(first, first + JOINTS);
      const step = this.#step(error);
      const scale = Math.min(1, MAX_STEP / Math.max(...step.map(Math.abs)));
      const { qpos } = world;
      for (let i = 0; i < JOINTS; i++) {
        const moved = qpos[first + i]! + scale * step[i]!;
        qpos[first + i] = Math.min(Math.max(moved, this.#low[i]!), this.#high[i]!);
      }
    }
  }

  /** From where the hand is to where it should be: metres, then radians, in world coordinates. */
  #error({ position, orientation }: Pose): Float64Array {
    const at = this.#hand * 3;
    const turn = this.#hand * 4;
    const xpos = this.#world.data.xpos as Float64Array;
    const xquat = this.#world.data.xquat as Float64Array;
    const current: Quaternion = [xquat[turn]!, xquat[turn + 1]!, xquat[turn + 2]!, xquat[turn + 3]!];
    return Float64Array.of(
      position[0] - xpos[at]!,
      position[1] - xpos[at + 1]!,
      position[2] - xpos[at + 2]!,
      ...rotationVector(compose(orientation, inverse(current))),
    );
  }

  /** Jᵀ(JJᵀ + λI)⁻¹e. */
  #step(error: Float64Array): Float64Array {
    this.#world.bodyJacobian(this.#hand, this.#jacobian);
    const { nv } = this.#world.model;
    const { linear, angular } = this.#jacobian;
    const row = (i: number) => (i < 3 ? linear : angular).subarray((i % 3) * nv + this.#first).subarray(0, JOINTS);
    const jacobian = Array.from({ length: 6 }, (_, i) => row(i));
    const square = jacobian.map((a, i) => jacobian.map((b, j) => dot(a, b) + (i === j ? DAMPING : 0)));
    const weights = solvePositive(square, error);
    return Float64Array.from({ length: JOINTS }, (_, joint) => {
      let sum = 0;
      for (let i = 0; i < 6; i++) sum += jacobian[i]![joint]! * weights[i]!;
      return sum;
    });
  }

  [Symbol.dispose](): void {
    this.#jacobian[Symbol.dispose]();
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Solves Ax = b for a symmetric positive definite A, by Cholesky's factors. */
function solvePositive(matrix: readonly (readonly number[])[], right: Float64Array): Float64Array {
  const size = right.length;
  const factor = matrix.map(() => new Float64Array(size));
  const solution = right.slice();
  for (let i = 0; i < size; i++) {
    const row = factor[i]!;
    for (let j = 0; j <= i; j++) {
      const rest = matrix[i]![j]! - dot(row.subarray(0, j), factor[j]!.subarray(0, j));
      row[j] = i === j ? Math.sqrt(rest) : rest / factor[j]![j]!;
    }
    solution[i] = (solution[i]! - dot(row.subarray(0, i), solution.subarray(0, i))) / row[i]!;
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let j = i + 1; j < size; j++) solution[i]! -= factor[j]![i]! * solution[j]!;
    solution[i]! /= factor[i]![i]!;
  }
  return solution;
}
