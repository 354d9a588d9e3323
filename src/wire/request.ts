/**
 * Requests: an observation as bytes, in either of two dialects.
 *
 * - robodal's: cameras and `state` at the top level, arrays as plain bytes.
 * - openpi's: the keys of openpi's robots, arrays as numpy maps.
 *
 * `PROTOCOL.md` says both for strangers; `extensions.ts` has the keys that neither robodal nor openpi knows.
 *
 * @module
 */

import { WireError } from "../errors.ts";
import { floatToUint8, toChw, toHwc } from "../image.ts";
import type { Camera, RobotProfile } from "../robot/profile.ts";
import type { Bytes, Image, Observation } from "../types.ts";
import { describe } from "./describe.ts";
import { readExtensions, writeExtensions } from "./extensions.ts";
import { type BinaryKey, decode, type Encodable, type Encoder, type Value, type ValueMap } from "./msgpack.ts";
import { float64Array, NdArray, NumpyScalar, quote, toFloat64, toText, toUint8, uint8Array } from "./ndarray.ts";

export type Dialect = "robodal" | "openpi";

/** What a client asks for. */
export type Request =
  | { readonly kind: "info" }
  | {
    readonly kind: "infer";
    readonly dialect: Dialect;
    readonly observation: Observation;
    /** The reply should tell how long each stage took. */
    readonly timing: boolean;
  };

/** robodal's pictures have this size; in openpi's dialect the server resizes. */
const ROBODAL_IMAGE_PX = 224;

/** Whether a robot can be spoken of in robodal's dialect: its cameras have names of their own. */
export function hasRobodalDialect(profile: RobotProfile): boolean {
  return profile.cameras.every((camera) => camera.wireKey.length === 2);
}

/**
 * Reads a request.
 *
 * @throws {WireError} with a code, the field, what was found and what was expected.
 */
export function decodeRequest(message: Bytes, profile: RobotProfile): Request {
  const value = decode(message);
  if (!(value instanceof Map)) {
    throw new WireError("wrong_type", { found: describe(value), expected: "a map" });
  }
  const map = value as ValueMap;
  if (map.get("info") === true) return { kind: "info" };
  const dialect = dialectOf(map, profile);
  const images = dialect === "robodal" ? readRobodalImages(map, profile) : readOpenpiImages(map, profile);
  const state = readState(map, profile, dialect);
  const prompt = readPrompt(map.get("prompt"));
  const { timing, ...own } = readExtensions(map);
  return {
    kind: "infer",
    dialect,
    observation: {
      images,
      state,
      ...(prompt === undefined ? {} : { prompt }),
      ...own,
    },
    timing,
  };
}

function dialectOf(map: ValueMap, profile: RobotProfile): Dialect {
  const bare = hasRobodalDialect(profile) ? profile.cameras.filter((camera) => map.has(camera.name)) : [];
  const keyed = profile.cameras.filter((camera) => map.has(camera.wireKey[0]!));
  if (bare.length > 0 && keyed.length > 0) {
    throw new WireError("ambiguous", {
      field: bare[0]!.name,
      found: `both "${bare[0]!.name}" and "${keyed[0]!.wireKey[0]}"`,
      expected: "one of them",
    });
  }
  return bare.length > 0 ? "robodal" : "openpi";
}

function readRobodalImages(map: ValueMap, profile: RobotProfile): Record<string, Image> {
  refuseUnknownCameras(map, profile, (key) => profile.cameras.some((camera) => camera.name === key));
  return collectImages(profile, (camera) => map.get(camera.name), (camera) => camera.name);
}

function readOpenpiImages(map: ValueMap, profile: RobotProfile): Record<string, Image> {
  refuseUnknownCameras(map, profile, (key) => profile.cameras.some((camera) => camera.wireKey[0] === key));
  const nested = profile.cameras.find((camera) => camera.wireKey.length === 2)?.wireKey[0];
  if (nested !== undefined) {
    const group = map.get(nested);
    if (group === undefined) {
      const expected = `pictures in "${nested}", or "${profile.cameras[0]!.name}" at the top level`;
      throw new WireError("missing_field", { field: nested, found: "nothing", expected });
    }
    if (!(group instanceof Map)) {
      throw new WireError("wrong_type", { field: nested, found: describe(group), expected: "a map of pictures" });
    }
    for (const key of group.keys()) {
      if (!profile.cameras.some((camera) => camera.wireKey[1] === key)) {
        throw unknownCamera(key, profile, `${nested}.`);
      }
    }
  }
  return collectImages(profile, (camera) => at(map, camera.wireKey), (camera) => camera.wireKey.join("."));
}

