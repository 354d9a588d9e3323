/**
 * Replies of both dialects. The golden ones were recorded from openpi's server, see `tests/fixtures/wire/README.md`.
 */

import assert from "node:assert/strict";
import { PolicyError, type PolicyErrorCode, TransportError, WireError, type WireErrorCode } from "../../src/errors.ts";
import { ROBOTS } from "../../src/robot/mod.ts";
import type { ActionChunk, Bytes } from "../../src/types.ts";
import { decode, type Encodable, Encoder, float, type Value } from "../../src/wire/msgpack.ts";
import { float32Array, float64Array, ndarray } from "../../src/wire/ndarray.ts";
import {
  decodeInfo,
  decodeReply,
  encodeFailure,
  encodeInfo,
  encodeReply,
  type ReplyOptions,
} from "../../src/wire/reply.ts";
import { decodeRequest } from "../../src/wire/request.ts";

const chunk: ActionChunk = {
  actions: Float64Array.of(1, -2, 0.5, 1 / 3),
  actionHorizon: 2,
  actionDim: 2,
  timing: { queue: 0.25, decode: 0.5, preprocess: 1, infer: 30, postprocess: 2 },
};
const plain: ReplyOptions = { dialect: "robodal", timing: false, policyMs: 33, previous: {} };
const previous = { encodeMs: 0.125, residenceMs: 40 };

const encode = (value: Encodable): Bytes => new Encoder().encode(value);
const reply = (changes: Partial<ReplyOptions> = {}, of = chunk): Bytes =>
  encodeReply(new Encoder(), of, { ...plain, ...changes });
const keys = (value: Value | undefined) => value instanceof Map ? [...value.keys()] : undefined;
const field = (message: Bytes, key: string) => (decode(message) as ReadonlyMap<string, Value>).get(key);
const ascii = (text: string) => [...text].map((character) => character.charCodeAt(0));

Deno.test("encodeReply() writes robodal's reply: float32 rows as bare bytes, and the inference time", () => {
  assert.deepEqual([...reply()], [
    ...[0x82, 0xa6, ...ascii("action"), 0xc4, 16],
    ...[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0x3f, 0xab, 0xaa, 0xaa, 0x3e],
    ...[0xac, ...ascii("inference_ms"), 0xcb, 0x40, 0x3e, 0, 0, 0, 0, 0, 0],
  ]);
});

Deno.test("encodeReply() gives the policy's whole time where the policy measured no inference", () => {
  assert.equal(field(reply({}, { ...chunk, timing: {} }), "inference_ms"), 33);
  const timing = field(reply({ dialect: "openpi" }, { ...chunk, timing: {} }), "policy_timing");
  assert.deepEqual(timing, new Map([["infer_ms", 33]]));
});

const keptFolder = `${import.meta.dirname}/../fixtures/wire`;
const recorded = (name: string): Bytes => Deno.readFileSync(`${keptFolder}/conversation/${name}.server.binary.bin`);

Deno.test("encodeReply() writes what openpi's server sends first on a connection, byte by byte", () => {
  const request = decodeRequest(Deno.readFileSync(`${keptFolder}/messages/obs_aloha_sim.bin`), ROBOTS.aloha);
  assert.ok(request.kind === "infer");
  const { state } = request.observation;
  // The policy that was recorded: numpy.linspace(0, 1, 50) times the state, plus 0.5.
  const ramp = (row: number) => row === 49 ? 1 : row * (1 / 49);
  const actions = Float64Array.from({ length: 50 * 14 }, (_, i) => ramp(Math.floor(i / 14)) * state[i % 14]! + 0.5);
  const said: ActionChunk = { actions, actionHorizon: 50, actionDim: 14, timing: { infer: 1.25 } };
  const first = reply({ dialect: "openpi", policyMs: 0.07012400055828039 }, said);
  assert.deepEqual(first, recorded("02"));
});

Deno.test("encodeReply() writes what openpi's server sends from the second reply on, byte by byte", () => {
  const message = recorded("04");
  const { actions, actionHorizon, actionDim } = decodeReply(message, 14).chunk;
  assert.deepEqual([actionHorizon, actionDim, ...actions.subarray(0, 14)], [50, 14, ...new Array(14).fill(0.5)]);
  const said: ActionChunk = { actions, actionHorizon, actionDim, timing: { infer: 1.25 } };
  const options = {
    dialect: "openpi",
    policyMs: 0.035242999729234725,
    previous: { encodeMs: 1, residenceMs: 30.349159000252257 },
  } as const;
  assert.deepEqual(reply(options, said), message);
});

