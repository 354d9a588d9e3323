/**
 * The instruction as π₀ and π₀.₅ read it: cleaned, put into the model's sentence, tokenised and padded, as openpi's
 * `PaligemmaTokenizer` does.
 *
 * @module
 */

import { WireError } from "../errors.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A prompt that fills the slots of a model. */
export interface PromptTokens {
  /** One id per slot; 0 from `validTokens` on. */
  readonly tokens: Int32Array<ArrayBuffer>;
  /** How many slots, from the first, hold the prompt. The others are masked. */
  readonly validTokens: number;
  /** How many tokens at the end found no slot. openpi warns of them. */
  readonly droppedTokens: number;
}

/** Where token ids come from: a tokenizer, or a table of all the prompts that a model was trained with. */
export type PromptSource =
  | { readonly kind: "tokenizer"; readonly tokenizer: Tokenizer }
  | { readonly kind: "table"; readonly prompts: PromptTable };

/** Token ids, complete with those for beginning and end, by prompt. The prompts are clean, see {@linkcode cleanPrompt}. */
export type PromptTable = ReadonlyMap<string, readonly number[]>;

/**
 * Most UTF-16 units of a prompt: far more than 200 tokens can hold, and tokenised in 20 ms. A request may carry
 * megabytes, which would keep everything else waiting for seconds.
 */
export const MAX_PROMPT_LENGTH = 16_384;

/** Bins of a number of the state in π₀.₅'s prompt. */
const STATE_BINS = 256;

/**
 * The token ids of a prompt, padded.
 *
 * @param state the normalised state, not padded, where the prompt tells it (π₀.₅); null where it does not.
 * @param slots how many tokens the model takes; what is longer is cut, as openpi does.
 * @throws {WireError} where the prompt is too long, or not in the table.
 */
export function tokenizePrompt(
  source: PromptSource,
  prompt: string,
  state: Float64Array | null,
  slots: number,
): PromptTokens {
  if (prompt.length > MAX_PROMPT_LENGTH) {
    const expected = `at most ${MAX_PROMPT_LENGTH}`;
    throw new WireError("too_large", { field: "prompt", found: `${prompt.length} characters`, expected });
  }
  const cleaned = cleanPrompt(prompt);
  if (source.kind === "table") {
    const ids = source.prompts.get(cleaned);
    if (ids !== undefined) return padTokens(ids, slots);
    const expected = describeTable(source.prompts);
    throw new WireError("malformed", { field: "prompt", found: "a prompt that this policy does not know", expected });
  }
  const { tokenizer } = source;
  const ids = state === null
    // The end is encoded by itself, so that it never merges with a space before it.
    ? [tokenizer.bosId, ...tokenizer.encode(cleaned), ...tokenizer.encode("\n")]
    : [tokenizer.bosId, ...tokenizer.encode(stateSentence(cleaned, state))];
  return padTokens(ids, slots);
}

/** The prompts of a table, for an error message. */
export function describeTable(prompts: PromptTable): string {
  const known = [...prompts.keys()].map((prompt) => JSON.stringify(prompt));
  return known.length === 1 ? known[0]! : `one of ${known.join(", ")}`;
}

/** openpi's cleaning: stripped first, then each underscore and line break becomes a space. */
export function cleanPrompt(prompt: string): string {
  let start = 0;
  let end = prompt.length;
  while (start < end && isPythonSpace(prompt.charCodeAt(start))) start++;
  while (end > start && isPythonSpace(prompt.charCodeAt(end - 1))) end--;
  return prompt.slice(start, end).replaceAll("_", " ").replaceAll("\n", " ");
}

/** What Python's `str.strip` removes. JavaScript's `trim` spares U+001C to U+001F and U+0085, and removes U+FEFF. */
function isPythonSpace(unit: number): boolean {
  return (unit >= 0x09 && unit <= 0x0d) || (unit >= 0x1c && unit <= 0x20) || unit === 0x85 || unit === 0xa0 ||
    unit === 0x1680 || (unit >= 0x2000 && unit <= 0x200a) || unit === 0x2028 || unit === 0x2029 || unit === 0x202f ||
    unit === 0x205f || unit === 0x3000;
}

function stateSentence(cleaned: string, state: Float64Array): string {
  return `Task: ${cleaned}, State: ${discretizeState(state).join(" ")};\nAction: `;
}

/**
 * The bin of each number: 256 even ones over [−1, 1), of which the last also takes all above and NaN; −1 below. As
 * `numpy.digitize(state, linspace(-1, 1, 257)[:-1]) - 1`.
 */
export function discretizeState(state: Float64Array): number[] {
  const half = STATE_BINS / 2;
  return Array.from(state, (value) => {
    if (Number.isNaN(value)) return STATE_BINS - 1;
    // In this order: (value + 1) · 128 would put −1e-17 into bin 128 instead of 127.
    return Math.max(-1, Math.min(STATE_BINS - 1, Math.floor(value * half) + half));
  });
}

function padTokens(ids: readonly number[], slots: number): PromptTokens {
  const validTokens = Math.min(ids.length, slots);
  const tokens = new Int32Array(slots);
  for (let i = 0; i < validTokens; i++) tokens[i] = ids[i]!;
  return { tokens, validTokens, droppedTokens: ids.length - validTokens };
}
