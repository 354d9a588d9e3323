/**
 * What a picture costs on this machine: the official scene where `PI0_SHARED` has it, and the builtin one.
 *
 *     deno task bench:render [-n PICTURES]
 *
 * Method: 640×480 pixels, shadows and four samples per pixel, the transfer task in motion (a recorded expert episode
 * where there is one, swinging arms otherwise). Times are those of drawing alone, after as many pictures to warm up;
 * physics is not in them. Beside them a loop of plain arithmetic, by which machines can be compared, and MuJoCo's own
 * renderer on the same poses, if `PYTHON` (or /usr/bin/python3) has `mujoco` and a way to draw without a screen. With
 * several Workers, each draws all pictures of the top camera, and their rates are added up.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { systemClock as clock } from "../src/clock.ts";
import { describeEnvironment } from "../src/commands/environment.ts";
import { VERSION } from "../src/commands/mod.ts";
import { median, percentile } from "../src/measure/statistics.ts";
import { START_POSE } from "../src/sim/aloha.ts";
import { Cameras } from "../src/sim/cameras.ts";
import { openWorld, type SceneFiles, type World } from "../src/sim/mujoco.ts";
import type { SceneName } from "../src/sim/mod.ts";
import { builtinScene } from "../src/sim/scenes/builtin.ts";
import { loadGymAloha } from "../src/sim/scenes/gym_aloha.ts";
import { SCENE_FOLDER, SIM_FIXTURES } from "../tests/support/scenes.ts";

const SIZE = { widthPx: 640, heightPx: 480 };
const CAMERAS = ["top", "angle", "left_wrist"];
const TASK = "transfer_cube";

/** What a Worker is asked. */
interface Job {
  readonly scene: SceneName;
  readonly poses: readonly (readonly number[])[];
}

const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));

async function sceneFiles(scene: SceneName): Promise<SceneFiles> {
  return scene === "builtin" ? builtinScene(TASK) : await loadGymAloha(SCENE_FOLDER, TASK);
}

/** Joint positions of so many moments. */
async function makePoses(count: number): Promise<number[][]> {
  const folder = `${SIM_FIXTURES}/trajectories`;
  if (!existsSync(folder)) {
    const swing = (i: number) => 0.25 * Math.sin((2 * Math.PI * i) / count);
    const cube = [0.1, 0.5, 0.02, 1, 0, 0, 0];
    return Array.from(
      { length: count },
      (_, i) => [...START_POSE.map((q, k) => k % 8 < 6 ? q + swing(i) : q), ...cube],
    );
  }
  const { file, sections } = JSON.parse(await Deno.readTextFile(`${folder}/index.json`)).episodes
    .find(({ task }: { task: string }) => task === TASK);
  const { offset, shape: [rows, width] } = sections.qpos;
  const numbers = new Float64Array((await Deno.readFile(`${folder}/${file}`)).buffer);
  return Array.from({ length: count }, (_, i) => {
    const first = offset + Math.floor((i * rows) / count) * width;
    return Array.from(numbers.subarray(first, first + width));
  });
}

function pose(world: World, qpos: readonly number[]): void {
  world.reset();
  world.qpos.set(qpos);
  world.forward();
}

/** Milliseconds per picture. */
function drawAll(world: World, cameras: Cameras, camera: string, poses: Job["poses"], shadows: boolean): number[] {
  return poses.map((qpos) => {
    pose(world, qpos);
    const startedMs = clock.now();
    cameras.render(camera, SIZE, { shadows });
    return clock.now() - startedMs;
  });
}

function describe(timesMs: readonly number[]): string {
  const sorted = Float64Array.from(timesMs).sort();
  return `${median(timesMs).toFixed(1)} ms median, ${percentile(sorted, 0.95).toFixed(1)} ms p95`;
}

/** The least time of a loop whose steps wait for each other: 20 million multiplications and additions. */
function calibrate(): number {
  let bestMs = Infinity;
  for (let round = 0; round < 10; round++) {
    const startedMs = clock.now();
    let value = 1;
    for (let i = 0; i < 2e7; i++) value = value * 1.0000001 + 1e-9;
    if (value > 0) bestMs = Math.min(bestMs, clock.now() - startedMs);
  }
  return bestMs;
}

/** Pictures per second of so many Workers together. */
async function measureWorkers(count: number, job: Job): Promise<number> {
  const workers = Array.from({ length: count }, () => new Worker(import.meta.url, { type: "module", name: "draw" }));
  const hear = (worker: Worker) => new Promise<void>((resolve) => worker.onmessage = () => resolve());
  const ready = workers.map(hear);
  workers.forEach((worker) => worker.postMessage(job));
  await Promise.all(ready);
  const startedMs = clock.now();
  const done = workers.map(hear);
  workers.forEach((worker) => worker.postMessage("go"));
  await Promise.all(done);
  const elapsedS = (clock.now() - startedMs) / 1000;
  workers.forEach((worker) => worker.terminate());
  return (count * job.poses.length) / elapsedS;
}

