/**
 * The tasks and the scenes, as tables: a new one is one file and one line here.
 *
 * @module
 */

import { AlohaEnvironment } from "./environment.ts";
import { insertion } from "./insertion.ts";
import type { SceneFiles } from "./mujoco.ts";
import { builtinScene } from "./scenes/builtin.ts";
import { loadGymAloha } from "./scenes/gym_aloha.ts";
import type { Task, TaskName } from "./task.ts";
import { transferCube } from "./transfer_cube.ts";

export const TASKS = { transfer_cube: transferCube, insertion } as const satisfies Record<TaskName, Task>;

/** How a task's files come: from the program itself, or from a folder that a user has. */
type SceneLoader = (task: TaskName, folder: string) => SceneFiles | Promise<SceneFiles>;

const SCENES = {
  /** Made by this program: gym-aloha's physics, and looks of its own. */
  "builtin": builtinScene,
  /** The official files. */
  "gym-aloha": (task, folder) => loadGymAloha(folder, task),
} as const satisfies Record<string, SceneLoader>;

export type SceneName = keyof typeof SCENES;

export const TASK_NAMES = Object.keys(TASKS) as readonly TaskName[];
export const SCENE_NAMES = Object.keys(SCENES) as readonly SceneName[];

export interface SimulationOptions {
  readonly task: TaskName;
  readonly scene: SceneName;
  /** Where the files of the scene lie, if it needs any. */
  readonly sceneFolder: string;
  /** Control steps until an episode is over. */
  readonly maxSteps: number;
  /** Pictures in an observation, by the robot's names (`cam_high`) or the scene's (`angle`). */
  readonly observed: readonly string[];
}

/** Opens a task in a scene. @throws {SimulationError} where files are missing or not as published. */
export async function openEnvironment(options: SimulationOptions): Promise<AlohaEnvironment> {
  const { task, scene, sceneFolder, maxSteps, observed } = options;
  const files = await SCENES[scene](task, sceneFolder);
  return await AlohaEnvironment.open({ task: TASKS[task], scene, files, maxSteps, observed });
}
