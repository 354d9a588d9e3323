/**
 * The options of every command that opens a simulated world, and what follows from them.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import { SCENE_NAMES, type SceneName, TASK_NAMES } from "../sim/mod.ts";
import type { Metadata, PictureSize } from "../types.ts";
import { gymAlohaFolder } from "./data_folder.ts";
import type { OptionTable } from "./options.ts";

const GROUP = "World";
const SCENE_HELP = "Looks of the world: pi0's own, or gym-aloha's official ones (see pi0 assets)";

/** The scene where none is typed. */
export const USUAL_SCENE: SceneName = "builtin";

export const SCENE_OPTIONS = {
  "task": { kind: "choice", choices: TASK_NAMES, default: "transfer_cube", group: GROUP, help: "What to do" },
  "scene": { kind: "choice", choices: SCENE_NAMES, default: USUAL_SCENE, group: GROUP, help: SCENE_HELP },
  "scene-dir": {
    kind: "string",
    metavar: "DIR",
    group: GROUP,
    help: "Folder of gym-aloha's XML and STL files [where pi0 assets installs them]",
  },
} as const satisfies OptionTable;

/** `--scene` without a default, for commands that ask whether it was typed: see {@linkcode checkScene}. */
export const TYPED_SCENE_OPTION = {
  kind: "choice",
  choices: SCENE_NAMES,
  group: GROUP,
  help: `${SCENE_HELP} [${USUAL_SCENE}]`,
} as const;

/** What a policy says of itself, and what the way to it is called. */
export interface TrainedPolicy {
  readonly mode: string;
  readonly policy: string;
  readonly metadata: Metadata;
}

/**
 * A model may tell in its metadata which scenes it was trained on. Playing in another one has to be asked for.
 *
 * @param typed what `--scene` says; undefined where it was not given.
 * @returns warnings: which policies know other scenes.
 * @throws {UsageError} where one does, and the scene was not typed.
 */
export function checkScene(typed: SceneName | undefined, policies: readonly TrainedPolicy[]): string[] {
  const scene = typed ?? USUAL_SCENE;
  return policies.flatMap(({ mode, policy, metadata: { scenes } }) => {
    if (!Array.isArray(scenes) || scenes.includes(scene)) return [];
    const known = scenes.length === 0 ? "no scene that its manifest names" : `pictures of ${scenes.join(", ")}`;
    if (typed === undefined) {
      const fitting = scenes.length === 0 ? "" : `--scene ${scenes[0]}, or `;
      throw new UsageError(
        `Cannot play ${policy} in the scene ${scene} unasked: it was trained on ${known}; ` +
          `add ${fitting}--scene ${scene} to see how it does there`,
      );
    }
    return [`${mode}: ${policy} was trained on ${known}, and plays in the scene ${scene}`];
  });
}

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
