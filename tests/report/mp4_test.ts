import assert from "node:assert/strict";
import { readMp4, writeMp4 } from "../../src/report/mp4.ts";
import { checkMp4 } from "../support/mp4_structure.ts";

/** A NAL unit of a kind behind its length. */
const nal = (kind: number, ...rest: number[]) => [0, 0, 0, 1 + rest.length, 0x60 | kind, ...rest];
const sample = (kind: number, ...rest: number[]) => ({ bytes: Uint8Array.from(nal(kind, ...rest)), key: kind === 5 });
const track = {
  sequenceParameters: Uint8Array.of(0x67, 0x42, 0x00, 31, 1, 2, 3),
  pictureParameters: Uint8Array.of(0x68, 4, 5),
  samples: [sample(5, 1, 2, 3), sample(1, 4), sample(1, 5, 6), sample(5, 7)],
};
const timing = { widthPx: 64, heightPx: 48, framesPerSecond: 30 };

Deno.test("writeMp4() writes a file that plays while it loads and can be wound", () => {
  const { sizes, ...structure } = checkMp4(writeMp4(track, timing));
  assert.deepEqual(structure, {
    boxes: ["ftyp", "moov", "mdat"],
    widthPx: 64,
    heightPx: 48,
    frames: 4,
    durationMs: 4000 / 30,
    keyFrames: [0, 3],
    level: 31,
  });
  assert.deepEqual(sizes, [8, 6, 7, 6]);
});

Deno.test("readMp4() reads what writeMp4() wrote", () => {
  assert.deepEqual(readMp4(writeMp4(track, timing)), track);
});

Deno.test("readMp4() finds frames in several chunks, without a list of sizes, and keys behind other NAL units", () => {
  const file = writeMp4({ ...track, samples: [...track.samples, sample(1, 8, 9, 10)] }, timing);
  const found = (name: string) => {
    const at = new TextDecoder("latin1").decode(file).indexOf(name);
    return new DataView(file.buffer, at + 4);
  };
  // The same data as two chunks of two frames and one of one; the tables are as long as those they replace.
  const data = found("stco").getUint32(8);
  const entries = [1, 2, 1, 3, 1, 1];
  const offsets = [data, data + 14, data + 27];
  const grown = insert(file, "stsc", [2, ...entries]);
  const both = insert(grown, "stco", [3, ...offsets.map((offset) => offset + grown.length - file.length + 8)]);
  assert.deepEqual(readMp4(both).samples.map(({ bytes }) => bytes.length), [8, 6, 7, 6, 8]);
  assert.deepEqual(readMp4(both).samples[4]!.bytes, sample(1, 8, 9, 10).bytes);

  const single = writeMp4({ ...track, samples: track.samples.slice(0, 1) }, timing);
  const unlisted = insert(insert(single, "stsz", [8, 1]), "stco", [1, single.length - 8 - 4]);
  assert.deepEqual(readMp4(unlisted).samples, [track.samples[0]]);

  const mixed = { bytes: Uint8Array.from([...nal(6, 1, 2), ...nal(5, 3)]), key: false };
  assert.equal(readMp4(writeMp4({ ...track, samples: [mixed] }, timing)).samples[0]!.key, true);
});

/** The file with another table: version and flags 0, then these numbers; the boxes around it grow. */
function insert(file: Uint8Array<ArrayBuffer>, name: string, words: number[]): Uint8Array<ArrayBuffer> {
  const text = new TextDecoder("latin1").decode(file);
  const at = text.indexOf(name) - 4;
  const oldSize = new DataView(file.buffer).getUint32(at);
  const size = 12 + 4 * words.length;
  const result = new Uint8Array(file.length + size - oldSize);
  result.set(file.subarray(0, at + 8));
  result.set(file.subarray(at + oldSize), at + size);
  const view = new DataView(result.buffer);
  words.forEach((word, i) => view.setUint32(at + 12 + 4 * i, word));
  view.setUint32(at, size);
  for (const parent of ["moov", "trak", "mdia", "minf", "stbl"]) {
    const parentAt = text.indexOf(parent) - 4;
    view.setUint32(parentAt, view.getUint32(parentAt) + size - oldSize);
  }
  return result;
}

Deno.test("readMp4() refuses a file that is cut off, and other files", () => {
  const file = writeMp4(track, timing);
  assert.throws(() => readMp4(file.slice(0, -1)), /^RangeError: Cannot read frame 3 of the video: it is cut off/);
  assert.throws(() => readMp4(file.slice(0, 200)), /^RangeError: Cannot read the video: it has no whole "moov" box/);
  assert.throws(() => readMp4(new Uint8Array(100)), RangeError);
});

Deno.test("writeMp4() refuses a video of no frames", () => {
  assert.throws(() => writeMp4({ ...track, samples: [] }, timing), /^RangeError: Cannot write a video of no frames/);
});
