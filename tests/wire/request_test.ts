/**
 * Requests of both dialects. The golden ones were packed by openpi, see `tests/fixtures/wire/README.md`.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { WireError, type WireErrorCode } from "../../src/errors.ts";
import { toChw, toHwc } from "../../src/image.ts";
import { seededRandom } from "../../src/random.ts";
import { ROBOT_NAMES, ROBOTS } from "../../src/robot/mod.ts";
import type { RobotProfile } from "../../src/robot/profile.ts";
import type { Bytes, Image, Observation, Simulation } from "../../src/types.ts";
import { BinaryKey, decode, type Encodable, Encoder, float } from "../../src/wire/msgpack.ts";
import {
  float32Array,
  float64Array,
  NdArray,
  ndarray,
  NumpyScalar,
  toFloat64,
  uint8Array,
} from "../../src/wire/ndarray.ts";
import {
  decodeRequest,
  type Dialect,
  encodeInfoRequest,
  encodeRequest,
  hasRobodalDialect,
} from "../../src/wire/request.ts";
import { tinyBytes, tinyImage, tinyObservation, tinySimulation, tinyState } from "../support/tiny.ts";

const { aloha, droid } = ROBOTS;
const PICTURE_BYTES = 3 * 224 * 224;

type Fields = Record<string, Encodable | undefined>;

const encode = (fields: Fields): Bytes => new Encoder().encode(fields).slice();

/** What a message means, in the words that most tests ask about. */
function read(fields: Fields | Bytes, profile: RobotProfile = aloha) {
  const request = decodeRequest(fields instanceof Uint8Array ? fields as Bytes : encode(fields as Fields), profile);
  assert.ok(request.kind === "infer");
  return request;
}

const pixels = tinyBytes(1, 60);
const planes = uint8Array(pixels, [3, 4, 5]);
const interleaved = uint8Array(pixels, [4, 5, 3]);
const numbers = tinyState(2, 14);
const float32Bytes = new Uint8Array(new Float32Array(numbers).buffer);
const bigPicture = tinyBytes(3, PICTURE_BYTES);

/** A request in robodal's dialect, as its clients send it. */
const bare = (changes: Fields = {}): Fields => ({ cam_high: bigPicture, state: float32Bytes, ...changes });
/** The same in openpi's, with a small picture. */
const nested = (changes: Fields = {}): Fields => ({
  state: float64Array(numbers, [14]),
  images: { cam_high: planes },
  ...changes,
});
const pose = Float64Array.of(0.1, 0.5, 0.05, 1, 0, 0, 0);
/** The truth about a simulated robot. */
const simulated = (changes: Fields = {}): Encodable => {
  return { task: "transfer_cube", seed: 7, step: 30, object_pose: float64Array(pose, [7]), ...changes } as Encodable;
};
/** A request of a droid. */
const droidFields = (changes: Fields = {}): Fields => ({
  "observation/exterior_image_1_left": interleaved,
  "observation/wrist_image_left": interleaved,
  "observation/joint_position": float64Array(numbers.subarray(0, 7), [7]),
  "observation/gripper_position": float64Array([0.25], [1]),
  ...changes,
});

const ascii = (text: string) => [...text].map((character) => character.charCodeAt(0));

Deno.test("decodeRequest() reads robodal's bare bytes: planes of 224 × 224, and float32", () => {
  const head = Uint8Array.of(0x82, 0xa8, ...ascii("cam_high"), 0xc6, 0, 0x02, 0x4c, 0);
  const message = new Uint8Array(head.length + PICTURE_BYTES + 8 + 56);
  message.set(head);
  message.set(bigPicture, head.length);
  message.set([0xa5, ...ascii("state"), 0xc4, 56], head.length + PICTURE_BYTES);
  message.set(float32Bytes, head.length + PICTURE_BYTES + 8);
  assert.deepEqual(decodeRequest(message, aloha), {
    kind: "infer",
    dialect: "robodal",
    observation: {
      images: { cam_high: { width: 224, height: 224, layout: "chw", data: bigPicture } },
      state: numbers,
    },
    timing: false,
  });
});

Deno.test("decodeRequest() takes numpy maps for both fields of robodal's dialect, and pictures of another size", () => {
  const { dialect, observation } = read({ cam_high: planes, state: float64Array(numbers, [14]) });
  assert.equal(dialect, "robodal");
  assert.deepEqual(observation.images, { cam_high: { width: 5, height: 4, layout: "chw", data: pixels } });
  assert.deepEqual(observation.state, numbers);
});

