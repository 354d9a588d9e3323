/**
 * pi0's own keys in a request: what they mean, and what is refused. That both dialects carry them is tested with the
 * requests.
 */

import assert from "node:assert/strict";
import { WireError, type WireErrorCode } from "../../src/errors.ts";
import type { Bytes } from "../../src/types.ts";
import { readExtensions, writeExtensions } from "../../src/wire/extensions.ts";
import { decode, type Encodable, Encoder, float, type ValueMap } from "../../src/wire/msgpack.ts";
import { float32Array, float64Array, type NdArray, ndarray, NumpyScalar, uint8Array } from "../../src/wire/ndarray.ts";
import { tinyBytes, tinySimulation, tinyState } from "../support/tiny.ts";

type Fields = Record<string, Encodable | undefined>;

const encode = (fields: Fields): Bytes => new Encoder().encode(fields).slice();
const read = (fields: Fields) => readExtensions(decode(encode(fields)) as ValueMap);

const pose = Float64Array.of(0.1, 0.5, 0.05, 1, 0, 0, 0);
/** The truth about a simulated robot. */
const simulated = (changes: Fields = {}): Encodable => {
  return { task: "transfer_cube", seed: 7, step: 30, object_pose: float64Array(pose, [7]), ...changes } as Encodable;
};

const noise = Float32Array.from({ length: 1600 }, (_, i) => Math.sin(i));
const noiseBytes = new Uint8Array(noise.buffer);

Deno.test("readExtensions() takes what is not there for nothing said, and nil too, but for timing", () => {
  assert.deepEqual(read({ prompt: "go" }), { timing: false });
  assert.deepEqual(read({ noise: null, seed: null, flow_steps: null, simulation: null }), { timing: false });
});

Deno.test("readExtensions() says whether the reply should tell how long each stage took", () => {
  assert.deepEqual(read({ timing: true }), { timing: true });
  assert.deepEqual(read({ timing: false }), { timing: false });
});

Deno.test("readExtensions() reads noise as bare bytes, or as a numpy map of rows and columns", () => {
  const bigEndian = new Uint8Array(4 * noise.length);
  noise.forEach((value, i) => new DataView(bigEndian.buffer).setFloat32(4 * i, value));
  const maps = [float32Array(noise, [50, 32]), float64Array(noise, [50, 32]), ndarray(">f4", [50, 32], bigEndian)];
  for (const map of maps) assert.deepEqual(read({ noise: map }), { noise, noiseShape: [50, 32], timing: false });
  assert.deepEqual(read({ noise: noiseBytes }), { noise, timing: false });
});

Deno.test("readExtensions() gives noise and object poses memory of their own", () => {
  const message = encode({ noise: noiseBytes, simulation: simulated() });
  const { noise: read, simulation } = readExtensions(decode(message) as ValueMap);
  message.fill(0);
  assert.deepEqual([read, simulation!.objectPose], [noise, pose]);
});

Deno.test("readExtensions() reads a seed as a number or a numpy scalar, up to 32 bits", () => {
  const seeds: [Encodable, number][] = [
    [0, 0],
    [4294967295, 4294967295],
    [float(7), 7],
    [new NumpyScalar("<i8", 5), 5],
    [new NumpyScalar("<u8", 6n), 6],
  ];
  for (const [sent, seed] of seeds) assert.deepEqual(read({ seed: sent }), { seed, timing: false });
});

Deno.test("readExtensions() reads poses of 0 to 16 objects, and of any real numbers", () => {
  const poseOf = (array: NdArray) => read({ simulation: simulated({ object_pose: array }) }).simulation!.objectPose;
  for (const objects of [0, 1, 2, 16]) {
    const poses = tinyState(objects, 7 * objects);
    assert.deepEqual(poseOf(float64Array(poses, [7 * objects])), poses);
  }
  assert.deepEqual(poseOf(float32Array(pose, [7])), Float64Array.from(pose, Math.fround));
  assert.deepEqual(
    poseOf(ndarray("|i1", [7], Uint8Array.of(0, 1, 255, 1, 0, 0, 0))),
    Float64Array.of(0, 1, -1, 1, 0, 0, 0),
  );
  const strange = Float64Array.of(NaN, Infinity, -Infinity, 1e308, -0, 5e-324, 0);
  assert.deepEqual(poseOf(float64Array(strange, [7])), strange, "what is no pose is left to the policy");
});

