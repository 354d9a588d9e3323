/**
 * Byte pair encoding, held against SentencePiece's own. See `tests/fixtures/pi0/README.md`.
 */

import assert from "node:assert/strict";
import { makeSentencePieceTokenizer } from "../../src/pi0/sentencepiece.ts";
import { GOLDEN_SETS, readJson } from "../support/golden_openpi.ts";
import { type TinyPiece, tinyTokenizerModel } from "../support/tiny_tokenizer.ts";

for (const { name, folder, isMissing } of GOLDEN_SETS) {
  Deno.test({
    name: `makeSentencePieceTokenizer() gives SentencePiece's ids for 200 texts (${name})`,
    ignore: isMissing,
    async fn() {
      const tokenizer = makeSentencePieceTokenizer(await Deno.readFile(`${folder}/tokenizer/tokenizer.model`));
      const { strings } = await readJson<{ strings: { text: string; ids: number[] }[] }>(
        `${folder}/tokenizer/cases.json`,
      );
      assert.equal(strings.length, 200);
      for (const { text, ids } of strings) assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
      assert.equal(tokenizer.bosId, 2);
      assert.equal(tokenizer.vocabularySize, 1280);
    },
  });
}

const [NORMAL, USER_DEFINED, UNUSED] = [1, 4, 5];
/** Ids below this are special symbols and bytes. */
const FIRST = 4 + 256;

const encode = (pieces: TinyPiece[], text: string) => {
  const tokenizer = makeSentencePieceTokenizer(tinyTokenizerModel(pieces));
  return tokenizer.encode(text).map((id) => id < FIRST ? `<${id - 4}>` : pieces[id - FIRST]![0]);
};
const letters = (text: string): TinyPiece[] => [...text].map((letter) => [letter, -100, NORMAL]);

Deno.test("encode() merges the highest score first, whatever its place", () => {
  assert.deepEqual(encode([["ab", -2, NORMAL], ["bc", -1, NORMAL], ...letters("abc")], "abc"), ["a", "bc"]);
  assert.deepEqual(encode([["ab", -1, NORMAL], ["bc", -2, NORMAL], ...letters("abc")], "abc"), ["ab", "c"]);
});

Deno.test("encode() merges the leftmost of equal scores first", () => {
  assert.deepEqual(encode([["ab", -1, NORMAL], ["bc", -1, NORMAL], ...letters("abc")], "abc"), ["ab", "c"]);
  assert.deepEqual(encode([["aa", -1, NORMAL], ...letters("a")], "aaaaa"), ["aa", "aa", "a"]);
});

Deno.test("encode() takes an unused piece apart again, and keeps what was made over it", () => {
  const pieces: TinyPiece[] = [["ab", -1, UNUSED], ["abc", -2, NORMAL], ...letters("abc")];
  assert.deepEqual(encode(pieces, "abc ab").slice(0, 1), ["abc"]);
  assert.deepEqual(encode(pieces, "ab"), ["a", "b"]);
});

Deno.test("encode() cuts user-defined symbols out first, the longest, and never merges them", () => {
  const pieces: TinyPiece[] = [
    ["\n", 0, USER_DEFINED],
    ["\n\n", 0, USER_DEFINED],
    ["\na", -1, NORMAL],
    ["a\n\n", -1, NORMAL],
    ["a", -2, NORMAL],
  ];
  assert.deepEqual(encode(pieces, "a\n\n\na"), ["a", "\n\n", "\n", "a"]);
});

Deno.test("encode() writes characters without a piece as their bytes, and halves of surrogate pairs as U+FFFD", () => {
  assert.deepEqual(encode(letters("a"), "aé"), ["a", "<195>", "<169>"]);
  assert.deepEqual(encode(letters("a"), "\ud800a"), ["<239>", "<191>", "<189>", "a"]);
});

Deno.test("encode() takes spaces for U+2581 and adds none", () => {
  assert.deepEqual(encode([["▁a", -1, NORMAL], ...letters("a▁")], "a a"), ["a", "▁a"]);
});

Deno.test("encode() stays linear enough for the longest prompt", () => {
  const pieces: TinyPiece[] = [["aa", -1, NORMAL], ["aaaa", -2, NORMAL], ...letters("a")];
  assert.equal(encode(pieces, "a".repeat(16_384)).length, 4096);
});
