/**
 * The messages that openpi's own packer wrote, in both directions. See `tests/fixtures/wire/README.md`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { WireError } from "../../src/errors.ts";
import type { Bytes } from "../../src/types.ts";
import { BinaryKey, decode, type Encodable, Encoder, float, type Value } from "../../src/wire/msgpack.ts";
import { NdArray, ndarray, NumpyScalar, toFloat64, toTexts } from "../../src/wire/ndarray.ts";

type Element = number | string | boolean;
type Key = string | { bin: string };
type Description =
  | { type: "map"; entries: [Key, Description][] }
  | { type: "array"; items: Description[] }
  | { type: "ndarray"; dtype: string; shape: number[]; bytes: number; sha256: string; values?: Element[] }
  | { type: "npscalar"; dtype: string; value: Element }
  | { type: "str"; value: string }
  | { type: "bin"; base64: string }
  | { type: "int" | "float64"; value: number | string }
  | { type: "bool"; value: boolean }
  | { type: "nil" };
interface Wire {
  messages: { name: string; file: string; value: Description }[];
  rejected: { name: string; file: string }[];
}

const keptFolder = `${import.meta.dirname}/../fixtures/wire`;
const sharedFolder = `${Deno.env.get("PI0_SHARED") ?? "../shared"}/fixtures/openpi/wire`;
const isSharedAbsent = !existsSync(`${sharedFolder}/wire.json`);

for (const { name, file, value } of readWire(keptFolder).messages) {
  Deno.test(`decode() and encode() agree with openpi on ${name}`, () => checkMessage(`${keptFolder}/${file}`, value));
}

for (const { name, file } of readWire(keptFolder).rejected) {
  Deno.test(`decode() refuses ${name} as openpi does`, () => checkRejected(`${keptFolder}/${file}`));
}

Deno.test({
  name: "decode() and encode() agree with openpi on all messages of the shared folder (needs PI0_SHARED)",
  ignore: isSharedAbsent,
  fn() {
    const { messages, rejected } = readWire(sharedFolder);
    assert.equal(messages.length, 50);
    for (const { name, file, value } of messages) {
      try {
        checkMessage(`${sharedFolder}/${file}`, value);
      } catch (cause) {
        throw new Error(`The message ${name} differs`, { cause });
      }
    }
    assert.equal(rejected.length, 8);
    for (const { file } of rejected) checkRejected(`${sharedFolder}/${file}`);
  },
});

function readWire(folder: string): Wire {
  return JSON.parse(Deno.readTextFileSync(`${folder}/wire.json`));
}

function checkMessage(path: string, description: Description): void {
  const message = Deno.readFileSync(path);
  const value = decode(message);
  checkValue(value, description);
  assert.deepEqual(new Encoder().encode(build(description, value)), message);
}

function checkRejected(path: string): void {
  const message = Deno.readFileSync(path);
  assert.throws(() => decode(message), WireError);
}

function checkValue(value: Value | undefined, description: Description): void {
  switch (description.type) {
    case "map": {
      assert.ok(value instanceof Map);
      const keys = [...value.keys()];
      assert.deepEqual(keys, description.entries.map(([key]) => buildKey(key)));
      description.entries.forEach(([, item], i) => checkValue(value.get(keys[i]), item));
      return;
    }
    case "array":
      assert.ok(Array.isArray(value));
      assert.equal(value.length, description.items.length);
      return description.items.forEach((item, i) => checkValue(value[i], item));
    case "ndarray": {
      assert.ok(value instanceof NdArray);
      assert.equal(value.dtype, description.dtype);
      assert.deepEqual(value.shape, description.shape);
      assert.equal(value.data.length, description.bytes);
      assert.equal(createHash("sha256").update(value.data).digest("hex"), description.sha256);
      if (description.values !== undefined) checkElements(value, description.values);
      return;
    }
    case "npscalar":
      return assert.deepEqual(
        value,
        new NumpyScalar(description.dtype, readScalar(description.dtype, description.value)),
      );
    case "bin":
      return assert.deepEqual(value, fromBase64(description.base64));
    case "nil":
      return assert.equal(value, null);
    case "int":
      return assert.equal(value, readInteger(description.value));
    case "float64":
      return assert.equal(value, readFloat(description.value));
    default:
      return assert.equal(value, description.value);
  }
}

function checkElements(array: NdArray, values: Element[]): void {
  if (/[US]/.test(array.dtype)) return assert.deepEqual(toTexts(array, "array"), values);
  // Both sides round integers beyond 2^53; the hash has seen their bits.
  assert.deepEqual([...toFloat64(array, "array")], values.map((value) => Number(readScalar(array.dtype, value))));
}

/** What to encode for a description; `decoded` supplies the elements of long arrays, which descriptions only hash. */
function build(description: Description, decoded: Value | undefined): Encodable {
  switch (description.type) {
    case "map": {
      const items = decoded instanceof Map ? [...decoded.values()] : [];
      return new Map(description.entries.map(([key, item], i) => [buildKey(key), build(item, items[i])]));
    }
    case "array":
      return description.items.map((item, i) => build(item, Array.isArray(decoded) ? decoded[i] : undefined));
    case "ndarray": {
      if (description.values !== undefined) {
        return ndarray(description.dtype, description.shape, pack(description.dtype, description.values));
      }
      assert.ok(decoded instanceof NdArray);
      return decoded;
    }
    case "npscalar":
      return new NumpyScalar(description.dtype, readScalar(description.dtype, description.value));
    case "bin":
      return fromBase64(description.base64);
    case "nil":
      return null;
    case "int":
      return readInteger(description.value);
    case "float64":
      return float(readFloat(description.value));
    default:
      return description.value;
  }
}

function buildKey(key: Key): string | BinaryKey {
  return typeof key === "string" ? key : new BinaryKey(fromBase64(key.bin));
}

function pack(dtype: string, values: Element[]): Bytes {
  const size = Number(dtype.slice(2)) * (dtype[1] === "U" ? 4 : 1);
  const isLittleEndian = dtype[0] === "<";
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    const at = i * size;
    if (dtype[1] === "U") {
      return [...String(value)].forEach((c, j) => view.setUint32(at + 4 * j, c.codePointAt(0)!, true));
    }
    if (dtype[1] === "S") return bytes.set(new TextEncoder().encode(String(value)), at);
    const number = readScalar(dtype, value);
    if (dtype[1] !== "f") {
      const word = new DataView(new ArrayBuffer(8));
      word.setBigInt64(0, BigInt(number), isLittleEndian);
      bytes.set(new Uint8Array(word.buffer, isLittleEndian ? 0 : 8 - size, size), at);
    } else if (size === 2) view.setFloat16(at, Number(number), isLittleEndian);
    else if (size === 4) view.setFloat32(at, Number(number), isLittleEndian);
    else view.setFloat64(at, Number(number), isLittleEndian);
  });
  return bytes;
}

function readScalar(dtype: string, value: Element): boolean | number | bigint {
  if (typeof value === "boolean") return value;
  return dtype[1] === "f" ? readFloat(value) : readInteger(value);
}

function readInteger(value: number | string): number | bigint {
  return Number.isSafeInteger(value) ? Number(value) : BigInt(value);
}

function readFloat(value: number | string): number {
  const named = new Map([["nan", NaN], ["inf", Infinity], ["-inf", -Infinity]]);
  return typeof value === "string" ? named.get(value) ?? Number(value) : value;
}

function fromBase64(text: string): Bytes {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
