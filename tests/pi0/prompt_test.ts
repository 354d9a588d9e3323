/**
 * Prompts, held against openpi's `PaligemmaTokenizer`. See `tests/fixtures/pi0/README.md`.
 */

import assert from "node:assert/strict";
import { WireError } from "../../src/errors.ts";
import { cleanPrompt, discretizeState, MAX_PROMPT_LENGTH, tokenizePrompt } from "../../src/pi0/prompt.ts";
import { makeSentencePieceTokenizer } from "../../src/pi0/sentencepiece.ts";
import { byteTokenizer } from "../../src/pi0/tokenizer.ts";
import { GOLDEN_SETS, numberOf, readJson } from "../support/golden_openpi.ts";
import { tinyTokenizerModel } from "../support/tiny_tokenizer.ts";

interface GoldenPrompt {
  mode: "pi0" | "pi05";
  prompt: string;
  max_len: number;
  state: (number | string)[] | null;
  bins?: number[];
  ids: number[];
  valid: number;
}

for (const { name, folder, isMissing } of GOLDEN_SETS) {
  Deno.test({
    name: `tokenizePrompt() and discretizeState() give openpi's ids, masks and bins for 30 prompts (${name})`,
    ignore: isMissing,
    async fn() {
      const tokenizer = makeSentencePieceTokenizer(await Deno.readFile(`${folder}/tokenizer/tokenizer.model`));
      const { prompts } = await readJson<{ prompts: GoldenPrompt[] }>(`${folder}/tokenizer/cases.json`);
      assert.equal(prompts.length, 30);
      for (const { mode, prompt, max_len, state, bins, ids, valid } of prompts) {
        assert.equal(state !== null, mode === "pi05");
        const numbers = state === null ? null : Float64Array.from(state, numberOf);
        if (numbers !== null) assert.deepEqual(discretizeState(numbers), bins, prompt);
        const { tokens, validTokens } = tokenizePrompt({ kind: "tokenizer", tokenizer }, prompt, numbers, max_len);
        const padded = [...ids, ...new Array(max_len - ids.length).fill(0)];
        assert.deepEqual([...tokens], padded, prompt);
        assert.equal(validTokens, valid, prompt);
      }
    },
  });
}

const bytes = { kind: "tokenizer", tokenizer: byteTokenizer } as const;
const table = { kind: "table", prompts: new Map([["Transfer cube", [0, 1, 2, 3]], ["go", [7]]]) } as const;

Deno.test("tokenizePrompt() never merges the end of π₀'s prompt with what stands before it", () => {
  const model = tinyTokenizerModel([["▁\n", -1, 1], ["▁", -2, 1], ["\n", -2, 1], ["a", -2, 1]]);
  const tokenizer = makeSentencePieceTokenizer(model);
  const [joined, space, end, letter] = [260, 261, 262, 263];
  assert.deepEqual(tokenizer.encode("a \n"), [letter, joined]);
  const { tokens, validTokens } = tokenizePrompt({ kind: "tokenizer", tokenizer }, "a_", null, 4);
  assert.deepEqual([...tokens.slice(0, validTokens)], [2, letter, space, end]);
});

Deno.test("tokenizePrompt() counts the tokens that found no slot", () => {
  const { tokens, validTokens, droppedTokens } = tokenizePrompt(bytes, "abcdef", null, 4);
  assert.deepEqual([...tokens], [2, 4 + 97, 4 + 98, 4 + 99]);
  assert.deepEqual([validTokens, droppedTokens], [4, 4]);
  assert.equal(tokenizePrompt(bytes, "ab", null, 4).droppedTokens, 0);
});

Deno.test("tokenizePrompt() looks a prompt up in a table as it would tokenise it: cleaned", () => {
  const { tokens, validTokens } = tokenizePrompt(table, " Transfer_cube\n", null, 6);
  assert.deepEqual([...tokens], [0, 1, 2, 3, 0, 0]);
  assert.equal(validTokens, 4);
});

Deno.test("tokenizePrompt() refuses a prompt that is not in the table, naming those that are", () => {
  assert.throws(
    () => tokenizePrompt(table, "transfer cube", null, 6),
    (error) =>
      error instanceof WireError && error.details.field === "prompt" &&
      error.details.expected === 'one of "Transfer cube", "go"',
  );
});

Deno.test("tokenizePrompt() refuses a prompt of megabytes at once", () => {
  assert.equal(tokenizePrompt(bytes, "a".repeat(MAX_PROMPT_LENGTH), null, 4).validTokens, 4);
  assert.throws(
    () => tokenizePrompt(bytes, "a".repeat(MAX_PROMPT_LENGTH + 1), null, 4),
    (error) => error instanceof WireError && error.code === "too_large",
  );
});

Deno.test("cleanPrompt() strips what Python strips, and then replaces underscores and line breaks", () => {
  assert.equal(cleanPrompt(" \t\n\x1c\x1f\x85\xa0\u2003\u3000pick_up\nit_ \r\n"), "pick up it ");
  assert.equal(cleanPrompt("\ufeffgo\ufeff"), "\ufeffgo\ufeff");
  assert.equal(cleanPrompt("__a__"), "  a  ");
  assert.equal(cleanPrompt(" \n "), "");
});
