/**
 * H.264 in an MP4 file (ISO/IEC 14496-12 and -15), and out of one.
 *
 * The encoder's own file has its table of contents at the end, calls every frame a place to start from, and carries
 * the time of day. Written anew, a video plays while it loads, can be wound, and is the same for the same pictures.
 *
 * @module
 */

import type { Bytes } from "../types.ts";

/** One encoded frame: NAL units, each behind its length (u32, big-endian). */
export interface Mp4Sample {
  readonly bytes: Bytes;
  /** Can be decoded without the frames before it. */
  readonly key: boolean;
}

/** H.264 frames and what a decoder must know before the first one. */
export interface H264Track {
  /** The sequence parameter set: one NAL unit, without its length. */
  readonly sequenceParameters: Bytes;
  /** The picture parameter set: one NAL unit, without its length. */
  readonly pictureParameters: Bytes;
  readonly samples: readonly Mp4Sample[];
}

/** How a track is shown. */
export interface Mp4Timing {
  readonly widthPx: number;
  readonly heightPx: number;
  /** Whole frames per second. */
  readonly framesPerSecond: number;
}

/** How long a frame lasts, in the file's unit of time, which follows from it: exact at every frame rate. */
const TICKS_PER_FRAME = 1000;

/** Both axes as they are: a 3 × 3 matrix in 16.16 fixed point, the last column in 2.30. */
const IDENTITY = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000];

/**
 * Writes a video of one track, its table of contents first.
 *
 * @throws {RangeError} where there is no frame: players take such a file for a damaged one.
 */
export function writeMp4(track: H264Track, timing: Mp4Timing): Bytes {
  const { samples } = track;
  if (samples.length === 0) throw new RangeError("Cannot write a video of no frames: add one first");
  const type = box("ftyp", ascii("isom"), u32(0x200), ascii("isomiso2avc1mp41"));
  // The offset is known once the size of the table is, which does not depend on it.
  const before = type.length + movieBox(track, timing, 0).length + 8;
  const movie = movieBox(track, timing, before);
  const dataLength = samples.reduce((sum, { bytes }) => sum + bytes.length, 0);
  return concat([type, movie, u32(8 + dataLength), ascii("mdat"), ...samples.map(({ bytes }) => bytes)]);
}

function movieBox(track: H264Track, { widthPx, heightPx, framesPerSecond }: Mp4Timing, firstOffset: number): Bytes {
  const { samples } = track;
  const timescale = framesPerSecond * TICKS_PER_FRAME;
  const duration = samples.length * TICKS_PER_FRAME;
  const keys = samples.flatMap(({ key }, i) => key ? [i + 1] : []);
  const volume = u16(0x100);
  // Dates are zero: the same pictures give the same file.
  const header = fullBox(
    "mvhd",
    0,
    u32(0, 0, timescale, duration, 0x10000),
    volume,
    zeros(10),
    u32(...IDENTITY),
    zeros(24),
    u32(2),
  );
  const trackHeader = fullBox(
    "tkhd",
    3, // enabled, in the movie
    u32(0, 0, 1, 0, duration),
    zeros(16), // one layer, no group, no volume
    u32(...IDENTITY),
    u32(widthPx << 16, heightPx << 16),
  );
  const undetermined = u16(0x55c4, 0); // language "und", and the end of the box
  const mediaHeader = fullBox("mdhd", 0, u32(0, 0, timescale, duration), undetermined);
  const handler = fullBox("hdlr", 0, u32(0), ascii("vide"), zeros(12), ascii("video\0"));
  const here = fullBox("url ", 1); // the pictures are in this file
  const information = box("dinf", fullBox("dref", 0, u32(1), here));
  const table = box(
    "stbl",
    fullBox("stsd", 0, u32(1), sampleEntry(track, widthPx, heightPx)),
    fullBox("stts", 0, u32(1, samples.length, TICKS_PER_FRAME)),
    fullBox("stss", 0, u32(keys.length, ...keys)),
    fullBox("stsc", 0, u32(1, 1, samples.length, 1)), // one chunk holds all
    fullBox("stsz", 0, u32(0, samples.length, ...samples.map(({ bytes }) => bytes.length))),
    fullBox("stco", 0, u32(1, firstOffset)),
  );
  const media = box("minf", fullBox("vmhd", 1, zeros(8)), information, table);
  return box("moov", header, box("trak", trackHeader, box("mdia", mediaHeader, handler, media)));
}

