import assert from "node:assert/strict";
import { controlsOf, START_POSE, stateOf } from "../../src/sim/aloha.ts";

Deno.test("controlsOf() opens both fingers of each gripper by metres, mirrored", () => {
  const action = Float64Array.of(1, 2, 3, 4, 5, 6, 0, -1, -2, -3, -4, -5, -6, 1);
  const controls = controlsOf(action);
  assert.deepEqual([...controls.subarray(0, 6)], [1, 2, 3, 4, 5, 6]);
  assert.deepEqual([controls[6], controls[7]], [0.01844, -0.01844]);
  assert.deepEqual([...controls.subarray(8, 14)], [-1, -2, -3, -4, -5, -6]);
  assert.ok(Math.abs(controls[14]! - 0.058) < 1e-15);
  assert.equal(controls[15], -controls[14]!);
});

Deno.test("controlsOf() does not clip: the actuators keep to their ranges themselves", () => {
  const controls = controlsOf(new Float64Array(14).fill(9));
  assert.equal(controls[0], 9);
  assert.ok(controls[6]! > 0.3);
});

Deno.test("stateOf() reads the left finger of each gripper, from 0 closed to 1 open, and no object", () => {
  const qpos = Float64Array.from({ length: 23 }, (_, i) => i);
  qpos[6] = 0.01844;
  qpos[14] = 0.058;
  assert.deepEqual([...stateOf(qpos)], [0, 1, 2, 3, 4, 5, 0, 8, 9, 10, 11, 12, 13, 1]);
});

Deno.test("stateOf() gives the start pose with grippers a tenth open", () => {
  const state = stateOf(Float64Array.from(START_POSE));
  assert.deepEqual([...state.subarray(0, 6)], [0, -0.96, 1.16, 0, -0.3, 0]);
  assert.ok(Math.abs(state[6]! - 0.0998483316481294) < 1e-15);
});
