/**
 * SentencePiece's byte pair encoding, as PaliGemma uses it: neighbours are merged as long as their text is a piece, the
 * highest score first.
 *
 * @module
 */

import type { Bytes } from "../types.ts";
import { PieceKind, readSentencePieceModel, type SentencePieceModel } from "./sentencepiece_model.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** U+2581, which stands for a space inside pieces. */
const SPACE_MARK = "▁";

/** A tokenizer from the bytes of a `tokenizer.model`. @throws {Error} where the file does not fit. */
export function makeSentencePieceTokenizer(bytes: Bytes): Tokenizer {
  const model = readSentencePieceModel(bytes);
  const vocabulary = makeVocabulary(model);
  return {
    description: `SentencePiece, ${model.pieces.length} pieces`,
    vocabularySize: model.pieces.length,
    bosId: model.bosId,
    encode: (text) => encodeText(text, model, vocabulary),
  };
}

interface Vocabulary {
  /** Ids of the pieces that a text can be made of. */
  readonly ids: ReadonlyMap<string, number>;
  /** The pieces that are cut out of the text before anything else. */
  readonly userDefined: ReadonlySet<string>;
  /** How long they can be, longest first, by their first UTF-16 unit. */
  readonly userDefinedLengths: ReadonlyMap<number, readonly number[]>;
  /** Id of each of the 256 bytes. */
  readonly byteIds: Int32Array;
}

function makeVocabulary({ pieces, kinds }: SentencePieceModel): Vocabulary {
  const ids = new Map<string, number>();
  const userDefined = new Set<string>();
  const userDefinedLengths = new Map<number, number[]>();
  const byteIds = new Int32Array(256).fill(-1);
  for (let id = 0; id < pieces.length; id++) {
    const piece = pieces[id]!;
    const kind = kinds[id];
    if (kind === PieceKind.byte) {
      byteIds[parseInt(piece.slice(3, 5), 16)] = id;
    } else if (kind === PieceKind.normal || kind === PieceKind.userDefined || kind === PieceKind.unused) {
      ids.set(piece, id);
    }
    if (kind === PieceKind.userDefined && piece.length > 0) {
      userDefined.add(piece);
      const first = piece.charCodeAt(0);
      const lengths = userDefinedLengths.get(first) ?? [];
      if (!lengths.includes(piece.length)) lengths.push(piece.length);
      userDefinedLengths.set(first, lengths.sort((a, b) => b - a));
    }
  }
  if (byteIds.includes(-1)) throw new Error("Cannot use this tokenizer: it lacks a piece for some byte");
  return { ids, userDefined, userDefinedLengths, byteIds };
}

/** Two neighbours whose texts together are a piece. */
interface Merge {
  readonly left: number;
  readonly right: number;
  readonly score: number;
  /** UTF-16 units of both; another number later means that one of them has been merged meanwhile. */
  readonly length: number;
}

function encodeText(text: string, model: SentencePieceModel, vocabulary: Vocabulary): number[] {
  const { ids } = vocabulary;
  // Halves of surrogate pairs have no UTF-8.
  const { texts, isFrozen } = cut(text.toWellFormed().replaceAll(" ", SPACE_MARK), vocabulary);
  const previous = Int32Array.from(texts, (_, i) => i - 1);
  const next = Int32Array.from(texts, (_, i) => i + 1 < texts.length ? i + 1 : -1);
  const queue = new MergeQueue();
  /** What an unused piece was made of: it may stand between, but not in the result. */
  const origins = new Map<string, readonly [string, string]>();

  const offer = (left: number, right: number) => {
    if (left < 0 || right < 0 || isFrozen[left] || isFrozen[right]) return;
    const joined = texts[left]! + texts[right]!;
    const id = ids.get(joined);
    if (id === undefined) return;
    queue.push({ left, right, score: model.scores[id]!, length: joined.length });
    if (model.kinds[id] === PieceKind.unused) origins.set(joined, [texts[left]!, texts[right]!]);
  };

  for (let i = 1; i < texts.length; i++) offer(i - 1, i);
  for (let merge = queue.pop(); merge !== undefined; merge = queue.pop()) {
    const { left, right } = merge;
    if (texts[left] === "" || texts[right] === "" || texts[left]!.length + texts[right]!.length !== merge.length) {
      continue;
    }
    texts[left]! += texts[right]!;
    texts[right] = "";
    next[left] = next[right]!;
    if (next[left]! >= 0) previous[next[left]!] = left;
    offer(previous[left]!, left);
    offer(left, next[left]!);
  }

  const result: number[] = [];
  const utf8 = new TextEncoder();
  const append = (piece: string): void => {
    const id = ids.get(piece);
    const origin = origins.get(piece);
    if (id === undefined) {
      for (const byte of utf8.encode(piece)) result.push(vocabulary.byteIds[byte]!);
    } else if (model.kinds[id] === PieceKind.unused && origin !== undefined) {
      origin.forEach(append);
    } else {
      result.push(id);
    }
  };
  for (const piece of texts) if (piece !== "") append(piece);
  return result;
}

/** Cuts a text into user-defined symbols, which stay as they are, and single characters between them. */
function cut(text: string, vocabulary: Vocabulary): { texts: string[]; isFrozen: boolean[] } {
  const texts: string[] = [];
  const isFrozen: boolean[] = [];
  for (let at = 0; at < text.length;) {
    const symbol = longestSymbol(text, at, vocabulary);
    const piece = symbol ?? String.fromCodePoint(text.codePointAt(at)!);
    texts.push(piece);
    isFrozen.push(symbol !== undefined);
    at += piece.length;
  }
  return { texts, isFrozen };
}

function longestSymbol(text: string, at: number, vocabulary: Vocabulary): string | undefined {
  for (const length of vocabulary.userDefinedLengths.get(text.charCodeAt(at)) ?? []) {
    const candidate = text.slice(at, at + length);
    if (vocabulary.userDefined.has(candidate)) return candidate;
  }
  return undefined;
}

/** Hands out the merge with the highest score; of equal ones the leftmost. A binary heap. */
class MergeQueue {
  readonly #heap: Merge[] = [];

  push(merge: Merge): void {
    const heap = this.#heap;
    let at = heap.length;
    for (; at > 0; at = (at - 1) >> 1) {
      const parent = heap[(at - 1) >> 1]!;
      if (!isBefore(merge, parent)) break;
      heap[at] = parent;
    }
    heap[at] = merge;
  }

  pop(): Merge | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

function isBefore(a: Merge, b: Merge): boolean {
  return a.score > b.score || (a.score === b.score && a.left < b.left);
}
