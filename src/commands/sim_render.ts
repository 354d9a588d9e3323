/**
 * `pi0 sim render`: what given joint states look like.
 *
 * @module
 */

import { parse } from "node:path";
import { encodePng } from "../image.ts";
import { writeWhole } from "../report/file.ts";
import { openEnvironment } from "../sim/mod.ts";
import { defineCommand } from "./command.ts";
import { COMMON_OPTIONS, type OptionTable } from "./options.ts";
import { checkCamera, SCENE_OPTIONS, sceneFolderOf, SIZE_OPTION, sizeOf } from "./scenes.ts";
import { UsageError } from "../errors.ts";

const OPTIONS = {
  ...SCENE_OPTIONS,
  "qpos": {
    kind: "string",
    metavar: "FILE",
    group: "Pictures",
    help: "JSON: one array of joint positions, or an array of several; - reads standard input",
  },
  "camera": {
    kind: "string",
    metavar: "NAME",
    default: "angle",
    group: "Pictures",
    help: "Where from: top, angle, front_close, left_pillar, right_pillar, left_wrist, right_wrist",
  },
  "size": SIZE_OPTION,
  "out": {
    kind: "string",
    metavar: "PNG",
    group: "Pictures",
    help: "File to write; of several states NAME_000.png, NAME_001.png, …",
  },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

export const simRender = defineCommand({
  name: "sim render",
  summary: "draw given joint states",
  description:
    "A state is all joint positions of the physics, as qpos in an episode.json: 8 numbers for each arm (six joints in " +
    "radians, two fingers in metres; left arm first), then 7 for each object (x y z in metres, quaternion w x y z): " +
    "23 numbers in transfer_cube, 30 in insertion (peg, then socket).",
  options: OPTIONS,
  examples: [
    {
      command: "pi0 sim render --task transfer_cube --qpos pose.json --camera top --out pose.png",
      text: "Draw a pose as the policy would see it.",
    },
  ],
  async run(options, { env, terminal, signal }) {
    const { qpos: source, out, camera } = options;
    if (source === undefined || out === undefined) {
      const missing = source === undefined ? "--qpos FILE" : "--out PNG";
      throw new UsageError(`Missing option ${missing} for pi0 sim render (see pi0 sim render --help)`);
    }
    const size = sizeOf(options.size);
    const sceneFolder = sceneFolderOf(options, env);
    const states = await readStates(source, signal);
    const { task, scene } = options;
    using environment = await openEnvironment({ task, scene, sceneFolder, maxSteps: 1, observed: [] });
    checkCamera(camera, environment.cameras);
    // All of them first, so that nothing is written where one is wrong.
    for (const state of states) environment.pose(state);
    const written: string[] = [];
    for (const [i, state] of states.entries()) {
      signal.throwIfAborted();
      environment.pose(state);
      const path = states.length === 1 ? out : numbered(out, i);
      await writeWhole(path, encodePng(environment.render(camera, size)), "the picture");
      written.push(path);
    }
    if (options.json) terminal.stdout(`${JSON.stringify({ task, scene, camera, ...size, written })}\n`);
    else if (!options.quiet) terminal.stderr(`pi0: wrote ${written.join(", ")}\n`);
    return 0;
  },
});

function numbered(path: string, index: number): string {
  const { dir, name, ext } = parse(path);
  return `${dir === "" ? "" : `${dir}/`}${name}_${String(index).padStart(3, "0")}${ext}`;
}

async function readStates(path: string, signal: AbortSignal): Promise<number[][]> {
  const fail = (why: string, cause?: unknown) => new Error(`Cannot draw "${path}": ${why}`, { cause });
  let value: unknown;
  try {
    value = JSON.parse(await (path === "-" ? readInput(signal) : Deno.readTextFile(path)));
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof SyntaxError) throw fail("it is no JSON", cause);
    throw fail(cause instanceof Deno.errors.NotFound ? "there is no such file" : "it cannot be read", cause);
  }
  const numbers = (item: unknown) => Array.isArray(item) && item.length > 0 && item.every(Number.isFinite);
  if (numbers(value)) return [value as number[]];
  if (Array.isArray(value) && value.length > 0 && value.every(numbers)) return value as number[][];
  throw fail("expected one array of joint positions, or an array of such arrays");
}

/** All of standard input. @throws the signal's reason. */
function readInput(signal: AbortSignal): Promise<string> {
  return new Response(Deno.stdin.readable.pipeThrough(new TransformStream(), { signal })).text();
}
