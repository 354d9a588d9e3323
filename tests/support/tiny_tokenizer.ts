/**
 * SentencePiece model files of a few pieces.
 *
 * @module
 */

import type { Bytes } from "../../src/types.ts";

/** Text, score and SentencePiece's number for the kind. */
export type TinyPiece = [text: string, score: number, kind: number];

/** What a test may change in the file's settings; the names are SentencePiece's. */
export interface TinyTokenizerSettings {
  readonly modelType?: number;
  readonly byteFallback?: number;
  readonly bosId?: number;
  readonly charsMap?: Bytes;
  readonly addDummyPrefix?: number;
  readonly removeExtraWhitespaces?: number;
  readonly escapeWhitespaces?: number;
  readonly treatWhitespaceAsSuffix?: number;
}

/** A `tokenizer.model` with PaliGemma's four special symbols, all 256 bytes, and then the pieces. */
export function tinyTokenizerModel(pieces: readonly TinyPiece[], settings: TinyTokenizerSettings = {}): Bytes {
  const hex = (byte: number) => byte.toString(16).toUpperCase().padStart(2, "0");
  const all: TinyPiece[] = [
    ["<pad>", 0, 3],
    ["<eos>", 0, 3],
    ["<bos>", 0, 3],
    ["<unk>", 0, 2],
    ...Array.from({ length: 256 }, (_, byte): TinyPiece => [`<0x${hex(byte)}>`, 0, 6]),
    ...pieces,
  ];
  const trainer = [
    ...number(3, settings.modelType ?? 2),
    ...number(24, settings.treatWhitespaceAsSuffix ?? 0),
    ...number(35, settings.byteFallback ?? 1),
    ...number(41, settings.bosId ?? 2),
    // pad_id −1, as a protobuf of ten bytes has it: a field that is passed over.
    ...[0xd8, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  ];
  const normalizer = [
    ...block(2, settings.charsMap ?? []),
    ...number(3, settings.addDummyPrefix ?? 0),
    ...number(4, settings.removeExtraWhitespaces ?? 0),
    ...number(5, settings.escapeWhitespaces ?? 1),
  ];
  return Uint8Array.from([
    ...all.flatMap(([text, score, kind]) => {
      const bits = new Uint8Array(Float32Array.of(score).buffer);
      return block(1, [...block(1, new TextEncoder().encode(text)), (2 << 3) | 5, ...bits, ...number(3, kind)]);
    }),
    ...block(2, trainer),
    ...block(3, normalizer),
  ]);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}

const number = (field: number, value: number) => [...varint(field << 3), ...varint(value)];
const block = (field: number, bytes: Iterable<number>) => {
  const list = [...bytes];
  return [...varint((field << 3) | 2), ...varint(list.length), ...list];
};
