/**
 * pi0's own keys in a request, in either dialect: where a flow model starts and in how many steps it goes, whether the
 * reply shall tell times, and the truth about a simulated robot.
 *
 * @module
 */

import { WireError, type WireErrorCode } from "../errors.ts";
import type { Observation, Simulation } from "../types.ts";
import { describe } from "./describe.ts";
import type { Encodable, Value, ValueMap } from "./msgpack.ts";
import { float32Array, float64Array, NdArray, NumpyScalar, toFloat64 } from "./ndarray.ts";

/** More than any task has: what a server keeps for a simulated episode stays small. */
const MAX_OBJECTS = 16;

type Flow = Pick<Observation, "noise" | "noiseShape" | "seed" | "flowSteps">;

/** What the keys say. Nothing is present that was not sent. */
export interface Extensions extends Flow, Pick<Observation, "simulation"> {
  /** The reply should tell how long each stage took. */
  readonly timing: boolean;
}

/**
 * Reads pi0's own keys of a request.
 *
 * @throws {WireError} with a code, the field, what was found and what was expected.
 */
export function readExtensions(map: ValueMap): Extensions {
  const simulation = readSimulation(map.get("simulation"));
  return {
    ...readFlow(map),
    ...(simulation === undefined ? {} : { simulation }),
    timing: readTiming(map.get("timing")),
  };
}

/**
 * Adds pi0's own keys to a request.
 *
 * @param form `bare`: noise as bytes alone, without its shape; `timing`: ask the server how long each stage took.
 */
export function writeExtensions(
  map: Map<string, Encodable>,
  { noise, noiseShape, seed, flowSteps, simulation }: Observation,
  { bare, timing }: { readonly bare: boolean; readonly timing: boolean },
): void {
  if (noise !== undefined) {
    const alone = bare || noiseShape === undefined;
    map.set("noise", alone ? new Uint8Array(noise.slice().buffer) : float32Array(noise, noiseShape));
  }
  if (seed !== undefined) map.set("seed", seed);
  if (flowSteps !== undefined) map.set("flow_steps", flowSteps);
  if (timing) map.set("timing", true);
  if (simulation !== undefined) map.set("simulation", simulationMap(simulation));
}

function simulationMap({ task, seed, step, objectPose }: Simulation): Map<string, Encodable> {
  const pose = float64Array(objectPose, [objectPose.length]);
  return new Map<string, Encodable>([["task", task], ["seed", seed], ["step", step], ["object_pose", pose]]);
}

/** How a flow model shall come to its actions: from which noise (or a seed for it), in how many steps. */
function readFlow(map: ValueMap): Flow {
  const noise = readNoise(map.get("noise"));
  const seed = readSeed(map.get("seed"));
  if (noise !== undefined && seed !== undefined) {
    throw new WireError("ambiguous", { field: "seed", found: `both "noise" and "seed"`, expected: "one of them" });
  }
  const flowSteps = readFlowSteps(map.get("flow_steps"));
  return {
    ...noise,
    ...(seed === undefined ? {} : { seed }),
    ...(flowSteps === undefined ? {} : { flowSteps }),
  };
}

/** Only the policy knows how many rows and columns it needs; bare bytes do not tell theirs. */
function readNoise(value: Value | undefined): Pick<Flow, "noise" | "noiseShape"> | undefined {
  if (value === undefined || value === null) return undefined;
  if (value instanceof Uint8Array) {
    if (value.length % 4 === 0) return { noise: new Float32Array(value.slice().buffer) };
    const expected = "a multiple of 4, a float32 array";
    throw new WireError("wrong_shape", { field: "noise", found: `${value.length} bytes`, expected });
  }
  if (value instanceof NdArray && /^[<>]f[48]$/.test(value.dtype)) {
    const { shape } = value;
    if (shape.length === 2) return { noise: new Float32Array(toFloat64(value, "noise")), noiseShape: [...shape] };
    const expected = "[rows, columns], the model's rows of actions";
    throw new WireError("wrong_shape", { field: "noise", found: `[${shape.join(", ")}]`, expected });
  }
  const code = value instanceof NdArray ? "wrong_dtype" : "wrong_type";
  throw new WireError(code, { field: "noise", found: describe(value), expected: "a float32 array" });
}

function readSeed(value: Value | undefined): number | undefined {
  if (value === undefined || value === null) return undefined;
  const seed = value instanceof NumpyScalar && value.dtype !== "|b1" ? Number(value.value) : value;
  if (typeof seed === "number" && Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32) return seed;
  const expected = "a whole number from 0 to 4294967295";
  throw new WireError("wrong_type", { field: "seed", found: describe(value), expected });
}

function readFlowSteps(value: Value | undefined): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1) return value;
  throw new WireError("wrong_type", { field: "flow_steps", found: describe(value), expected: "a whole number from 1" });
}

function readTiming(value: Value | undefined): boolean {
  if (value === undefined || typeof value === "boolean") return value ?? false;
  throw new WireError("wrong_type", { field: "timing", found: describe(value), expected: "true or false" });
}

function readSimulation(value: Value | undefined): Simulation | undefined {
  if (value === undefined || value === null) return undefined;
  if (!(value instanceof Map)) {
    throw new WireError("wrong_type", { field: "simulation", found: describe(value), expected: "a map" });
  }
  const map = value as ValueMap;
  return {
    task: readTask(map.get("task"), "simulation.task"),
    seed: readCount(map.get("seed"), "simulation.seed"),
    step: readCount(map.get("step"), "simulation.step"),
    objectPose: readPoses(map.get("object_pose"), "simulation.object_pose"),
  };
}

function readTask(value: Value | undefined, field: string): string {
  if (typeof value === "string") return value;
  throw unfit("wrong_type", value, field, "text");
}

function readCount(value: Value | undefined, field: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw unfit("wrong_type", value, field, "a whole number from 0");
}

function readPoses(value: Value | undefined, field: string): Float64Array {
  const expected = `an array [7·n] of numbers, for at most ${MAX_OBJECTS} objects`;
  if (!(value instanceof NdArray)) throw unfit("wrong_type", value, field, expected);
  const [size = 0] = value.shape;
  if (value.shape.length !== 1 || size % 7 !== 0 || size > 7 * MAX_OBJECTS) {
    throw unfit("wrong_shape", value, field, expected);
  }
  return toFloat64(value, field);
}

function unfit(code: WireErrorCode, value: Value | undefined, field: string, expected: string): WireError {
  if (value === undefined) return new WireError("missing_field", { field, found: "nothing", expected });
  return new WireError(code, { field, found: describe(value), expected });
}
