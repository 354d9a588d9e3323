/**
 * Episodes side by side as they happened on the clock on the wall: one that waits stands still while the others go on.
 *
 * @module
 */

import { resizeWithPad } from "../image.ts";
import type { Image } from "../types.ts";
import { type Box, Canvas, type Colour } from "./canvas.ts";
import {
  ASKING,
  BRIGHT,
  type CaptionFonts,
  DARK,
  DIM,
  DONE,
  drawCaption,
  openCaptionFonts,
  WAITING,
} from "./caption.ts";
import { openTypeface, type Typeface } from "./typeface.ts";

/** A stretch of time, from the start of the episode. */
export interface Stretch {
  readonly startMs: number;
  readonly endMs: number;
}

/** A picture of an episode that is there from this moment on. */
export interface Moment {
  readonly atMs: number;
  /** Control steps until then. */
  readonly step: number;
  readonly reward: number;
}

/** One episode, with its own clock that starts at 0. */
export interface EpisodeTrack {
  /** Who acts, for example `remote · ws`. */
  readonly mode: string;
  readonly maxSteps: number;
  readonly maxReward: number;
  /** One or more, in order of time. */
  readonly moments: readonly Moment[];
  /** From asking to having the answer, in order of time. */
  readonly requests: readonly Stretch[];
  /** When the robot had nothing to do but wait, in order of time. */
  readonly freezes: readonly Stretch[];
  /** When the episode was over. */
  readonly endMs: number;
  /** What the moment of that index looks like. Asked for in order, some never. */
  picture(index: number): Image | Promise<Image>;
}

export interface ComparisonOptions {
  /** What they all do, for example `transfer_cube · seed 7`. */
  readonly title: string;
  /** One or more. */
  readonly tracks: readonly EpisodeTrack[];
  /** Size of one picture; others are made to fit. */
  readonly paneWidthPx: number;
  readonly paneHeightPx: number;
  readonly framesPerSecond: number;
}

/** Frames that are drawn one after the other. */
export interface Comparison {
  /** Even, as video needs it. */
  readonly widthPx: number;
  readonly heightPx: number;
  readonly frames: number;
  images(): AsyncGenerator<Image, void, undefined>;
}

/** The last pictures stay, so that they can be seen before a player closes or starts again. */
const END_HOLD_MS = 1500;

/** A shorter wait is on the strip, but would only flicker on the picture. */
const VISIBLE_FREEZE_MS = 100;

const GAP_PX = 8;
const TRACK_COLOUR: Colour = [52, 57, 65];
const ELAPSED_COLOUR: Colour = [120, 129, 141];

/** An episode at one moment of the clock. */
export interface TrackState {
  /** Of the picture that is shown. */
  readonly index: number;
  /** Of the last answer; absent before the first one. */
  readonly latencyMs?: number;
  /** How long the robot has been waiting; absent where it is not, or not for long. */
  readonly frozenMs?: number;
  /** All waiting until now. */
  readonly frozenTotalMs: number;
  /** Requests sent until now. */
  readonly requests: number;
  readonly success: boolean;
  readonly ended: boolean;
}

/** What is to be seen of an episode when the clock on the wall shows `nowMs`. */
export function stateAt(track: EpisodeTrack, nowMs: number): TrackState {
  const { moments, requests, freezes, maxReward, endMs } = track;
  const index = Math.max(0, moments.findLastIndex(({ atMs }) => atMs <= nowMs));
  const answered = requests.findLast((request) => request.endMs <= nowMs);
  const freeze = freezes.find(({ startMs, endMs }) => startMs <= nowMs && nowMs < endMs);
  const visible = freeze !== undefined && freeze.endMs - freeze.startMs >= VISIBLE_FREEZE_MS;
  return {
    index,
    ...(answered === undefined ? {} : { latencyMs: answered.endMs - answered.startMs }),
    ...(visible ? { frozenMs: nowMs - freeze.startMs } : {}),
    frozenTotalMs: freezes.reduce((sum, { startMs, endMs }) => sum + Math.max(0, Math.min(endMs, nowMs) - startMs), 0),
    requests: requests.filter(({ startMs }) => startMs <= nowMs).length,
    success: moments.some(({ reward }, i) => i <= index && reward >= maxReward),
    ended: nowMs >= endMs,
  };
}

