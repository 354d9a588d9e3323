/**
 * Pictures to video: H.264 in MP4, encoded in a thread of its own, playable in every browser.
 *
 * @module
 */

import type { Bytes, Image } from "../types.ts";
import { chooseLevel } from "./h264_parameters.ts";
import type { VideoAnswer, VideoRequest } from "./video_worker.ts";

export interface VideoOptions {
  /** Even, as is the height: four pixels share a colour. */
  readonly widthPx: number;
  readonly heightPx: number;
  /** Whole, 1–240. */
  readonly framesPerSecond: number;
  /**
   * H.264's quantisation parameter, 10 to 51: lower is better and larger, 6 less doubles the size. 22 where absent: thin
   * lines and text stay crisp.
   */
  readonly quantizer?: number;
  /** Largest size of the file, 512 MiB where absent: about half an hour of 640×480 at 50 frames per second. */
  readonly maxBytes?: number;
}

const DEFAULT_QUANTIZER = 22;

/** The encoder holds the file in memory, and for a moment at the end twice. */
const DEFAULT_MAX_BYTES = 512 * 2 ** 20;

/** Frames on their way to the encoder: enough to keep it busy, few enough to hold in memory. */
const MAX_PENDING_FRAMES = 8;

/** A video that is being made. Disposing of it before {@linkcode finish} throws away what there is. */
export class VideoWriter {
  readonly #worker: Worker;
  readonly #options: VideoOptions;
  /** Who waits for an answer, in order. */
  readonly #waiting: PromiseWithResolvers<VideoAnswer>[] = [];
  /** Why there is nothing more to do. */
  #failure: Error | undefined;
  #frames = 0;

  private constructor(options: VideoOptions) {
    this.#options = options;
    this.#worker = new Worker(new URL("./video_worker.ts", import.meta.url).href, { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<VideoAnswer>) => {
      if (data.kind === "failed") this.#fail(new Error(data.message));
      else this.#waiting.shift()?.resolve(data);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(`Cannot encode the video: ${event.message}`));
    };
  }

  /** See {@linkcode openVideo}. */
  static async open(options: VideoOptions): Promise<VideoWriter> {
    const { widthPx, heightPx, framesPerSecond, quantizer, maxBytes } = options;
    const level = requirePossible(options);
    const writer = new VideoWriter(options);
    try {
      await writer.#ask({
        kind: "open",
        settings: {
          widthPx,
          heightPx,
          framesPerSecond,
          quantizer: quantizer ?? DEFAULT_QUANTIZER,
          level,
          maxBytes: maxBytes ?? DEFAULT_MAX_BYTES,
        },
      });
    } catch (error) {
      writer[Symbol.dispose]();
      throw error;
    }
    return writer;
  }

  /** Frames added so far. */
  get frames(): number {
    return this.#frames;
  }

  /**
   * Adds a frame. Waits where the encoder is behind, so await it before drawing the next one. The picture is copied.
   *
   * @throws {RangeError} where it has another size than the video.
   * @throws {Error} where an earlier frame could not be encoded, or the file would become too large.
   */
  async add(image: Image): Promise<void> {
    const { widthPx, heightPx } = this.#options;
    if (image.width !== widthPx || image.height !== heightPx) {
      throw new RangeError(
        `Cannot add a picture of ${image.width}×${image.height} to a video of ${widthPx}×${heightPx}: draw it in that size`,
      );
    }
    const { width, height, layout } = image;
    const data = image.data.slice();
    this.#frames++;
    // An encoder that failed says so here, in the next call, and in finish().
    this.#ask({ kind: "add", image: { width, height, layout, data } }, [data.buffer]).catch(() => {});
    if (this.#waiting.length >= MAX_PENDING_FRAMES) await this.#waiting[0]!.promise;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * Ends the video.
   *
   * @returns the whole file.
   * @throws {RangeError} where there is no frame.
   * @throws {Error} where a frame could not be encoded.
   */
  async finish(): Promise<Bytes> {
    if (this.#frames === 0) throw new RangeError("Cannot finish a video of no frames: add one first");
    try {
      const answer = await this.#ask({ kind: "finish" });
      if (answer.kind !== "file") throw new Error(`Cannot finish the video: the encoder answered "${answer.kind}"`);
      this.#failure = new Error("Cannot use a video that is finished: open another one");
      return answer.file;
    } finally {
      this[Symbol.dispose]();
    }
  }

  /** Ends the thread. */
  [Symbol.dispose](): void {
    this.#worker.terminate();
    this.#fail(new Error("Cannot encode the video: it was given up"));
  }

  #ask(request: VideoRequest, transfer: Transferable[] = []): Promise<VideoAnswer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const answer = Promise.withResolvers<VideoAnswer>();
    this.#waiting.push(answer);
    this.#worker.postMessage(request, transfer);
    return answer.promise;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}

/**
 * Begins a video.
 *
 *     using video = await openVideo({ widthPx: 640, heightPx: 480, framesPerSecond: 50 });
 *     for (const image of images) await video.add(image);
 *     await writeWhole("video.mp4", await video.finish(), "the video");
 *
 * @throws {RangeError} where no such video can be.
 */
export function openVideo(options: VideoOptions): Promise<VideoWriter> {
  return VideoWriter.open(options);
}

/** @returns the level, times ten. */
function requirePossible({ widthPx, heightPx, framesPerSecond, quantizer = DEFAULT_QUANTIZER }: VideoOptions): number {
  const refuse = (what: string, remedy: string) => new RangeError(`Cannot make a video of ${what}: ${remedy}`);
  const isSide = (px: number) => Number.isInteger(px) && px >= 16 && px % 2 === 0;
  if (!isSide(widthPx) || !isSide(heightPx)) {
    throw refuse(`${widthPx}×${heightPx}`, "both sides must be even and 16 or more");
  }
  if (!Number.isInteger(framesPerSecond) || framesPerSecond < 1 || framesPerSecond > 240) {
    throw refuse(`${framesPerSecond} frames per second`, "it must be a whole number, 1 to 240");
  }
  if (!Number.isInteger(quantizer) || quantizer < 10 || quantizer > 51) {
    throw refuse(`quantizer ${quantizer}`, "it must be a whole number, 10 to 51");
  }
  return chooseLevel(widthPx, heightPx, framesPerSecond);
}
