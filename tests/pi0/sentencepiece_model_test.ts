import assert from "node:assert/strict";
import { readSentencePieceModel } from "../../src/pi0/sentencepiece_model.ts";
import { tinyTokenizerModel, type TinyTokenizerSettings } from "../support/tiny_tokenizer.ts";

const valid = tinyTokenizerModel([["ab", -1.5, 1], ["c", -2, 4]]);

Deno.test("readSentencePieceModel() reads pieces, scores, kinds and the id for the beginning", () => {
  const { pieces, scores, kinds, bosId } = readSentencePieceModel(valid);
  assert.deepEqual(pieces.slice(0, 5), ["<pad>", "<eos>", "<bos>", "<unk>", "<0x00>"]);
  assert.deepEqual(pieces.slice(-2), ["ab", "c"]);
  assert.deepEqual([...scores.slice(-2)], [-1.5, -2]);
  assert.deepEqual([...kinds.slice(-2)], [1, 4]);
  assert.equal(bosId, 2);
});

Deno.test("readSentencePieceModel() reads bytes that lie inside a larger buffer", () => {
  const larger = new Uint8Array(valid.length + 7);
  larger.set(valid, 5);
  assert.deepEqual(readSentencePieceModel(larger.subarray(5, 5 + valid.length)), readSentencePieceModel(valid));
});

Deno.test("readSentencePieceModel() refuses a file that is cut off at any byte", () => {
  for (let length = 0; length < valid.length; length++) {
    assert.throws(
      () => readSentencePieceModel(valid.subarray(0, length)),
      /^Error: Cannot (read|use) /,
      `at ${length}`,
    );
  }
});

Deno.test("readSentencePieceModel() refuses bytes of another format", () => {
  const text = new TextEncoder().encode('{"version": 1, "model": {"type": "BPE"}}');
  assert.throws(() => readSentencePieceModel(text), /Cannot read 40 bytes as a tokenizer.*give SentencePiece's/);
});

const UNFIT: readonly [TinyTokenizerSettings, RegExp][] = [
  [{ modelType: 1 }, /algorithm is number 1, not byte pair/],
  [{ byteFallback: 0 }, /no byte fallback/],
  [{ charsMap: Uint8Array.of(1, 2, 3) }, /replaces characters/],
  [{ addDummyPrefix: 1 }, /puts a space before/],
  [{ removeExtraWhitespaces: 1 }, /removes spaces/],
  [{ escapeWhitespaces: 0 }, /does not write spaces as U\+2581/],
  [{ treatWhitespaceAsSuffix: 1 }, /ends of words/],
  [{ bosId: 4 }, /its id 4 for the beginning/],
];

for (const [settings, message] of UNFIT) {
  Deno.test(`readSentencePieceModel() refuses a tokenizer with ${JSON.stringify(settings)}`, () => {
    assert.throws(() => readSentencePieceModel(tinyTokenizerModel([], settings)), message);
  });
}
