import assert from "node:assert/strict";
import { mayEnter } from "../../src/serving/access.ts";

Deno.test("mayEnter() lets everybody in where the server has no token", () => {
  assert.ok(mayEnter(undefined, undefined));
  assert.ok(mayEnter(undefined, "anything"));
});

Deno.test("mayEnter() lets in exactly the server's token", () => {
  assert.ok(mayEnter("s3cret", "s3cret"));
  for (const given of [undefined, "", "s3cre", "s3cret ", "S3cret", "s3cret\0", "undefined"]) {
    assert.ok(!mayEnter("s3cret", given), `${given}`);
  }
  assert.ok(mayEnter("Schlüssel 鍵", "Schlüssel 鍵"));
});

Deno.test("mayEnter() does not take a missing token for an empty one", () => {
  assert.ok(mayEnter("", ""));
  assert.ok(!mayEnter("", undefined));
});