Deno.test("encodeReply() tells the stages only when asked, and leaves out what was not measured", () => {
  for (const dialect of ["robodal", "openpi"] as const) {
    const silent = reply({ dialect, previous });
    assert.deepEqual([field(silent, "timing"), field(silent, "prev")], [undefined, undefined]);
    const told = reply({ dialect, timing: true, previous });
    assert.deepEqual(field(told, "timing"), new Map(Object.entries(chunk.timing)));
    assert.deepEqual(field(told, "prev"), new Map([["encode", 0.125], ["residence", 40]]));
    const sparse = reply({ dialect, timing: true }, { ...chunk, timing: { infer: 30, encode: 9 } });
    assert.deepEqual(field(sparse, "timing"), new Map([["infer", 30]]));
    assert.equal(field(sparse, "prev"), undefined);
  }
});

Deno.test("encodeReply() adds nothing to openpi's reply unless asked", () => {
  assert.deepEqual(keys(decode(reply({ dialect: "openpi", previous }))), ["actions", "policy_timing", "server_timing"]);
});

Deno.test("decodeReply() reads back both dialects: float32 from robodal's, float64 from openpi's", () => {
  const { actions: _, ...rest } = chunk;
  for (const dialect of ["robodal", "openpi"] as const) {
    const answer = decodeReply(reply({ dialect, timing: true, previous }), 2);
    const { actions, ...others } = answer.chunk;
    assert.deepEqual(actions, dialect === "openpi" ? chunk.actions : Float64Array.from(chunk.actions, Math.fround));
    assert.deepEqual(others, rest);
    assert.deepEqual(answer.previous, previous);
  }
});

Deno.test("decodeReply() knows only the inference time where the stages were not told", () => {
  assert.deepEqual(decodeReply(reply(), 2), {
    chunk: { ...chunk, actions: Float64Array.from(chunk.actions, Math.fround), timing: { infer: 30 } },
    previous: {},
  });
  // Of openpi's two times the server's is the one that includes bringing the result into memory.
  assert.deepEqual(decodeReply(reply({ dialect: "openpi" }), 2).chunk.timing, { infer: 33 });
  assert.deepEqual(decodeReply(encode({ actions: float64Array([1, 2], [1, 2]) }), 2).chunk.timing, {});
});

Deno.test("decodeReply() takes no residence from openpi's reply, whose total counts the wait for the request", () => {
  assert.deepEqual(decodeReply(recorded("04"), 14).previous, {});
  assert.deepEqual(decodeReply(recorded("02"), 14).chunk.timing, { infer: 0.07012400055828039 });
});

Deno.test("decodeReply() takes rows and columns from the array, and columns of bare bytes from the caller", () => {
  const { actionHorizon, actionDim } =
    decodeReply(encode({ actions: float32Array([1, 2, 3, 4, 5, 6], [3, 2]) }), 14).chunk;
  assert.deepEqual([actionHorizon, actionDim], [3, 2]);
  const bare = decodeReply(encode({ action: new Uint8Array(24) }), 3).chunk;
  assert.deepEqual([bare.actionHorizon, bare.actionDim], [2, 3]);
  assert.equal(decodeReply(encode({ action: float64Array([1, 2], [1, 2]) }), 14).chunk.actions[1], 2);
});

Deno.test("decodeReply() gives actions with memory of their own", () => {
  for (const dialect of ["robodal", "openpi"] as const) {
    const message = reply({ dialect }).slice();
    const { actions } = decodeReply(message, 2).chunk;
    message.fill(0xff);
    assert.equal(actions[1], -2);
  }
});

const REFUSED: { name: string; message: Bytes; code: WireErrorCode; field?: string; found?: string }[] = [
  {
    name: "bare bytes that are no whole rows",
    message: encode({ action: new Uint8Array(20) }),
    code: "wrong_shape",
    field: "action",
    found: "20 bytes",
  },
  {
    name: "bare bytes that are no whole numbers",
    message: encode({ action: new Uint8Array(7) }),
    code: "wrong_shape",
    field: "action",
  },
  {
    name: "no rows in bare bytes",
    message: encode({ action: new Uint8Array(0) }),
    code: "wrong_shape",
    field: "action",
  },
  {
    name: "no rows in an array",
    message: encode({ actions: float64Array([], [0, 14]) }),
    code: "wrong_shape",
    field: "actions",
    found: "[0, 14]",
  },
  {
    name: "actions with a batch dimension",
    message: encode({ actions: float64Array([1, 2], [1, 1, 2]) }),
    code: "wrong_shape",
    field: "actions",
    found: "[1, 1, 2]",
  },
  {
    name: "actions of text",
    message: encode({ actions: ndarray("<U1", [1, 2], new Uint8Array(8)) }),
    code: "wrong_dtype",
    field: "actions",
  },
  { name: "actions that are no array", message: encode({ actions: 3 }), code: "wrong_shape", field: "actions" },
  { name: "a map without actions", message: encode({ inference_ms: 3 }), code: "missing_field", field: "actions" },
  { name: "a list", message: encode([1]), code: "wrong_type" },
  { name: "an empty message", message: new Uint8Array(0), code: "truncated" },
  { name: "an array that is cut off", message: reply({ dialect: "openpi" }).slice(0, 40), code: "truncated" },
];

