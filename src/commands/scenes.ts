/**
 * The options of every command that opens a simulated world.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import { SCENE_NAMES, type SceneName, TASK_NAMES } from "../sim/mod.ts";
import type { PictureSize } from "../types.ts";
import { gymAlohaFolder } from "./data_folder.ts";
import type { OptionTable } from "./options.ts";

const GROUP = "World";

export const SCENE_OPTIONS = {
  "task": { kind: "choice", choices: TASK_NAMES, default: "transfer_cube", group: GROUP, help: "What to do" },
  "scene": {
    kind: "choice",
    choices: SCENE_NAMES,
    default: "builtin",
    group: GROUP,
    help: "Looks of the world: pi0's own, or gym-aloha's official ones (see pi0 assets)",
  },
  "scene-dir": {
    kind: "string",
    metavar: "DIR",
    group: GROUP,
    help: "Folder of gym-aloha's XML and STL files [where pi0 assets installs them]",
  },
} as const satisfies OptionTable;

/** Where the files of a scene lie. @throws {UsageError} where a folder is given to a scene that needs none. */
export function sceneFolderOf(
  { scene, sceneDir }: { readonly scene: SceneName; readonly sceneDir: string | undefined },
  env: (name: string) => string | undefined,
): string {
  if (scene === "gym-aloha") return sceneDir ?? gymAlohaFolder(env);
  if (sceneDir !== undefined) {
    throw new UsageError(`Cannot use --scene-dir with --scene ${scene}: it needs no files; add --scene gym-aloha`);
  }
  return "";
}

/** Larger pictures than this are a slip: 4096 × 4096 take 200 MB to draw. */
const MAX_SIDE_PX = 4096;

export const SIZE_OPTION = {
  kind: "string",
  metavar: "WxH",
  default: "640x480",
  group: "Pictures",
  help: `Size in pixels, at most ${MAX_SIDE_PX} each way`,
} as const;

/** @throws {UsageError} where the text is no size such as 640x480. */
export function sizeOf(text: string): PictureSize {
  const found = /^(\d{1,5})x(\d{1,5})$/.exec(text);
  const [widthPx, heightPx] = [Number(found?.[1]), Number(found?.[2])];
  const fits = (side: number) => side >= 16 && side <= MAX_SIDE_PX;
  if (fits(widthPx) && fits(heightPx)) return { widthPx, heightPx };
  throw new UsageError(`Cannot use --size ${text}: write width x height from 16 to ${MAX_SIDE_PX}, such as 640x480`);
}

/** @throws {UsageError} that lists the cameras, where the scene has none of that name. */
export function checkCamera(camera: string, cameras: readonly string[]): void {
  if (cameras.includes(camera)) return;
  throw new UsageError(`Cannot use --camera ${camera}: the scene has ${cameras.join(", ")}`);
}