Deno.test("decodeRequest() takes all four cameras of aloha in either dialect", () => {
  const cameras = Object.fromEntries(aloha.cameras.map(({ name }, i) => [name, tinyImage(i, "chw")]));
  const arrays = Object.fromEntries(
    Object.entries(cameras).map(([name, { data }]) => [name, uint8Array(data, [3, 4, 5])]),
  );
  assert.deepEqual(read({ ...arrays, state: float32Bytes }).observation.images, cameras);
  assert.deepEqual(read(nested({ images: arrays })).observation.images, cameras);
});

Deno.test("decodeRequest() keeps float64, and reads big-endian, half precision, integers and plain lists", () => {
  const exact = Float64Array.from({ length: 14 }, (_, i) => Math.PI * i - 7);
  assert.deepEqual(read(nested({ state: float64Array(exact, [14]) })).observation.state, exact);
  const bytes = new Uint8Array(14 * 8);
  const view = new DataView(bytes.buffer);
  exact.forEach((value, i) => view.setFloat64(8 * i, value));
  assert.deepEqual(read(nested({ state: ndarray(">f8", [14], bytes) })).observation.state, exact);
  const whole = Float64Array.from({ length: 14 }, (_, i) => i - 5);
  whole.forEach((value, i) => view.setFloat16(2 * i, value));
  assert.deepEqual(read(nested({ state: ndarray(">f2", [14], bytes.slice(0, 28)) })).observation.state, whole);
  whole.forEach((value, i) => view.setInt32(4 * i, value, true));
  assert.deepEqual(read(nested({ state: ndarray("<i4", [14], bytes.slice(0, 56)) })).observation.state, whole);
  assert.deepEqual(read(nested({ state: [...exact] })).observation.state, exact);
});

Deno.test("decodeRequest() leaves NaN and infinities of a state to the policy", () => {
  const state = numbers.slice();
  state.set([NaN, Infinity, -Infinity, -0]);
  assert.deepEqual(read(nested({ state: float64Array(state, [14]) })).observation.state, state);
  assert.deepEqual(read(bare({ state: new Uint8Array(new Float32Array(state).buffer) })).observation.state, state);
});

Deno.test("decodeRequest() gives a state with memory of its own", () => {
  const message = encode(nested());
  const { observation } = read(message);
  message.fill(0);
  assert.deepEqual(observation.state, numbers);
});

Deno.test("decodeRequest() turns float pictures to bytes in their own precision, as openpi does", () => {
  // 255 · 66000.296875 is 16830076 in single precision, and a little less in double; bytes wrap around.
  const values = [0, 1, 0.5, 0.999, 66000.296875, 254.9 / 255];
  const image = (
    array: NdArray,
  ) => [...read(nested({ images: { cam_high: array } })).observation.images.cam_high!.data];
  assert.deepEqual(image(float32Array(values, [3, 1, 2])), [0, 255, 127, 254, 124, 254]);
  assert.deepEqual(image(float64Array(values, [3, 1, 2])), [0, 255, 127, 254, 123, 254]);
});

Deno.test("decodeRequest() takes either layout of a droid's pictures, and tells a first size of 3 for planes", () => {
  const { images } = read(droidFields({ "observation/wrist_image_left": planes }), droid).observation;
  assert.deepEqual(images, {
    exterior_image_1_left: { width: 5, height: 4, layout: "hwc", data: pixels },
    wrist_image_left: { width: 5, height: 4, layout: "chw", data: pixels },
  });
});

Deno.test("decodeRequest() takes a droid's gripper as one number in any of its shapes", () => {
  const grippers: Encodable[] = [
    float64Array([0.25], [1]),
    float64Array([0.25], []),
    float32Array([0.25], []),
    new NumpyScalar("<f4", 0.25),
    0.25,
    [0.25],
  ];
  for (const gripper of grippers) {
    const { state } = read(droidFields({ "observation/gripper_position": gripper }), droid).observation;
    assert.deepEqual(state, Float64Array.of(...numbers.subarray(0, 7), 0.25));
  }
  const closed = read(droidFields({ "observation/gripper_position": new NumpyScalar("<i8", 1) }), droid);
  assert.equal(closed.observation.state[7], 1);
});

