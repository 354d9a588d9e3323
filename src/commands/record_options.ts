/**
 * What can be typed for `pi0 record`.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import type { PictureSize } from "../types.ts";
import { checkObserved, EPISODE_OPTIONS } from "./episode_options.ts";
import { COMMON_OPTIONS, type OptionTable, type OptionValues } from "./options.ts";
import { SCENE_OPTIONS, SIZE_OPTION, sizeOf, TYPED_SCENE_OPTION } from "./scenes.ts";
import { POLICY_OPTIONS } from "./policies.ts";
import { refuseOwnPolicy, SERVER_OPTIONS } from "./server_options.ts";

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
  ...SERVER_OPTIONS,
  "url": {
    ...SERVER_OPTIONS.url,
    help: "Server to record, and what to call it in names of files [a server is opened here]",
  },
  "transport": {
    ...SERVER_OPTIONS.transport,
    help: "How to reach it, each way a video of its own [the URL's scheme; all where a server is opened here]",
  },
  ...SCENE_OPTIONS,
  "scene": TYPED_SCENE_OPTION,
  ...EPISODE_OPTIONS,
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
  const { url, skipLocal, label, observe } = options;
  if (skipLocal && url.length > 0) refuseOwnPolicy(options);
  if (label !== undefined && !/^[\w.-]+$/.test(label)) {
    throw new UsageError(`Cannot use --label ${label}: labels are letters, digits, dots, - and _`);
  }
  checkObserved(observe);
}
