/**
 * The whole way from a request to the model and from the model to the robot, held against openpi's `Policy`. See
 * `tests/fixtures/pi0/README.md`.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { WireError } from "../../src/errors.ts";
import { decodePng, toChw } from "../../src/image.ts";
import { readNormStats } from "../../src/pi0/normalize.ts";
import { readPolicySettings } from "../../src/pi0/policy_settings.ts";
import { makePipeline, type Pipeline, postprocess, preprocess } from "../../src/pi0/preprocess.ts";
import { makeSentencePieceTokenizer } from "../../src/pi0/sentencepiece.ts";
import { byteTokenizer } from "../../src/pi0/tokenizer.ts";
import { ROBOTS } from "../../src/robot/mod.ts";
import { IMAGE_SLOTS, type ImageSlot, type RobotProfile } from "../../src/robot/profile.ts";
import type { Image, Observation } from "../../src/types.ts";
import { GOLDEN_SETS, type GoldenSet, readFloat32, readFloat64, readJson } from "../support/golden_openpi.ts";
import { tinyImage, tinyObservation, tinyState } from "../support/tiny.ts";

interface GoldenPicture {
  file: string;
  layout: "CHW" | "HWC";
}

interface GoldenCase {
  name: string;
  policy: { robot: keyof typeof ROBOTS; asset_id: string };
  request: Record<string, unknown> & { prompt?: string };
  model_input: {
    images: Record<ImageSlot, { mask: boolean; rgb_sha256?: string }>;
    tokens: number[];
    valid_tokens: number;
    state: number[];
  };
  expected: { actions: { file: string }; robot_actions: { file: string } };
}

interface GoldenConfig {
  action_dim: number;
  max_token_len: number;
  image_resolution: [number, number];
  paligemma: { vocab_size: number };
}

/** The observation that a request means. Where pictures are not kept, small ones stand for them. */
async function observationOf({ request, policy }: GoldenCase, folder: string, isWhole: boolean): Promise<Observation> {
  const profile: RobotProfile = ROBOTS[policy.robot];
  const images: Record<string, Image> = {};
  for (const { name, wireKey: [first, second] } of profile.cameras) {
    const group = request[first] as Record<string, unknown> | undefined;
    const picture = (second === undefined ? group : group?.[second]) as GoldenPicture | undefined;
    if (picture === undefined) continue;
    const image = isWhole ? decodePng(await Deno.readFile(`${folder}/${picture.file}`)) : tinyImage(1, "hwc");
    images[name] = picture.layout === "CHW" ? toChw(image) : image;
  }
  const state = Float64Array.from(profile.stateParts.flatMap(({ wireKey }) => request[wireKey] as number[]));
  return { images, state, ...(request.prompt === undefined ? {} : { prompt: request.prompt }) };
}

async function pipelineOf({ policy }: GoldenCase, folder: string, set: GoldenSet): Promise<Pipeline> {
  const { action_dim, max_token_len, image_resolution, paligemma } = await readJson<GoldenConfig>(
    `${folder}/config.json`,
  );
  const tokenizer = makeSentencePieceTokenizer(await Deno.readFile(`${set.folder}/tokenizer/tokenizer.model`));
  const statsPath = `${folder}/assets/${policy.asset_id}/norm_stats.json`;
  return makePipeline({
    policy: readPolicySettings(policy, "golden"),
    normStats: readNormStats(await Deno.readTextFile(statsPath), statsPath),
    prompts: { kind: "tokenizer", tokenizer },
    model: {
      actionDim: action_dim,
      promptSlots: max_token_len,
      vocabularySize: paligemma.vocab_size,
      imageHeightPx: image_resolution[0],
      imageWidthPx: image_resolution[1],
    },
  });
}