Deno.test("decodeRequest() takes a prompt as text, bytes or an array of text, and none as none", () => {
  const text = "Übertrage den Würfel";
  const utf32 = new Uint8Array(new Uint32Array([...text].map((character) => character.codePointAt(0)!)).buffer);
  const prompts: Encodable[] = [
    text,
    new TextEncoder().encode(text),
    ndarray(`<U${text.length}`, [], utf32),
    ndarray(`<U${text.length}`, [1], utf32),
  ];
  for (const prompt of prompts) {
    assert.equal(read(bare({ prompt })).observation.prompt, text);
    assert.equal(read(nested({ prompt })).observation.prompt, text);
  }
  assert.ok(!("prompt" in read(nested({ prompt: null })).observation));
  assert.ok(!("prompt" in read(nested()).observation));
  assert.equal(read(nested({ prompt: "" })).observation.prompt, "");
});

Deno.test("decodeRequest() takes a long prompt of bytes for a prompt, not for a picture", () => {
  const prompt = new TextEncoder().encode("fold the towel ".repeat(100));
  assert.equal(read(nested({ prompt })).observation.prompt?.length, 1500);
  assert.equal(read(bare({ prompt })).observation.prompt?.length, 1500);
});

Deno.test("decodeRequest() reads what a simulated robot knows, in either dialect", () => {
  const expected = { task: "transfer_cube", seed: 7, step: 30, objectPose: pose };
  assert.deepEqual(read(bare({ simulation: simulated() })).observation.simulation, expected);
  assert.deepEqual(read(nested({ simulation: simulated() })).observation.simulation, expected);
  assert.deepEqual(read(droidFields({ simulation: simulated() }), droid).observation.simulation, expected);
});

Deno.test("decodeRequest() leaves alone what it does not know", () => {
  const { observation } = read(nested({ episode: 7, note: "hi", joints: float64Array([1, 2], [2]), [""]: null }));
  assert.deepEqual(Object.keys(observation), ["images", "state"]);
});

Deno.test("decodeRequest() tells a request for information from an observation", () => {
  assert.deepEqual(decodeRequest(encodeInfoRequest(new Encoder()), aloha), { kind: "info" });
  assert.deepEqual(decodeRequest(encode({ info: true }), droid), { kind: "info" });
  assert.equal(read(nested({ info: false })).kind, "infer");
});

function catchError(message: Bytes, profile: RobotProfile): WireError {
  try {
    decodeRequest(message, profile);
  } catch (error) {
    assert.ok(error instanceof WireError, `not a WireError: ${error}`);
    return error;
  }
  throw new assert.AssertionError({ message: "was not refused" });
}

interface Refusal {
  name: string;
  fields: Fields;
  profile?: RobotProfile;
  code: WireErrorCode;
  field: string;
  found?: string;
  expected?: string;
}

