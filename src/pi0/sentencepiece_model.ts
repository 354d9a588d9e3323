/**
 * Reads a SentencePiece model file (`tokenizer.model`), a protobuf message of its own schema: the pieces, and the few
 * settings that decide how a text is cut into them.
 *
 * @module
 */

import type { Bytes } from "../types.ts";

/** What a piece is for. The numbers are SentencePiece's own. */
export const PieceKind = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** The pieces of a model, by id, and its special ids. */
export interface SentencePieceModel {
  readonly pieces: readonly string[];
  /** Higher is merged first. */
  readonly scores: Float32Array;
  /** Values of {@linkcode PieceKind}. */
  readonly kinds: Uint8Array;
  readonly bosId: number;
}

/** `TrainerSpec.model_type` of byte pair encoding. */
const BPE = 2;

/** The fields that are read, by message and number, as in SentencePiece's `sentencepiece_model.proto`. */
const MODEL = { piece: 1, trainer: 2, normalizer: 3 };
const PIECE = { text: 1, score: 2, kind: 3 };
const TRAINER = { modelType: 3, treatWhitespaceAsSuffix: 24, byteFallback: 35, bosId: 41 };
const NORMALIZER = { charsMap: 2, addDummyPrefix: 3, removeExtraWhitespaces: 4, escapeWhitespaces: 5 };

/**
 * Reads the bytes of a `tokenizer.model`.
 *
 * @throws {Error} where it is no such file, or a kind that PaliGemma's tokenizer is not: another algorithm than BPE, a
 * normaliser that changes the text, or no byte fallback.
 */
export function readSentencePieceModel(bytes: Bytes): SentencePieceModel {
  const pieces: string[] = [];
  const scores: number[] = [];
  const kinds: number[] = [];
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  // Defaults as in the schema.
  const trainer = { modelType: 1, treatWhitespaceAsSuffix: 0, byteFallback: 0, bosId: 1 };
  const normalizer = { charsMapBytes: 0, addDummyPrefix: 1, removeExtraWhitespaces: 1, escapeWhitespaces: 1 };

  try {
    const reader = new Reader(bytes, 0, bytes.length);
    while (reader.next()) {
      if (reader.field === MODEL.piece) {
        let text = "";
        let score = 0;
        let kind: number = PieceKind.normal;
        const piece = reader.message();
        while (piece.next()) {
          if (piece.field === PIECE.text) text = utf8.decode(bytes.subarray(piece.start, piece.end));
          else if (piece.field === PIECE.score) score = piece.float();
          else if (piece.field === PIECE.kind) kind = piece.value;
        }
        pieces.push(text);
        scores.push(score);
        kinds.push(kind);
      } else if (reader.field === MODEL.trainer) {
        const spec = reader.message();
        while (spec.next()) {
          if (spec.field === TRAINER.modelType) trainer.modelType = spec.value;
          else if (spec.field === TRAINER.treatWhitespaceAsSuffix) trainer.treatWhitespaceAsSuffix = spec.value;
          else if (spec.field === TRAINER.byteFallback) trainer.byteFallback = spec.value;
          else if (spec.field === TRAINER.bosId) trainer.bosId = spec.value;
        }
      } else if (reader.field === MODEL.normalizer) {
        const spec = reader.message();
        while (spec.next()) {
          if (spec.field === NORMALIZER.charsMap) normalizer.charsMapBytes = spec.end - spec.start;
          else if (spec.field === NORMALIZER.addDummyPrefix) normalizer.addDummyPrefix = spec.value;
          else if (spec.field === NORMALIZER.removeExtraWhitespaces) normalizer.removeExtraWhitespaces = spec.value;
          else if (spec.field === NORMALIZER.escapeWhitespaces) normalizer.escapeWhitespaces = spec.value;
        }
      }
    }
  } catch (cause) {
    throw new Error(
      `Cannot read ${bytes.length} bytes as a tokenizer: they are damaged, cut off or another format; ` +
        "give SentencePiece's tokenizer.model",
      { cause },
    );
  }

  if (pieces.length === 0) throw unfit(`${bytes.length} bytes hold no pieces`);
  if (trainer.modelType !== BPE) throw unfit(`its algorithm is number ${trainer.modelType}, not byte pair encoding`);
  if (trainer.byteFallback === 0) throw unfit("it has no byte fallback");
  if (normalizer.charsMapBytes > 0) throw unfit("its normaliser replaces characters");
  if (normalizer.addDummyPrefix !== 0) throw unfit("it puts a space before the text");
  if (normalizer.removeExtraWhitespaces !== 0) throw unfit("it removes spaces");
  if (normalizer.escapeWhitespaces === 0) throw unfit("it does not write spaces as U+2581");
  if (trainer.treatWhitespaceAsSuffix !== 0) throw unfit("it takes spaces for the ends of words");
  if (kinds[trainer.bosId] !== PieceKind.control) throw unfit(`its id ${trainer.bosId} for the beginning is no symbol`);
  return { pieces, scores: Float32Array.from(scores), kinds: Uint8Array.from(kinds), bosId: trainer.bosId };
}

function unfit(reason: string): Error {
  return new Error(`Cannot use this tokenizer: ${reason}; give PaliGemma's tokenizer.model`);
}

/** Walks over the fields of one protobuf message. */
class Reader {
  /** Number of the field that {@linkcode next} found. */
  field = 0;
  /** Its value, where it is a whole number: the low 32 bits, signed, which hold all that is read here. */
  value = 0;
  /** Its bytes, where it has bytes. */
  start = 0;
  end = 0;
  readonly #bytes: Bytes;
  readonly #limit: number;
  #at: number;

  constructor(bytes: Bytes, start: number, limit: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#limit = limit;
  }

  /** @returns false at the end. @throws {RangeError} where the bytes are no message. */
  next(): boolean {
    if (this.#at === this.#limit) return false;
    const tag = this.#varint() >>> 0;
    this.field = tag >>> 3;
    const wireType = tag & 7;
    this.value = 0;
    if (wireType === 0) this.value = this.#varint();
    else if (wireType === 1) this.#take(8);
    else if (wireType === 2) this.#take(this.#varint() >>> 0);
    else if (wireType === 5) this.#take(4);
    else throw new RangeError(`Cannot read a protobuf field of wire type ${wireType} at byte ${this.#at}`);
    return true;
  }

  /** The field's bytes as a message. */
  message(): Reader {
    return new Reader(this.#bytes, this.start, this.end);
  }

  /** The field's bytes as a single precision number. */
  float(): number {
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.start, 4).getFloat32(0, true);
  }

  #take(length: number): void {
    this.start = this.#at;
    this.end = this.#at + length;
    if (this.end > this.#limit) {
      throw new RangeError(`Cannot read ${length} bytes at byte ${this.#at}: they end before`);
    }
    this.#at = this.end;
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at === this.#limit) break;
      const byte = this.#bytes[this.#at++]!;
      // Bits above the 32nd are dropped: only signs of negative numbers reach there.
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError(`Cannot read a whole number that ends at byte ${this.#at}`);
  }
}
