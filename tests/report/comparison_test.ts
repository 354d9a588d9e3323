import assert from "node:assert/strict";
import { Canvas, type Colour } from "../../src/report/canvas.ts";
import { ASKING, DONE, WAITING } from "../../src/report/caption.ts";
import { type Comparison, type EpisodeTrack, openComparison, stateAt } from "../../src/report/comparison.ts";
import type { Image } from "../../src/types.ts";

/** Ten steps of 20 ms, each a shade lighter; the robot waits from 100 to 300 ms, then goes on. */
function track(mode: string, shades: Colour, waitMs = 200): EpisodeTrack & { asked: number[] } {
  const asked: number[] = [];
  const moments = Array.from({ length: 11 }, (_, step) => ({
    atMs: 20 * step + (step > 5 ? waitMs : 0),
    step,
    reward: step === 10 ? 2 : step >= 4 ? 1 : 0,
  }));
  const stretch = { startMs: 100, endMs: 100 + waitMs };
  return {
    mode,
    maxSteps: 10,
    maxReward: 2,
    moments,
    requests: [{ startMs: 0, endMs: 10 }, stretch],
    freezes: waitMs > 0 ? [stretch] : [],
    endMs: 200 + waitMs,
    asked,
    picture(index) {
      asked.push(index);
      return Canvas.filled(160, 120, shades.map((shade) => shade + index) as unknown as Colour).image;
    },
  };
}

Deno.test("stateAt() shows the last picture and the last answer", () => {
  const episode = track("remote", [0, 0, 0]);
  assert.deepEqual(stateAt(episode, 0), { index: 0, frozenTotalMs: 0, requests: 1, success: false, ended: false });
  const before = { latencyMs: 10, frozenTotalMs: 0, requests: 1, success: false, ended: false };
  assert.deepEqual(stateAt(episode, 59), { ...before, index: 2 });
  assert.deepEqual(stateAt(episode, 60), { ...before, index: 3 });
});

Deno.test("stateAt() stands still while the robot waits, and counts how long", () => {
  const episode = track("remote", [0, 0, 0]);
  const waiting = { index: 5, latencyMs: 10, requests: 2, success: false, ended: false };
  assert.deepEqual(stateAt(episode, 100), { ...waiting, frozenMs: 0, frozenTotalMs: 0 });
  assert.deepEqual(stateAt(episode, 250), { ...waiting, frozenMs: 150, frozenTotalMs: 150 });
  assert.deepEqual(stateAt(episode, 300), { ...waiting, latencyMs: 200, frozenTotalMs: 200 });
  assert.equal(stateAt(episode, 320).index, 6);
});

Deno.test("stateAt() counts a short wait without a mark that would flicker", () => {
  const episode = track("remote", [0, 0, 0], 99);
  const { frozenMs, frozenTotalMs } = stateAt(episode, 150);
  assert.deepEqual([frozenMs, frozenTotalMs], [undefined, 50]);
  assert.equal(stateAt(track("remote", [0, 0, 0], 100), 150).frozenMs, 50);
});

Deno.test("stateAt() keeps a success, and the last picture after the end", () => {
  const episode = track("remote", [0, 0, 0]);
  assert.equal(stateAt(episode, 399).success, false);
  const last = { index: 10, latencyMs: 200, frozenTotalMs: 200, requests: 2, success: true, ended: true };
  assert.deepEqual(stateAt(episode, 400), last);
  assert.deepEqual(stateAt(episode, 10_000), last);
  const lost = { ...episode, moments: [...episode.moments, { atMs: 420, step: 11, reward: 0 }] };
  assert.equal(stateAt(lost, 420).success, true);
});

Deno.test("stateAt() shows the first picture before its time", () => {
  const episode = { ...track("remote", [0, 0, 0]), moments: [{ atMs: 50, step: 0, reward: 0 }] };
  assert.equal(stateAt(episode, 0).index, 0);
});

const open = (tracks: EpisodeTrack[], framesPerSecond = 50): Promise<Comparison> =>
  openComparison({ title: "transfer_cube · seed 7", tracks, paneWidthPx: 160, paneHeightPx: 120, framesPerSecond });

async function frames(comparison: Comparison): Promise<Image[]> {
  const images: Image[] = [];
  for await (const image of comparison.images()) images.push(image);
  return images;
}

