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
  /** Where the robot is simulated. Policies that decide by what they see never get it. */
  readonly simulation?: Simulation;
}

/** The truth about a simulated episode, which a camera cannot show: for the scripted expert. */
export interface Simulation {
  /** For example `transfer_cube`. */
  readonly task: string;
  /** What the episode was reset with. */
  readonly seed: number;
  /** Control steps since then. */
  readonly step: number;
  /** Where the task's objects were at reset: x y z in metres and a quaternion w x y z each. */
  readonly objectPose: Float64Array;
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
  /** Where the chunk came from far away: what the way took. */
  readonly travel?: Travel;
  /** Cameras that were sent and that the policy does not look at, as its robot's profile says; absent for none. */
  readonly ignoredCameras?: readonly string[];
  /** Where the prompt was longer than what the model reads, so that its end was cut off; absent where it was not. */
  readonly cutPrompt?: CutPrompt;
}

/** How long a prompt was, and how much of it was read. */
export interface CutPrompt {
  /** Of the whole prompt. */
  readonly tokens: number;
  /** Tokens that the model reads at most. */
  readonly slots: number;
}

/** What a request and its answer took on their way, in ms by this side's clock. */
export interface Travel {
  /** From the observation to the message. */
  readonly encodeMs: number;
  /** From the message handed to the connection to the reply in hand: both ways, and the time at the server. */
  readonly roundTripMs: number;
  /** From the reply to the chunk. */
  readonly decodeMs: number;
  /** On the wire, framing included. */
  readonly bytesOut: number;
  readonly bytesIn: number;
  /** What the server tells only now of the answer before this one on the same connection, by its own clock. */
  readonly previous: {
    readonly encodeMs?: number;
    /** From the request's last byte in to the reply's last byte out. */
    readonly residenceMs?: number;
  };
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
  /** False where it decides without pictures, so that nobody need draw them; absent where it looks at them. */
  readonly looks?: boolean;
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

/** A simulated world that a policy acts in, one control step at a time. */
export interface Environment {
  /** For example `transfer_cube`. */
  readonly task: string;
  /** What the task is called in words. */
  readonly prompt: string;
  /** Which of the task's looks this is, for example `builtin`. */
  readonly scene: string;
  /** Name and version of the physics, for records. */
  readonly engine: string;
  readonly controlHz: number;
  /** Numbers per action. */
  readonly actionDim: number;
  /** Control steps after which an episode is over. */
  readonly maxSteps: number;
  /** Control steps since the reset. */
  readonly stepCount: number;
  /** The stage of the task that the last step has reached; not accumulated. */
  readonly reward: number;
  /** The reward that means success. */
  readonly maxReward: number;
  /** Whether the last step has reached it. */
  readonly success: boolean;
  /** Joint positions, as the robot feels them; without the pictures, which cost most of {@linkcode observe}. */
  readonly state: Float64Array;
  /** All joint positions of the physics. */
  readonly qpos: Float64Array;
  /** All joint velocities of the physics. */
  readonly qvel: Float64Array;
  /** Names of the scene's cameras. */
  readonly cameras: readonly string[];
  /** Begins an episode; the same seed gives the same one. */
  reset(seed: number): void;
  /**
   * What a policy gets.
   *
   * @param options `drawn: false` leaves the pictures black, which costs nothing: for a policy that does not look.
   */
  observe(options?: { readonly drawn?: boolean }): Observation;
  /**
   * Executes one action of {@linkcode actionDim} numbers.
   *
   * @throws {SimulationError} where the physics breaks down: the episode is over.
   */
  step(action: Float64Array): void;
  /** Puts the first object of the task somewhere else on the table, at rest, as a hand that takes it would. */
  push(): void;
  /** What a camera sees now. */
  render(camera: string, size: PictureSize): Image;
  [Symbol.dispose](): void;
}

/** How large a picture is; whole numbers from 1. */
export interface PictureSize {
  readonly widthPx: number;
  readonly heightPx: number;
}
