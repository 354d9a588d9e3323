import assert from "node:assert/strict";
import { byteTokenizer } from "../../src/pi0/tokenizer.ts";

Deno.test("byteTokenizer makes one id of each UTF-8 byte, above the special ones, and says what it is", () => {
  assert.deepEqual(byteTokenizer.encode("aé\n"), [4 + 0x61, 4 + 0xc3, 4 + 0xa9, 4 + 0x0a]);
  assert.equal(byteTokenizer.vocabularySize, 260);
  assert.match(byteTokenizer.description, /built in, for random weights/);
});
