import assert from "node:assert/strict";
import { WireError, type WireErrorCode } from "../../src/errors.ts";
import type { Bytes } from "../../src/types.ts";
import { BinaryKey, decode, type DecodeLimits, type Encodable, Encoder, float } from "../../src/wire/msgpack.ts";
import { float64Array, NdArray, ndarray, NumpyScalar, uint8Array } from "../../src/wire/ndarray.ts";

const ARRAY_HEAD = "84 c40b 5f5f6e6461727261795f5f c3 c404 64617461";
const SCALAR_HEAD = "83 c40d 5f5f6e7067656e657269635f5f c3 c404 64617461";
const DTYPE = "c405 6474797065";
const SHAPE = "c405 7368617065";

/** Encodings that openpi's Python writes and reads. */
const REFERENCE: [string, Encodable][] = [
  ["80", new Map()],
  ["81 aa72657365745f706f7365 92 00 cbbff8000000000000", new Map([["reset_pose", [0, -1.5]]])],
  [
    `${ARRAY_HEAD} c408 0000803f00000040 ${DTYPE} a33c6634 ${SHAPE} 92 01 02`,
    ndarray("<f4", [1, 2], fromHex("0000803f00000040")),
  ],
  [`${ARRAY_HEAD} c402 0100 ${DTYPE} a37c6231 ${SHAPE} 91 02`, ndarray("|b1", [2], Uint8Array.of(1, 0))],
  [`${ARRAY_HEAD} c408 000000000000f03f ${DTYPE} a33c6638 ${SHAPE} 90`, float64Array([1], [])],
  [`${SCALAR_HEAD} c3 ${DTYPE} a37c6231`, new NumpyScalar("|b1", true)],
  [`${SCALAR_HEAD} 05 ${DTYPE} a33c6938`, new NumpyScalar("<i8", 5)],
  [`${SCALAR_HEAD} cb3ff8000000000000 ${DTYPE} a33c6634`, new NumpyScalar("<f4", 1.5)],
];

for (const [hex, value] of REFERENCE) {
  Deno.test(`encode() and decode() agree with the reference on ${hex}`, () => {
    assert.equal(toHex(encode(value)), hex.replaceAll(" ", ""));
    assert.deepEqual(decode(fromHex(hex)), value);
  });
}

Deno.test("encode() writes each number in the shortest form and decode() reads it back", () => {
  const numbers: [number | bigint, string][] = [
    [0, "00"],
    [127, "7f"],
    [128, "cc80"],
    [255, "ccff"],
    [256, "cd0100"],
    [65535, "cdffff"],
    [65536, "ce00010000"],
    [4294967295, "ceffffffff"],
    [4294967296, "cf0000000100000000"],
    [9007199254740991, "cf001fffffffffffff"],
    [9007199254740992n, "cf0020000000000000"],
    [18446744073709551615n, "cfffffffffffffffff"],
    [-1, "ff"],
    [-32, "e0"],
    [-33, "d0df"],
    [-128, "d080"],
    [-129, "d1ff7f"],
    [-32768, "d18000"],
    [-32769, "d2ffff7fff"],
    [-2147483648, "d280000000"],
    [-2147483649, "d3ffffffff7fffffff"],
    [-9007199254740991, "d3ffe0000000000001"],
    [-9007199254740992n, "d3ffe0000000000000"],
    [-9223372036854775808n, "d38000000000000000"],
    [-0, "cb8000000000000000"],
    [0.1, "cb3fb999999999999a"],
    [9007199254740992, "cb4340000000000000"],
    [NaN, "cb7ff8000000000000"],
    [-Infinity, "cbfff0000000000000"],
  ];
  for (const [number, hex] of numbers) {
    assert.equal(toHex(encode(number)), hex);
    assert.equal(decode(fromHex(hex)), number);
  }
});

Deno.test("encode() writes an integral number as float64 where float() or the dtype says so", () => {
  assert.equal(toHex(encode(float(31))), "cb403f000000000000");
  assert.equal(
    toHex(encode(new NumpyScalar("<f4", 2))),
    toHex(fromHex(`${SCALAR_HEAD} cb4000000000000000 ${DTYPE} a33c6634`)),
  );
});

Deno.test("encode() writes a small bigint as the same integer of type number", () => {
  for (const number of [0, 200, 70000, -1, -200, -70000, 2 ** 40]) {
    assert.deepEqual(encode(BigInt(number)), encode(number));
  }
});

Deno.test("decode() reads float32 and integers that are longer than they need to be", () => {
  assert.equal(decode(fromHex("ca3fc00000")), 1.5);
  assert.equal(decode(fromHex("cd0005")), 5);
  assert.equal(decode(fromHex("d3ffffffffffffffff")), -1);
});