Deno.test("readExtensions() reads a simulation's seeds and steps up to 2^53 − 1, and any text for a task", () => {
  const changes = { task: "", seed: Number.MAX_SAFE_INTEGER, step: 0, later: "a key of tomorrow" };
  assert.deepEqual(read({ simulation: simulated(changes) }).simulation, {
    task: "",
    seed: Number.MAX_SAFE_INTEGER,
    step: 0,
    objectPose: pose,
  });
});

/** What is sent, and how it is refused. */
type Refusal = readonly [
  what: string,
  fields: Fields,
  code: WireErrorCode,
  field: string,
  found: string,
  expected: string,
];

const STRANGE_COUNTS: readonly [what: string, value: Encodable, found: string][] = [
  ["a fraction", 0.5, "the number 0.5"],
  ["less than 0", -1, "the number -1"],
  ["no number", float(NaN), "the number NaN"],
  ["endless", float(Infinity), "the number Infinity"],
  ["beyond 2^53", 2n ** 60n, "the bigint 1152921504606846976"],
  ["beyond 2^53 as a float", float(2 ** 53), "the number 9007199254740992"],
  ["text", "7", 'the text "7"'],
  ["true", true, "the boolean true"],
  ["nil", null, "nil"],
  ["a list", [7], "a list of 1"],
  ["an array", float64Array([7], []), "an array <f8 []"],
];

const STRANGE_POSES: readonly [what: string, value: Encodable, code: WireErrorCode, found: string][] = [
  ["of 17 objects", float64Array(new Float64Array(119), [119]), "wrong_shape", "an array <f8 [119]"],
  ["of half an object", float64Array(new Float64Array(10), [10]), "wrong_shape", "an array <f8 [10]"],
  ["in rows", float64Array(new Float64Array(14), [2, 7]), "wrong_shape", "an array <f8 [2, 7]"],
  ["without dimensions", float64Array([7], []), "wrong_shape", "an array <f8 []"],
  ["as a list", [0, 0, 0, 1, 0, 0, 0], "wrong_type", "a list of 7"],
  ["as bytes", new Uint8Array(56), "wrong_type", "56 bytes"],
  ["that is nil", null, "wrong_type", "nil"],
];

const COUNT = "a whole number from 0";
const POSES = "an array [7·n] of numbers, for at most 16 objects";
const FLOATS = "a float32 array";
const ROWS = "[rows, columns], the model's rows of actions";
const SEED = "a whole number from 0 to 4294967295";
const NO_TEXT = ndarray("<U1", [7], new Uint8Array(28));
const PICTURE = uint8Array(tinyBytes(1, 60), [3, 4, 5]);

