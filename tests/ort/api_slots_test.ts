import assert from "node:assert/strict";
import { NEWEST_API_VERSION, OLDEST_API_VERSION, SLOTS } from "../../src/ort/api_slots.ts";

/** Last slot of each version, from the compile-time checks in ONNX Runtime's own onnxruntime_c_api.cc. */
const LAST_SLOTS: Readonly<Record<number, number>> = {
  1: 101,
  2: 118,
  3: 124,
  4: 126,
  5: 149,
  6: 157,
  7: 161,
  8: 169,
  9: 191,
  10: 203,
  11: 209,
  12: 218,
  13: 224,
  14: 238,
  15: 254,
  16: 265,
  17: 275,
  18: 279,
  20: 284,
  22: 317,
  23: 389,
};

Deno.test("every slot lies within the version that is said to have brought it, and no two are equal", () => {
  const seen = new Set<number>();
  for (const [name, { slot, since }] of Object.entries(SLOTS)) {
    assert.ok(!seen.has(slot), `${name} shares slot ${slot}`);
    seen.add(slot);
    const version = Object.keys(LAST_SLOTS).map(Number).find((version) => slot <= LAST_SLOTS[version]!) ?? 24;
    assert.equal(since, version, name);
    assert.ok(since <= NEWEST_API_VERSION);
  }
  assert.ok(OLDEST_API_VERSION < NEWEST_API_VERSION);
});
