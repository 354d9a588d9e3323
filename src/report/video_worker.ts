/**
 * The thread that encodes one video, beside the one that draws it.
 *
 * The encoder's package ends the whole program at any promise that is rejected unseen, and all its encoders share one
 * file system in memory: in a thread of its own it harms nobody, and everything of it is gone with the thread.
 *
 * @module
 */

/// <reference lib="deno.worker" />
import encoders, { type H264MP4Encoder } from "h264-mp4-encoder";
import type { Bytes, Image } from "../types.ts";
import { describeColours } from "./h264_parameters.ts";
import { readMp4, writeMp4 } from "./mp4.ts";
import { toYuv420 } from "./yuv.ts";

/** What the thread is told once. */
export interface VideoSettings {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly framesPerSecond: number;
  /** H.264's quantisation parameter, 10 (best) to 51. */
  readonly quantizer: number;
  /** H.264's level, times ten. */
  readonly level: number;
  /** A frame that would follow this many bytes is refused. */
  readonly maxBytes: number;
}

/** What the thread is asked for; each is answered with one {@linkcode VideoAnswer}, in the same order. */
export type VideoRequest =
  | { readonly kind: "open"; readonly settings: VideoSettings }
  | { readonly kind: "add"; readonly image: Image }
  | { readonly kind: "finish" };

/** What became of it. */
export type VideoAnswer =
  | { readonly kind: "done" }
  | { readonly kind: "file"; readonly file: Bytes }
  | { readonly kind: "failed"; readonly message: string };

/** The fastest of 0–10: the slowest takes three times as long for files that are a tenth smaller. */
const SPEED = 10;

/** Frames from one that stands alone to the next, in seconds: how finely a viewer can wind. */
const KEY_FRAME_SECONDS = 1;

let encoder: H264MP4Encoder | undefined;
let settings: VideoSettings | undefined;

const scope = self as unknown as Worker;
// One after the other: the first one waits for WebAssembly.
let last = Promise.resolve();
scope.onmessage = (event: MessageEvent<VideoRequest>) => {
  last = last.then(async () => {
    try {
      const answer = await serve(event.data);
      scope.postMessage(answer, answer.kind === "file" ? [answer.file.buffer] : []);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      scope.postMessage({ kind: "failed", message } satisfies VideoAnswer);
    }
  });
};

async function serve(request: VideoRequest): Promise<VideoAnswer> {
  switch (request.kind) {
    case "open":
      settings = request.settings;
      encoder = await openEncoder(settings);
      return { kind: "done" };
    case "add":
      addFrame(request.image);
      return { kind: "done" };
    case "finish":
      return { kind: "file", file: finishFile() };
  }
}

async function openEncoder({ widthPx, heightPx, framesPerSecond, quantizer }: VideoSettings): Promise<H264MP4Encoder> {
  const opened = await encoders.createH264MP4Encoder();
  opened.width = widthPx;
  opened.height = heightPx;
  opened.frameRate = framesPerSecond;
  opened.quantizationParameter = quantizer;
  opened.speed = SPEED;
  opened.groupOfPictures = Math.max(1, KEY_FRAME_SECONDS * framesPerSecond);
  opened.initialize();
  return opened;
}

function addFrame(image: Image): void {
  const { FS, outputFilename } = encoder!;
  const written = (FS.stat(outputFilename) as { size: number }).size;
  if (written > settings!.maxBytes) {
    const limit = Math.round(settings!.maxBytes / 2 ** 20);
    throw new Error(`Cannot add to a video of more than ${limit} MiB, which is kept in memory: record a shorter one`);
  }
  encoder!.addFrameYuv(toYuv420(image));
}

function finishFile(): Bytes {
  const { FS, outputFilename } = encoder!;
  encoder!.finalize();
  // A copy that nobody else holds; the file makes room for the one that is written from it.
  const written = FS.readFile(outputFilename) as Bytes;
  FS.unlink(outputFilename);
  encoder!.delete();
  const { sequenceParameters, ...track } = readMp4(written);
  return writeMp4({ ...track, sequenceParameters: describeColours(sequenceParameters, settings!.level) }, settings!);
}
