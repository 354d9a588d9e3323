/**
 * What a checkpoint was trained to expect around the model: which robot, which normalisation, which prompt. These are
 * choices of openpi's training configurations, which the weights do not tell.
 *
 * @module
 */

import { ROBOT_NAMES, type RobotName, ROBOTS } from "../robot/mod.ts";
import { GRIPPER_CONSTANTS, type GripperConstants, type RobotProfile } from "../robot/profile.ts";
import { makeMask } from "./actions.ts";
import type { Normalization } from "./normalize.ts";

/** Settings of a policy. In files they have the names in {@linkcode SETTING_NAMES}. */
export interface PolicySettings {
  readonly robot: RobotName;
  /** Folder of the norm stats in a checkpoint's `assets`; null where there is none. */
  readonly assetId: string | null;
  readonly normalization: Normalization;
  /** The model works in the space of PI's robots; null for robots without one. */
  readonly adaptToPi: boolean | null;
  /** For `adaptToPi`. */
  readonly gripperConstants: GripperConstants;
  /**
   * Which actions the model predicts relative to the state: so many that are (positive), so many that are not
   * (negative), and so on; null where all are absolute.
   */
  readonly deltaActionDims: readonly number[] | null;
  /** The prompt tells the state, as it does in most π₀.₅ configurations. */
  readonly discreteStateInput: boolean;
  /** For requests without a prompt. */
  readonly defaultPrompt: string | null;
  /** The simulated scenes whose pictures it was trained on; empty where nobody has said. */
  readonly scenes: readonly string[];
}

/** The names of the settings in files. */
export const SETTING_NAMES = {
  robot: "robot",
  assetId: "asset_id",
  normalization: "normalization",
  adaptToPi: "adapt_to_pi",
  gripperConstants: "gripper_constants",
  deltaActionDims: "delta_action_dims",
  discreteStateInput: "discrete_state_input",
  defaultPrompt: "default_prompt",
  scenes: "scenes",
} as const satisfies Record<keyof PolicySettings, string>;

const NORMALIZATIONS = ["zscore", "quantile"] as const satisfies readonly Normalization[];

/**
 * Reads settings from a JSON value. `robot`, `normalization` and `discrete_state_input` are required, and `adapt_to_pi`
 * for a robot that has the choice; `gripper_constants` is "current" unless said otherwise, `scenes` empty, the rest null.
 *
 * @param name of the file, for the error.
 * @throws {Error} where a setting is unknown, missing, or of another kind.
 */
export function readPolicySettings(value: unknown, name: string): PolicySettings {
  const fail = (reason: string) => new Error(`Cannot read policy settings in ${name}: ${reason}`);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw fail("they are no JSON object");
  const object = value as Record<string, unknown>;
  const known: readonly string[] = Object.values(SETTING_NAMES);
  for (const key of Object.keys(object)) {
    if (!known.includes(key)) throw fail(`"${key}" is no setting; the settings are ${known.join(", ")}`);
  }

  const wrong = (key: string, expected: string) => {
    const found = object[key] === undefined ? "is missing" : `is ${JSON.stringify(object[key])}`;
    return fail(`"${key}" ${found}, and must be ${expected}`);
  };
  const choice = <T extends string>(key: string, choices: readonly T[], otherwise?: T): T => {
    const found = object[key] ?? otherwise;
    if (!choices.includes(found as T)) throw wrong(key, choices.map((one) => `"${one}"`).join(" or "));
    return found as T;
  };
  const text = (key: string): string | null => {
    const found = object[key] ?? null;
    if (found !== null && typeof found !== "string") throw wrong(key, "text or null");
    return found;
  };

  const robot = choice(SETTING_NAMES.robot, ROBOT_NAMES);
  const profile: RobotProfile = ROBOTS[robot];

  const adaptToPi = object[SETTING_NAMES.adaptToPi] ?? null;
  if (profile.piSpace !== undefined) {
    if (typeof adaptToPi !== "boolean") throw wrong(SETTING_NAMES.adaptToPi, `true or false for ${robot}`);
  } else if (adaptToPi !== null && adaptToPi !== false) {
    throw wrong(SETTING_NAMES.adaptToPi, `null for ${robot}`);
  }

  const discreteStateInput = object[SETTING_NAMES.discreteStateInput];
  if (typeof discreteStateInput !== "boolean") throw wrong(SETTING_NAMES.discreteStateInput, "true or false");

  const deltaActionDims = object[SETTING_NAMES.deltaActionDims] ?? null;
  if (deltaActionDims !== null && !isDims(deltaActionDims, profile.actionDim)) {
    const expected = `null, or whole numbers such as [6, -1] for at most ${profile.actionDim} actions of ${robot}`;
    throw wrong(SETTING_NAMES.deltaActionDims, expected);
  }

  const scenes = object[SETTING_NAMES.scenes] ?? [];
  if (!Array.isArray(scenes) || !scenes.every((scene) => typeof scene === "string")) {
    throw wrong(SETTING_NAMES.scenes, 'a list of names such as ["builtin", "gym-aloha"]');
  }

  return {
    robot,
    assetId: text(SETTING_NAMES.assetId),
    normalization: choice(SETTING_NAMES.normalization, NORMALIZATIONS),
    adaptToPi: adaptToPi as boolean | null,
    gripperConstants: choice(SETTING_NAMES.gripperConstants, GRIPPER_CONSTANTS, "current"),
    deltaActionDims,
    discreteStateInput,
    defaultPrompt: text(SETTING_NAMES.defaultPrompt),
    scenes,
  };
}

function isDims(value: unknown, most: number): value is number[] {
  if (!Array.isArray(value) || !value.every((dim) => Number.isInteger(dim) && Math.abs(dim) <= most)) return false;
  return makeMask(value).length <= most;
}