Deno.test("encode() takes plain objects, leaving out what is undefined", () => {
  assert.equal(toHex(encode({ a: 1, b: undefined, c: [true, false, null] })), "82a16101a16393c3c2c0");
});

Deno.test("encode() and decode() keep text of every length and script", () => {
  for (
    const text of [
      "",
      "x".repeat(31),
      "x".repeat(32),
      "x".repeat(256),
      "x".repeat(70000),
      "Tür",
      "折り畳む",
      "\ufeff🤖\0",
    ]
  ) {
    assert.equal(decode(encode(text)), text);
  }
  assert.equal(toHex(encode("ü".repeat(20))).slice(0, 4), "d928");
});

Deno.test("encode() and decode() keep containers on both sides of each length class", () => {
  for (const length of [15, 16, 65535, 65536]) {
    const array = Array.from({ length }, (_, i) => i % 100);
    assert.deepEqual(decode(encode(array)), array);
    const map = new Map(array.map((item, i) => [`k${i}`, item]));
    assert.deepEqual(decode(encode(map)), map);
    const bytes = new Uint8Array(length).fill(7);
    assert.deepEqual(decode(encode(bytes)), bytes);
  }
});

Deno.test("encode() keeps every kind of value when the buffer grows in its midst", () => {
  const kinds = [5, 200, 300, 70000, 2 ** 33, -5, -100, -300, -70000, -(2 ** 33), 0.5, "text", "ü", true, null];
  const message = [...kinds, Uint8Array.of(1), uint8Array(Uint8Array.of(2), [1]), new NumpyScalar("<i4", 3)];
  for (let padding = 4000; padding < 4096; padding++) {
    const value = [new Uint8Array(padding), ...message];
    assert.deepEqual(decode(encode(value)), value);
  }
});

Deno.test("encode() reuses its buffer from one message to the next", () => {
  const encoder = new Encoder();
  const first = encoder.encode("first");
  const second = encoder.encode("other");
  assert.equal(first.buffer, second.buffer);
  assert.equal(decode(second), "other");
});

Deno.test("encode() gives whole messages after a refused one", () => {
  const encoder = new Encoder();
  assert.throws(() => encoder.encode(["half", "\ud800"]), TypeError);
  assert.equal(toHex(encoder.encode([1])), "9101");
});

Deno.test("encode() refuses what has no place in a message", () => {
  const inside: Encodable[] = [];
  inside.push(inside);
  const refused = [
    undefined,
    [undefined],
    () => 1,
    new Date(0),
    new Float64Array(2),
    new Map([[1, 2]]),
    "\udc00",
    inside,
  ];
  for (const value of refused) assert.throws(() => encode(value as Encodable), TypeError);
  for (const value of [2n ** 64n, -(2n ** 63n) - 1n]) assert.throws(() => encode(value), RangeError);
});

Deno.test("decode() gives bytes and array data as views into the message", () => {
  const message = encode([Uint8Array.of(1, 2), uint8Array(Uint8Array.of(3, 4), [2])]);
  const value = decode(message);
  assert.ok(Array.isArray(value) && value[0] instanceof Uint8Array && value[1] instanceof NdArray);
  assert.equal(value[0].buffer, message.buffer);
  assert.equal(value[1].data.buffer, message.buffer);
});

Deno.test("decode() reads a message that starts inside a larger buffer", () => {
  const message = encode({ a: [1.5, 300, "x"], b: float64Array([2], [1]) });
  const larger = new Uint8Array(message.length + 10).fill(0xc1);
  larger.set(message, 3);
  assert.deepEqual(decode(larger.subarray(3, 3 + message.length)), decode(message));
});

Deno.test("decode() keeps the name __proto__ an ordinary key", () => {
  const value = decode(fromHex("81 a95f5f70726f746f5f5f 81 a161 01"));
  assert.ok(value instanceof Map);
  assert.deepEqual([...value.keys()], ["__proto__"]);
});

Deno.test("decode() tells a key of bytes from the same key of text", () => {
  const value = decode(fromHex("82 c40161 01 a161 02"));
  assert.deepEqual(value, new Map<string | BinaryKey, number>([[new BinaryKey(fromHex("61")), 1], ["a", 2]]));
});

Deno.test("decode() takes numpy's keys in any order, and other keys beside them", () => {
  const message = fromHex(
    `85 ${SHAPE} 9101 c401ff c0 ${DTYPE} a37c7531 c40464617461 c40107 c40b5f5f6e6461727261795f5f c2`,
  );
  assert.deepEqual(decode(message), uint8Array(Uint8Array.of(7), [1]));
});