const REFUSED: Refusal[] = [
  {
    name: "a bare state that is one byte short",
    fields: bare({ state: float32Bytes.slice(0, 55) }),
    code: "wrong_shape",
    field: "state",
    found: "55 bytes",
    expected: "56, a float32 array [14] (float64 travels as a numpy map)",
  },
  {
    name: "a bare state that is one byte long",
    fields: bare({ state: new Uint8Array(57) }),
    code: "wrong_shape",
    field: "state",
    found: "57 bytes",
  },
  {
    name: "a bare state of float64",
    fields: bare({ state: new Uint8Array(112) }),
    code: "wrong_shape",
    field: "state",
    found: "112 bytes",
  },
  {
    name: "a bare state that is far too long",
    fields: bare({ state: new Uint8Array(5000) }),
    code: "wrong_shape",
    field: "state",
    found: "5000 bytes",
  },
  {
    name: "a state array of 13",
    fields: nested({ state: float64Array(numbers.subarray(0, 13), [13]) }),
    code: "wrong_shape",
    field: "state",
    found: "[13]",
    expected: "[14]",
  },
  {
    name: "a state list of 13",
    fields: nested({ state: [...numbers.subarray(0, 13)] }),
    code: "wrong_shape",
    field: "state",
    found: "[13]",
    expected: "[14]",
  },
  {
    name: "a state with a batch dimension",
    fields: nested({ state: float64Array(numbers, [1, 14]) }),
    code: "wrong_shape",
    field: "state",
    found: "[1, 14]",
  },
  {
    name: "a state of text",
    fields: nested({ state: ndarray("<U1", [14], new Uint8Array(56)) }),
    code: "wrong_dtype",
    field: "state",
    found: "<U1",
  },
  {
    name: "a state list with text in it",
    fields: nested({ state: [...numbers.subarray(0, 13), "open"] }),
    code: "wrong_type",
    field: "state",
    found: "a list of 14",
  },
  {
    name: "a number where a state belongs",
    fields: nested({ state: 1.5 }),
    code: "wrong_type",
    field: "state",
    found: "the number 1.5",
    expected: "an array of 14 numbers",
  },
  {
    name: "a scalar where a state belongs",
    fields: nested({ state: new NumpyScalar("<f4", 1.5) }),
    code: "wrong_type",
    field: "state",
    found: "a scalar <f4",
  },
  { name: "no state (robodal)", fields: bare({ state: undefined }), code: "missing_field", field: "state" },
  { name: "no state (openpi)", fields: nested({ state: undefined }), code: "missing_field", field: "state" },
  {
    name: "no gripper",
    fields: droidFields({ "observation/gripper_position": undefined }),
    profile: droid,
    code: "missing_field",
    field: "observation/gripper_position",
  },
  {
    name: "a gripper with two fingers",
    fields: droidFields({ "observation/gripper_position": float64Array([0, 1], [2]) }),
    profile: droid,
    code: "wrong_shape",
    field: "observation/gripper_position",
    found: "[2]",
    expected: "[1]",
  },
  {
    name: "a bare picture of another size",
    fields: bare({ cam_high: new Uint8Array(PICTURE_BYTES - 1) }),
    code: "wrong_shape",
    field: "cam_high",
    found: "150527 bytes",
    expected: "150528, a uint8 array [3,224,224] (a numpy map may have another size)",
  },
  {
    name: "no bytes where a picture belongs",
    fields: bare({ cam_high: new Uint8Array(0) }),
    code: "wrong_shape",
    field: "cam_high",
    found: "0 bytes",
  },
  {
    name: "interleaved channels from an aloha",
    fields: nested({ images: { cam_high: interleaved } }),
    code: "wrong_shape",
    field: "images.cam_high",
    found: "[4, 5, 3]",
    expected: "[3, height, width]",
  },
  {
    name: "a picture with a batch dimension",
    fields: nested({ images: { cam_high: uint8Array(pixels, [1, 3, 4, 5]) } }),
    code: "wrong_shape",
    field: "images.cam_high",
    found: "[1, 3, 4, 5]",
  },
  {
    name: "a picture of four channels",
    fields: droidFields({ "observation/wrist_image_left": uint8Array(pixels, [5, 3, 4]) }),
    profile: droid,
    code: "wrong_shape",
    field: "observation/wrist_image_left",
    found: "[5, 3, 4]",
    expected: "[height, width, 3]",
  },
  {
    name: "a picture without pixels",
    fields: nested({ images: { cam_high: uint8Array(new Uint8Array(0), [3, 0, 5]) } }),
    code: "wrong_shape",
    field: "images.cam_high",
    found: "[3, 0, 5]",
  },
  {
    name: "a picture of 16-bit integers",
    fields: nested({ images: { cam_high: ndarray("<u2", [3, 1, 2], new Uint8Array(12)) } }),
    code: "wrong_dtype",
    field: "images.cam_high",
    found: "<u2",
    expected: "|u1",
  },
  {
    name: "text where a picture belongs",
    fields: nested({ images: { cam_high: "picture.png" } }),
    code: "wrong_type",
    field: "images.cam_high",
    found: 'the text "picture.png"',
    expected: "a uint8 array",
  },
  {
    name: "a list where the pictures belong",
    fields: nested({ images: [planes] }),
    code: "wrong_type",
    field: "images",
    found: "a list of 1",
    expected: "a map of pictures",
  },
  { name: "no camera", fields: nested({ images: {} }), code: "missing_field", field: "images.cam_high" },
  {
    name: "robodal's dialect without the required camera",
    fields: bare({ cam_high: undefined, cam_low: bigPicture }),
    code: "missing_field",
    field: "cam_high",
    expected: "what aloha sends",
  },
  { name: "no pictures", fields: nested({ images: undefined }), code: "missing_field", field: "images" },
  { name: "an empty map", fields: {}, code: "missing_field", field: "images" },
  {
    name: "an unknown camera among the pictures",
    fields: nested({ images: { cam_high: planes, cam_top: planes } }),
    code: "unknown_camera",
    field: "images.cam_top",
    found: "a picture",
    expected: "a camera of aloha: cam_high, cam_low, cam_left_wrist, cam_right_wrist",
  },
  {
    name: "an unknown camera beside a bare one",
    fields: bare({ cam_top: bigPicture }),
    code: "unknown_camera",
    field: "cam_top",
  },
  {
    name: "an unknown camera beside the pictures",
    fields: nested({ camera_7: null }),
    code: "unknown_camera",
    field: "camera_7",
  },
  {
    name: "a picture under a name that does not sound like a camera",
    fields: nested({ top: planes }),
    code: "unknown_camera",
    field: "top",
  },
  {
    name: "an unknown camera of a droid",
    fields: droidFields({ "observation/exterior_image_2_left": interleaved }),
    profile: droid,
    code: "unknown_camera",
    field: "observation/exterior_image_2_left",
  },
  {
    name: "a picture under a key that a terminal would obey",
    fields: nested({ "\x1b[2J": planes }),
    code: "unknown_camera",
    field: '"\\u001b[2J"',
  },
  {
    name: "a picture under an endless key",
    fields: nested({ images: { cam_high: planes, ["x".repeat(5000)]: planes } }),
    code: "unknown_camera",
    field: `images."${"x".repeat(40)}…"`,
  },
  {
    name: "both dialects at once",
    fields: nested({ cam_high: bigPicture }),
    code: "ambiguous",
    field: "cam_high",
    found: 'both "cam_high" and "images"',
    expected: "one of them",
  },
  {
    name: "a prompt that is a number",
    fields: nested({ prompt: 7 }),
    code: "wrong_type",
    field: "prompt",
    found: "the number 7",
    expected: "text",
  },
  {
    name: "a simulation of bytes",
    fields: nested({ simulation: new Uint8Array(2000) }),
    code: "wrong_type",
    field: "simulation",
    found: "2000 bytes",
    expected: "a map",
  },
  {
    name: "a picture for a simulation",
    fields: bare({ simulation: planes }),
    code: "wrong_type",
    field: "simulation",
    found: "an array |u1 [3, 4, 5]",
    expected: "a map",
  },
  {
    name: "two prompts",
    fields: nested({ prompt: ndarray("|S1", [2], Uint8Array.of(0x61, 0x62)) }),
    code: "wrong_shape",
    field: "prompt",
    found: "2 strings",
    expected: "one string",
  },
  {
    name: "a prompt of bytes that are no UTF-8",
    fields: nested({ prompt: Uint8Array.of(0xff, 0xfe) }),
    code: "malformed",
    field: "prompt",
    found: "bytes",
    expected: "UTF-8",
  },
];

