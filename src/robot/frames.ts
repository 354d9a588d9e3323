/**
 * Real observations to measure with: 32 moments of a simulated ALOHA episode in which a cube goes from hand to hand,
 * pictures of the top camera with the joint states that belong to them.
 *
 * @module
 */

import { decodePng, toChw } from "../image.ts";
import { seededRandom } from "../random.ts";
import type { Image, Observation, Simulation } from "../types.ts";
import type { RobotProfile } from "./profile.ts";

/** One moment of an episode. */
export interface Frame {
  readonly simulation: Simulation;
  /** The top camera, 224 × 224. */
  readonly image: Image;
  /** ALOHA's 14 numbers. */
  readonly state: readonly number[];
}

const FOLDER = new URL("./frames/", import.meta.url);

/** Reads the frames that come with the program. */
export async function loadFrames(): Promise<Frame[]> {
  const listed: (Omit<Simulation, "objectPose"> & { file: string; objectPose: number[]; state: number[] })[] = JSON
    .parse(
      await Deno.readTextFile(new URL("frames.json", FOLDER)),
    );
  return await Promise.all(listed.map(async ({ file, task, seed, step, objectPose, state }) => {
    const simulation = { task, seed, step, objectPose: Float64Array.from(objectPose) };
    return { simulation, state, image: decodePng(await Deno.readFile(new URL(file, FOLDER))) };
  }));
}

/**
 * Observations for a robot, in an order that the seed decides.
 *
 * ALOHA gets what its simulation sends: the top camera, the state of that moment, and which one it is. For the other robots there are no
 * recordings here: their cameras show the same pictures, and their states are random numbers in [−1, 1).
 *
 * @param cameras how many cameras send a picture, those first that must [those that must]; more than the robot has are
 *   all of them.
 */
export async function exampleObservations(
  profile: RobotProfile,
  { seed, prompt, cameras: count }: {
    readonly seed: number;
    readonly prompt?: string | undefined;
    readonly cameras?: number | undefined;
  },
): Promise<Observation[]> {
  const random = seededRandom(seed);
  const frames = await loadFrames();
  const start = Math.floor(random() * frames.length);
  const required = profile.cameras.filter((camera) => camera.required);
  const optional = profile.cameras.filter((camera) => !camera.required);
  const cameras = [...required, ...optional.slice(0, Math.max(0, (count ?? 0) - required.length))];
  return frames.map((_, i) => {
    const images: Record<string, Image> = {};
    cameras.forEach((camera, j) => {
      const { image } = frames[(start + i + j) % frames.length]!;
      // Turned once here, so that no request pays for it.
      images[camera.name] = camera.layout === "chw" ? toChw(image) : image;
    });
    const words = prompt === undefined ? {} : { prompt };
    if (profile.name === "aloha") {
      const { state, simulation } = frames[(start + i) % frames.length]!;
      return { images, state: Float64Array.from(state), simulation, ...words };
    }
    const state = Float64Array.from({ length: profile.stateDim }, () => 2 * random() - 1);
    return { images, state, ...words };
  });
}