Deno.test("decode() leaves a map with numpy's names as text a plain map, as openpi does", () => {
  const map = new Map<string, Encodable>([["__ndarray__", true], ["data", "x"]]);
  assert.deepEqual(decode(encode(map)), map);
});

const arrayOf = (dtype: string, shape: string, data: string) =>
  `${ARRAY_HEAD} ${data} ${DTYPE} ${dtype} ${SHAPE} ${shape}`;

const REFUSED: [string, WireErrorCode, string][] = [
  ["nothing", "truncated", ""],
  ["the reserved byte", "malformed", "c1"],
  ["an extension of one byte", "malformed", "d40100"],
  ["a timestamp", "malformed", "d6ff00000000"],
  ["two values", "malformed", "0101"],
  ["a key that is a number", "malformed", "810102"],
  ["a key that is nil", "malformed", "81c002"],
  ["a key that is a map", "malformed", "818002"],
  ["a key of text twice", "malformed", "82a16101a16102"],
  ["a key of text twice in two lengths", "malformed", "82a16101d9016102"],
  ["a key of bytes twice", "malformed", "82c4016101c4016102"],
  ["a long key of bytes that are not text, twice", "malformed", `82 ${`c428${"ff".repeat(40)} c0`.repeat(2)}`],
  ["a lone UTF-8 continuation byte", "malformed", "a180"],
  ["half of a surrogate pair in UTF-8", "malformed", "a3eda080"],
  ["an array of four billion values", "truncated", "ddffffffff00"],
  ["a map of four billion entries", "truncated", "dfffffffff00"],
  ["a map of one entry in one byte", "truncated", "81a0"],
  ["bytes that end early", "truncated", "c6ffffffff00"],
  ["text that ends early", "truncated", "dbffffffff00"],
  ["an array without shape", "missing_field", `83 c40b5f5f6e6461727261795f5f c3 c40464617461 c400 ${DTYPE} a37c7531`],
  ["an array with too little data", "wrong_shape", arrayOf("a37c7531", "9103", "c4020000")],
  ["an array with too much data", "wrong_shape", arrayOf("a37c7531", "9103", "c40400000000")],
  ["an array whose size overflows to 0", "wrong_shape", arrayOf("a37c7531", "92ce80000000cf0000000200000000", "c400")],
  ["a negative dimension", "wrong_shape", arrayOf("a37c7531", "92ffff", "c40101")],
  ["a fractional dimension", "wrong_shape", arrayOf("a37c7531", "91cb3fe0000000000000", "c400")],
  ["a dimension beyond 2^53", "wrong_shape", arrayOf("a37c7531", "92cfffffffffffffffff00", "c400")],
  ["nine dimensions", "wrong_shape", arrayOf("a37c7531", "99010101010101010101", "c40101")],
  ["a shape that is a number", "wrong_type", arrayOf("a37c7531", "01", "c40101")],
  ["data that is text", "wrong_type", arrayOf("a37c7531", "9101", "a161")],
  ["a dtype that is bytes", "wrong_type", arrayOf("c4037c7531", "9101", "c40101")],
  ["objects", "wrong_dtype", arrayOf("a27c4f", "9101", "c4080000000000000000")],
  ["structures", "wrong_dtype", arrayOf("a37c5632", "9101", "c4020000")],
  ["complex numbers", "wrong_dtype", arrayOf("a33c6338", "9101", "c4080000000000000000")],
  ["text without characters", "wrong_dtype", arrayOf("a33c5530", "91ceffffffff", "c400")],
  ["a number without byte order", "wrong_dtype", arrayOf("a26634", "9101", "c40400000000")],
  ["a scalar of another type than its dtype", "wrong_type", `${SCALAR_HEAD} 01 ${DTYPE} a37c6231`],
  ["a scalar out of range", "wrong_type", `${SCALAR_HEAD} cd012c ${DTYPE} a37c7531`],
  ["a scalar of text", "wrong_dtype", `${SCALAR_HEAD} a161 ${DTYPE} a33c5531`],
];

for (const [what, code, hex] of REFUSED) {
  Deno.test(`decode() refuses ${what} as ${code}`, () => {
    assert.equal(refusal(fromHex(hex)).code, code);
  });
}

