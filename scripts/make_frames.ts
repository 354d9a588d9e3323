/**
 * Makes src/robot/frames anew: 32 moments of one episode, in which the scripted expert gives the cube over.
 *
 *     deno run -A scripts/make_frames.ts
 *
 * @module
 */

import { systemClock } from "../src/clock.ts";
import { encodePng } from "../src/image.ts";
import { playEpisode } from "../src/rollout/episode.ts";
import { ExpertPolicy } from "../src/sim/expert.ts";
import { openEnvironment } from "../src/sim/mod.ts";
import { builtinScene } from "../src/sim/scenes/builtin.ts";

const FOLDER = new URL("../src/robot/frames/", import.meta.url);
const SEED = 0;
const STEPS = 400;
const FRAMES = 32;

await Deno.remove(FOLDER, { recursive: true });
await Deno.mkdir(FOLDER);
const moments = Array.from({ length: FRAMES }, (_, i) => Math.round(i * STEPS / FRAMES));
const lines: string[] = [];
await using policy = new ExpertPolicy(builtinScene("transfer_cube"));
using environment = await openEnvironment({
  task: "transfer_cube",
  scene: "builtin",
  sceneFolder: "",
  maxSteps: STEPS,
  observed: ["cam_high"],
});
await playEpisode({
  environment,
  policy,
  seed: SEED,
  replanSteps: 10,
  stopAtSuccess: false,
  clock: systemClock,
  signal: new AbortController().signal,
  onStep: async (step) => {
    if (!moments.includes(step)) return;
    const { images, state, simulation } = environment.observe();
    const file = `${simulation!.task}_${String(step).padStart(3, "0")}.png`;
    await Deno.writeFile(new URL(file, FOLDER), encodePng(images.cam_high!));
    const { task, seed, objectPose } = simulation!;
    lines.push(JSON.stringify({ file, task, seed, step, objectPose: [...objectPose], state: [...state] }));
  },
});
await Deno.writeTextFile(new URL("frames.json", FOLDER), `[\n${lines.join(",\n")}\n]\n`);
