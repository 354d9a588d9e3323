/**
 * What can be typed for `pi0 record`.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import { ROBOTS } from "../robot/mod.ts";
import { WHILE_WAITING } from "../rollout/chunking.ts";
import { TRANSPORT_NAMES } from "../transport/mod.ts";
import type { PictureSize } from "../types.ts";
import { CONGESTION_OPTION, TRUST_OPTIONS } from "./connect.ts";
import { COMMON_OPTIONS, type OptionTable, type OptionValues } from "./options.ts";
import { POLICY_OPTIONS } from "./policies.ts";
import { SCENE_OPTIONS, SIZE_OPTION, sizeOf } from "./scenes.ts";

export const RECORD_OPTIONS = {
  "from": {
    kind: "string",
    metavar: "FILE",
    multiple: true,
    // Policy, world and way are in the file.
    conflicts: [
      "url",
      "transport",
      "openpi",
      "skip-local",
      "label",
      "policy",
      "task",
      "scene",
      "seed",
      "max-steps",
      "observe",
      "replan-steps",
      "while-waiting",
    ],
    group: "What",
    help:
      "Play nothing, but show what is there: an episode of pi0 sim or pi0 eval --records, or results of pi0 bench " +
      "--out",
  },
  "url": {
    kind: "string",
    metavar: "[NAME=]URL",
    multiple: true,
    group: "What",
    help: "Server to record, and what to call it in names of files [a server is opened here]",
  },
  "transport": {
    kind: "choice",
    choices: [...TRANSPORT_NAMES, "all"],
    group: "What",
    help: "How to reach it, each way a video of its own [the URL's scheme; all where a server is opened here]",
  },
  "skip-local": {
    kind: "flag",
    group: "What",
    help: "Do not play with the policy beside the world, only with far ones",
  },
  "label": {
    kind: "string",
    metavar: "LABEL",
    group: "What",
    help: "What it runs on, for names of files and captions, such as h100 [the policy's name, in names of files]",
  },
  "openpi": { kind: "flag", group: "What", requires: ["url"], help: "The URLs are servers of openpi's own protocol" },
  "token": { kind: "string", env: "PI0_TOKEN", group: "What", help: "The servers' token" },
  ...TRUST_OPTIONS,
  "congestion": { ...CONGESTION_OPTION, group: "What" },
  "no-warm": { kind: "flag", group: "What", help: "Do not open the connections' windows after connecting" },
  "timeout-ms": {
    kind: "integer",
    min: 1,
    max: 3_600_000,
    default: 30_000,
    metavar: "MS",
    group: "What",
    help: "For each request, a lost connection's replacement included",
  },
  "connect-timeout-ms": {
    kind: "integer",
    min: 1,
    max: 3_600_000,
    default: 5000,
    metavar: "MS",
    group: "What",
    help: "For each connection",
  },
  ...SCENE_OPTIONS,
  "seed": {
    kind: "integer",
    min: 0,
    max: 2 ** 32 - 1,
    default: 0,
    group: "World",
    help: "Decides where the objects lie",
  },
  "max-steps": {
    kind: "integer",
    min: 1,
    max: 100_000,
    default: 400,
    group: "World",
    help: "Length of an episode without a success, at 50 steps per second",
  },
  "observe": {
    kind: "string",
    metavar: "NAME",
    multiple: true,
    default: ["cam_high"],
    group: "World",
    help: "What the policy sees, 224 × 224: cam_high (the top camera), cam_low, cam_left_wrist, cam_right_wrist",
  },
  "while-waiting": {
    kind: "choice",
    choices: WHILE_WAITING,
    default: "hold",
    group: "Time",
    help: "hold: repeat the last action until the answer is here; continue: go on with the old chunk, and enter the " +
      "new one at the present step. The world goes on in both",
  },
  "replan-steps": {
    kind: "integer",
    min: 1,
    max: 1000,
    default: 10,
    group: "Time",
    help: "Actions executed before the policy is asked again",
  },
  "camera": {
    kind: "string",
    metavar: "NAME",
    default: "angle",
    group: "Pictures",
    help: "Where the videos are taken from: top, angle, front_close, left_pillar, left_wrist, …",
  },
  "size": { ...SIZE_OPTION, help: "Size of each picture in pixels, even numbers, at most 1920 each way" },
  "fps": {
    kind: "integer",
    min: 1,
    max: 100,
    default: 25,
    group: "Pictures",
    help: "Frames per second; 50 show every step of the world",
  },
  "out": { kind: "string", metavar: "DIR", default: "record", group: "Results", help: "Folder for everything written" },
  "force": { kind: "flag", group: "Results", help: "Write into a folder that holds files already" },
  ...POLICY_OPTIONS,
  "policy": { ...POLICY_OPTIONS.policy, default: "expert" },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

export type RecordOptions = OptionValues<typeof RECORD_OPTIONS>;

/** The panes of a comparison stand side by side: larger ones make a video that nothing plays. */
const MAX_SIDE_PX = 1920;

/** @throws {UsageError} where no video can have that size. */
export function videoSizeOf(text: string): PictureSize {
  const size = sizeOf(text);
  const fits = (px: number) => px % 2 === 0 && px <= MAX_SIDE_PX;
  if (fits(size.widthPx) && fits(size.heightPx)) return size;
  throw new UsageError(`Cannot use --size ${text}: videos have even numbers up to ${MAX_SIDE_PX}, such as 640x480`);
}

/** @throws {UsageError} where options contradict each other, or cannot be part of a file's name. */
export function checkLiveOptions(options: RecordOptions): void {
  const { url, skipLocal, policy, label, observe } = options;
  const own = options.actionHorizon !== undefined || options.actionDim !== undefined ||
    options.nullDelayMs > 0 || options.nullJitterMs > 0 || options.nullBusy;
  if (skipLocal && url.length > 0 && (own || policy !== RECORD_OPTIONS.policy.default)) {
    throw new UsageError("Cannot choose the policy of a far server: give its options to pi0 serve there");
  }
  if (label !== undefined && !/^[\w.-]+$/.test(label)) {
    throw new UsageError(`Cannot use --label ${label}: labels are letters, digits, dots, - and _`);
  }
  const known = ROBOTS.aloha.cameras.map(({ name }) => name);
  const stray = observe.find((name) => !known.includes(name));
  if (stray !== undefined) throw new UsageError(`Cannot use --observe ${stray}: aloha sends ${known.join(", ")}`);
}
