/**
 * A world without physics: it adds actions up, gives the rewards that a test wrote down, and breaks when told to.
 *
 * @module
 */

import { SimulationError } from "../../src/errors.ts";
import type { Environment, Image, Observation, PictureSize } from "../../src/types.ts";
import { tinyImage } from "./tiny.ts";

export interface FakeEnvironmentOptions {
  readonly maxSteps?: number;
  /** Reward of step 1, 2, …; 0 after the last. */
  readonly rewards?: readonly number[];
  /** The step whose physics breaks down. */
  readonly breaksAt?: number;
}

export class FakeEnvironment implements Environment {
  readonly task = "fake_task";
  readonly prompt = "add things up";
  readonly scene = "nowhere";
  readonly engine = "Addition 1.0";
  readonly controlHz = 50;
  readonly actionDim = 2;
  readonly maxReward = 4;
  readonly cameras = ["front"];
  readonly maxSteps: number;
  /** Seeds of the resets, in order. */
  readonly resets: number[] = [];
  /** Steps before which it was pushed. */
  readonly pushed: number[] = [];
  /** Steps at which it was looked at. */
  readonly observed: number[] = [];
  /** Those of them with pictures. */
  readonly drawn: number[] = [];
  stepCount = 0;
  readonly #options: FakeEnvironmentOptions;
  #sum = new Float64Array(2);
  #last = new Float64Array(2);

  constructor(options: FakeEnvironmentOptions = {}) {
    this.#options = options;
    this.maxSteps = options.maxSteps ?? 5;
  }

  get reward(): number {
    return this.#options.rewards?.[this.stepCount - 1] ?? 0;
  }

  get success(): boolean {
    return this.reward === this.maxReward;
  }

  /** The sum of all actions, which begins with the seed. */
  get state(): Float64Array {
    return this.#sum.slice();
  }

  get qpos(): Float64Array {
    return Float64Array.of(...this.#sum, this.stepCount);
  }

  /** The last action. */
  get qvel(): Float64Array {
    return this.#last.slice();
  }

  reset(seed: number): void {
    this.resets.push(seed);
    this.stepCount = 0;
    this.#sum = Float64Array.of(seed, -seed);
    this.#last = new Float64Array(2);
  }

  observe({ drawn = true }: { readonly drawn?: boolean } = {}): Observation {
    this.observed.push(this.stepCount);
    if (drawn) this.drawn.push(this.stepCount);
    const { task, stepCount: step } = this;
    const simulation = { task, seed: this.resets.at(-1)!, step, objectPose: new Float64Array(7) };
    return { images: { front: tinyImage(step, "hwc") }, state: this.state, prompt: this.prompt, simulation };
  }

  step(action: Float64Array): void {
    if (this.stepCount + 1 === this.#options.breaksAt) throw new SimulationError("The numbers have run out");
    this.#last = action.slice();
    this.#sum = this.#sum.map((value, i) => value + action[i]!);
    this.stepCount++;
  }

  push(): void {
    this.pushed.push(this.stepCount);
  }

  render(_camera: string, { widthPx, heightPx }: PictureSize): Image {
    return tinyImage(this.stepCount, "hwc", widthPx, heightPx);
  }

  [Symbol.dispose](): void {}
}