for (const { name, message, code, field, found } of REFUSED) {
  Deno.test(`decodeReply() refuses ${name}`, () => {
    assert.throws(() => decodeReply(message, 2), (error) => {
      assert.ok(error instanceof WireError);
      assert.equal(error.code, code);
      if (field !== undefined) assert.equal(error.details.field, field);
      if (found !== undefined) assert.equal(error.details.found, found);
      return true;
    });
  });
}

Deno.test("encodeFailure() writes code, message, and what was wrong with the field", () => {
  const error = new WireError("wrong_shape", { field: "state", found: "55 bytes", expected: "56" });
  assert.deepEqual(
    encodeFailure(new Encoder(), error.code, error),
    encode({
      error: {
        code: "wrong_shape",
        message: 'Cannot read "state" (wrong_shape): found 55 bytes, expected 56',
        field: "state",
        found: "55 bytes",
        expected: "56",
      },
    }),
  );
  assert.deepEqual(
    encodeFailure(new Encoder(), "busy", new PolicyError("busy", "Full")),
    encode({ error: { code: "busy", message: "Full" } }),
  );
});

function catchFailure(code: string, error: Error): PolicyError {
  const message = encodeFailure(new Encoder(), code, error);
  for (const read of [() => decodeReply(message, 2), () => decodeInfo(message)]) {
    assert.throws(read, PolicyError);
  }
  try {
    decodeReply(message, 2);
  } catch (caught) {
    return caught as PolicyError;
  }
  throw new Error("unreachable");
}

Deno.test("decodeReply() throws a failure as a PolicyError with the server's code and words", () => {
  const codes: PolicyErrorCode[] = [
    "busy",
    "superseded",
    "unauthorized",
    "protocol_mismatch",
    "not_ready",
    "draining",
    "policy_failed",
    "undeclared_variant",
  ];
  for (const code of codes) {
    const caught = catchFailure(code, new PolicyError(code, "Because of this"));
    assert.deepEqual([caught.code, caught.message], [code, "Because of this"]);
  }
});

Deno.test("decodeReply() throws a failure with any other code as rejected, and says that code", () => {
  const wire = catchFailure("wrong_shape", new WireError("wrong_shape", { field: "state", found: "[13]" }));
  assert.equal(wire.code, "rejected");
  assert.match(wire.message, /\(wrong_shape\).*"state".*\[13\]/);
  assert.equal(catchFailure("deadline", new TransportError("deadline", "Too slow")).code, "rejected");
  assert.equal(catchFailure("out_of_cheese", new Error("Redo")).code, "rejected");
  const bare = encode({ error: {} });
  assert.throws(() => decodeReply(bare, 2), { name: "PolicyError", code: "rejected", message: /no reason given/ });
});

Deno.test("decodeInfo() reads the metadata that openpi's server greets with", () => {
  assert.deepEqual(decodeInfo(recorded("00")), { reset_pose: [0, -1.5, 1.5, 0, 0, 0] });
  const nested = Deno.readFileSync(`${keptFolder}/messages/metadata_nested.bin`);
  assert.deepEqual(decodeInfo(nested), {
    name: "pi0",
    horizon: 50,
    ok: true,
    none: null,
    limits: [[-1, 1], [0, 255]],
    nested: { a: { b: { c: [1, [2, [3, []]]] } } },
  });
  assert.deepEqual(decodeInfo(Deno.readFileSync(`${keptFolder}/messages/metadata_empty.bin`)), {});
});

Deno.test("encodeInfo() and decodeInfo() agree", () => {
  const info = { protocol: 1, ready: true, portals: { tcp: "tcp://[::1]:1" }, cameras: ["cam_high"], hash: null };
  assert.deepEqual(decodeInfo(encodeInfo(new Encoder(), info)), info);
});

Deno.test("decodeInfo() takes a greeting with a key of its own called info", () => {
  assert.deepEqual(decodeInfo(encode({ info: "arm 7", left: true })), { info: "arm 7", left: true });
});

Deno.test("decodeInfo() refuses what is no map", () => {
  assert.throws(() => decodeInfo(encode([1])), { name: "WireError", code: "wrong_type" });
});

Deno.test("encodeReply() marks times as floats even where they are whole", () => {
  assert.deepEqual(
    reply({ dialect: "openpi", previous: { residenceMs: 2 } }, { ...chunk, timing: { infer: 1 } }),
    encode({
      actions: float64Array(chunk.actions, [2, 2]),
      policy_timing: { infer_ms: float(1) },
      server_timing: { infer_ms: float(33), prev_total_ms: float(2) },
    }),
  );
});
