/**
 * The golden calls of openpi are in `tests/pi0/transforms_test.ts`; these are what it does not say.
 */

import assert from "node:assert/strict";
import { alohaPiSpace } from "../../src/robot/aloha_pi_space.ts";
import { GRIPPER_CONSTANTS } from "../../src/robot/profile.ts";
import { tinyState } from "../support/tiny.ts";

const near = (found: number, expected: number) =>
  assert.ok(Math.abs(found - expected) < 1e-6, `${found} is not ${expected}`);

Deno.test("stateToPi() turns both grippers with the current constants as openpi does", () => {
  for (const [value, expected] of [[0, -1.0798655], [0.5, -0.1400559], [1, 0.9456528]] as const) {
    const state = new Float64Array(14).fill(0);
    state[6] = value;
    state[13] = value;
    const adapted = alohaPiSpace.stateToPi(state, "current");
    near(adapted[6]!, expected);
    near(adapted[13]!, expected);
  }
});

Deno.test("the original gripper constants are 0.4 and 1.5 radians in both directions", () => {
  const radians = alohaPiSpace.stateToPi(Float64Array.of(...new Array(14).fill(0.5)), "current")[6]! *
      (1.6296 - 0.5476) + 0.5476;
  near(alohaPiSpace.stateToPi(Float64Array.of(...new Array(14).fill(0.5)), "original")[6]!, (radians - 0.4) / 1.1);
  const action = Float64Array.of(...new Array(14).fill(0.25));
  near(alohaPiSpace.actionsFromPi(action, "original")[13]!, (0.25 * 1.1 + 0.4 + 0.6213) / (1.491 + 0.6213));
});

for (const gripper of GRIPPER_CONSTANTS) {
  Deno.test(`actionsToPi() undoes actionsFromPi() with the ${gripper} constants, row by row`, () => {
    const rows = tinyState(1, 28);
    const there = alohaPiSpace.actionsFromPi(rows, gripper);
    assert.deepEqual([there[0], there[1], there[14], there[16]], [rows[0], -rows[1]!, rows[14], -rows[16]!]);
    alohaPiSpace.actionsToPi(there, gripper).forEach((value, i) => near(value, rows[i]!));
  });
}

Deno.test("the conversions leave what they are given alone, and refuse rows of another length", () => {
  const state = tinyState(2, 14);
  const copy = state.slice();
  alohaPiSpace.stateToPi(state, "current");
  assert.deepEqual(state, copy);
  assert.throws(() => alohaPiSpace.stateToPi(new Float64Array(13), "current"), /13 numbers.*multiple of 14/);
});
