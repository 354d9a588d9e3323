/**
 * The golden calls of openpi are in `transforms_test.ts`; these are what it does not say.
 */

import assert from "node:assert/strict";
import { fitRows, makeAbsolute, makeRelative } from "../../src/pi0/actions.ts";

const rows = Float64Array.of(1, 2, 3, 4, 5, 6);

Deno.test("makeAbsolute() adds the state to every row where the mask is true, and changes nothing it was given", () => {
  assert.deepEqual(makeAbsolute(rows, 3, [10, 20, 30], [true, false]), Float64Array.of(11, 2, 3, 14, 5, 6));
  assert.deepEqual(rows, Float64Array.of(1, 2, 3, 4, 5, 6));
});

Deno.test("makeRelative() undoes makeAbsolute()", () => {
  const mask = [true, true, false];
  assert.deepEqual(makeRelative(makeAbsolute(rows, 3, [10, 20, 30], mask), 3, [10, 20, 30], mask), rows);
});

Deno.test("makeAbsolute() refuses a mask that is longer than a row", () => {
  assert.throws(() => makeAbsolute(rows, 3, [1, 2, 3, 4], [true, true, true, true]), /mask of 4 for rows of 3/);
});

Deno.test("fitRows() cuts rows on the right, and fills them up with zeros there", () => {
  assert.deepEqual(fitRows(rows, 3, 2), Float64Array.of(1, 2, 4, 5));
  assert.deepEqual(fitRows(rows, 3, 4), Float64Array.of(1, 2, 3, 0, 4, 5, 6, 0));
  assert.deepEqual(fitRows(rows, 3, 3), rows);
});