/**
 * Prepares the frames: two or three episodes in a row, more in rows of two or three.
 *
 * @throws {RangeError} where there is no episode, or one without a picture.
 */
export async function openComparison(options: ComparisonOptions): Promise<Comparison> {
  const { tracks, paneWidthPx, paneHeightPx, framesPerSecond } = options;
  if (tracks.length === 0) throw new RangeError("Cannot compare no episodes: give one or more");
  const empty = tracks.find(({ moments }) => moments.length === 0);
  if (empty !== undefined) throw new RangeError(`Cannot show an episode of "${empty.mode}" without a picture`);
  const fonts = await openCaptionFonts(paneWidthPx, paneHeightPx);
  const small = await openTypeface({ sizePx: Math.max(11, Math.round(0.87 * fonts.regular.sizePx)) });
  const layout = layOut(tracks.length, paneWidthPx, paneHeightPx, fonts);
  const durationMs = Math.max(...tracks.map(({ endMs }) => endMs));
  const frames = Math.floor((durationMs + END_HOLD_MS) / 1000 * framesPerSecond) + 1;
  const background = Canvas.filled(layout.widthPx, layout.heightPx, DARK);
  drawLegend(background, layout.legendTopPx, small);
  async function* images(): AsyncGenerator<Image, void, undefined> {
    const shown = tracks.map(() => ({ index: -1, image: undefined as Image | undefined }));
    for (let frame = 0; frame < frames; frame++) {
      const nowMs = frame * 1000 / framesPerSecond;
      const canvas = Canvas.of(background.image);
      drawHeader(canvas, options.title, Math.min(nowMs, durationMs), fonts);
      for (const [i, track] of tracks.entries()) {
        const state = stateAt(track, nowMs);
        const pane = shown[i]!;
        if (pane.index !== state.index) {
          pane.image = resizeWithPad(await track.picture(state.index), paneWidthPx, paneHeightPx);
          pane.index = state.index;
        }
        drawPane(canvas, layout.panes[i]!, pane.image!, track, state, fonts);
        drawStrip(canvas, layout.strips[i]!, { track, state, nowMs, durationMs }, small);
      }
      yield canvas.image;
    }
  }
  return { widthPx: layout.widthPx, heightPx: layout.heightPx, frames, images };
}

interface Layout {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly panes: readonly Box[];
  readonly strips: readonly Box[];
  readonly legendTopPx: number;
}

function layOut(count: number, widthPx: number, heightPx: number, { regular: { sizePx } }: CaptionFonts): Layout {
  const columns = count <= 3 ? count : Math.ceil(Math.sqrt(count));
  const rows = Math.ceil(count / columns);
  const headerPx = headerHeight(sizePx);
  const stripPx = Math.round(3 * sizePx);
  const boxes = Array.from({ length: count }, (_, i) => ({
    xPx: GAP_PX + (i % columns) * (widthPx + GAP_PX),
    yPx: headerPx + Math.floor(i / columns) * (heightPx + stripPx + GAP_PX),
    widthPx,
  }));
  const legendTopPx = headerPx + rows * (heightPx + stripPx + GAP_PX);
  const even = (px: number) => px + px % 2;
  return {
    widthPx: even(GAP_PX + columns * (widthPx + GAP_PX)),
    heightPx: even(legendTopPx + Math.round(2 * sizePx)),
    panes: boxes.map((box) => ({ ...box, heightPx })),
    strips: boxes.map((box) => ({ ...box, yPx: box.yPx + heightPx, heightPx: stripPx })),
    legendTopPx,
  };
}

function headerHeight(sizePx: number): number {
  return Math.round(2.6 * sizePx);
}

function drawHeader(canvas: Canvas, title: string, nowMs: number, { bold }: CaptionFonts): void {
  const baselinePx = Math.round((headerHeight(bold.sizePx) + bold.capHeightPx) / 2);
  const clock = `${(nowMs / 1000).toFixed(2)} s`;
  const clockX = canvas.widthPx - GAP_PX - bold.measure(clock);
  canvas.write(bold.shorten(title, clockX - 4 * GAP_PX), bold, GAP_PX, baselinePx, BRIGHT);
  canvas.write(clock, bold, clockX, baselinePx, BRIGHT);
}

