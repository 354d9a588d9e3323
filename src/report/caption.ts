/**
 * What is written on the frames of a video: who acts, how far it is, how long an answer took, and that the robot waits.
 *
 * @module
 */

import type { Image } from "../types.ts";
import { type Box, Canvas, type Colour } from "./canvas.ts";
import { openTypeface, type Typeface } from "./typeface.ts";

/** What is to be said of one frame. */
export interface Caption {
  /** Who acts, for example `remote · ws`. */
  readonly mode: string;
  readonly step: number;
  readonly maxSteps: number;
  /** How long the answer took that is being executed; absent before the first one. */
  readonly latencyMs?: number;
  readonly reward: number;
  readonly maxReward: number;
  /** The task has been done, now or before. */
  readonly success: boolean;
  /** For how long the robot has been waiting for an answer; absent where it is not. */
  readonly frozenMs?: number;
}

/** One size, two weights. */
export interface CaptionFonts {
  readonly regular: Typeface;
  readonly bold: Typeface;
}

/** Blue-green, orange and sky blue of Okabe and Ito: colour-blind people can tell them apart. */
export const DONE: Colour = [0, 178, 130];
export const WAITING: Colour = [240, 168, 20];
export const ASKING: Colour = [86, 180, 233];
/** Texts on dark ground: what matters, and what explains it. */
export const BRIGHT: Colour = [244, 246, 248];
export const DIM: Colour = [168, 176, 186];
export const DARK: Colour = [20, 22, 26];

/** How much of the picture the bar hides. */
const BAR_OPACITY = 0.68;

/** Letters that fit a picture of this size: 15 px at 640×480. */
export async function openCaptionFonts(widthPx: number, heightPx: number): Promise<CaptionFonts> {
  const sizePx = Math.min(40, Math.max(11, Math.round(Math.min(widthPx / 42, heightPx / 32))));
  const [regular, bold] = await Promise.all([openTypeface({ sizePx }), openTypeface({ sizePx, bold: true })]);
  return { regular, bold };
}

/** The picture with a bar of text at its bottom, and marks at its top where the robot waits or has succeeded. */
export function captionImage(image: Image, caption: Caption, fonts: CaptionFonts): Image {
  const canvas = Canvas.of(image);
  drawCaption(canvas, { xPx: 0, yPx: 0, widthPx: image.width, heightPx: image.height }, caption, fonts);
  return canvas.image;
}

/** Captions the part of a canvas that is a picture. */
export function drawCaption(canvas: Canvas, box: Box, caption: Caption, fonts: CaptionFonts): void {
  drawBar(canvas, box, caption, fonts);
  drawMarks(canvas, box, caption, fonts);
}

interface Field {
  readonly label: string;
  readonly value: string;
  /** The longest value of an episode: later fields keep their places. */
  readonly widest: string;
  readonly colour: Colour;
}

function fieldsOf({ step, maxSteps, latencyMs, reward, maxReward, success }: Caption): Field[] {
  const latency = latencyMs === undefined ? "–" : `${latencyMs.toFixed(latencyMs < 99.95 ? 1 : 0)} ms`;
  return [
    { label: "step", value: `${step}/${maxSteps}`, widest: `${maxSteps}/${maxSteps}`, colour: BRIGHT },
    { label: "latency", value: latency, widest: "0000 ms", colour: BRIGHT },
    {
      label: "reward",
      value: `${reward}/${maxReward}`,
      widest: `${maxReward}/${maxReward}`,
      colour: success ? DONE : BRIGHT,
    },
  ];
}

function drawBar(canvas: Canvas, box: Box, caption: Caption, { regular, bold }: CaptionFonts): void {
  const { sizePx } = regular;
  const marginPx = Math.round(0.7 * sizePx);
  const labelGapPx = 0.4 * sizePx;
  const fieldGapPx = 1.4 * sizePx;
  const fields = fieldsOf(caption).map((field) => {
    const labelPx = regular.measure(field.label) + labelGapPx;
    return { ...field, labelPx, widthPx: labelPx + bold.measure(field.widest) };
  });
  const fieldsPx = fields.reduce((sum, { widthPx }) => sum + widthPx, fieldGapPx * (fields.length - 1));
  const innerPx = box.widthPx - 2 * marginPx;
  // A narrow picture, or a long name, takes two lines.
  const modePx = bold.measure(caption.mode);
  const lines = modePx + fieldGapPx + fieldsPx <= innerPx ? 1 : 2;
  const linePx = Math.round(1.5 * sizePx);
  const heightPx = lines * linePx + Math.round(0.5 * sizePx);
  const topPx = box.yPx + box.heightPx - heightPx;
  canvas.fill({ xPx: box.xPx, yPx: topPx, widthPx: box.widthPx, heightPx }, DARK, BAR_OPACITY);
  const baseline = (line: number) =>
    Math.round(topPx + 0.25 * sizePx + (line + 0.5) * linePx + regular.capHeightPx / 2);
  const left = box.xPx + marginPx;
  canvas.write(bold.shorten(caption.mode, innerPx), bold, left, baseline(0), BRIGHT);
  let x = lines === 1 ? left + innerPx - fieldsPx : left;
  for (const { label, value, colour, labelPx, widthPx } of fields) {
    canvas.write(label, regular, x, baseline(lines - 1), DIM);
    canvas.write(value, bold, x + labelPx, baseline(lines - 1), colour);
    x += widthPx + fieldGapPx;
  }
}

function drawMarks(canvas: Canvas, box: Box, { success, frozenMs }: Caption, { bold }: CaptionFonts): void {
  const { sizePx } = bold;
  const marginPx = Math.round(0.7 * sizePx);
  const heightPx = Math.round(1.8 * sizePx);
  const insetPx = 0.8 * sizePx;
  const yPx = box.yPx + marginPx;
  const baselinePx = Math.round(yPx + heightPx / 2 + bold.capHeightPx / 2);
  if (success) {
    const widthPx = bold.measure("success") + 2 * insetPx;
    canvas.fillRound({ xPx: box.xPx + marginPx, yPx, widthPx, heightPx }, heightPx / 2, DONE);
    canvas.write("success", bold, box.xPx + marginPx + insetPx, baselinePx, DARK);
  }
  if (frozenMs === undefined) return;
  canvas.frame(box, Math.max(2, Math.round(0.25 * sizePx)), WAITING);
  const text = `frozen ${(frozenMs / 1000).toFixed(1)} s`;
  const pausePx = Math.round(1.1 * sizePx);
  const widthPx = bold.measure(text) + pausePx + 2 * insetPx;
  const xPx = Math.round(box.xPx + box.widthPx - marginPx - widthPx);
  canvas.fillRound({ xPx, yPx, widthPx, heightPx }, heightPx / 2, WAITING);
  const strokePx = Math.max(2, Math.round(0.2 * sizePx));
  const capPx = Math.round(bold.capHeightPx);
  const pause = { xPx: Math.round(xPx + insetPx), yPx: baselinePx - capPx, widthPx: strokePx, heightPx: capPx };
  canvas.fill(pause, DARK);
  canvas.fill({ ...pause, xPx: pause.xPx + 2 * strokePx }, DARK);
  canvas.write(text, bold, pause.xPx + pausePx, baselinePx, DARK);
}
