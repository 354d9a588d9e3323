/**
 * Every step around the model, held against openpi's transforms. See `tests/fixtures/pi0/README.md`.
 */

import assert from "node:assert/strict";
import { fitRows, makeAbsolute, makeMask, makeRelative } from "../../src/pi0/actions.ts";
import { type Normalization, normalize, readNormStats, type Statistics, unnormalize } from "../../src/pi0/normalize.ts";
import { toHwc } from "../../src/image.ts";
import { alohaPiSpace } from "../../src/robot/aloha_pi_space.ts";
import { ROBOTS } from "../../src/robot/mod.ts";
import { IMAGE_SLOTS, type ImageSlot, type RobotProfile } from "../../src/robot/profile.ts";
import { assignSlots } from "../../src/robot/slots.ts";
import type { Observation } from "../../src/types.ts";
import { type Encodable, Encoder } from "../../src/wire/msgpack.ts";
import { ndarray } from "../../src/wire/ndarray.ts";
import { decodeRequest } from "../../src/wire/request.ts";
import { GOLDEN_SETS, readJson } from "../support/golden_openpi.ts";

type Dtype = "<f4" | "<f8" | "|u1";

interface GoldenArray {
  dtype: Dtype;
  shape: number[];
  values: number[];
}

interface GoldenCase {
  transform: string;
  name: string;
  params: {
    adapt_to_pi?: boolean;
    mode?: Normalization;
    stats?: unknown;
    mask?: boolean[] | null;
    model_action_dim?: number;
  };
  input: Record<string, GoldenArray>;
  output: {
    state: GoldenArray;
    actions: GoldenArray;
    image: Record<ImageSlot, GoldenArray>;
    image_mask: Record<ImageSlot, boolean>;
    prompt?: string;
  };
  error?: string;
}

const ARRAYS = { "<f4": Float32Array, "<f8": Float64Array, "|u1": Uint8Array };

/** The input of a robot's transform, as its client would send it. */
function sent(input: Record<string, unknown>): Encodable {
  return Object.fromEntries(
    Object.entries(input).map(([key, value]) => {
      if (typeof value !== "object" || value === null) return [key, value];
      if ("utf8_bytes" in value) return [key, new TextEncoder().encode(value.utf8_bytes as string)];
      if (!("dtype" in value)) return [key, sent(value as Record<string, unknown>)];
      const { dtype, shape, values } = value as GoldenArray;
      return [key, ndarray(dtype, shape, new Uint8Array(ARRAYS[dtype].from(values).buffer))];
    }),
  ) as Encodable;
}

const numbers = ({ dtype, values }: GoldenArray) =>
  dtype === "<f4" ? Float32Array.from(values) : Float64Array.from(values);
const doubles = ({ values }: GoldenArray) => Float64Array.from(values);
const widthOf = ({ shape }: GoldenArray) => shape.at(-1)!;

/** Within a few units of the last place: the sine of numpy's compiler and ours may differ there. */
function check(found: ArrayLike<number>, { values }: GoldenArray) {
  assert.equal(found.length, values.length);
  values.forEach((value, i) => {
    assert.ok(Math.abs(found[i]! - value) <= 1e-14 * Math.max(1, Math.abs(value)), `${i}: ${found[i]} is not ${value}`);
  });
}

function checkInputs(robot: RobotProfile, { input, output, params }: GoldenCase): void {
  // Recorded actions are not part of a request.
  const { actions, ...request } = input;
  const decoded = decodeRequest(new Encoder().encode(sent(request)), robot);
  assert.ok(decoded.kind === "infer");
  const observation: Observation = decoded.observation;
  const { images } = assignSlots(robot, observation.images);
  for (const slot of IMAGE_SLOTS) {
    const { shape, values } = output.image[slot];
    const image = images[slot];
    assert.equal(image !== null, output.image_mask[slot], slot);
    if (image === null) {
      assert.ok(values.every((value) => value === 0), "openpi fills masked pictures with zeros");
    } else {
      assert.deepEqual([image.height, image.width, 3], shape);
      assert.deepEqual([...toHwc(image).data], values);
    }
  }
  const { adapt_to_pi: adapts } = params;
  check(adapts ? alohaPiSpace.stateToPi(observation.state, "current") : observation.state, output.state);
  assert.equal(observation.prompt, output.prompt);
  if (actions === undefined) return;
  check(adapts ? alohaPiSpace.actionsToPi(doubles(actions), "current") : doubles(actions), output.actions);
}

