/**
 * π₀ and π₀.₅ as a policy: an observation is prepared, the graph for its number of cameras is run, and what comes out
 * becomes the robot's actions.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { PolicyError, WireError } from "../errors.ts";
import type { Tensors } from "../ort/mod.ts";
import type { Pi0Config } from "../pi0/config.ts";
import { emptyInputs } from "../pi0/model.ts";
import type { Variant } from "../pi0/model_folder.ts";
import { noiseFor, NoiseStream } from "../pi0/noise.ts";
import { type ModelInput, type Pipeline, postprocess, preprocess } from "../pi0/preprocess.ts";
import { ROBOTS } from "../robot/mod.ts";
import { IMAGE_SLOTS, type ImageSlot } from "../robot/profile.ts";
import type { ActionChunk, Metadata, Observation, Policy } from "../types.ts";

/** A graph that is loaded. */
export interface LoadedVariant extends Variant {
  readonly session: {
    run(inputs: Tensors, signal?: AbortSignal): Promise<Tensors>;
  };
}

export interface ModelPolicyParts {
  readonly name: string;
  readonly config: Pi0Config;
  readonly pipeline: Pipeline;
  /** The first number of Euler steps is that of requests that do not say. */
  readonly variants: readonly LoadedVariant[];
  readonly checkpointHash: string | null;
  readonly model: Metadata;
  readonly clock: Clock;
  /** Runs of each variant before the first request: a GPU records its third. */
  readonly warmUpRuns: number;
  readonly onWarmUp?: ((done: number, total: number) => void) | undefined;
  /** Lets go of what the sessions need. */
  readonly release: () => Promise<void>;
}

/** Everything that came out for one observation. */
export interface Inference {
  readonly chunk: ActionChunk;
  /** Every output of the graph, by name: `actions`, and the probes where it has them. */
  readonly outputs: Tensors;
}

export class ModelPolicy implements Policy {
  readonly name: string;
  readonly actionHorizon: number;
  readonly actionDim: number;
  readonly checkpointHash: string | null;
  readonly metadata: Metadata;
  readonly model: Metadata;
  readonly #parts: ModelPolicyParts;
  /** As a fresh server of openpi draws it. */
  readonly #noise = new NoiseStream(0);
  #released: Promise<void> | undefined;

  constructor(parts: ModelPolicyParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.actionHorizon = parts.config.actionHorizon;
    this.actionDim = ROBOTS[parts.pipeline.policy.robot].actionDim;
    this.checkpointHash = parts.checkpointHash;
    this.metadata = { scenes: parts.pipeline.policy.scenes };
    this.model = parts.model;
  }

  async warmUp(signal: AbortSignal): Promise<void> {
    const { variants, config, warmUpRuns, onWarmUp } = this.#parts;
    const total = variants.length * warmUpRuns;
    let done = 0;
    onWarmUp?.(done, total);
    for (const { cameras, session } of variants) {
      for (let run = 0; run < warmUpRuns; run++) {
        signal.throwIfAborted();
        await session.run(emptyInputs(config, cameras), signal);
        onWarmUp?.(++done, total);
      }
    }
  }

  async infer(observation: Observation, signal: AbortSignal): Promise<ActionChunk> {
    return (await this.inferAll(observation, signal)).chunk;
  }

  /**
   * {@linkcode infer}, with all that the graph gives.
   *
   * @throws {WireError} where the observation does not fit. @throws {PolicyError} undeclared_variant.
   */
  async inferAll(observation: Observation, signal: AbortSignal): Promise<Inference> {
    signal.throwIfAborted();
    const { clock, config, pipeline } = this.#parts;
    const startedMs = clock.now();
    const input = preprocess(observation, pipeline);
    const pictures = this.#listPictures(input);
    const { session } = this.#findVariant(pictures.length, observation.flowSteps);
    const { actionHorizon, actionDim } = config;
    const inputs = {
      images: joinBytes(pictures),
      tokens: input.tokens,
      token_count: Int32Array.of(input.validTokens),
      ...(config.family === "pi0" && { state: input.state }),
      noise: noiseFor(observation, [actionHorizon, actionDim], this.#noise),
    };
    const preparedMs = clock.now();
    const outputs = await session.run(inputs, signal);
    const inferredMs = clock.now();
    const actions = postprocess(outputs["actions"] as Float32Array, input.state, pipeline);
    const timing = {
      preprocess: preparedMs - startedMs,
      infer: inferredMs - preparedMs,
      postprocess: clock.now() - inferredMs,
    };
    const { ignoredCameras, validTokens, droppedTokens } = input;
    const cutPrompt = { tokens: validTokens + droppedTokens, slots: validTokens };
    return {
      chunk: {
        actions,
        actionHorizon,
        actionDim: this.actionDim,
        timing,
        ...(ignoredCameras.length > 0 && { ignoredCameras }),
        ...(droppedTokens > 0 && { cutPrompt }),
      },
      outputs,
    };
  }

  /** The pictures that are there, in the model's order. */
  #listPictures({ images }: ModelInput): Uint8Array[] {
    const { cameraSlots } = this.#parts.config;
    const { robot } = this.#parts.pipeline.policy;
    for (const slot of IMAGE_SLOTS) {
      if (images[slot] === null || cameraSlots.includes(slot)) continue;
      const { name } = ROBOTS[robot].cameras.find((camera) => camera.slot === slot)!;
      const expected = `pictures for ${cameraSlots.join(", ")} only: this model has no place for more`;
      throw new WireError("unknown_camera", { field: name, found: `a picture for ${slot}`, expected });
    }
    return cameraSlots.map((slot) => images[slot as ImageSlot]).filter((picture) => picture !== null);
  }

  #findVariant(cameras: number, flowSteps?: number): LoadedVariant {
    const { variants } = this.#parts;
    const steps = flowSteps ?? variants[0]!.flowSteps;
    const variant = variants.find((one) => one.cameras === cameras && one.flowSteps === steps);
    if (variant !== undefined) return variant;
    const listed = (key: keyof Variant) => [...new Set(variants.map((one) => one[key]))].join(", ");
    throw new PolicyError(
      "undeclared_variant",
      `Cannot infer from ${cameras} cameras in ${steps} steps: the model is loaded for ${listed("cameras")} cameras ` +
        `and ${listed("flowSteps")} steps; start it with --cameras ${cameras} --flow-steps ${steps}`,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#released ??= this.#parts.release();
  }
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
