import assert from "node:assert/strict";
import { Canvas, type Colour } from "../../src/report/canvas.ts";
import { openVideo } from "../../src/report/video.ts";
import type { Bytes, Image } from "../../src/types.ts";
import { checkMp4 } from "../support/mp4_structure.ts";
import { tinyImage } from "../support/tiny.ts";

const SIZE = { widthPx: 64, heightPx: 48 };

/** A white box that moves to the right on an even ground. */
function scene(frame: number, ground: Colour): Image {
  const canvas = Canvas.filled(SIZE.widthPx, SIZE.heightPx, ground);
  canvas.fill({ xPx: frame, yPx: 30, widthPx: 10, heightPx: 10 }, [255, 255, 255]);
  return canvas.image;
}

async function film(frames: number, ground: Colour = [200, 30, 30], framesPerSecond = 25): Promise<Bytes> {
  using video = await openVideo({ ...SIZE, framesPerSecond });
  for (let frame = 0; frame < frames; frame++) await video.add(scene(frame, ground));
  assert.equal(video.frames, frames);
  return await video.finish();
}

Deno.test("openVideo() makes a file with each frame, a place to wind to every second, and the right length", async () => {
  const { sizes: _, ...structure } = checkMp4(await film(60));
  assert.deepEqual(structure, {
    boxes: ["ftyp", "moov", "mdat"],
    ...SIZE,
    frames: 60,
    durationMs: 2400,
    keyFrames: [0, 25, 50],
    level: 30,
  });
});

Deno.test("openVideo() makes the same file of the same pictures, also beside another video", async () => {
  const [red, again, blue] = await Promise.all([film(20), film(20), film(20, [30, 30, 200])]);
  assert.deepEqual(red, again);
  assert.notDeepEqual(red, blue);
});

Deno.test("openVideo() makes a larger and truer file with a lower quantizer", async () => {
  const sizeOf = async (quantizer: number) => {
    using video = await openVideo({ ...SIZE, framesPerSecond: 25, quantizer });
    await video.add(tinyImage(1, "chw", 64, 48));
    return (await video.finish()).length;
  };
  assert.ok(await sizeOf(20) > 1.2 * await sizeOf(28));
});

Deno.test("openVideo() refuses what cannot be, and says what can", async () => {
  const refused = async (options: Partial<Parameters<typeof openVideo>[0]>, message: RegExp) => {
    await assert.rejects(async () => await openVideo({ ...SIZE, framesPerSecond: 25, ...options }), message);
  };
  await refused({ widthPx: 63 }, /^RangeError: Cannot make a video of 63×48: both sides must be even and 16 or more/);
  await refused({ heightPx: 0 }, /64×0/);
  await refused({ framesPerSecond: 29.97 }, /29\.97 frames per second: it must be a whole number, 1 to 240/);
  await refused({ quantizer: 9 }, /quantizer 9: it must be a whole number, 10 to 51/);
  await refused({ widthPx: 7680, heightPx: 4320 }, /more than H\.264 allows/);
});

Deno.test("add() refuses a picture of another size, and the video goes on", async () => {
  using video = await openVideo({ ...SIZE, framesPerSecond: 25 });
  await assert.rejects(
    () => video.add(tinyImage(1, "hwc", 48, 64)),
    /^RangeError: Cannot add a picture of 48×64 to a video of 64×48: /,
  );
  await video.add(tinyImage(1, "hwc", 64, 48));
  assert.equal(checkMp4(await video.finish()).frames, 1);
});

Deno.test("add() leaves the picture as it was", async () => {
  using video = await openVideo({ ...SIZE, framesPerSecond: 25 });
  const image = tinyImage(1, "hwc", 64, 48);
  await video.add(image);
  assert.deepEqual(image, tinyImage(1, "hwc", 64, 48));
});

Deno.test("add() and finish() say that the file has become too large for memory", async () => {
  using video = await openVideo({ ...SIZE, framesPerSecond: 25, maxBytes: 4096 });
  await assert.rejects(async () => {
    for (let frame = 0; frame < 1000; frame++) await video.add(tinyImage(frame, "hwc", 64, 48));
  }, /^Error: Cannot add to a video of more than 0 MiB, which is kept in memory: record a shorter one/);
  await assert.rejects(() => video.finish(), /which is kept in memory/);
});

Deno.test("finish() refuses a video of no frames, and a second call", async () => {
  using empty = await openVideo({ ...SIZE, framesPerSecond: 25 });
  await assert.rejects(() => empty.finish(), /^RangeError: Cannot finish a video of no frames: add one first/);
  using video = await openVideo({ ...SIZE, framesPerSecond: 25 });
  await video.add(scene(0, [0, 0, 0]));
  await video.finish();
  await assert.rejects(() => video.finish(), /Cannot use a video that is finished: open another one/);
  await assert.rejects(() => video.add(scene(0, [0, 0, 0])), /Cannot use a video that is finished/);
});

Deno.test("disposing of a video ends whoever waits for it", async () => {
  const video = await openVideo({ ...SIZE, framesPerSecond: 25 });
  await video.add(scene(0, [0, 0, 0]));
  const finished = assert.rejects(video.finish(), /Cannot encode the video: it was given up/);
  video[Symbol.dispose]();
  await finished;
});

/** What a program says of a file on its standard input; undefined where the program is not installed. */
async function run(program: string, args: string[], input: Bytes): Promise<Bytes> {
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(input);
  await writer.close();
  const { success, stdout } = await child.output();
  assert.ok(success);
  return stdout;
}

function missing(program: string): boolean {
  try {
    return !new Deno.Command(program, { args: ["-version"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    // Not installed.
    return true;
  }
}

Deno.test({
  name: "ffprobe accepts the file and counts its frames (needs ffprobe)",
  ignore: missing("ffprobe"),
  async fn() {
    const what = "codec_name,profile,level,width,height,pix_fmt,color_range,color_space,color_transfer," +
      "color_primaries,r_frame_rate,duration,nb_frames,nb_read_frames";
    const args = ["-v", "error", "-count_frames", "-show_entries", `stream=${what}`, "-of", "json", "-"];
    const { streams } = JSON.parse(new TextDecoder().decode(await run("ffprobe", args, await film(60))));
    assert.deepEqual(streams, [{
      codec_name: "h264",
      profile: "Baseline",
      width: 64,
      height: 48,
      pix_fmt: "yuv420p",
      level: 30,
      color_range: "tv",
      color_space: "bt709",
      color_transfer: "bt709",
      color_primaries: "bt709",
      r_frame_rate: "25/1",
      duration: "2.400000",
      nb_frames: "60",
      nb_read_frames: "60",
    }]);
  },
});

Deno.test({
  name: "ffmpeg decodes the pictures that went in (needs ffmpeg)",
  ignore: missing("ffmpeg"),
  async fn() {
    const args = ["-v", "error", "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
    const pixels = await run("ffmpeg", args, await film(30));
    const area = 64 * 48;
    assert.equal(pixels.length, 30 * 3 * area);
    for (const frame of [0, 15, 29]) {
      const expected = scene(frame, [200, 30, 30]).data;
      let sum = 0;
      for (let i = 0; i < 3 * area; i++) sum += Math.abs(pixels[frame * 3 * area + i]! - expected[i]!);
      // 4 of 255: rounding, quantisation, and the box's edges, whose colours are shared.
      assert.ok(sum / (3 * area) < 4, `frame ${frame} is off by ${sum / (3 * area)} on average`);
    }
  },
});