function at(map: ValueMap, path: readonly string[]): Value | undefined {
  let value: Value | undefined = map;
  for (const key of path) value = value instanceof Map ? (value as ValueMap).get(key) : undefined;
  return value;
}

function collectImages(
  profile: RobotProfile,
  valueOf: (camera: Camera) => Value | undefined,
  fieldOf: (camera: Camera) => string,
): Record<string, Image> {
  const images: Record<string, Image> = {};
  for (const camera of profile.cameras) {
    const value = valueOf(camera);
    if (value !== undefined) images[camera.name] = readImage(value, camera, fieldOf(camera));
    else if (camera.required) throw missing(fieldOf(camera), profile);
  }
  return images;
}

/** Anything at the top level that looks like a picture must be a camera of the robot; other keys are left alone. */
function refuseUnknownCameras(map: ValueMap, profile: RobotProfile, known: (key: string) => boolean): void {
  for (const [key, value] of map) {
    // Long or misshapen, they are still no pictures.
    if (key === "prompt" || key === "state" || key === "noise" || key === "simulation") continue;
    if (profile.stateParts.some((part) => part.wireKey === key)) continue;
    const looksLikePicture = (value instanceof NdArray && value.shape.length >= 3) ||
      (value instanceof Uint8Array && value.length >= 1024);
    const named = typeof key === "string" && /^cam(era)?_/.test(key);
    if (!looksLikePicture && !named) continue;
    if (typeof key !== "string" || !known(key)) throw unknownCamera(key, profile);
  }
}

function missing(field: string, profile: RobotProfile): WireError {
  return new WireError("missing_field", { field, found: "nothing", expected: `what ${profile.name} sends` });
}

function unknownCamera(key: string | BinaryKey, profile: RobotProfile, inside = ""): WireError {
  const isText = typeof key === "string";
  const name = isText ? key : new TextDecoder().decode(key.bytes);
  const field = inside + (/^[\w/-]{1,40}$/.test(name) ? name : quote(name));
  const found = isText ? "a picture" : "a picture whose key is bytes instead of text";
  const expected = `a camera of ${profile.name}: ${profile.cameras.map((camera) => camera.name).join(", ")}`;
  return new WireError("unknown_camera", { field, found, expected });
}

function readImage(value: Value, camera: Camera, field: string): Image {
  if (value instanceof Uint8Array) {
    const side = ROBODAL_IMAGE_PX;
    const expected = 3 * side * side;
    if (value.length !== expected) {
      const shape = `${expected}, a uint8 array [3,${side},${side}] (a numpy map may have another size)`;
      throw new WireError("wrong_shape", { field, found: `${value.length} bytes`, expected: shape });
    }
    return { width: side, height: side, layout: "chw", data: value };
  }
  if (!(value instanceof NdArray)) {
    throw new WireError("wrong_type", { field, found: describe(value), expected: "a uint8 array" });
  }
  const { shape } = value;
  // openpi takes any array whose first size is 3 for planes, also where its robot sends interleaved channels.
  const layout = shape.length === 3 && shape[0] === 3 ? "chw" : camera.layout;
  const [height = 0, width = 0, channels] = layout === "chw" ? [shape[1], shape[2], shape[0]] : shape;
  if (shape.length !== 3 || channels !== 3 || height < 1 || width < 1) {
    const expected = camera.layout === "chw" ? "[3, height, width]" : "[height, width, 3]";
    throw new WireError("wrong_shape", { field, found: `[${shape.join(", ")}]`, expected });
  }
  const double = /^[<>]f8$/.test(value.dtype);
  const single = /^[<>]f4$/.test(value.dtype);
  const data = double
    ? floatToUint8(toFloat64(value, field))
    : single
    ? floatToUint8(new Float32Array(toFloat64(value, field)))
    : toUint8(value, field);
  return { width, height, layout, data };
}

function readState(map: ValueMap, profile: RobotProfile, dialect: Dialect): Float64Array {
  if (dialect === "robodal") return readStatePart(map.get("state"), "state", profile.stateDim, profile);
  const parts = profile.stateParts.map((part) => readStatePart(map.get(part.wireKey), part.wireKey, part.dim, profile));
  if (parts.length === 1) return parts[0]!;
  return Float64Array.from(parts.flatMap((part) => [...part]));
}