for (const set of GOLDEN_SETS) {
  for (const model of ["pi0_tiny", "pi05_tiny"]) {
    const folder = `${set.folder}/${model}`;
    const load = async () => (await readJson<{ cases: GoldenCase[] }>(`${folder}/cases.json`)).cases;

    Deno.test({
      name: `preprocess() gives ${model} exactly what openpi gives it (${set.name})`,
      ignore: set.isMissing,
      async fn(test) {
        for (const golden of await load()) {
          await test.step(golden.name, async () => {
            const pipeline = await pipelineOf(golden, folder, set);
            const found = preprocess(await observationOf(golden, folder, set.isWhole), pipeline);
            const { images, tokens, valid_tokens, state } = golden.model_input;
            assert.deepEqual([...found.tokens], [...tokens]);
            assert.equal(found.validTokens, valid_tokens);
            assert.deepEqual(found.state, Float32Array.from(state));
            for (const slot of IMAGE_SLOTS) {
              const pixels = found.images[slot];
              assert.equal(pixels !== null, images[slot].mask, slot);
              if (pixels === null || !set.isWhole) continue;
              assert.equal(createHash("sha256").update(pixels).digest("hex"), images[slot].rgb_sha256, slot);
            }
          });
        }
      },
    });

    Deno.test({
      name: `postprocess() turns ${model}'s actions into exactly openpi's robot actions (${set.name})`,
      ignore: set.isMissing,
      async fn(test) {
        for (const golden of await load()) {
          await test.step(golden.name, async () => {
            const { actions, robot_actions } = golden.expected;
            const state = Float32Array.from(golden.model_input.state);
            const pipeline = await pipelineOf(golden, folder, set);
            const found = postprocess(await readFloat32(`${folder}/${actions.file}`), state, pipeline);
            assert.deepEqual(found, await readFloat64(`${folder}/${robot_actions.file}`));
          });
        }
      },
    });
  }
}

const settings = {
  robot: "aloha",
  normalization: "zscore",
  adapt_to_pi: false,
  discrete_state_input: false,
  default_prompt: "Transfer cube",
};
const sizes = { actionDim: 32, promptSlots: 20, vocabularySize: 260, imageWidthPx: 6, imageHeightPx: 4 };
const unit = (dim: number, quantiles: number[] | null = null) => ({
  mean: new Array<number>(dim).fill(0),
  std: new Array<number>(dim).fill(1),
  q01: quantiles,
  q99: quantiles,
});
const statsOf = (stateDim: number, actionDim: number) =>
  readNormStats(JSON.stringify({ norm_stats: { state: unit(stateDim), actions: unit(actionDim) } }), "tiny");

function tinyPipeline(changes: Partial<Pipeline> = {}, policy: Record<string, unknown> = {}): Pipeline {
  return makePipeline({
    policy: readPolicySettings({ ...settings, ...policy }, "tiny"),
    normStats: null,
    prompts: { kind: "tokenizer", tokenizer: byteTokenizer },
    model: sizes,
    ...changes,
  });
}

const refuses = (code: string, field: string) => (error: unknown) =>
  error instanceof WireError && error.code === code && error.details.field === field;

Deno.test("preprocess() takes the request's prompt before the policy's", () => {
  const own = preprocess(tinyObservation(ROBOTS.aloha, 1, { prompt: "go" }), tinyPipeline());
  assert.deepEqual([...own.tokens.slice(0, own.validTokens)], [2, 4 + 103, 4 + 111, 4 + 10]);
  const without = preprocess(tinyObservation(ROBOTS.aloha, 1), tinyPipeline());
  const named = preprocess(tinyObservation(ROBOTS.aloha, 1, { prompt: "Transfer cube" }), tinyPipeline());
  assert.deepEqual(without, named);
});

Deno.test("preprocess() asks for a prompt where neither the request nor the policy has one", () => {
  const pipeline = tinyPipeline({}, { default_prompt: null });
  assert.throws(() => preprocess(tinyObservation(ROBOTS.aloha, 1), pipeline), refuses("missing_field", "prompt"));
});

Deno.test("preprocess() resizes each picture to the model's, and reports cameras that nobody looks at", () => {
  const { images, ignoredCameras } = preprocess(tinyObservation(ROBOTS.aloha, 2, { allCameras: true }), tinyPipeline());
  for (const slot of IMAGE_SLOTS) assert.equal(images[slot]!.length, 3 * 6 * 4);
  assert.deepEqual(ignoredCameras, ["cam_low"]);
});

Deno.test("preprocess() lets the state through as it is without norm stats, and fills it up with zeros", () => {
  const observation = tinyObservation(ROBOTS.aloha, 3);
  const { state } = preprocess(observation, tinyPipeline());
  assert.deepEqual([...state], [...observation.state, ...new Array(18).fill(0)]);
});

