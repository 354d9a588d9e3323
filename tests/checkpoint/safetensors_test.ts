import assert from "node:assert/strict";
import {
  encodeFloats,
  encodeHeader,
  SafetensorsFile,
  type TensorDescription,
} from "../../src/checkpoint/safetensors.ts";

/** Writes a file, hands its path to `use`, and removes it. */
async function withFile(bytes: Uint8Array, use: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".safetensors" });
  try {
    await Deno.writeFile(path, bytes);
    await use(path);
  } finally {
    await Deno.remove(path);
  }
}

/** A file with this header and so many bytes of data, which count up from 0. */
function fileOf(header: unknown, dataBytes = 8): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  for (let i = 0; i < dataBytes; i++) bytes[8 + json.length + i] = i;
  return bytes;
}

Deno.test("SafetensorsFile reads tensors of every type, wherever they lie", async () => {
  const tensors: TensorDescription[] = [
    { name: "i8", type: "I8", shape: [3] },
    { name: "f32", type: "F32", shape: [2, 1] },
    { name: "f16", type: "F16", shape: [2] },
    { name: "bf16", type: "BF16", shape: [1] },
  ];
  const data = [
    Uint8Array.of(1, 2, 255),
    encodeFloats(Float32Array.of(1.5, -2), "F32"),
    encodeFloats(Float32Array.of(0.5, 3), "F16"),
    encodeFloats(Float32Array.of(-8), "BF16"),
  ];
  const header = encodeHeader(tensors, { about: "test" });
  const bytes = new Uint8Array([...header, ...data.flatMap((part) => [...part])]);
  assert.equal(header.length % 64, 0);
  await withFile(bytes, async (path) => {
    using file = await SafetensorsFile.open(path);
    assert.deepEqual(file.metadata, { about: "test" });
    // Reads that overlap in time do not disturb each other.
    const [f32, f16, bf16, i8] = await Promise.all([
      file.readFloats("f32"),
      file.readFloats("f16", 1, 1),
      file.readFloats("bf16"),
      file.readBytes("i8", 1),
    ]);
    assert.deepEqual([[...f32], [...f16], [...bf16], [...i8]], [[1.5, -2], [3], [-8], [2, 255]]);
    assert.deepEqual(file.place("f32"), {
      name: "f32",
      type: "F32",
      shape: [2, 1],
      offset: header.length + 3,
      length: 8,
    });
    await assert.rejects(() => file.readFloats("i8"), /"i8".*as float32: it is I8/);
    await assert.rejects(() => file.readBytes("i8", 2, 2), RangeError);
    assert.throws(() => file.place("f64"), /Cannot find the tensor "f64"/);
  });
});

Deno.test("SafetensorsFile reads a file in memory as one on the disk", async () => {
  const bytes = fileOf({ w: { dtype: "U8", shape: [2], data_offsets: [3, 5] } });
  using file = await SafetensorsFile.fromBytes("inside", bytes);
  assert.deepEqual([...await file.readBytes("w")], [3, 4]);
  await assert.rejects(() => SafetensorsFile.fromBytes("inside", bytes.subarray(0, 9)), /Cannot read "inside"/);
});

Deno.test("SafetensorsFile finds a tensor by an alias of the metadata", async () => {
  const header = { __metadata__: { embed: "head" }, head: { dtype: "F32", shape: [1], data_offsets: [0, 4] } };
  await withFile(fileOf(header), async (path) => {
    using file = await SafetensorsFile.open(path);
    assert.equal(file.place("embed"), file.place("head"));
  });
});

Deno.test("SafetensorsFile opens a file that also has tensors of unknown types", async () => {
  const header = {
    strange: { dtype: "F8_E4M3", shape: [4], data_offsets: [0, 4] },
    known: { dtype: "U8", shape: [4], data_offsets: [4, 8] },
  };
  await withFile(fileOf(header), async (path) => {
    using file = await SafetensorsFile.open(path);
    assert.deepEqual([...await file.readBytes("known")], [4, 5, 6, 7]);
    assert.throws(() => file.place("strange"), TypeError);
  });
});

const tensor = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
const REJECTED: Record<string, [Uint8Array, RegExp]> = {
  "is shorter than a header's length": [Uint8Array.of(1, 2), /8 bytes at least, this 2/],
  "claims a longer header than the file has": [fileOf({}).fill(0xff, 0, 3), /header claims 16777215 bytes/],
  "has a header that is not JSON": [fileOf("{x"), /not JSON/],
  "has a list for a header": [fileOf([]), /not a JSON object/],
  "has numbers in its metadata": [fileOf({ __metadata__: { a: 1 } }), /"a" is not a string/],
  "has a tensor without a type": [fileOf({ w: { shape: [2], data_offsets: [0, 8] } }), /"w" has no dtype/],
  "has a negative dimension": [fileOf({ w: { ...tensor, shape: [-2] } }), /"w" has no shape/],
  "has one offset": [fileOf({ w: { ...tensor, data_offsets: [0] } }), /"w" has no data_offsets/],
  "has fewer bytes than a shape needs": [fileOf({ w: { ...tensor, shape: [3] } }), /8 bytes, its shape \[3\] needs 12/],
  "is cut off": [fileOf({ w: tensor }, 7), /"w" ends at byte .*it is cut off/],
};
for (const [what, [bytes, message]] of Object.entries(REJECTED)) {
  Deno.test(`SafetensorsFile rejects a file that ${what}`, async () => {
    await withFile(bytes, async (path) => {
      await assert.rejects(() => SafetensorsFile.open(path), { name: "TypeError", message });
    });
  });
}
