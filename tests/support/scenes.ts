/**
 * Both scenes for tests. The official one is no part of this repository: it is read from `assets/gym_aloha` of the folder
 * that the environment variable `PI0_SHARED` names, and tests of it are ignored where there is none.
 */

import { existsSync } from "node:fs";
import { openWorld, type World } from "../../src/sim/mujoco.ts";
import { SCENE_NAMES, type SceneName } from "../../src/sim/mod.ts";
import { builtinScene } from "../../src/sim/scenes/builtin.ts";
import { loadGymAloha } from "../../src/sim/scenes/gym_aloha.ts";
import type { TaskName } from "../../src/sim/task.ts";

/** The folder of larger golden data, which need not be there. */
export const SHARED = Deno.env.get("PI0_SHARED") ?? `${import.meta.dirname}/../../../shared`;

/** Golden data of the reference simulation. */
export const SIM_FIXTURES = `${SHARED}/fixtures/sim`;

/** Where the official scene is. */
export const SCENE_FOLDER = `${SHARED}/assets/gym_aloha`;

/** Each scene, and whether it is not here. */
export const SCENES: readonly { readonly scene: SceneName; readonly absent: boolean; readonly label: string }[] =
  SCENE_NAMES.map((scene) => {
    const official = scene === "gym-aloha";
    return {
      scene,
      absent: official && !existsSync(SCENE_FOLDER),
      label: official ? "gym-aloha scene (needs PI0_SHARED)" : "builtin scene",
    };
  });

export async function openScene(scene: SceneName, task: TaskName): Promise<World> {
  return await openWorld(scene === "builtin" ? builtinScene(task) : await loadGymAloha(SCENE_FOLDER, task));
}
