/**
 * What a video costs: 400 frames of 640×480, as an episode of eight seconds has.
 *
 *     deno run -A scripts/bench_video.ts [--draw-ms 12]
 *
 * "alone" draws nothing; "beside" keeps the drawing thread busy for --draw-ms per frame, as a renderer does, and tells
 * how much longer than the drawing it took.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { systemClock as clock } from "../src/clock.ts";
import { seededRandom } from "../src/random.ts";
import { Canvas } from "../src/report/canvas.ts";
import { captionImage, openCaptionFonts } from "../src/report/caption.ts";
import { openComparison } from "../src/report/comparison.ts";
import { openVideo } from "../src/report/video.ts";
import type { Image } from "../src/types.ts";

const { values } = parseArgs({ options: { "draw-ms": { type: "string", default: "12" } } });
const drawMs = Number(values["draw-ms"]);
const FRAMES = 400;
const SIZE = { widthPx: 640, heightPx: 480 };

// A table with grain, and things that move across it.
const random = seededRandom(0);
const table = Canvas.filled(SIZE.widthPx, SIZE.heightPx, [96, 100, 108]);
for (let i = 0; i < 4000; i++) {
  const [xPx, yPx, tone] = [random() * 640, random() * 480, 70 + random() * 60];
  table.fill({ xPx, yPx, widthPx: 12, heightPx: 4 }, [tone, tone, tone], 0.3);
}
const scenes = Array.from({ length: FRAMES }, (_, step) => {
  const canvas = Canvas.of(table.image);
  for (let arm = 0; arm < 8; arm++) {
    const xPx = 300 + 220 * Math.sin(step / 40 + arm);
    const yPx = 200 + 150 * Math.cos(step / 60 + 2 * arm);
    canvas.fillRound({ xPx, yPx, widthPx: 90, heightPx: 40 }, 12, arm === 0 ? [200, 30, 30] : [60, 64, 72]);
  }
  return canvas.image;
});

async function measure(name: string, images: AsyncIterable<Image> | Iterable<Image>, size = SIZE) {
  const startedMs = clock.now();
  const before = process.cpuUsage();
  using video = await openVideo({ ...size, framesPerSecond: 50 });
  for await (const image of images) await video.add(image);
  const drawnMs = clock.now();
  const frames = video.frames;
  const file = await video.finish();
  const endMs = clock.now();
  const { user, system } = process.cpuUsage(before);
  // deno-lint-ignore no-console
  console.log(
    `${name.padEnd(28)} ${String(frames).padStart(4)} frames ${
      ((endMs - startedMs) / 1000).toFixed(2).padStart(6)
    } s ` +
      `(${((endMs - drawnMs) / 1000).toFixed(2)} s after the last picture), ` +
      `${((user + system) / 1e6).toFixed(2).padStart(6)} s of processors, ${(file.length / 2 ** 20).toFixed(2)} MiB`,
  );
}

function* beside(): Generator<Image> {
  for (const scene of scenes) {
    const endMs = clock.now() + drawMs;
    while (clock.now() < endMs);
    yield scene;
  }
}

const fonts = await openCaptionFonts(SIZE.widthPx, SIZE.heightPx);
function* captioned(): Generator<Image> {
  for (const [step, scene] of scenes.entries()) {
    const caption = { mode: "remote · ws", step, maxSteps: FRAMES, reward: 2, maxReward: 4, success: step > 300 };
    yield captionImage(scene, { ...caption, latencyMs: 34.5, ...(step % 10 < 3 ? { frozenMs: step } : {}) }, fonts);
  }
}

await measure("alone", scenes);
await measure(`beside ${drawMs} ms of drawing`, beside());
await measure("captioned", captioned());
const moments = scenes.map((_, step) => ({ atMs: 20 * step, step, reward: 0 }));
const waits = Array.from({ length: 40 }, (_, i) => ({ startMs: 200 * i, endMs: 200 * i + 60 }));
const track = {
  maxSteps: FRAMES,
  maxReward: 4,
  moments,
  requests: waits,
  freezes: waits,
  endMs: 8000,
  picture: (index: number) => scenes[index]!,
};
const comparison = await openComparison({
  title: "transfer_cube · seed 0",
  tracks: [{ ...track, mode: "local" }, { ...track, mode: "remote · ws" }],
  paneWidthPx: 640,
  paneHeightPx: 480,
  framesPerSecond: 50,
});
await measure("side by side", comparison.images(), comparison);