function readStatePart(value: Value | undefined, field: string, dim: number, profile: RobotProfile): Float64Array {
  if (value === undefined) throw missing(field, profile);
  if (value instanceof Uint8Array) {
    const expected = `${4 * dim}, a float32 array [${dim}] (float64 travels as a numpy map)`;
    if (value.length !== 4 * dim) {
      throw new WireError("wrong_shape", { field, found: `${value.length} bytes`, expected });
    }
    return toFloat64(new NdArray("<f4", [dim], value), field);
  }
  if (value instanceof NdArray) {
    const scalar = dim === 1 && value.shape.length === 0;
    if (!scalar && (value.shape.length !== 1 || value.shape[0] !== dim)) {
      throw new WireError("wrong_shape", { field, found: `[${value.shape.join(", ")}]`, expected: `[${dim}]` });
    }
    return toFloat64(value, field);
  }
  if (dim === 1 && value instanceof NumpyScalar) return Float64Array.of(Number(value.value));
  if (dim === 1 && typeof value === "number") return Float64Array.of(value);
  if (Array.isArray(value) && value.every((item) => typeof item === "number")) {
    if (value.length === dim) return Float64Array.from(value as number[]);
    throw new WireError("wrong_shape", { field, found: `[${value.length}]`, expected: `[${dim}]` });
  }
  throw new WireError("wrong_type", { field, found: describe(value), expected: `an array of ${dim} numbers` });
}

function readPrompt(value: Value | undefined): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  if (value instanceof NdArray) return toText(value, "prompt");
  if (value instanceof Uint8Array) {
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(value);
    } catch (cause) {
      throw new WireError("malformed", { field: "prompt", found: "bytes", expected: "UTF-8" }, { cause });
    }
  }
  throw new WireError("wrong_type", { field: "prompt", found: describe(value), expected: "text" });
}

/**
 * Writes a request. robodal's dialect rounds the state to float32, by definition; openpi's keeps float64.
 *
 * @param timing ask the server how long each stage took; a foreign server may not know the field.
 * @returns a view of the encoder's buffer, valid until its next use.
 */
export function encodeRequest(
  encoder: Encoder,
  observation: Observation,
  profile: RobotProfile,
  dialect: Dialect,
  timing: boolean,
): Bytes {
  const map = dialect === "robodal" ? robodalMap(observation, profile) : openpiMap(observation, profile);
  if (observation.prompt !== undefined) map.set("prompt", observation.prompt);
  writeExtensions(map, observation, { bare: dialect === "robodal", timing });
  return encoder.encode(map);
}

/** A request for what the server says of itself. */
export function encodeInfoRequest(encoder: Encoder): Bytes {
  return encoder.encode({ info: true });
}

function robodalMap(observation: Observation, profile: RobotProfile): Map<string, Encodable> {
  const map = new Map<string, Encodable>();
  for (const { name } of profile.cameras) {
    const image = observation.images[name];
    if (image === undefined) continue;
    const { data, width, height } = toChw(image);
    const usual = width === ROBODAL_IMAGE_PX && height === ROBODAL_IMAGE_PX;
    map.set(name, usual ? data : uint8Array(data, [3, height, width]));
  }
  map.set("state", new Uint8Array(new Float32Array(observation.state).buffer));
  return map;
}

function openpiMap(observation: Observation, profile: RobotProfile): Map<string, Encodable> {
  const map = new Map<string, Encodable>();
  let start = 0;
  for (const { wireKey, dim } of profile.stateParts) {
    map.set(wireKey, float64Array(observation.state.subarray(start, start + dim), [dim]));
    start += dim;
  }
  for (const camera of profile.cameras) {
    const image = observation.images[camera.name];
    if (image === undefined) continue;
    const { data, width, height } = camera.layout === "chw" ? toChw(image) : toHwc(image);
    const array = uint8Array(data, camera.layout === "chw" ? [3, height, width] : [height, width, 3]);
    const [first, second] = camera.wireKey;
    if (second === undefined) {
      map.set(first!, array);
    } else {
      const group = map.get(first!) as Map<string, Encodable> | undefined ?? new Map<string, Encodable>();
      map.set(first!, group.set(second, array));
    }
  }
  return map;
}
