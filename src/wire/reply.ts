/**
 * Replies: an action chunk, a failure, or what the server says of itself, as bytes. A reply speaks the dialect of its
 * request.
 *
 * @module
 */

import { PolicyError, type PolicyErrorCode, WireError } from "../errors.ts";
import type { ActionChunk, Bytes, Metadata, MetadataValue, Timing, TimingStage } from "../types.ts";
import { decode, type Encodable, type Encoder, float, type Value, type ValueMap } from "./msgpack.ts";
import { float64Array, NdArray, toFloat64 } from "./ndarray.ts";
import type { Dialect } from "./request.ts";

/** What a server measured of the previous request on the same connection, which it could not know in time to say. */
export interface Previous {
  readonly encodeMs?: number;
  /** From the last byte of the request received to the last byte of the reply handed to the socket. */
  readonly residenceMs?: number;
}

export interface ReplyOptions {
  readonly dialect: Dialect;
  /** The client asked for the stages. */
  readonly timing: boolean;
  /** All of the policy's own time: preprocess, infer and postprocess. */
  readonly policyMs: number;
  readonly previous: Previous;
}

/** Stages that a reply tells in `timing`. */
const STAGES = ["queue", "decode", "preprocess", "infer", "postprocess"] as const satisfies readonly TimingStage[];

/** Writes the reply for a chunk. The view is valid until the encoder's next use. */
export function encodeReply(encoder: Encoder, chunk: ActionChunk, options: ReplyOptions): Bytes {
  const map = new Map<string, Encodable>();
  const { timing, actions, actionHorizon, actionDim } = chunk;
  const { previous, policyMs } = options;
  const inferMs = timing.infer ?? policyMs;
  if (options.dialect === "robodal") {
    map.set("action", new Uint8Array(new Float32Array(actions).buffer));
    map.set("inference_ms", float(inferMs));
  } else {
    map.set("actions", float64Array(actions, [actionHorizon, actionDim]));
    map.set("policy_timing", { infer_ms: float(inferMs) });
    map.set("server_timing", { infer_ms: float(policyMs), prev_total_ms: optionalFloat(previous.residenceMs) });
  }
  if (options.timing) {
    map.set("timing", Object.fromEntries(STAGES.map((stage) => [stage, optionalFloat(timing[stage])])));
    const prev = { encode: optionalFloat(previous.encodeMs), residence: optionalFloat(previous.residenceMs) };
    if (previous.residenceMs !== undefined) map.set("prev", prev);
  }
  return encoder.encode(map);
}

function optionalFloat(value: number | undefined) {
  return value === undefined ? undefined : float(value);
}

/** Writes a failure: its code, a sentence, and where the message was at fault the field, what was found and expected. */
export function encodeFailure(encoder: Encoder, code: string, error: Error): Bytes {
  const details = error instanceof WireError ? { ...error.details } : {};
  return encoder.encode({ error: { code, message: error.message, ...details } });
}

/** Writes what a server says of itself. */
export function encodeInfo(encoder: Encoder, info: Metadata): Bytes {
  return encoder.encode({ info: info as Encodable });
}

/** What a reply holds. */
export interface Answer {
  readonly chunk: ActionChunk;
  readonly previous: Previous;
}

/**
 * Reads the reply to an inference request, in either dialect.
 *
 * @param actionDim columns of robodal's `action`, whose shape does not travel.
 * @throws {PolicyError} with the server's code, where it is a failure.
 * @throws {WireError} where it is no reply.
 */
export function decodeReply(message: Bytes, actionDim: number): Answer {
  const map = decodeMap(message);
  throwFailure(map);
  const bare = map.get("action");
  const array = map.get("actions") ?? bare;
  if (array === undefined) throw new WireError("missing_field", { field: "actions", expected: "an array of actions" });
  const { actions, horizon, dim } = array instanceof Uint8Array
    ? readBareActions(array, actionDim)
    : readActions(array as Value);
  const timing = readTiming(map, bare !== undefined);
  const prev = map.get("prev");
  const encodeMs = numberIn(prev, "encode");
  // Not server_timing.prev_total_ms: openpi's own server counts the wait for the request into it.
  const residenceMs = numberIn(prev, "residence");
  return {
    chunk: { actions, actionHorizon: horizon, actionDim: dim, timing },
    previous: {
      ...(encodeMs === undefined ? {} : { encodeMs }),
      ...(residenceMs === undefined ? {} : { residenceMs }),
    },
  };
}

function decodeMap(message: Bytes): ValueMap {
  const value = decode(message);
  if (value instanceof Map) return value as ValueMap;
  throw new WireError("wrong_type", { found: typeof value, expected: "a map" });
}

function readBareActions(bytes: Bytes, dim: number) {
  const horizon = bytes.length / (4 * dim);
  if (!Number.isInteger(horizon) || horizon === 0) {
    const expected = `a multiple of ${4 * dim}, float32 rows of ${dim}`;
    throw new WireError("wrong_shape", { field: "action", found: `${bytes.length} bytes`, expected });
  }
  return { actions: toFloat64(new NdArray("<f4", [horizon, dim], bytes), "action"), horizon, dim };
}

function readActions(value: Value) {
  if (!(value instanceof NdArray) || value.shape.length !== 2 || value.shape.includes(0)) {
    const found = value instanceof NdArray ? `[${value.shape.join(", ")}]` : typeof value;
    throw new WireError("wrong_shape", { field: "actions", found, expected: "[horizon, dim]" });
  }
  return { actions: toFloat64(value, "actions"), horizon: value.shape[0]!, dim: value.shape[1]! };
}

function readTiming(map: ValueMap, robodal: boolean): Timing {
  const told = map.get("timing");
  if (told !== undefined) {
    const entries = STAGES.map((stage) => [stage, numberIn(told, stage)] as const);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }
  // openpi's policy_timing stops before the result is in memory; server_timing is what inference really took.
  const infer = robodal ? numeric(map.get("inference_ms")) : numberIn(map.get("server_timing"), "infer_ms");
  return infer === undefined ? {} : { infer };
}

function numberIn(value: Value | undefined, key: string): number | undefined {
  return value instanceof Map ? numeric((value as ValueMap).get(key)) : undefined;
}

function numeric(value: Value | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}

const POLICY_CODES: ReadonlySet<string> = new Set<PolicyErrorCode>([
  "busy",
  "superseded",
  "unauthorized",
  "protocol_mismatch",
  "not_ready",
  "draining",
  "policy_failed",
  "undeclared_variant",
]);

function throwFailure(map: ValueMap): void {
  const error = map.get("error");
  if (!(error instanceof Map)) return;
  const code = String((error as ValueMap).get("code"));
  const message = String((error as ValueMap).get("message") ?? "no reason given");
  if (POLICY_CODES.has(code)) throw new PolicyError(code as PolicyErrorCode, message);
  throw new PolicyError("rejected", `The server rejected the request (${code}): ${message}`);
}

/**
 * Reads what a server says of itself, or openpi's greeting.
 *
 * @throws {PolicyError} where it is a failure. @throws {WireError} where it is neither.
 */
export function decodeInfo(message: Bytes): Metadata {
  const map = decodeMap(message);
  throwFailure(map);
  const info = map.get("info");
  // A greeting may have any keys, this one too.
  return plain(info instanceof Map ? info : map) as Metadata;
}

/** Values without arrays, as JSON has them. */
function plain(value: Value): MetadataValue {
  if (value === null || typeof value === "boolean" || typeof value === "number" || typeof value === "string") {
    return value;
  }
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return Object.fromEntries([...value as ValueMap].map(([key, item]) => [key, plain(item)]));
  return String(value);
}
