import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import type { Stage } from "../../src/commands/record_painter.ts";
import type { PosedTrack } from "../../src/commands/record_track.ts";
import { recordComparison, recordVideo } from "../../src/commands/record_video.ts";
import type { Image, PictureSize } from "../../src/types.ts";
import { checkMp4 } from "../support/mp4_structure.ts";

/** Ten steps of a robot that stands in pose 0, 1, … */
const TRACK: PosedTrack = {
  mode: "local",
  maxSteps: 10,
  maxReward: 4,
  moments: Array.from({ length: 11 }, (_, step) => ({ atMs: 20 * step, step, reward: 0 })),
  requests: [{ startMs: 0, endMs: 5 }],
  freezes: [],
  endMs: 200,
  poses: Array.from({ length: 11 }, (_, i) => [i]),
};

class FakeStage implements Stage {
  readonly poses: number[] = [];
  readonly drawn: string[] = [];

  pose([first]: readonly number[]): void {
    this.poses.push(first!);
  }

  render(camera: string, { widthPx: width, heightPx: height }: PictureSize): Image {
    this.drawn.push(`${camera} ${width}×${height}`);
    return { width, height, layout: "hwc", data: new Uint8Array(3 * width * height) };
  }
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function partsFor(path: string, signal = new AbortController().signal) {
  const frames: string[] = [];
  const onFrame = (frame: number, all: number) => void frames.push(`${frame}/${all}`);
  const size = { widthPx: 160, heightPx: 120 };
  return { frames, parts: { path, size, camera: "top", framesPerSecond: 25, clock: systemClock, signal, onFrame } };
}

Deno.test("recordVideo() draws what is there at the moment of each frame, once, and holds the end", async () => {
  await inFolder(async (folder) => {
    const stage = new FakeStage();
    const { parts, frames } = partsFor(`${folder}/a.mp4`);
    await recordVideo({ track: TRACK, stage }, parts);
    assert.deepEqual(stage.poses, [0, 2, 4, 6, 8, 10]);
    assert.deepEqual([...new Set(stage.drawn)], ["top 160×120"]);
    const { widthPx, heightPx, frames: count, durationMs } = checkMp4(await Deno.readFile(`${folder}/a.mp4`));
    // 0.2 s, and 1.5 s in which the end stays.
    assert.deepEqual([widthPx, heightPx, count, durationMs], [160, 120, 43, 1720]);
    assert.equal(frames.at(-1), "43/43");
  });
});

Deno.test("recordComparison() shows two at full size and three at three quarters of it", async () => {
  await inFolder(async (folder) => {
    for (const [count, size] of [[2, "top 160×120"], [3, "top 120×90"]] as const) {
      const stages = Array.from({ length: count }, () => new FakeStage());
      const { parts } = partsFor(`${folder}/${count}.mp4`);
      await recordComparison("both", stages.map((stage) => ({ track: TRACK, stage })), parts);
      for (const { drawn } of stages) assert.deepEqual([...new Set(drawn)], [size]);
      assert.equal(checkMp4(await Deno.readFile(`${folder}/${count}.mp4`)).frames, 43);
    }
  });
});

Deno.test("recordComparison() draws a pose once that several ways come to soon after each other", async () => {
  await inFolder(async (folder) => {
    const late = {
      ...TRACK,
      moments: TRACK.moments.map((moment) => ({ ...moment, atMs: moment.atMs + 80 })),
      endMs: 280,
    };
    const [stage, other] = [new FakeStage(), new FakeStage()];
    const { parts } = partsFor(`${folder}/a.mp4`);
    await recordComparison(
      "all",
      [{ track: TRACK, stage }, { track: late, stage }, { track: TRACK, stage: other }],
      parts,
    );
    for (const { poses } of [stage, other]) assert.deepEqual(poses.toSorted((a, b) => a - b), [0, 2, 4, 6, 8, 10]);
  });
});

Deno.test("recordVideo() leaves nothing behind where it is stopped", async () => {
  await inFolder(async (folder) => {
    const stop = new AbortController();
    const { parts } = partsFor(`${folder}/a.mp4`, stop.signal);
    const onFrame = (frame: number) => frame === 7 && stop.abort(new Error("Stopped by SIGINT"));
    const recorded = recordVideo({ track: TRACK, stage: new FakeStage() }, { ...parts, onFrame });
    await assert.rejects(recorded, /Stopped by SIGINT/);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
  });
});

Deno.test("recordVideo() names the path that it cannot write", async () => {
  await inFolder(async (folder) => {
    const { parts } = partsFor(`${folder}/missing/a.mp4`);
    const recorded = recordVideo({ track: TRACK, stage: new FakeStage() }, parts);
    await assert.rejects(recorded, /^Error: Cannot write the video .*missing\/a\.mp4": its folder does not exist$/);
  });
});
