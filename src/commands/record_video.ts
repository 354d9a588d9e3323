/**
 * Episodes as videos: their joint positions, posed and drawn again, with captions.
 *
 * @module
 */

import { type Clock, sleep } from "../clock.ts";
import { captionImage, openCaptionFonts } from "../report/caption.ts";
import { type EpisodeTrack, openComparison, stateAt } from "../report/comparison.ts";
import { writeWhole } from "../report/file.ts";
import { openVideo } from "../report/video.ts";
import type { Image, PictureSize } from "../types.ts";
import { Painter, type Stage } from "./record_painter.ts";
import type { PosedTrack } from "./record_track.ts";

export interface VideoParts {
  readonly path: string;
  /** Size of one picture, both sides even. */
  readonly size: PictureSize;
  readonly camera: string;
  readonly framesPerSecond: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onFrame: (frame: number, frames: number) => void;
}

/** A track, and the world that it is drawn in. */
export interface StagedTrack {
  readonly track: PosedTrack;
  readonly stage: Stage;
}

/** The last picture stays for so long. */
const END_HOLD_MS = 1500;

/** Drawing keeps the thread to itself: without a pause nobody hears Ctrl-C. */
const FRAMES_PER_PAUSE = 5;

/** One episode at wall-clock time. @throws what writing or encoding failed with; the signal's reason. */
export async function recordVideo({ track, stage }: StagedTrack, parts: VideoParts): Promise<void> {
  const { size, camera, framesPerSecond } = parts;
  const { mode, maxSteps, maxReward, moments } = track;
  const fonts = await openCaptionFonts(size.widthPx, size.heightPx);
  const frames = Math.floor((track.endMs + END_HOLD_MS) / 1000 * framesPerSecond) + 1;
  const painter = new Painter({ camera, size });
  const picture = (index: number) => painter.picture(stage, track.poses[index]!);
  const shown = { ...track, picture } satisfies EpisodeTrack;
  function* images(): Generator<Image> {
    let index = -1;
    let image: Image | undefined;
    for (let frame = 0; frame < frames; frame++) {
      const { index: now, latencyMs, frozenMs, success } = stateAt(shown, frame * 1000 / framesPerSecond);
      if (now !== index) image = shown.picture(index = now);
      const { step, reward } = moments[index]!;
      const caption = { mode, step, maxSteps, reward, maxReward, success };
      const latency = latencyMs === undefined ? {} : { latencyMs };
      yield captionImage(image!, { ...caption, ...latency, ...(frozenMs === undefined ? {} : { frozenMs }) }, fonts);
    }
  }
  await encode(images(), { ...size, frames }, parts, camera);
}

/** Episodes side by side at wall-clock time, smaller where they are many. @throws as {@linkcode recordVideo}. */
export async function recordComparison(
  title: string,
  tracks: readonly StagedTrack[],
  parts: VideoParts,
): Promise<void> {
  const { framesPerSecond, camera } = parts;
  const size = paneSize(parts.size, tracks.length);
  const painter = new Painter({ camera, size });
  const comparison = await openComparison({
    title,
    tracks: tracks.map(({ track, stage }) => ({
      ...track,
      picture: (index: number) => painter.picture(stage, track.poses[index]!),
    })),
    paneWidthPx: size.widthPx,
    paneHeightPx: size.heightPx,
    framesPerSecond,
  });
  await encode(comparison.images(), comparison, parts, camera);
}

/** Three and more at full size would fill more than a screen. */
function paneSize({ widthPx, heightPx }: PictureSize, count: number): PictureSize {
  if (count <= 2) return { widthPx, heightPx };
  const smaller = (px: number) => Math.max(16, 2 * Math.round(px * 3 / 8));
  return { widthPx: smaller(widthPx), heightPx: smaller(heightPx) };
}

async function encode(
  images: AsyncIterable<Image> | Iterable<Image>,
  { widthPx, heightPx, frames }: PictureSize & { readonly frames: number },
  { path, framesPerSecond, clock, signal, onFrame }: VideoParts,
  camera: string,
): Promise<void> {
  signal.throwIfAborted();
  using video = await openVideo({ widthPx, heightPx, framesPerSecond });
  for await (const image of images) {
    await video.add(image);
    onFrame(video.frames, frames);
    if (video.frames % FRAMES_PER_PAUSE === 0) await sleep(clock, 0, signal);
  }
  await writeWhole(path, await video.finish(), `the video of camera ${camera}`);
}