function sampleEntry({ sequenceParameters, pictureParameters }: H264Track, widthPx: number, heightPx: number): Bytes {
  const configuration = box(
    "avcC",
    // Version 1; profile, constraints and level as the parameters say them; lengths of 4 bytes; one set of each kind.
    Uint8Array.of(1, ...sequenceParameters.subarray(1, 4), 0xff, 0xe1),
    u16(sequenceParameters.length),
    sequenceParameters,
    Uint8Array.of(1),
    u16(pictureParameters.length),
    pictureParameters,
  );
  return box(
    "avc1",
    zeros(6),
    u16(1), // the first and only data reference
    zeros(16),
    u16(widthPx, heightPx),
    u32(0x480000, 0x480000, 0), // 72 pixels per inch
    u16(1), // one frame per sample
    zeros(32), // no name for the encoder
    u16(24, 0xffff), // colours without alpha, no palette
    configuration,
    box("colr", ascii("nclx"), u16(1, 1, 1), zeros(1)), // BT.709 in limited range, see yuv.ts
  );
}

/**
 * Reads the one track of a file as h264-mp4-encoder writes it. The samples are views of it.
 *
 * @throws {RangeError} where it is not such a file, or cut off.
 */
export function readMp4(file: Bytes): H264Track {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const track = child(child(file, "moov"), "trak");
  const table = child(child(child(track, "mdia"), "minf"), "stbl");
  const words = (name: string) => {
    const { byteOffset, byteLength } = child(table, name);
    const at = new DataView(file.buffer, byteOffset, byteLength);
    return Array.from({ length: Math.floor(byteLength / 4) }, (_, i) => at.getUint32(4 * i));
  };
  // Version and flags and counts come before the values. Frames of one size have no list of sizes.
  const [, sameSize, count, ...listed] = words("stsz");
  const sizes = sameSize === 0 ? listed : Array<number>(count!).fill(sameSize!);
  const offsets = words("stco").slice(2);
  const runs = words("stsc").slice(2);
  const samples: Mp4Sample[] = [];
  for (const [chunk, offset] of offsets.entries()) {
    let samplesOfChunk = 0;
    for (let i = 0; i < runs.length && runs[i]! <= chunk + 1; i += 3) samplesOfChunk = runs[i + 1]!;
    let at = offset;
    for (let i = 0; i < samplesOfChunk && samples.length < sizes.length; i++) {
      const size = sizes[samples.length]!;
      if (at + size > file.length) {
        throw new RangeError(`Cannot read frame ${samples.length} of the video: it is cut off`);
      }
      samples.push({ bytes: file.subarray(at, at + size), key: isKey(view, at, size) });
      at += size;
    }
  }
  const entry = child(child(table, "stsd").subarray(8), "avc1");
  const configuration = child(entry.subarray(78), "avcC");
  const sequenceEnd = 8 + (configuration[6]! << 8 | configuration[7]!);
  const pictureAt = sequenceEnd + 3;
  const pictureEnd = pictureAt + (configuration[sequenceEnd + 1]! << 8 | configuration[sequenceEnd + 2]!);
  return {
    sequenceParameters: configuration.slice(8, sequenceEnd),
    pictureParameters: configuration.slice(pictureAt, pictureEnd),
    samples,
  };
}

/** NAL units of type 5 are slices of a picture that stands alone (ITU-T H.264, table 7-1). */
function isKey(view: DataView, at: number, size: number): boolean {
  for (let nal = at; nal + 4 < at + size; nal += 4 + view.getUint32(nal)) {
    if ((view.getUint8(nal + 4) & 31) === 5) return true;
  }
  return false;
}

/** The contents of the first box of that type. */
function child(parent: Bytes, type: string): Bytes {
  const view = new DataView(parent.buffer, parent.byteOffset, parent.byteLength);
  const wanted = new DataView(ascii(type).buffer).getUint32(0);
  for (let at = 0; at + 8 <= parent.length;) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > parent.length) break;
    if (view.getUint32(at + 4) === wanted) return parent.subarray(at + 8, at + size);
    at += size;
  }
  throw new RangeError(`Cannot read the video: it has no whole "${type}" box where one must be`);
}

function box(type: string, ...parts: Bytes[]): Bytes {
  const length = parts.reduce((sum, part) => sum + part.length, 8);
  return concat([u32(length), ascii(type), ...parts]);
}

/** A box that begins with version 0 and flags. */
function fullBox(type: string, flags: number, ...parts: Bytes[]): Bytes {
  return box(type, u32(flags), ...parts);
}

function u32(...values: number[]): Bytes {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setUint32(4 * i, value));
  return new Uint8Array(view.buffer);
}

function u16(...values: number[]): Bytes {
  const view = new DataView(new ArrayBuffer(2 * values.length));
  values.forEach((value, i) => view.setUint16(2 * i, value));
  return new Uint8Array(view.buffer);
}

function zeros(length: number): Bytes {
  return new Uint8Array(length);
}

function ascii(text: string): Bytes {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function concat(parts: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
