/**
 * Small things to test with: pictures of a few pixels, observations, and a policy and a service around them. All of
 * them come out the same for the same seed.
 *
 * @module
 */

import type { RobotProfile } from "../../src/robot/profile.ts";
import { seededRandom } from "../../src/random.ts";
import { PolicyService, type ServiceOptions } from "../../src/serving/service.ts";
import { ROBOTS } from "../../src/robot/mod.ts";
import type { ActionChunk, Bytes, Image, Metadata, Observation, Policy, Simulation, Timing } from "../../src/types.ts";
import { FakeClock } from "./fake_clock.ts";

/** Bytes of noise. */
export function tinyBytes(seed: number, length: number): Bytes {
  const random = seededRandom(seed);
  return Uint8Array.from({ length }, () => 256 * random());
}

/** A picture of noise, 5 × 4 unless told otherwise. */
export function tinyImage(seed: number, layout: Image["layout"], width = 5, height = 4): Image {
  return { width, height, layout, data: tinyBytes(seed, 3 * width * height) };
}

/** Numbers in [−1, 1) that float32 has, too. */
export function tinyState(seed: number, length: number): Float64Array<ArrayBuffer> {
  const random = seededRandom(seed);
  return Float64Array.from({ length }, () => Math.fround(2 * random() - 1));
}

/** An observation with a small picture for each required camera (or for all), laid out as the robot sends them. */
export function tinyObservation(
  profile: RobotProfile,
  seed: number,
  { prompt, allCameras = false }: { prompt?: string; allCameras?: boolean } = {},
): Observation {
  const cameras = profile.cameras.filter((camera) => allCameras || camera.required);
  const images = Object.fromEntries(cameras.map(({ name, layout }, i) => [name, tinyImage(100 * seed + i, layout)]));
  return { images, state: tinyState(seed, profile.stateDim), ...(prompt === undefined ? {} : { prompt }) };
}

/** A moment of a simulated transfer: the cube lies where gym-aloha may put it. */
export function tinySimulation(seed: number): Simulation {
  const random = seededRandom(seed);
  const [x, y] = [0.2 * random(), 0.4 + 0.2 * random()];
  return { task: "transfer_cube", seed, step: 7 * seed, objectPose: Float64Array.of(x, y, 0.05, 1, 0, 0, 0) };
}

/** One inference that a {@linkcode TinyPolicy} holds back. */
export interface Held {
  readonly observation: Observation;
  readonly signal: AbortSignal;
  answer(): void;
  fail(error: unknown): void;
}

/** Answers every number of a chunk with the first number of the state, at once or when told. */
export class TinyPolicy implements Policy {
  readonly name = "tiny";
  readonly actionHorizon = 3;
  readonly actionDim = 14;
  readonly checkpointHash = "c0".repeat(32);
  readonly metadata: Metadata = { reset_pose: [0, -1.5, 1.5] };
  /** What it was asked, in order. */
  readonly asked: Held[] = [];
  /** How many inferences, from now on, wait to be told. */
  holds = 0;
  /** What it says it measured. */
  timing: Timing = {};
  /** What it says it did not look at. */
  ignoredCameras: readonly string[] = [];
  /** Inferences in progress, and the most at once so far. */
  running = 0;
  mostRunning = 0;
  disposed = 0;

  warmUp(): Promise<void> {
    return Promise.resolve();
  }

  async infer(observation: Observation, signal: AbortSignal): Promise<ActionChunk> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.asked.push({ observation, signal, answer: resolve, fail: reject });
    this.mostRunning = Math.max(this.mostRunning, ++this.running);
    try {
      // Like a model, it does not stop in the middle.
      if (this.holds > 0) {
        this.holds--;
        await promise;
      }
    } finally {
      this.running--;
    }
    const { actionHorizon, actionDim, timing, ignoredCameras } = this;
    const actions = new Float64Array(actionHorizon * actionDim).fill(observation.state[0]!);
    return { actions, actionHorizon, actionDim, timing, ...(ignoredCameras.length > 0 && { ignoredCameras }) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.disposed++;
    return Promise.resolve();
  }
}

/** A service in front of a policy for ALOHA, not started. */
export function tinyService(policy: Policy, options: Partial<ServiceOptions> = {}): PolicyService {
  return new PolicyService({
    policy,
    profile: ROBOTS.aloha,
    clock: new FakeClock(),
    queueCapacity: 4,
    maxSessions: 8,
    maxMessageBytes: 1_000_000,
    version: "1.2.3",
    residentBytes: () => 4096,
    ...options,
  });
}
