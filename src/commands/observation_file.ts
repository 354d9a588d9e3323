/**
 * One observation from a file or from the command line.
 *
 * @module
 */

import { dirname, isAbsolute, join } from "node:path";
import { UsageError } from "../errors.ts";
import { decodePng, toChw } from "../image.ts";
import type { Camera, RobotProfile } from "../robot/profile.ts";
import type { Image, Observation } from "../types.ts";
import { type Encodable, Encoder } from "../wire/msgpack.ts";
import { float32Array, uint8Array } from "../wire/ndarray.ts";
import { decodeRequest, type Dialect } from "../wire/request.ts";
import type { Bytes } from "../types.ts";

/** An observation, and the dialect that its reply is due in. */
export interface ReadObservation {
  readonly observation: Observation;
  readonly dialect: Dialect;
}

/**
 * Reads a message as it travels (MessagePack, either dialect), or the same as JSON where the name ends in `.json`. In
 * JSON a picture is nested lists of numbers, or the path of a PNG beside the file (also as `{"file": path}`), and
 * `noise` is a list of rows.
 *
 * @throws {WireError} where it is no observation. @throws {UsageError} where a file cannot be read.
 */
export async function readObservation(path: string, profile: RobotProfile): Promise<ReadObservation> {
  const bytes = await readFile(path);
  if (!/\.json$/i.test(path)) return decode(bytes, profile, path);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new UsageError(`Cannot read the observation ${path}: it is no JSON`, { cause });
  }
  if (!isRecord(json)) throw new UsageError(`Cannot read the observation ${path}: it is no JSON object`);
  const message = await encodable(json, profile, dirname(path));
  return decode(new Encoder().encode(message).slice(), profile, path);
}

function decode(message: Bytes, profile: RobotProfile, path: string): ReadObservation {
  const request = decodeRequest(message, profile);
  if (request.kind === "infer") return request;
  throw new UsageError(`Cannot infer from ${path}: it asks what the server is`);
}

/** The message that a robot would have sent. */
async function encodable(
  json: Readonly<Record<string, unknown>>,
  profile: RobotProfile,
  folder: string,
): Promise<Map<string, Encodable>> {
  const message = new Map<string, Encodable>();
  for (const [key, value] of Object.entries(json)) {
    const camera = cameraAt([key], profile);
    if (camera !== undefined) message.set(key, await picture(value, camera, folder, key));
    else if (isRecord(value)) {
      const group = new Map<string, Encodable>();
      for (const [inner, item] of Object.entries(value)) {
        const member = cameraAt([key, inner], profile);
        // What is no camera of this robot is for decodeRequest to refuse, in its own words.
        group.set(inner, member === undefined ? 0 : await picture(item, member, folder, `${key}.${inner}`));
      }
      message.set(key, group);
    } else message.set(key, key === "noise" ? noiseRows(value) : value as Encodable);
  }
  return message;
}

/** The camera that a key stands for, in either dialect. */
function cameraAt(path: readonly string[], { cameras }: RobotProfile): Camera | undefined {
  return cameras.find(({ name, wireKey }) =>
    String(wireKey) === String(path) || (path.length === 1 && wireKey.length === 2 && name === path[0])
  );
}

async function picture(value: unknown, camera: Camera, folder: string, field: string): Promise<Encodable> {
  const file = isRecord(value) ? value["file"] : value;
  if (typeof file === "string") {
    return pictureArray(await readPng(isAbsolute(file) ? file : join(folder, file)), camera);
  }
  const shape: number[] = [];
  for (let level: unknown = value; Array.isArray(level); level = level[0]) shape.push(level.length);
  const numbers = Array.isArray(value) ? value.flat(2) : [];
  const fits = shape.length === 3 && numbers.length === shape[0]! * shape[1]! * shape[2]! &&
    numbers.every((item) => Number.isInteger(item) && item >= 0 && item <= 255);
  if (fits) return uint8Array(Uint8Array.from(numbers), shape);
  throw new UsageError(`Cannot read "${field}": a picture is the path of a PNG, or lists of whole numbers up to 255`);
}

function pictureArray(image: Image, { layout }: Camera): Encodable {
  const { width, height } = image;
  return layout === "chw"
    ? uint8Array(toChw(image).data, [3, height, width])
    : uint8Array(image.data, [height, width, 3]);
}

function noiseRows(value: unknown): Encodable {
  const rows = Array.isArray(value) && value.every((row) => Array.isArray(row) && row.length === value[0].length)
    ? value as unknown[][]
    : [];
  const numbers = rows.flat();
  if (numbers.length === 0 || !numbers.every((item) => typeof item === "number")) {
    throw new UsageError(`Cannot read "noise": it must be a list of rows, lists of as many numbers each`);
  }
  return float32Array(Float32Array.from(numbers as number[]), [rows.length, rows[0]!.length]);
}

/** What the flags say of an observation. */
export interface ObservationFlags {
  /** `NAME=PNG`, each. */
  readonly camera: readonly string[];
  /** Numbers with commas between. */
  readonly state: string | undefined;
}

/**
 * Puts an observation together from flags.
 *
 * @throws {UsageError} where they do not make one.
 */
export async function observationFromFlags(
  { camera, state }: ObservationFlags,
  profile: RobotProfile,
): Promise<ReadObservation> {
  const images: Record<string, Image> = {};
  const names = profile.cameras.map(({ name }) => name);
  for (const text of camera) {
    const [, name, path] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
    if (name === undefined) throw new UsageError(`Cannot use --camera ${text}: write NAME=FILE.png`);
    if (!names.includes(name)) {
      throw new UsageError(`Cannot use --camera ${text}: cameras of ${profile.name} are ${names.join(", ")}`);
    }
    if (images[name] !== undefined) throw new UsageError(`Cannot use --camera ${name} twice: give each camera once`);
    images[name] = await readPng(path!);
  }
  const numbers = (state ?? "").split(",").map((word) => word.trim() === "" ? NaN : Number(word));
  if (numbers.length !== profile.stateDim || !numbers.every(Number.isFinite)) {
    throw new UsageError(
      `Cannot infer without a state: give --observation FILE, or --state with the ${profile.stateDim} numbers of ` +
        `${profile.name} and commas between`,
    );
  }
  return { observation: { images, state: Float64Array.from(numbers) }, dialect: "openpi" };
}

async function readPng(path: string): Promise<Image> {
  const bytes = await readFile(path);
  try {
    return decodePng(bytes);
  } catch (cause) {
    throw new UsageError(`Cannot read the picture ${path}: ${(cause as Error).message}`, { cause });
  }
}

async function readFile(path: string): Promise<Bytes> {
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    const reason = cause instanceof Deno.errors.NotFound ? "it is not there" : (cause as Error).message;
    throw new UsageError(`Cannot read ${path}: ${reason}`, { cause });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