/** In a Worker: warms up, says so, and draws when told to. */
function serveDrawing(): void {
  const port = self as unknown as { onmessage: (event: MessageEvent) => void; postMessage(message: string): void };
  port.onmessage = async ({ data }: MessageEvent<Job>) => {
    const world = await openWorld(await sceneFiles(data.scene));
    const cameras = new Cameras(world);
    drawAll(world, cameras, "top", data.poses, true);
    port.onmessage = () => {
      drawAll(world, cameras, "top", data.poses, true);
      port.postMessage("done");
    };
    port.postMessage("ready");
  };
}

const MUJOCO = `
import json, sys, time
import mujoco
job = json.load(sys.stdin)
model = mujoco.MjModel.from_xml_path(job["main"])
data = mujoco.MjData(model)
renderer = mujoco.Renderer(model, 480, 640)
for camera in job["cameras"]:
    times = []
    for qpos in job["poses"]:
        mujoco.mj_resetData(model, data)
        data.qpos[:] = qpos
        mujoco.mj_forward(model, data)
        started = time.perf_counter()
        renderer.update_scene(data, camera)
        renderer.render()
        times.append(1000 * (time.perf_counter() - started))
    print(json.dumps([camera, times]), flush=True)
`;

/** Draws the same with MuJoCo's own renderer, or says why not. */
async function measureMujoco(scene: SceneName, poses: Job["poses"]): Promise<void> {
  const python = Deno.env.get("PYTHON") ?? "/usr/bin/python3";
  const folder = await Deno.makeTempDir();
  try {
    const { main, files } = await sceneFiles(scene);
    for (const [name, bytes] of files) await Deno.writeFile(`${folder}/${name}`, bytes);
    const env = { MUJOCO_GL: Deno.env.get("MUJOCO_GL") ?? "egl" };
    const options: Deno.CommandOptions = {
      args: ["-c", MUJOCO],
      env,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    };
    const child = new Deno.Command(python, options).spawn();
    const writer = child.stdin.getWriter();
    const job = { main: `${folder}/${main}`, cameras: CAMERAS, poses };
    const sent = writer.write(new TextEncoder().encode(JSON.stringify(job))).then(() => writer.close());
    const { stdout, stderr } = await child.output();
    // A program that ended early tells why in its last line.
    await sent.catch(() => {});
    const lines = new TextDecoder().decode(stdout).trim().split("\n").filter((line) => line !== "");
    for (const line of lines) {
      const [camera, timesMs] = JSON.parse(line) as [string, number[]];
      print(`  MuJoCo's OpenGL, ${camera}: ${describe(timesMs)}`);
    }
    if (lines.length === 0) {
      const why = new TextDecoder().decode(stderr).trim().split("\n").findLast((line) => line.includes("Error"));
      print(`  MuJoCo's OpenGL: skipped, ${python} says ${why ?? "nothing"}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    print(`  MuJoCo's OpenGL: skipped, there is no ${python}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function measureScene(scene: SceneName, poses: Job["poses"]): Promise<void> {
  print(`${scene} scene`);
  using world = await openWorld(await sceneFiles(scene));
  const startedMs = clock.now();
  const cameras = new Cameras(world);
  print(`  preparing the scene: ${(clock.now() - startedMs).toFixed(0)} ms`);
  for (const shadows of [true, false]) {
    for (const camera of CAMERAS) {
      drawAll(world, cameras, camera, poses, shadows);
      const timesMs = drawAll(world, cameras, camera, poses, shadows);
      print(`  ${camera}${shadows ? "" : " without shadows"}: ${describe(timesMs)}`);
    }
  }
  for (let count = 1; count <= navigator.hardwareConcurrency; count *= 2) {
    const perSecond = await measureWorkers(count, { scene, poses });
    print(`  ${count} ${count === 1 ? "Worker" : "Workers"}, top: ${perSecond.toFixed(1)} pictures/s`);
  }
  await measureMujoco(scene, poses);
}

if (self.name === "draw") serveDrawing();
else {
  const { values } = parseArgs({ options: { pictures: { type: "string", short: "n", default: "100" } } });
  for (const [key, value] of Object.entries(await describeEnvironment(VERSION))) print(`${key}: ${value}`);
  print(`calibration: ${calibrate().toFixed(1)} ms for 20 million dependent multiplications and additions`);
  const poses = await makePoses(Number(values.pictures));
  if (existsSync(SCENE_FOLDER)) await measureScene("gym-aloha", poses);
  else print(`gym-aloha scene: skipped, there is no ${SCENE_FOLDER}`);
  await measureScene("builtin", poses);
}