for (const { name, fields, profile = aloha, ...expected } of REFUSED) {
  Deno.test(`decodeRequest() refuses ${name}, and says field, found and expected`, () => {
    const { code, details, message } = catchError(encode(fields), profile);
    assert.equal(code, expected.code);
    assert.equal(details.field, expected.field);
    if (expected.found !== undefined) assert.equal(details.found, expected.found);
    if (expected.expected !== undefined) assert.equal(details.expected, expected.expected);
    assert.ok(details.found && details.expected, "found or expected is missing");
    assert.ok(message.includes(code) && message.includes(details.field!) && message.includes(details.found));
  });
}

Deno.test("decodeRequest() names a picture whose key is bytes", () => {
  const map = new Map<string | BinaryKey, Encodable>([[new BinaryKey(Uint8Array.from(ascii("cam_top"))), planes]]);
  const { code, details } = catchError(new Encoder().encode(map), aloha);
  assert.deepEqual([code, details.field], ["unknown_camera", "cam_top"]);
  assert.equal(details.found, "a picture whose key is bytes instead of text");
});

Deno.test("decodeRequest() refuses what is no map, and says what it is", () => {
  const messages: [Encodable, string][] = [
    [[1, 2], "a list of 2"],
    ["hello", 'the text "hello"'],
    [null, "nil"],
    [7, "the number 7"],
    [planes, "an array |u1 [3, 4, 5]"],
    [new NumpyScalar("<f4", 1), "a scalar <f4"],
    [new Uint8Array(3), "3 bytes"],
  ];
  for (const [value, found] of messages) {
    const { code, details } = catchError(new Encoder().encode(value), aloha);
    assert.deepEqual([code, details], ["wrong_type", { found, expected: "a map" }]);
  }
});

