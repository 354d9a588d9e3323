/**
 * The errors that somebody catches. Built-in classes serve for misuse inside the program.
 *
 * Messages name the action, the value and the remedy, and have no full stop at the end.
 *
 * @module
 */

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What a {@linkcode WireError} was about, so that a client can react without reading prose. */
export interface WireErrorDetails {
  /** Path of the field inside the message, for example `images.cam_high`; absent where the whole message is meant. */
  readonly field?: string;
  readonly found?: string;
  readonly expected?: string;
}

/** Codes of messages that cannot be understood. */
export type WireErrorCode =
  | "malformed" // not MessagePack, or not what the format allows
  | "truncated" // ends before the value does
  | "too_large" // more bytes than the limit
  | "too_deep" // nested deeper than the limit
  | "wrong_type" // another kind of value than the field needs
  | "wrong_dtype" // array of other elements than the field needs
  | "wrong_shape" // array of other dimensions than the field needs
  | "missing_field"
  | "unknown_camera"
  | "ambiguous" // both dialects in one message
  | "text_frame"; // a WebSocket text message where only binary ones have a meaning

/** A message that cannot be understood. */
export class WireError extends Error {
  override readonly name = "WireError";
  readonly code: WireErrorCode;
  readonly details: WireErrorDetails;

  constructor(code: WireErrorCode, details: WireErrorDetails, options?: ErrorOptions) {
    const field = details.field === undefined ? "message" : `"${details.field}"`;
    const found = details.found === undefined ? "" : `: found ${details.found}`;
    const expected = details.expected === undefined ? "" : `${found === "" ? ":" : ","} expected ${details.expected}`;
    super(`Cannot read ${field} (${code})${found}${expected}`, options);
    this.code = code;
    this.details = details;
  }
}

/** Codes of connections that failed. */
export type TransportErrorCode =
  | "unreachable" // nobody answers at the address
  | "disconnected" // was connected, is no longer
  | "deadline" // the limit for a connect or a request has passed
  | "not_speaking" // something answers, but not this protocol
  | "untrusted" // something answers, but its certificate is not one that was asked for
  | "refused"; // the server understood and said no (token, limit)

/** Bytes did not travel. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly code: TransportErrorCode;

  constructor(code: TransportErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Codes of requests that were understood and not answered with actions. */
export type PolicyErrorCode =
  | "busy" // the queue is full
  | "superseded" // a newer observation of the same client took the place
  | "unauthorized" // no token, or a wrong one
  | "protocol_mismatch" // the other side speaks another version
  | "not_ready" // still warming up
  | "draining" // about to stop
  | "policy_failed" // the policy itself threw
  | "undeclared_variant" // the request needs a variant of the model that was not loaded at start
  | "rejected"; // any code of a server that this program does not know

/** A policy, here or far away, gave no actions. */
export class PolicyError extends Error {
  override readonly name = "PolicyError";
  readonly code: PolicyErrorCode;

  constructor(code: PolicyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A simulated world cannot be made, or its physics broke down. */
export class SimulationError extends Error {
  override readonly name = "SimulationError";
}

/** Codes of ONNX Runtime's failures. */
export type OrtErrorCode =
  | "no_library" // ONNX Runtime is in none of the places
  | "bad_library" // not an ONNX Runtime, too old, or it does not do what it must
  | "provider_unavailable" // the execution provider asked for cannot be had here
  | "bad_model" // ONNX Runtime refuses the model, or it has no fixed shapes
  | "bad_input" // an input is missing, unknown, or of another dtype or size than the model's
  | "run_failed" // a run began and gave no outputs
  | "crashed" // the thread that owns the library has died
  | "closed"; // used after it was let go

/** A model could not be loaded or run. */
export class OrtError extends Error {
  override readonly name = "OrtError";
  readonly code: OrtErrorCode;

  constructor(code: OrtErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
