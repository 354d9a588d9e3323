/**
 * From a model to a policy that runs it: one session per variant, all on one copy of the weights.
 *
 * @module
 */

import { relative } from "node:path";
import type { Clock } from "../clock.ts";
import type { Provider, ProviderName, Runtime, SharedWeights } from "../ort/mod.ts";
import { listExternalTensors, type Pi0Model, PRECISIONS, weightBytes } from "../pi0/model.ts";
import type { Variant } from "../pi0/model_folder.ts";
import type { ByteType } from "../pi0/quantize.ts";
import { buildSaturationProbe, chooseByteType, saturationInput } from "../pi0/saturation.ts";
import type { Metadata } from "../types.ts";
import { ModelPolicy } from "./pi0.ts";

export interface LoadPolicyOptions {
  /** Belongs to the policy from now on, and goes with it. */
  readonly runtime: Runtime;
  readonly provider: ProviderName;
  /** Threads of one operation. */
  readonly threads: number;
  /** The variants to load: each number of cameras with each number of Euler steps; the model's own where absent. */
  readonly cameras?: readonly number[] | undefined;
  readonly flowSteps?: readonly number[] | undefined;
  readonly clock: Clock;
  readonly onLoad?: (done: number, total: number) => void;
  readonly onWarmUp?: (done: number, total: number) => void;
}

/**
 * Weights up to here are copied into the order that the kernels like best. For larger float32 ones that would double the
 * memory, and turn a start of a second into one of many.
 */
const PREPACKED_BYTES = 2 ** 30;

/**
 * Loads a model's variants.
 *
 * @throws {OrtError} where ONNX Runtime cannot run it here. @throws {Error} where the model's 8-bit weights are not right
 * on this processor, or it has no such variant.
 */
export async function loadPolicy(model: Pi0Model, options: LoadPolicyOptions): Promise<ModelPolicy> {
  const { runtime, clock, onLoad, onWarmUp } = options;
  if (model.byteType === "I8" && await findByteType(runtime) === "U8") {
    throw new Error(
      `Cannot run ${model.name} here: its 8-bit weights are signed, which this processor multiplies wrongly; ` +
        "export the model again on this machine",
    );
  }
  const { folder } = model;
  if (
    options.provider !== "cpu" && folder !== null &&
    Object.values(model.weightFiles).some((path) => !isIn(folder, path))
  ) {
    throw new Error(
      `Cannot run ${model.name} on ${options.provider}: its weights are in a checkpoint elsewhere, which only the CPU ` +
        "can use; export it again without --reference",
    );
  }
  const { config, weights } = model;
  const variants = chooseVariants(model, options);
  const provider: Provider = options.provider === "cuda" ? { name: "cuda", graph: true } : { name: options.provider };
  const loaded = [];
  for (const variant of variants) {
    onLoad?.(loaded.length, variants.length);
    const session = await runtime.load({
      model: await model.graph(variant),
      provider,
      threads: options.threads,
      prepacking: weights.precision === "int8" || weightBytes(weights) <= PREPACKED_BYTES,
      ...(folder !== null && { initializersFolder: folder }),
      // On a GPU the weights are copied to its memory anyway.
      ...(provider.name === "cpu" && { sharedWeights: listSharedWeights(model) }),
    });
    loaded.push({ ...variant, session });
    onLoad?.(loaded.length, variants.length);
  }
  return new ModelPolicy({
    name: model.name,
    config,
    pipeline: model.pipeline,
    variants: loaded,
    checkpointHash: model.checkpointHash,
    model: describeModel(model, variants, options),
    clock,
    warmUpRuns: provider.name === "cuda" ? 3 : 1,
    onWarmUp,
    release: () => runtime[Symbol.asyncDispose](),
  });
}

function isIn(folder: string, path: string): boolean {
  return !relative(folder, path).startsWith("..");
}

/** What 8-bit weights must be on this processor. */
export async function findByteType(runtime: Runtime): Promise<ByteType> {
  await using session = await runtime.load({
    model: { bytes: buildSaturationProbe() },
    provider: { name: "cpu" },
    threads: 1,
  });
  const { product } = await session.run({ bytes: saturationInput() });
  return chooseByteType(product as Int32Array);
}

function chooseVariants(model: Pi0Model, { cameras, flowSteps }: LoadPolicyOptions): Variant[] {
  const slots = model.config.cameraSlots.length;
  const tooMany = cameras?.find((count) => count > slots);
  if (tooMany !== undefined) {
    throw new Error(`Cannot load ${model.name} for ${tooMany} cameras: it has places for ${slots}`);
  }
  const own = (key: keyof Variant) => [...new Set(model.variants.map((variant) => variant[key]))];
  return (flowSteps ?? own("flowSteps")).flatMap((steps) =>
    (cameras ?? own("cameras")).map((count) => ({ cameras: count, flowSteps: steps }))
  );
}

function listSharedWeights({ weights, weightFiles }: Pi0Model): SharedWeights[] {
  const byFile = Map.groupBy(listExternalTensors(weights), ({ file }) => file);
  return [...byFile].map(([file, tensors]) => ({ path: weightFiles[file]!, tensors }));
}

/** What `/info` tells of a model. */
function describeModel(model: Pi0Model, variants: readonly Variant[], options: LoadPolicyOptions): Metadata {
  const { config, pipeline, weights } = model;
  const { prompts, policy } = pipeline;
  return {
    family: config.family,
    random: model.checkpointHash === null,
    parameters: model.parameters,
    weightBytes: weightBytes(weights),
    precision: Object.entries(PRECISIONS).find(([, precision]) => precision === weights.precision)![0],
    provider: options.provider,
    threads: options.threads,
    library: options.runtime.library.path,
    cameras: [...new Set(variants.map(({ cameras }) => cameras))],
    flowSteps: [...new Set(variants.map(({ flowSteps }) => flowSteps))],
    horizon: config.actionHorizon,
    actionDim: config.actionDim,
    cameraSlots: config.cameraSlots,
    promptSlots: config.promptSlots,
    tokenizer: prompts.kind === "tokenizer" ? prompts.tokenizer.description : null,
    prompts: prompts.kind === "table" ? [...prompts.prompts.keys()] : null,
    defaultPrompt: policy.defaultPrompt,
    normalization: pipeline.normStats === null ? null : policy.normalization,
  };
}