Deno.test("decode() names the field and the byte in its error", () => {
  const error = refusal(
    fromHex(`81 a6696d61676573 81 a863616d5f68696768 92 00 ${arrayOf("a37c7531", "9103", "c4020000")}`),
  );
  assert.deepEqual(error.details, {
    field: "images.cam_high[1]",
    found: "2 bytes of data for |u1 with shape [3] at byte 20",
    expected: "3 bytes",
  });
  assert.equal(refusal(fromHex("81a161c1")).details.field, "a");
  assert.equal(refusal(fromHex("c1")).details.field, undefined);
});

Deno.test("decode() makes foreign text in its errors short and harmless", () => {
  const error = refusal(encode({ [`\x1b[31m\u202e"${"x".repeat(1000)}`]: [] }).with(-1, 0xc1));
  assert.match(error.message, /^[\x20-\x7e…]{1,200}$/);
  assert.ok(error.details.field?.startsWith('"\\u001b[31m\\u202e\\u0022xxx'));
});

Deno.test("decode() takes 32 arrays inside each other and refuses the 33rd", () => {
  decode(fromHex("91".repeat(31) + "90"));
  const error = refusal(fromHex("91".repeat(32) + "90"));
  assert.equal(error.code, "too_deep");
  assert.equal(refusal(new Uint8Array(1_000_000).fill(0x91)).code, "too_deep");
});

Deno.test("decode() refuses more values than the limit, wherever they are", () => {
  const limits: DecodeLimits = { maxDepth: 32, maxValues: 6 };
  decode(fromHex("82 a161 92 01 02 a162 03"), limits);
  assert.equal(refusal(fromHex("82 a161 92 01 02 a162 91 03"), limits).code, "too_large");
  const emptyMaps = new Uint8Array(1_000_005).fill(0x80);
  emptyMaps.set(fromHex("dd000f4240"));
  assert.equal(refusal(emptyMaps).code, "too_large");
});

const SAMPLES: Encodable[] = [
  {
    state: float64Array([0.5, -1], [2]),
    images: { cam_high: uint8Array(new Uint8Array(300), [3, 10, 10]) },
    prompt: "fold",
  },
  [
    ndarray(">i4", [1], new Uint8Array(4)),
    ndarray("<U2", [], new Uint8Array(8)),
    new NumpyScalar("<u8", 2n ** 64n - 1n),
  ],
  new Map<string | BinaryKey, Encodable>([[new BinaryKey(Uint8Array.of(1, 255)), "ü"], ["x".repeat(40), [
    2 ** 40,
    -70000,
  ]]]),
  {
    reset_pose: [0, -1.5, float(3)],
    nested: { none: null, yes: true, long: "ä".repeat(150) },
    raw: new Uint8Array(20),
  },
];

Deno.test("decode() finds every message truncated that is cut anywhere", () => {
  for (const sample of SAMPLES) {
    const message = encode(sample);
    for (let length = 0; length < message.length; length++) {
      assert.equal(refusal(message.subarray(0, length)).code, "truncated");
    }
  }
});

Deno.test("decode() answers damaged messages with a value or a WireError, and the value survives a round trip", () => {
  const random = createRandom(20240607);
  const pick = (count: number) => Math.floor(random() * count);
  let values = 0;
  for (let round = 0; round < 8000; round++) {
    const bytes = [...encode(SAMPLES[pick(SAMPLES.length)]!)];
    for (let damages = 1 + pick(3); damages > 0; damages--) {
      const at = pick(Math.min(bytes.length, 80));
      // Bytes from 0x80 on are the types; the others are small numbers.
      bytes.splice(at, pick(3), ...Array.from({ length: pick(3) }, () => 0x80 * pick(2) + pick(0x80)));
    }
    try {
      const value = decode(Uint8Array.from(bytes));
      values++;
      assert.deepEqual(decode(encode(value)), value);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      encode({ ...error.details });
    }
  }
  assert.ok(values > 100, `only ${values} damaged messages were still messages`);
});

Deno.test("decode() answers random bytes with a value or a WireError", () => {
  const random = createRandom(7);
  for (let round = 0; round < 5000; round++) {
    const bytes = Uint8Array.from({ length: Math.floor(random() * 40) }, () => random() * 256);
    try {
      decode(bytes);
    } catch (error) {
      assert.ok(error instanceof WireError);
    }
  }
});

function encode(value: Encodable): Bytes {
  return new Encoder().encode(value);
}

function refusal(bytes: Bytes, limits?: DecodeLimits): WireError {
  try {
    decode(bytes, limits);
  } catch (error) {
    assert.ok(error instanceof WireError);
    return error;
  }
  assert.fail("The message was not refused");
}

function fromHex(hex: string): Bytes {
  return Uint8Array.from(hex.replaceAll(" ", "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Mulberry32: numbers from 0 to 1, the same for the same seed. */
function createRandom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
