/**
 * From an observation to what the model takes, and from what it gives to a robot's actions: openpi's chain of
 * transforms, as two pure functions.
 *
 * @module
 */

import { WireError } from "../errors.ts";
import { resizeWithPad } from "../image.ts";
import { ROBOTS } from "../robot/mod.ts";
import { IMAGE_SLOTS, type ImageSlot, type RobotProfile } from "../robot/profile.ts";
import { assignSlots } from "../robot/slots.ts";
import type { Bytes, Image, Observation } from "../types.ts";
import { fitRows, makeAbsolute, makeMask } from "./actions.ts";
import { normalize, type NormStats, unnormalize } from "./normalize.ts";
import type { PolicySettings } from "./policy_settings.ts";
import {
  cleanPrompt,
  describeTable,
  type PromptSource,
  type PromptTable,
  type PromptTokens,
  tokenizePrompt,
} from "./prompt.ts";

/** What the pipeline must know. Made by {@linkcode makePipeline}, which checks that it fits together. */
export interface Pipeline {
  readonly policy: PolicySettings;
  /** null for models without trained weights: numbers go through as they are. */
  readonly normStats: NormStats | null;
  readonly prompts: PromptSource;
  readonly model: ModelSizes;
}

/** The sizes of a model's inputs and output. */
export interface ModelSizes {
  /** Numbers in its state, and in a row of its actions. */
  readonly actionDim: number;
  /** Slots for prompt tokens. */
  readonly promptSlots: number;
  /** Token ids are below this. */
  readonly vocabularySize: number;
  readonly imageWidthPx: number;
  readonly imageHeightPx: number;
}

/** Interleaved RGB of the model's size, row 0 on top; null where the model's mask is false. */
export type SlotImages = Readonly<Record<ImageSlot, Bytes | null>>;

/** What the model takes. */
export interface ModelInput extends PromptTokens {
  readonly images: SlotImages;
  /** `actionDim` numbers: the normalised state, then zeros. */
  readonly state: Float32Array<ArrayBuffer>;
  /** Cameras that were sent, and that this robot's models do not look at. */
  readonly ignoredCameras: readonly string[];
}

/**
 * Puts a pipeline together.
 *
 * @throws {Error} where its parts do not fit: norm stats of another robot or without quantiles, a table of prompts that
 * lacks the default prompt or cannot tell the state, a model too small for the robot or the tokenizer.
 */
export function makePipeline(parts: Pipeline): Pipeline {
  const { policy, normStats, prompts, model } = parts;
  const { stateDim, actionDim } = profileOf(parts);
  if (Math.max(stateDim, actionDim) > model.actionDim) {
    const needed = Math.max(stateDim, actionDim);
    throw new Error(`Cannot drive ${policy.robot} with this model: it has ${model.actionDim} numbers, not ${needed}`);
  }
  for (const [key, needed] of [["state", stateDim], ["actions", actionDim]] as const) {
    if (normStats === null) break;
    const { mean, quantiles } = normStats[key];
    const found = `Cannot use norm stats with ${mean.length} numbers for "${key}"`;
    if (mean.length < needed) throw new Error(`${found}: ${policy.robot} has ${needed}; choose another asset id`);
    if (mean.length > model.actionDim) throw new Error(`${found}: the model has ${model.actionDim}`);
    if (policy.normalization === "quantile" && quantiles === null) {
      throw new Error(`Cannot normalise by quantiles: the norm stats have none for "${key}"; choose another asset id`);
    }
  }
  if (prompts.kind === "table") checkTable(policy, prompts.prompts, model);
  else if (prompts.tokenizer.vocabularySize > model.vocabularySize) {
    const { description, vocabularySize } = prompts.tokenizer;
    const found = `${description} (${vocabularySize} ids)`;
    throw new Error(`Cannot use the tokenizer ${found}: the model knows ${model.vocabularySize}; give the one it had`);
  }
  return parts;
}

