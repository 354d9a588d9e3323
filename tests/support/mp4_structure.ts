/**
 * Reads an MP4 file as a strict player would, without a decoder, and apart from the code that writes one.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Bytes } from "../../src/types.ts";

export interface Mp4Structure {
  /** Types of the outermost boxes, in order. */
  readonly boxes: readonly string[];
  readonly widthPx: number;
  readonly heightPx: number;
  readonly frames: number;
  readonly durationMs: number;
  /** Indices of frames that a viewer can wind to. */
  readonly keyFrames: readonly number[];
  /** H.264's level, times ten. */
  readonly level: number;
  /** Bytes of each frame. */
  readonly sizes: readonly number[];
}

interface BoxView {
  readonly type: string;
  /** Where the contents begin and end in the file. */
  readonly start: number;
  readonly end: number;
}

const CONTAINERS = ["moov", "trak", "mdia", "minf", "stbl"];

/** @throws {assert.AssertionError} where the parts do not fit together. */
export function checkMp4(file: Bytes): Mp4Structure {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const outermost = boxesIn(file, view, 0, file.length);
  const all = outermost.flatMap((box) => [box, ...within(file, view, box)]);
  const find = (type: string) => {
    const found = all.filter((box) => box.type === type);
    assert.equal(found.length, 1, `one ${type} box`);
    return found[0]!;
  };
  const types = outermost.map(({ type }) => type);
  assert.ok(types.indexOf("moov") < types.indexOf("mdat"), "the table of contents comes first");

  const u32 = (type: string, at: number) => view.getUint32(find(type).start + at);
  const list = (type: string, at: number, count: number) =>
    Array.from({ length: count }, (_, i) => u32(type, at + 4 * i));
  const frames = u32("stsz", 8);
  assert.equal(find("stsz").end - find("stsz").start, 12 + 4 * frames);
  const sizes = list("stsz", 12, frames);
  assert.equal(u32("stts", 4), 1);
  assert.equal(u32("stts", 8), frames, "each frame has a duration");
  const duration = frames * u32("stts", 12);
  assert.equal(u32("mdhd", 16), duration);
  const durationMs = 1000 * duration / u32("mdhd", 12);
  assert.equal(1000 * u32("mvhd", 16) / u32("mvhd", 12), durationMs);
  assert.equal(u32("tkhd", 20) * 1000 / u32("mvhd", 12), durationMs);
  for (const type of ["mvhd", "tkhd", "mdhd"]) assert.equal(u32(type, 4), 0, "no time of day");

  const data = find("mdat");
  assert.equal(sizes.reduce((sum, size) => sum + size, 0), data.end - data.start, "the frames fill the data");
  assert.deepEqual(list("stsc", 4, 4), [1, 1, frames, 1]);
  assert.deepEqual(list("stco", 4, 2), [1, data.start], "the chunk begins with the data");

  const keyFrames: number[] = [];
  let at = data.start;
  for (const [frame, size] of sizes.entries()) {
    const end = at + size;
    const kinds: number[] = [];
    while (at < end) {
      kinds.push(view.getUint8(at + 4) & 31);
      at += 4 + view.getUint32(at);
    }
    assert.equal(at, end, `frame ${frame} is whole NAL units`);
    assert.ok(kinds.every((kind) => kind === 1 || kind === 5), `frame ${frame} is slices: ${kinds}`);
    if (kinds.includes(5)) keyFrames.push(frame);
  }
  assert.deepEqual(list("stss", 8, u32("stss", 4)), keyFrames.map((frame) => frame + 1));
  assert.equal(keyFrames[0], 0);

  const sample = find("stsd").start + 16; // contents of its avc1 box
  const configuration = sample + 78 + 8;
  assert.equal(text(file, sample - 4), "avc1");
  assert.equal(text(file, configuration - 4), "avcC");
  const [widthPx, heightPx] = [view.getUint16(sample + 24), view.getUint16(sample + 26)];
  assert.equal(u32("tkhd", 76), widthPx << 16);
  assert.equal(u32("tkhd", 80), heightPx << 16);
  const level = view.getUint8(configuration + 3);
  assert.equal(view.getUint8(configuration + 8 + 3), level, "the stream names the same level");
  return { boxes: types, widthPx, heightPx, frames, durationMs, keyFrames, level, sizes };
}

function boxesIn(file: Bytes, view: DataView, start: number, end: number): BoxView[] {
  const boxes: BoxView[] = [];
  let at = start;
  while (at < end) {
    const size = view.getUint32(at);
    assert.ok(size >= 8 && at + size <= end, `a box of ${size} bytes at ${at} stays within ${end}`);
    boxes.push({ type: text(file, at + 4), start: at + 8, end: at + size });
    at += size;
  }
  return boxes;
}

function within(file: Bytes, view: DataView, { type, start, end }: BoxView): BoxView[] {
  if (!CONTAINERS.includes(type)) return [];
  return boxesIn(file, view, start, end).flatMap((box) => [box, ...within(file, view, box)]);
}

function text(file: Bytes, at: number): string {
  return String.fromCharCode(...file.subarray(at, at + 4));
}
