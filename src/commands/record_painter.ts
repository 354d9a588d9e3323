/**
 * Pictures of poses, each drawn once where it is asked for again soon.
 *
 * @module
 */

import type { Image, PictureSize } from "../types.ts";

/** A world that can be put into any pose. */
export interface Stage {
  pose(qpos: readonly number[]): void;
  render(camera: string, size: PictureSize): Image;
}

/** Two seconds of 480×360. */
const REMEMBERED_BYTES = 64 * 2 ** 20;

export interface PainterOptions {
  readonly camera: string;
  readonly size: PictureSize;
  /** Of pictures in each world that are kept in case they are asked for again; 64 MiB where absent. */
  readonly rememberedBytes?: number;
}

/**
 * Draws poses, and remembers the last ones: ways of like latency come to the same poses within moments, and drawing is
 * what a video costs.
 */
export class Painter {
  readonly #camera: string;
  readonly #size: PictureSize;
  readonly #mostPictures: number;
  readonly #drawn = new Map<Stage, Map<string, Image>>();

  constructor({ camera, size, rememberedBytes = REMEMBERED_BYTES }: PainterOptions) {
    this.#camera = camera;
    this.#size = size;
    this.#mostPictures = Math.floor(rememberedBytes / (3 * size.widthPx * size.heightPx));
  }

  /** What that pose looks like in that world. The picture is shared: it must not be changed. */
  picture(stage: Stage, pose: readonly number[]): Image {
    const drawn = this.#drawn.get(stage) ?? new Map<string, Image>();
    this.#drawn.set(stage, drawn);
    const key = pose.join();
    const image = drawn.get(key) ?? this.#draw(stage, pose);
    // What was asked for last is the last to go.
    drawn.delete(key);
    drawn.set(key, image);
    if (drawn.size > this.#mostPictures) drawn.delete(drawn.keys().next().value!);
    return image;
  }

  #draw(stage: Stage, pose: readonly number[]): Image {
    stage.pose(pose);
    return stage.render(this.#camera, this.#size);
  }
}
