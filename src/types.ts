/**
 * The nouns that cross rooms. No functions live here; a type used by one room only lives in that room.
 *
 * @module
 */

/** Bytes with a memory of their own (never shared between threads). */
export type Bytes = Uint8Array<ArrayBuffer>;

/** An 8-bit RGB picture. `hwc` is row-major with interleaved channels, `chw` is three planes; row 0 is the top. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly layout: "hwc" | "chw";
  /** `3 × width × height` values, 0–255. */
  readonly data: Bytes;
}

/** What a robot sees and feels at one moment. */
export interface Observation {
  /** By camera name, as the robot's profile lists them. */
  readonly images: Readonly<Record<string, Image>>;
  /** In robot units (radians, metres, normalised grippers), in the order of the robot's profile. */
  readonly state: Float64Array;
  /** The language instruction; absent when the request had none and the server has no default. */
  readonly prompt?: string;
  /** What a flow model starts from: its rows × its action dimension (which is not the robot's), row-major. */
  readonly noise?: Float32Array;
  /** The noise's dimensions, where whoever gave it told them. */
  readonly noiseShape?: readonly number[];
  /** Lets the policy draw the same noise for the same seed: a whole number from 0 to 2³² − 1. */
  readonly seed?: number;
  /** Euler steps of a flow model; absent where the server may choose. */
  readonly flowSteps?: number;
}

/** The stages of one inference that a server measures, in the order in which they happen. */
export type TimingStage = "queue" | "decode" | "preprocess" | "infer" | "postprocess" | "encode";

/** Milliseconds per stage. A stage that was not measured is absent, never 0. */
export type Timing = { readonly [stage in TimingStage]?: number };

/** The actions a policy predicts from one observation. */
export interface ActionChunk {
  /** Row-major `actionHorizon × actionDim`, in robot units. */
  readonly actions: Float64Array;
  /** Rows predicted. */
  readonly actionHorizon: number;
  /** Numbers per row. */
  readonly actionDim: number;
  /** What the policy measured of itself. */
  readonly timing: Timing;
  /** Cameras that were sent and that the policy does not look at, as its robot's profile says; absent for none. */
  readonly ignoredCameras?: readonly string[];
}

/** Values that a server tells about itself before the first request (openpi's metadata). */
export type Metadata = { readonly [key: string]: MetadataValue };
export type MetadataValue = null | boolean | number | string | readonly MetadataValue[] | Metadata;

/** Observation in, action chunk out; wherever it runs. */
export interface Policy {
  /** Short name, as typed on the command line. */
  readonly name: string;
  readonly actionHorizon: number;
  readonly actionDim: number;
  /** SHA-256 of the weights, or null where there are none. */
  readonly checkpointHash: string | null;
  /** What openpi's protocol sends first. */
  readonly metadata: Metadata;
  /** What people want to know of the model; absent where there is none. */
  readonly model?: Metadata;
  /** Makes the first request as fast as the later ones. Called once, before the server says it is ready. */
  warmUp(signal: AbortSignal): Promise<void>;
  /**
   * @throws {PolicyError} where no actions can be computed.
   * @throws {WireError} where the observation does not fit this policy.
   */
  infer(observation: Observation, signal: AbortSignal): Promise<ActionChunk>;
  [Symbol.asyncDispose](): Promise<void>;
}