/** What can stand in the place of any field. */
const STRANGE: Encodable[] = [
  null,
  true,
  -1,
  2n ** 60n,
  float(NaN),
  "text",
  new Uint8Array(0),
  new Uint8Array(56),
  new Uint8Array(2000),
  [],
  [[1]],
  {},
  { cam_high: {} },
  float64Array([], [0]),
  float64Array([1], []),
  uint8Array(new Uint8Array(3), [3, 1, 1]),
  uint8Array(new Uint8Array(2), [2]),
  ndarray("<U2", [1], new Uint8Array(8)),
  ndarray("|S2", [2, 1], Uint8Array.of(0xff, 0xff, 0xff, 0xff)),
  new NumpyScalar("<f4", Infinity),
  new NumpyScalar("|b1", true),
];

for (const [name, fields, profile] of [["aloha", nested(), aloha], ["droid", droidFields(), droid]] as const) {
  Deno.test(`decodeRequest() meets any value in any field of ${name} with a WireError or an observation`, () => {
    for (
      const key of [...Object.keys(fields), "prompt", "noise", "seed", "flow_steps", "timing", "cam_high", "simulation"]
    ) {
      for (const value of STRANGE) {
        const message = encode({ ...fields, [key]: value });
        checkMeaning(message, profile, (error) => {
          assert.ok(error.details.field?.startsWith(key), `${key} is called ${error.details.field}`);
          assert.ok(error.details.found && error.details.expected);
        });
      }
    }
    for (const key of ["task", "seed", "step", "object_pose"]) {
      for (const value of STRANGE) {
        const message = encode({ ...fields, simulation: simulated({ [key]: value }) });
        checkMeaning(message, profile, ({ details }) => assert.equal(details.field, `simulation.${key}`));
      }
    }
  });
}

/** Decodes whatever it is; what comes out must hold together, and what is refused must be refused properly. */
function checkMeaning(message: Bytes, profile: RobotProfile, onError: (error: WireError) => void): boolean {
  let request;
  try {
    request = decodeRequest(message, profile);
  } catch (error) {
    assert.ok(error instanceof WireError, `not a WireError: ${error}`);
    onError(error);
    return false;
  }
  if (request.kind === "info") return true;
  const { images, state, simulation } = request.observation;
  assert.equal(state.length, profile.stateDim);
  if (simulation !== undefined) checkSimulation(simulation);
  for (const camera of profile.cameras) assert.ok(!camera.required || camera.name in images);
  for (const { width, height, data } of Object.values(images)) {
    assert.ok(width > 0 && height > 0);
    assert.equal(data.length, 3 * width * height);
  }
  return true;
}

function checkSimulation({ task, seed, step, objectPose }: Simulation): void {
  assert.equal(typeof task, "string");
  for (const count of [seed, step]) assert.ok(Number.isSafeInteger(count) && count >= 0, `${count}`);
  assert.ok(objectPose instanceof Float64Array && objectPose.length % 7 === 0 && objectPose.length <= 112);
}

function mutate(message: Bytes, random: () => number): Bytes {
  const below = (count: number) => Math.floor(count * random());
  const mutated = [...message];
  for (let edits = 1 + below(3); edits > 0; edits--) {
    // Most of a message is head: pictures here have 60 bytes.
    const at = below(mutated.length);
    const kind = below(4);
    if (kind === 0) mutated[at] = below(256);
    else if (kind === 1) mutated.splice(at, 1 + below(4));
    else if (kind === 2) mutated.splice(at, 0, ...mutated.slice(below(mutated.length)).slice(0, 1 + below(8)));
    else mutated[at]! ^= 1 << below(8);
  }
  return Uint8Array.from(mutated);
}

const DIALECTS = ROBOT_NAMES.flatMap((name) => {
  const profile: RobotProfile = ROBOTS[name];
  const dialects: Dialect[] = hasRobodalDialect(profile) ? ["robodal", "openpi"] : ["openpi"];
  return dialects.map((dialect) => ({ name, profile, dialect }));
});

Deno.test("hasRobodalDialect() is true of aloha alone", () => {
  assert.deepEqual(DIALECTS.map(({ name, dialect }) => `${name} ${dialect}`), [
    "aloha robodal",
    "aloha openpi",
    "droid openpi",
    "libero openpi",
  ]);
});

