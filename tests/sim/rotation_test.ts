import assert from "node:assert/strict";
import {
  aboutAxis,
  compose,
  inverse,
  normalise,
  type Quaternion,
  rotate,
  rotationVector,
} from "../../src/sim/rotation.ts";

function near(actual: readonly number[], expected: readonly number[]): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) < 1e-12, `${actual} is not ${expected}`));
}

Deno.test("rotate() turns counterclockwise about the axis", () => {
  near(rotate(aboutAxis([0, 0, 1], 90), [1, 0, 0]), [0, 1, 0]);
  near(rotate(aboutAxis([0, 1, 0], 90), [1, 0, 0]), [0, 0, -1]);
});

Deno.test("compose() turns by the second in the frame of the first", () => {
  const both = compose(aboutAxis([0, 0, 1], 90), aboutAxis([1, 0, 0], 90));
  near(rotate(both, [0, 1, 0]), rotate(aboutAxis([0, 0, 1], 90), rotate(aboutAxis([1, 0, 0], 90), [0, 1, 0])));
  near(rotate(both, [0, 1, 0]), [0, 0, 1]);
});

Deno.test("inverse() undoes a turn", () => {
  const turn = normalise([0.3, -0.2, 0.9, 0.1]);
  near(compose(turn, inverse(turn)), [1, 0, 0, 0]);
});

Deno.test("rotationVector() goes the short way round, and gives zero for no turn", () => {
  near(rotationVector(aboutAxis([0, 1, 0], 60)), [0, Math.PI / 3, 0]);
  near(rotationVector(aboutAxis([0, 1, 0], 270)), [0, -Math.PI / 2, 0]);
  const same = aboutAxis([1, 0, 0], 30).map((part) => -part) as unknown as Quaternion;
  near(rotationVector(same), [Math.PI / 6, 0, 0]);
  near(rotationVector([1, 0, 0, 0]), [0, 0, 0]);
  near(rotationVector([-1, 0, 0, 0]), [0, 0, 0]);
});