const pixel = ({ width, data }: Image, x: number, y: number) => [...data.subarray(3 * (y * width + x)).subarray(0, 3)];

function count({ data }: Image, colour: Colour): number {
  let found = 0;
  for (let i = 0; i < data.length; i += 3) if (colour.every((value, channel) => data[i + channel] === value)) found++;
  return found;
}

Deno.test("openComparison() plays the episodes on one clock: the one that waits falls behind", async () => {
  const [local, remote] = [track("local", [100, 0, 0], 0), track("remote", [0, 100, 0])];
  const comparison = await open([local, remote]);
  const images = await frames(comparison);
  // 400 ms of the longer one and 1.5 s to look at its end, and the picture at 0.
  assert.equal(images.length, comparison.frames);
  assert.equal(images.length, (400 + 1500) / 20 + 1);
  const { widthPx, heightPx } = comparison;
  assert.ok(images.every(({ width, height }) => width === widthPx && height === heightPx));
  assert.equal(widthPx % 2 + heightPx % 2, 0);
  // The middles of the two pictures: the shade is the step.
  const shades = (frame: number) => {
    const image = images[frame]!;
    return [pixel(image, 8 + 80, 90), pixel(image, 8 + 160 + 8 + 80, 90)];
  };
  const at = (left: number, right: number) => [[100 + left, left, left], [right, 100 + right, right]];
  assert.deepEqual(shades(0), at(0, 0));
  assert.deepEqual(shades(4), at(4, 4));
  assert.deepEqual(shades(10), at(10, 5));
  assert.deepEqual(shades(15), at(10, 5));
  assert.deepEqual(shades(16), at(10, 6));
  assert.deepEqual(shades(20), at(10, 10));
  assert.deepEqual(shades(images.length - 1), at(10, 10));
});

Deno.test("openComparison() asks for each picture once, in order, and for none that is not shown", async () => {
  const episode = track("local", [0, 0, 0], 0);
  await frames(await open([episode], 25));
  assert.deepEqual(episode.asked, [0, 2, 4, 6, 8, 10]);
});

Deno.test("openComparison() marks the wait on the picture and on the strip, as it happens", async () => {
  const images = await frames(await open([track("remote", [100, 100, 100])]));
  const waiting = images.map((image) => count(image, WAITING));
  const legend = waiting[0]!;
  assert.ok(legend > 0 && waiting.slice(0, 5).every((pixels) => pixels === legend));
  assert.ok(waiting[10]! > legend + 1000, "lines around the picture");
  assert.ok(waiting[20]! > legend + 50 && waiting[20]! < legend + 1000, "only the strip remembers");
  const asking = images.map((image) => count(image, ASKING));
  assert.ok(asking[5]! < asking[10]! && asking[10]! < asking[15]!);
  assert.equal(asking[15], asking[20]);
  const done = images.map((image) => count(image, DONE));
  assert.ok(done[3]! < done[5]! && done[5]! < done[20]!, "each new reward has a mark");
});

Deno.test("openComparison() puts four in two rows and makes pictures fit their places", async () => {
  const tracks = [0, 50, 100, 150].map((shade) => track(`${shade}`, [shade, 0, 0], 0));
  const large = { ...tracks[3]!, picture: () => Canvas.filled(320, 240, [150, 0, 0]).image };
  const comparison = await open([...tracks.slice(0, 3), large]);
  const two = await open(tracks.slice(0, 2));
  const three = await open(tracks.slice(0, 3));
  assert.equal(comparison.widthPx, two.widthPx);
  assert.ok(comparison.heightPx > two.heightPx + 120);
  assert.deepEqual([three.widthPx, three.heightPx], [8 + 3 * 168, two.heightPx]);
  const [first] = await frames(comparison);
  const middles = [90, 90 + comparison.heightPx - two.heightPx].flatMap((y) =>
    [88, 256].map((x) => pixel(first!, x, y)[0])
  );
  assert.deepEqual(middles, [0, 50, 100, 150]);
});

Deno.test("openComparison() refuses nothing to show", async () => {
  await assert.rejects(() => open([]), /^RangeError: Cannot compare no episodes: give one or more/);
  const empty = { ...track("ws", [0, 0, 0]), moments: [] };
  await assert.rejects(() => open([empty]), /^RangeError: Cannot show an episode of "ws" without a picture/);
});