function checkTable(policy: PolicySettings, prompts: PromptTable, { promptSlots, vocabularySize }: ModelSizes): void {
  if (policy.discreteStateInput) {
    throw new Error("Cannot tell the state in prompts from a table: give a tokenizer instead");
  }
  for (const [prompt, ids] of prompts) {
    const name = JSON.stringify(prompt);
    if (cleanPrompt(prompt) !== prompt) {
      throw new Error(`Cannot use the prompt ${name} in a table: write it as ${JSON.stringify(cleanPrompt(prompt))}`);
    }
    const areIds = ids.every((id) => Number.isInteger(id) && id >= 0 && id < vocabularySize);
    if (ids.length === 0 || ids.length > promptSlots || !areIds) {
      const expected = `1 to ${promptSlots} whole numbers from 0 to ${vocabularySize - 1}`;
      throw new Error(`Cannot use the token ids of ${name}: they must be ${expected}`);
    }
  }
  const { defaultPrompt } = policy;
  if (defaultPrompt !== null && !prompts.has(cleanPrompt(defaultPrompt))) {
    const known = describeTable(prompts);
    throw new Error(`Cannot use the default prompt ${JSON.stringify(defaultPrompt)}: the table has ${known}`);
  }
}

function profileOf({ policy }: Pipeline): RobotProfile {
  return ROBOTS[policy.robot];
}

/**
 * What the model takes for an observation.
 *
 * @throws {WireError} where the observation does not fit: a camera too many or too few, another number of states, no
 * prompt, or one that cannot be used.
 */
export function preprocess(observation: Observation, pipeline: Pipeline): ModelInput {
  const { policy, prompts, model } = pipeline;
  const profile = profileOf(pipeline);
  const prompt = observation.prompt ?? policy.defaultPrompt;
  if (prompt === null) {
    throw new WireError("missing_field", { field: "prompt", found: "nothing", expected: "text" });
  }
  const { images, ignoredCameras } = assignSlots(profile, observation.images);
  const state = normalizeState(observation.state, pipeline);
  return {
    images: Object.fromEntries(IMAGE_SLOTS.map((slot) => [slot, fitImage(images[slot], slot, model)])) as SlotImages,
    state: Float32Array.from(fitRows(state, state.length, model.actionDim)),
    ...tokenizePrompt(prompts, prompt, policy.discreteStateInput ? state : null, model.promptSlots),
    ignoredCameras,
  };
}

function fitImage(image: Image | null, slot: ImageSlot, { imageWidthPx, imageHeightPx }: ModelSizes): Bytes | null {
  if (image === null) return null;
  try {
    return resizeWithPad(image, imageWidthPx, imageHeightPx).data;
  } catch (cause) {
    const found = `${image.width}×${image.height} pixels for ${slot}`;
    throw new WireError("wrong_shape", { field: "images", found, expected: "a picture less long and thin" }, { cause });
  }
}

function normalizeState(state: Float64Array, pipeline: Pipeline): Float64Array {
  const { policy, normStats } = pipeline;
  const { stateDim, piSpace } = profileOf(pipeline);
  if (state.length !== stateDim) {
    throw new WireError("wrong_shape", { field: "state", found: `[${state.length}]`, expected: `[${stateDim}]` });
  }
  const adapted = policy.adaptToPi ? piSpace!.stateToPi(state, policy.gripperConstants) : state;
  return normStats === null ? adapted : normalize(adapted, normStats.state, policy.normalization);
}

/**
 * The robot's actions from the model's.
 *
 * @param actions rows of `model.actionDim`, normalised.
 * @param state the one of the {@linkcode ModelInput}; relative actions start from it.
 * @returns as many rows of the robot's `actionDim`, in robot units.
 */
export function postprocess(actions: Float32Array, state: Float32Array, pipeline: Pipeline): Float64Array {
  const { policy, normStats, model } = pipeline;
  const { actionDim, piSpace } = profileOf(pipeline);
  const width = model.actionDim;
  if (actions.length % width !== 0 || state.length !== width) {
    const found = `${actions.length} actions and a state of ${state.length} numbers`;
    throw new RangeError(`Cannot use ${found}: the model's rows and states have ${width}`);
  }
  const scale = (rows: Float32Array, key: keyof NormStats) =>
    normStats === null ? Float64Array.from(rows) : unnormalize(rows, width, normStats[key], policy.normalization);
  const scaled = scale(actions, "actions");
  const absolute = policy.deltaActionDims === null
    ? scaled
    : makeAbsolute(scaled, width, scale(state, "state"), makeMask(policy.deltaActionDims));
  const own = fitRows(absolute, width, actionDim);
  return policy.adaptToPi ? piSpace!.actionsFromPi(own, policy.gripperConstants) : own;
}
