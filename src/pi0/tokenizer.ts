/**
 * What the prompt needs of a tokenizer, and the one that is built in, for models without trained weights.
 *
 * @module
 */

/** Text to the numbers that a model knows. */
export interface Tokenizer {
  /** What it is, in a few words, for people. */
  readonly description: string;
  /** All ids are below this. */
  readonly vocabularySize: number;
  /** Id of the symbol for the beginning of a text. */
  readonly bosId: number;
  /** The ids of a text, without one for its beginning. */
  encode(text: string): number[];
}

/** Ids below this are padding, end, beginning and unknown, as in PaliGemma. */
const BYTE_OFFSET = 4;

/** One id per UTF-8 byte: stands in for a tokenizer where the weights are random, and no text has a meaning. */
export const byteTokenizer: Tokenizer = {
  description: "bytes (built in, for random weights only)",
  vocabularySize: BYTE_OFFSET + 256,
  bosId: 2,
  encode: (text) => Array.from(new TextEncoder().encode(text), (byte) => BYTE_OFFSET + byte),
};