Deno.test("preprocess() refuses a state of another size, and a picture of which nothing would be left", () => {
  const observation = tinyObservation(ROBOTS.aloha, 4);
  const short = { ...observation, state: tinyState(4, 13) };
  assert.throws(() => preprocess(short, tinyPipeline()), refuses("wrong_shape", "state"));
  const thin = { ...observation, images: { cam_high: tinyImage(5, "chw", 1, 400) } };
  assert.throws(() => preprocess(thin, tinyPipeline()), refuses("wrong_shape", "images"));
});

Deno.test("preprocess() and postprocess() adapt an aloha with the gripper constants of the settings", () => {
  const observation = tinyObservation(ROBOTS.aloha, 6);
  const { stateToPi, actionsFromPi } = ROBOTS.aloha.piSpace!;
  const actions = Float32Array.from(tinyState(7, 32));
  for (const gripper of ["current", "original"] as const) {
    const pipeline = tinyPipeline({}, { adapt_to_pi: true, gripper_constants: gripper });
    const { state } = preprocess(observation, pipeline);
    assert.deepEqual(state.slice(0, 14), Float32Array.from(stateToPi(observation.state, gripper)));
    const own = Float64Array.from(actions.slice(0, 14));
    assert.deepEqual(postprocess(actions, state, pipeline), actionsFromPi(own, gripper));
  }
});

Deno.test("postprocess() refuses actions or a state of another width than the model's", () => {
  const state = new Float32Array(32);
  assert.throws(() => postprocess(new Float32Array(50), state, tinyPipeline()), /50 actions and .* have 32/);
  assert.throws(() => postprocess(new Float32Array(64), state.slice(1), tinyPipeline()), /state of 31 numbers/);
});

const table = (entries: [string, number[]][]) => ({ kind: "table", prompts: new Map(entries) }) as const;

Deno.test("makePipeline() takes a table of prompts instead of a tokenizer", () => {
  const pipeline = tinyPipeline({ prompts: table([["Transfer cube", [0, 1, 2, 3]]]) });
  const { tokens, validTokens } = preprocess(tinyObservation(ROBOTS.aloha, 8), pipeline);
  assert.deepEqual([[...tokens.slice(0, 5)], validTokens], [[0, 1, 2, 3, 0], 4]);
});

const REFUSED: readonly [string, () => Pipeline, RegExp][] = [
  ["a model that is too small for the robot", () => tinyPipeline({ model: { ...sizes, actionDim: 8 } }), /8 .* not 14/],
  ["norm stats of another robot's state", () => tinyPipeline({ normStats: statsOf(8, 14) }), /8 numbers for "state": /],
  ["norm stats of another robot's actions", () => tinyPipeline({ normStats: statsOf(14, 7) }), /7 .* "actions": aloha/],
  ["norm stats that are longer than the model", () => tinyPipeline({ normStats: statsOf(33, 14) }), /the model has 32/],
  [
    "norm stats without quantiles where they are needed",
    () => tinyPipeline({ normStats: statsOf(14, 14) }, { normalization: "quantile" }),
    /Cannot normalise by quantiles.*"state"/,
  ],
  [
    "a table for prompts that tell the state",
    () => tinyPipeline({ prompts: table([["Transfer cube", [1]]]) }, { discrete_state_input: true }),
    /give a tokenizer/,
  ],
  ["a table without the default prompt", () => tinyPipeline({ prompts: table([["go", [1]]]) }), /the table has "go"/],
  ["a table with a prompt that is not clean", () => tinyPipeline({ prompts: table([["a_b", [1]]]) }), /as "a b"/],
  ["a table with a prompt of no tokens", () => tinyPipeline({ prompts: table([["go", []]]) }), /1 to 20 whole/],
  ["a table with more tokens than slots", () => tinyPipeline({ prompts: table([["go", Array(21).fill(1)]]) }), /to 20/],
  [
    "a tokenizer of another model",
    () => tinyPipeline({ model: { ...sizes, vocabularySize: 259 } }),
    /\(260 ids\): .* 259/,
  ],
  ["a table with ids that the model lacks", () => tinyPipeline({ prompts: table([["go", [260]]]) }), /from 0 to 259/],
  ["a table with ids that are no whole numbers", () => tinyPipeline({ prompts: table([["go", [1.5]]]) }), /whole/],
];

for (const [what, make, message] of REFUSED) {
  Deno.test(`makePipeline() refuses ${what}`, () => {
    assert.throws(make, message);
  });
}
