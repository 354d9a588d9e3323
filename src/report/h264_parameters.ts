/**
 * What an H.264 stream says of itself: the level, by which a decoder knows whether it is fast enough, and the colours.
 *
 * minih264 writes a level by the size of the picture alone, and no colours: browsers then guess them, and not alike.
 *
 * @module
 */

import type { Bytes } from "../types.ts";

/** Level (× 10), macroblocks per second, macroblocks per picture: ITU-T H.264, table A-1, from 3 on. */
const LEVELS = [
  [30, 40_500, 1620],
  [31, 108_000, 3600],
  [32, 216_000, 5120],
  [40, 245_760, 8192],
  [42, 522_240, 8704],
  [50, 589_824, 22_080],
  [51, 983_040, 36_864],
  [52, 2_073_600, 36_864],
] as const;

/**
 * The lowest level, times ten, whose decoders can show such a video.
 *
 * @throws {RangeError} where none can.
 */
export function chooseLevel(widthPx: number, heightPx: number, framesPerSecond: number): number {
  const [across, down] = [Math.ceil(widthPx / 16), Math.ceil(heightPx / 16)];
  for (const [level, perSecond, perPicture] of LEVELS) {
    // A side may be √8 times as long as that of the largest square (A.3.1).
    const side = Math.sqrt(8 * perPicture);
    const fits = across * down <= perPicture && across * down * framesPerSecond <= perSecond;
    if (fits && across <= side && down <= side) return level;
  }
  throw new RangeError(
    `Cannot make a video of ${widthPx}×${heightPx} at ${framesPerSecond} frames per second: that is more than H.264 ` +
      "allows; make it smaller (3840×2160 at 60 goes)",
  );
}

/**
 * After the flag that there is more to say (annex E.1.1): no shape of pixels, no overscan; the video's kind is
 * unspecified (5), in limited range; primaries, transfer and matrix are those of BT.709 (1); nothing else. It has no
 * two zero bytes in a row wherever it begins, so that none needs an escape.
 */
const BT709 = "1" + "0" + "0" + "1" + "101" + "0" + "1" + "00000001".repeat(3) + "0" + "0" + "00" + "0" + "0";

/**
 * A sequence parameter set that ends with "nothing more to say", with another level and with the colours of yuv.ts.
 *
 * @param parameters is one NAL unit, without a length.
 * @throws {RangeError} where it says something of its own at its end.
 */
export function describeColours(parameters: Bytes, level: number): Bytes {
  const bits = Array.from(parameters, (byte) => byte.toString(2).padStart(8, "0")).join("");
  const end = bits.lastIndexOf("1");
  // The last 1 ends the set; the flag is before it.
  if (bits[end - 1] !== "0") throw new RangeError("Cannot describe the video's colours: it describes some already");
  const described = `${bits.slice(0, end - 1)}${BT709}1`;
  const bytes = described.padEnd(8 * Math.ceil(described.length / 8), "0").match(/.{8}/g)!.map((byte) =>
    parseInt(byte, 2)
  );
  bytes[3] = level;
  return Uint8Array.from(bytes);
}