function drawPane(
  canvas: Canvas,
  box: Box,
  image: Image,
  { mode, maxSteps, maxReward, moments }: EpisodeTrack,
  { index, latencyMs, frozenMs, success }: TrackState,
  fonts: CaptionFonts,
): void {
  const { step, reward } = moments[index]!;
  canvas.put(image, box.xPx, box.yPx);
  const caption = { mode, step, maxSteps, reward, maxReward, success };
  drawCaption(canvas, box, {
    ...caption,
    ...(latencyMs === undefined ? {} : { latencyMs }),
    ...(frozenMs === undefined ? {} : { frozenMs }),
  }, fonts);
}

/** All strips have the scale of the longest episode, so that they can be read across. */
function drawStrip(
  canvas: Canvas,
  { xPx, yPx, widthPx }: Box,
  { track, state, nowMs, durationMs }: {
    readonly track: EpisodeTrack;
    readonly state: TrackState;
    readonly nowMs: number;
    readonly durationMs: number;
  },
  typeface: Typeface,
): void {
  const { sizePx } = typeface;
  const requestPx = Math.round(0.3 * sizePx);
  const barPx = Math.round(0.6 * sizePx);
  const requestY = yPx + Math.round(0.4 * sizePx);
  const barY = requestY + requestPx + 2;
  const scale = widthPx / Math.max(1, durationMs);
  const untilMs = Math.min(nowMs, track.endMs);
  const draw = (stretch: Stretch, top: number, heightPx: number, colour: Colour) => {
    if (stretch.startMs > untilMs) return;
    const lengthPx = (Math.min(stretch.endMs, untilMs) - stretch.startMs) * scale;
    // A mark of a pixel is seen, however short the stretch.
    canvas.fill({ xPx: xPx + stretch.startMs * scale, yPx: top, widthPx: Math.max(1, lengthPx), heightPx }, colour);
  };
  canvas.fill({ xPx, yPx: barY, widthPx, heightPx: barPx }, TRACK_COLOUR);
  draw({ startMs: 0, endMs: untilMs }, barY, barPx, ELAPSED_COLOUR);
  for (const request of track.requests) draw(request, requestY, requestPx, ASKING);
  for (const freeze of track.freezes) draw(freeze, barY, barPx, WAITING);
  let best = 0;
  for (const { atMs, reward } of track.moments) {
    if (reward <= best || atMs > nowMs) continue;
    best = reward;
    canvas.fill({ xPx: Math.round(xPx + atMs * scale) - 1, yPx: barY - 2, widthPx: 3, heightPx: barPx + 4 }, DONE);
  }
  const headX = Math.min(xPx + widthPx - 2, Math.round(xPx + untilMs * scale));
  canvas.fill({ xPx: headX, yPx: barY - 3, widthPx: 2, heightPx: barPx + 6 }, BRIGHT);
  const baselinePx = barY + barPx + Math.round(1.35 * sizePx);
  const requests = `${state.requests} request${state.requests === 1 ? "" : "s"}`;
  canvas.write(`${requests} · frozen ${(state.frozenTotalMs / 1000).toFixed(2)} s`, typeface, xPx, baselinePx, DIM);
  if (!state.ended) return;
  const end = `ended at ${(track.endMs / 1000).toFixed(2)} s`;
  canvas.write(end, typeface, xPx + widthPx - typeface.measure(end), baselinePx, DIM);
}

function drawLegend(canvas: Canvas, topPx: number, typeface: Typeface): void {
  const { sizePx, capHeightPx } = typeface;
  const baselinePx = topPx + Math.round(sizePx);
  const entries: readonly [string, Colour][] = [
    ["request under way", ASKING],
    ["robot waits (frozen)", WAITING],
    ["reward rises", DONE],
  ];
  let x = GAP_PX;
  for (const [text, colour] of entries) {
    canvas.fill({
      xPx: x,
      yPx: baselinePx - Math.round(capHeightPx),
      widthPx: sizePx,
      heightPx: Math.round(capHeightPx),
    }, colour);
    x += 1.5 * sizePx;
    x = Math.ceil(x + canvas.write(text, typeface, x, baselinePx, DIM) + 2 * sizePx);
  }
}