const REFUSED: readonly Refusal[] = [
  ["timing that is no boolean", { timing: 1 }, "wrong_type", "timing", "the number 1", "true or false"],
  ["nil for timing", { timing: null }, "wrong_type", "timing", "nil", "true or false"],
  [
    "noise of half a number",
    { noise: noiseBytes.slice(0, 6) },
    "wrong_shape",
    "noise",
    "6 bytes",
    "a multiple of 4, a float32 array",
  ],
  [
    "noise of whole numbers",
    { noise: ndarray("<i4", [1600], noiseBytes) },
    "wrong_dtype",
    "noise",
    "an array <i4 [1600]",
    FLOATS,
  ],
  ["noise without rows", { noise: float32Array(noise, [1600]) }, "wrong_shape", "noise", "[1600]", ROWS],
  [
    "noise of three dimensions",
    { noise: float32Array(noise, [1, 50, 32]) },
    "wrong_shape",
    "noise",
    "[1, 50, 32]",
    ROWS,
  ],
  ["noise as a list", { noise: [1, 2] }, "wrong_type", "noise", "a list of 2", FLOATS],
  ["no flow steps at all", { flow_steps: 0 }, "wrong_type", "flow_steps", "the number 0", "a whole number from 1"],
  ["flow steps as text", { flow_steps: "5" }, "wrong_type", "flow_steps", 'the text "5"', "a whole number from 1"],
  ["a negative seed", { seed: -1 }, "wrong_type", "seed", "the number -1", SEED],
  ["a seed of 33 bits", { seed: 2 ** 32 }, "wrong_type", "seed", "the number 4294967296", SEED],
  ["a fraction for a seed", { seed: 0.5 }, "wrong_type", "seed", "the number 0.5", SEED],
  ["text for a seed", { seed: "1" }, "wrong_type", "seed", 'the text "1"', SEED],
  ["a truth value for a seed", { seed: new NumpyScalar("|b1", true) }, "wrong_type", "seed", "a scalar |b1", SEED],
  [
    "both noise and a seed",
    { noise: noiseBytes, seed: 1 },
    "ambiguous",
    "seed",
    'both "noise" and "seed"',
    "one of them",
  ],
  ["a simulation that is text", { simulation: "transfer" }, "wrong_type", "simulation", 'the text "transfer"', "a map"],
  ["a simulation of bytes", { simulation: new Uint8Array(9) }, "wrong_type", "simulation", "9 bytes", "a map"],
  [
    "a picture for a simulation",
    { simulation: PICTURE },
    "wrong_type",
    "simulation",
    "an array |u1 [3, 4, 5]",
    "a map",
  ],
  ["no task's name", { simulation: simulated({ task: 3 }) }, "wrong_type", "simulation.task", "the number 3", "text"],
  [
    "object poses of text",
    { simulation: simulated({ object_pose: NO_TEXT }) },
    "wrong_dtype",
    "simulation.object_pose",
    "<U1",
    "an array of real numbers",
  ],
  ...Object.entries({ task: "text", seed: COUNT, step: COUNT, object_pose: POSES }).map(([key, expected]): Refusal => {
    const simulation = simulated({ [key]: undefined });
    return [`no ${key}`, { simulation }, "missing_field", `simulation.${key}`, "nothing", expected];
  }),
  ...["seed", "step"].flatMap((key) =>
    STRANGE_COUNTS.map(([what, value, found]): Refusal => {
      const simulation = simulated({ [key]: value });
      return [`a ${key} that is ${what}`, { simulation }, "wrong_type", `simulation.${key}`, found, COUNT];
    })
  ),
  ...STRANGE_POSES.map(([what, value, code, found]): Refusal => {
    const simulation = simulated({ object_pose: value });
    return [`an object pose ${what}`, { simulation }, code, "simulation.object_pose", found, POSES];
  }),
];

for (const [what, fields, code, field, found, expected] of REFUSED) {
  Deno.test(`readExtensions() refuses ${what}, and says field, found and expected`, () => {
    assert.throws(() => read(fields), (error) => {
      assert.ok(error instanceof WireError);
      assert.equal(error.code, code);
      assert.deepEqual(error.details, { field, found, expected });
      return true;
    });
  });
}

Deno.test("writeExtensions() writes what readExtensions() reads", () => {
  const observation = { images: {}, state: new Float64Array(0) };
  const said = [
    { noise },
    { noise, noiseShape: [50, 32] },
    { seed: 3 },
    { flowSteps: 5 },
    { simulation: tinySimulation(5) },
  ];
  for (const own of said) {
    for (const timing of [false, true]) {
      const map = new Map<string, Encodable>();
      writeExtensions(map, { ...observation, ...own }, { bare: false, timing });
      assert.deepEqual(readExtensions(decode(new Encoder().encode(map)) as ValueMap), { ...own, timing });
    }
  }
});

Deno.test("writeExtensions() writes the keys that PROTOCOL.md says, and a pose in float64", () => {
  const objectPose = tinyState(1, 14).map((x) => x / 3);
  const simulation = { task: "insertion", seed: 4_294_967_295, step: 399, objectPose };
  const observation = { images: {}, state: new Float64Array(0), noise, seed: 1, flowSteps: 5, simulation };
  const map = new Map<string, Encodable>();
  writeExtensions(map, observation, { bare: false, timing: true });
  assert.deepEqual(
    decode(new Encoder().encode(map)),
    new Map<string, Encodable>([
      ["noise", noiseBytes],
      ["seed", 1],
      ["flow_steps", 5],
      ["timing", true],
      [
        "simulation",
        new Map<string, Encodable>([
          ["task", "insertion"],
          ["seed", 4_294_967_295],
          ["step", 399],
          ["object_pose", float64Array(objectPose, [14])],
        ]),
      ],
    ]),
  );
});