for (const { name, profile, dialect } of DIALECTS) {
  const encodeTo = (observation: Observation, timing = false) =>
    encodeRequest(new Encoder(), observation, profile, dialect, timing);

  Deno.test(`encodeRequest() and decodeRequest() agree on ${name} in ${dialect}'s dialect`, () => {
    for (const allCameras of [false, true]) {
      const seen = tinyObservation(profile, 5, { allCameras, prompt: "fold the towel" });
      const observation = { ...seen, simulation: tinySimulation(5) };
      assert.deepEqual(decodeRequest(encodeTo(observation, true), profile), {
        kind: "infer",
        dialect,
        observation,
        timing: true,
      });
      const { prompt: _, ...silent } = seen;
      assert.deepEqual(decodeRequest(encodeTo(silent), profile), {
        kind: "infer",
        dialect,
        observation: silent,
        timing: false,
      });
    }
  });

  Deno.test(`encodeRequest() turns pictures to the layout of ${name} in ${dialect}'s dialect`, () => {
    const observation = tinyObservation(profile, 6);
    const turn = (image: Image) => image.layout === "chw" ? toHwc(image) : toChw(image);
    const images = Object.fromEntries(Object.entries(observation.images).map(([key, image]) => [key, turn(image)]));
    assert.deepEqual(encodeTo({ ...observation, images }), encodeTo(observation));
  });

  Deno.test(`decodeRequest() survives 3000 damaged requests of ${name} in ${dialect}'s dialect`, () => {
    const valid = encodeTo({ ...tinyObservation(profile, 7, { prompt: "go" }), simulation: tinySimulation(7) }, true);
    const random = seededRandom(8);
    let understood = 0;
    for (let i = 0; i < 3000; i++) {
      if (checkMeaning(mutate(valid, random), profile, () => {})) understood++;
    }
    for (let length = 0; length < valid.length; length++) {
      assert.ok(!checkMeaning(valid.slice(0, length), profile, () => {}), `cut to ${length} bytes`);
    }
    assert.ok(understood > 0 && understood < 3000, `${understood} understood`);
  });
}

Deno.test("encodeRequest() writes robodal's dialect as bare bytes, and rounds the state to float32", () => {
  const image: Image = { width: 224, height: 224, layout: "chw", data: bigPicture };
  const state = Float64Array.from(numbers, (value) => value + 1e-12);
  const map = decode(encodeRequest(new Encoder(), { images: { cam_high: image }, state }, aloha, "robodal", false));
  assert.deepEqual(map, new Map([["cam_high", bigPicture], ["state", float32Bytes]]));
});

Deno.test("encodeRequest() keeps float64 in openpi's dialect", () => {
  const state = Float64Array.from(numbers, (value) => value / 3);
  const observation = { ...tinyObservation(aloha, 9), state };
  const message = encodeRequest(new Encoder(), observation, aloha, "openpi", false);
  assert.deepEqual(read(message).observation.state, state);
});

const noise = Float32Array.from({ length: 1600 }, (_, i) => Math.sin(i));

for (const { name, profile, dialect } of DIALECTS) {
  Deno.test(`encodeRequest() sends noise, seed and flow steps of ${name} in ${dialect}'s dialect`, () => {
    for (const randomness of [{ noise }, { seed: 3 }, { flowSteps: 5 }]) {
      const observation = { ...tinyObservation(profile, 10), ...randomness };
      const message = encodeRequest(new Encoder(), observation, profile, dialect, false);
      assert.deepEqual(read(message, profile).observation, observation);
    }
  });
}

Deno.test("encodeRequest() writes noise as bare bytes in robodal's dialect, and as a numpy map in openpi's", () => {
  const sent = (dialect: Dialect) => {
    const observation = { ...tinyObservation(aloha, 11), noise, noiseShape: [50, 32] };
    const message = encodeRequest(new Encoder(), observation, aloha, dialect, false);
    return (decode(message) as ReadonlyMap<string, unknown>).get("noise");
  };
  assert.deepEqual(sent("robodal"), new Uint8Array(noise.buffer));
  assert.deepEqual(sent("openpi"), float32Array(noise, [50, 32]));
});

// What openpi's own packer wrote.

interface Described {
  name: string;
  file: string;
  value: {
    entries: [string, { values?: (number | string)[]; sha256?: string; entries?: Described["value"]["entries"] }][];
  };
}