function robotActions(robot: RobotProfile, rows: Float64Array, width: number, adapts: boolean | undefined) {
  const own = fitRows(rows, width, robot.actionDim);
  return adapts ? robot.piSpace!.actionsFromPi(own, "current") : own;
}

function statisticsOf({ params }: GoldenCase): { state: Statistics; actions: Statistics; mode: Normalization } {
  return { ...readNormStats(JSON.stringify({ norm_stats: params.stats }), "golden"), mode: params.mode! };
}

const CHECKS: Record<string, (golden: GoldenCase) => void> = {
  AlohaInputs: (golden) => checkInputs(ROBOTS.aloha, golden),
  DroidInputs: (golden) => checkInputs(ROBOTS.droid, golden),
  LiberoInputs: (golden) => checkInputs(ROBOTS.libero, golden),
  AlohaOutputs: (golden) => checkOutputs(ROBOTS.aloha, golden),
  DroidOutputs: (golden) => checkOutputs(ROBOTS.droid, golden),
  LiberoOutputs: (golden) => checkOutputs(ROBOTS.libero, golden),
  Normalize(golden) {
    const { state, mode } = statisticsOf(golden);
    check(normalize(numbers(golden.input.state!), state, mode), golden.output.state);
  },
  Unnormalize(golden) {
    const { mode, ...statistics } = statisticsOf(golden);
    for (const key of ["state", "actions"] as const) {
      const input = golden.input[key]!;
      check(unnormalize(numbers(input), widthOf(input), statistics[key], mode), golden.output[key]);
    }
  },
  AbsoluteActions: (golden) => checkShift(golden, makeAbsolute),
  DeltaActions: (golden) => checkShift(golden, makeRelative),
  make_bool_mask({ input, output }) {
    assert.deepEqual(makeMask(input as unknown as number[]), output);
  },
  PadStatesAndActions({ input, output, params }) {
    const width = params.model_action_dim!;
    for (const key of ["state", "actions"] as const) {
      const array = input[key];
      if (array !== undefined) check(fitRows(doubles(array), widthOf(array), width), output[key]);
    }
  },
  "chain: AlohaInputs, Normalize"(golden) {
    const { state, mode } = statisticsOf(golden);
    const adapted = alohaPiSpace.stateToPi(doubles(golden.input.state!), "current");
    check(normalize(adapted, state, mode), golden.output.state);
  },
  "chain: Unnormalize, AbsoluteActions, AlohaOutputs"(golden) {
    const { state, actions, mode } = statisticsOf(golden);
    const { input, params, output } = golden;
    const width = widthOf(input.actions!);
    const scaled = unnormalize(numbers(input.actions!), width, actions, mode);
    const origin = unnormalize(numbers(input.state!), width, state, mode);
    const absolute = makeAbsolute(scaled, width, origin, params.mask!);
    check(robotActions(ROBOTS.aloha, absolute, width, params.adapt_to_pi), output.actions);
  },
};

function checkOutputs(robot: RobotProfile, { input, output, params }: GoldenCase): void {
  check(robotActions(robot, doubles(input.actions!), widthOf(input.actions!), params.adapt_to_pi), output.actions);
}

function checkShift({ input, output, params }: GoldenCase, shift: typeof makeAbsolute): void {
  const found = shift(numbers(input.actions!), widthOf(input.actions!), numbers(input.state!), params.mask ?? []);
  assert.equal(found instanceof Float32Array ? "<f4" : "<f8", output.actions.dtype);
  check(found, output.actions);
}

/**
 * What has no place here: the default prompt is in `preprocess_test.ts`, the range of pixels in the graph, and where
 * openpi looks whether state or actions are there, the types ask for them.
 */
function isElsewhere({ transform, name }: GoldenCase): boolean {
  return transform === "InjectDefaultPrompt" || transform === "uint8 to model range" ||
    /state missing is an error|no actions is a no-op/.test(name);
}

for (const { name, folder, isMissing } of GOLDEN_SETS) {
  Deno.test({
    name: `the steps around the model are openpi's transforms (${name})`,
    ignore: isMissing,
    async fn(test) {
      const { cases } = await readJson<{ cases: GoldenCase[] }>(`${folder}/transforms/cases.json`);
      for (const golden of cases.filter((golden) => !isElsewhere(golden))) {
        await test.step(`${golden.transform}: ${golden.name}`, () => {
          const run = CHECKS[golden.transform]!;
          if (golden.error === undefined) run(golden);
          else assert.throws(() => run(golden), /unknown_camera|missing_field/);
        });
      }
    },
  });
}
