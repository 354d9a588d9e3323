/**
 * Models without trained weights, for trying the program and measuring its speed: their actions mean nothing.
 *
 * @module
 */
import { type RobotName, ROBOTS } from "../robot/mod.ts";
import type { RobotProfile } from "../robot/profile.ts";
import { PI0_CONFIGS, type Pi0Config } from "./config.ts";
import { buildPi0Graph } from "./graph.ts";
import { makePipeline } from "./preprocess.ts";
import type { ByteType } from "./quantize.ts";
import { makeRandomWeights } from "./random_weights.ts";
import { type FoldedTime, foldTime } from "./time.ts";
import { byteTokenizer } from "./tokenizer.ts";
import { countParameters, listExternalTensors, type Pi0Model } from "./model.ts";
import type { Precision } from "./weights.ts";

/** The models that can be made up, as in `random:tiny`. */
export const RANDOM_MODELS = Object.keys(PI0_CONFIGS) as RandomModelName[];
export type RandomModelName = keyof typeof PI0_CONFIGS;

export interface RandomModelOptions {
  readonly name: RandomModelName;
  readonly robot: RobotName;
  readonly precision: Precision;
  /** For int8. */
  readonly byteType: ByteType;
  /** Decides the weights. */
  readonly seed: number;
  readonly probes: boolean;
  /** Where the weights are kept, or shall be: a folder that exists. */
  readonly folder: string;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** Requests without a prompt get this one. */
const DEFAULT_PROMPT = "do the task";

/** Makes up a model. Weights that another start has made are used again. */
export async function makeRandomModel(options: RandomModelOptions): Promise<Pi0Model> {
  const { name, robot, precision, byteType, seed, probes, folder, onProgress } = options;
  const config: Pi0Config = PI0_CONFIGS[name];
  const profile: RobotProfile = ROBOTS[robot];
  const weights = await makeRandomWeights(config, {
    precision,
    fusion: { attention: true, gate: false },
    seed,
    folder,
    byteType,
    ...(onProgress && { onProgress }),
  });
  const folded = new Map<number, FoldedTime>();
  const pipeline = makePipeline({
    policy: {
      robot,
      assetId: null,
      normalization: "zscore",
      adaptToPi: profile.piSpace === undefined ? null : false,
      gripperConstants: "current",
      deltaActionDims: null,
      discreteStateInput: config.family === "pi05",
      defaultPrompt: DEFAULT_PROMPT,
      // Made-up weights do as badly in all of them.
      scenes: ["builtin", "gym-aloha"],
    },
    normStats: null,
    prompts: { kind: "tokenizer", tokenizer: byteTokenizer },
    model: config,
  });
  const files = new Set(listExternalTensors(weights).map(({ file }) => file));
  return {
    name: `random:${name}`,
    config,
    pipeline,
    weights,
    byteType: precision === "int8" ? byteType : null,
    checkpointHash: null,
    parameters: countParameters(config),
    probes,
    variants: [{ cameras: profile.cameras.filter(({ required }) => required).length, flowSteps: config.flowSteps }],
    folder,
    weightFiles: Object.fromEntries([...files].map((file) => [file, `${folder}/${file}`])),
    async graph({ cameras, flowSteps }) {
      let time = folded.get(flowSteps);
      if (time === undefined) folded.set(flowSteps, time = await foldTime(weights, flowSteps));
      return { bytes: buildPi0Graph(weights, { cameras, time, probes }) };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