const keptFolder = `${import.meta.dirname}/../fixtures/wire`;
const sharedFolder = `${Deno.env.get("PI0_SHARED") ?? "../shared"}/fixtures/openpi/wire`;

function readGolden(folder: string, name: string): { message: Bytes; described: Described["value"] } {
  const { messages }: { messages: Described[] } = JSON.parse(Deno.readTextFileSync(`${folder}/wire.json`));
  const { file, value } = messages.find((one) => one.name === name)!;
  return { message: Deno.readFileSync(`${folder}/${file}`), described: value };
}

const sha256 = (bytes: Bytes) => createHash("sha256").update(bytes).digest("hex");

/** Holds what was decoded against what the reference says it packed: state values in order, hashes of the pictures. */
function checkGolden(observation: Observation, described: Described["value"], profile: RobotProfile): void {
  const entries = new Map(described.entries);
  const state = profile.stateParts.flatMap(({ wireKey }) => entries.get(wireKey)!.values!);
  assert.deepEqual([...observation.state], state);
  const pictures = profile.cameras.flatMap(({ name, wireKey: [first, second] }) => {
    const entry = second === undefined ? entries.get(first) : new Map(entries.get(first)!.entries).get(second);
    return entry === undefined ? [] : [[name, entry.sha256]];
  });
  assert.deepEqual(Object.entries(observation.images).map(([name, { data }]) => [name, sha256(data)]), pictures);
}

Deno.test("decodeRequest() and encodeRequest() agree with openpi's client on an aloha, byte by byte", () => {
  const { message, described } = readGolden(keptFolder, "obs_aloha_sim");
  const { dialect, observation, timing } = read(message);
  assert.deepEqual([dialect, timing, "prompt" in observation], ["openpi", false, false]);
  checkGolden(observation, described, aloha);
  const { width, height, layout } = observation.images.cam_high!;
  assert.deepEqual([width, height, layout], [224, 224, "chw"]);
  assert.deepEqual(encodeRequest(new Encoder(), observation, aloha, "openpi", false), message);
});

Deno.test("decodeRequest() reads openpi's float32 picture and its prompt as an array", () => {
  const { message } = readGolden(keptFolder, "obs_aloha_f32_image");
  const { observation } = read(message);
  assert.equal(observation.prompt, "Transfer cube");
  assert.equal(observation.state[0], -0.8470538258552551);
  const { width, height, layout, data } = observation.images.cam_high!;
  assert.deepEqual([width, height, layout], [16, 12, "chw"]);
  const raw = decode(message) as ReadonlyMap<string, ReadonlyMap<string, NdArray>>;
  const values = toFloat64(raw.get("images")!.get("cam_high")!, "cam_high");
  assert.deepEqual([...data], [...values].map((value) => Math.trunc(Math.fround(255 * value))));
});

Deno.test("decodeRequest() reads openpi's droid with a numpy scalar and a prompt of bytes", () => {
  const { message } = readGolden(keptFolder, "obs_droid_scalar_gripper");
  const { observation } = read(message, droid);
  assert.equal(observation.prompt, "pick up the fork");
  assert.deepEqual([observation.state.length, observation.state[0], observation.state[7]], [
    8,
    0.6642813715686795,
    0.25,
  ]);
  assert.deepEqual(Object.values(observation.images).map(({ width, height, layout }) => [width, height, layout]), [
    [14, 14, "hwc"],
    [14, 14, "hwc"],
  ]);
});

Deno.test({
  name: "decodeRequest() and encodeRequest() agree with openpi's client on every robot (needs PI0_SHARED)",
  ignore: !existsSync(`${sharedFolder}/wire.json`),
  fn() {
    const cases = [["obs_aloha_4cam", "aloha"], ["obs_droid", "droid"], ["obs_libero", "libero"]] as const;
    for (const [name, robot] of cases) {
      const profile: RobotProfile = ROBOTS[robot];
      const { message, described } = readGolden(sharedFolder, name);
      const { observation } = read(message, profile);
      checkGolden(observation, described, profile);
      assert.equal(typeof observation.prompt, "string");
      const own = encodeRequest(new Encoder(), observation, profile, "openpi", false);
      // openpi's example for a droid puts the pictures before the state: the same map in another order.
      if (robot === "droid") assert.deepEqual(read(own, profile), read(message, profile));
      else assert.deepEqual(own, message, name);
    }
  },
});
