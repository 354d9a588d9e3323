import assert from "node:assert/strict";
import { insertion } from "../../src/sim/insertion.ts";
import { LEFT_FINGER, RIGHT_FINGER, type Task } from "../../src/sim/task.ts";
import { transferCube } from "../../src/sim/transfer_cube.ts";

type Pair = readonly [string, string];

/** The reward while exactly these pairs touch. */
function rewardOf(task: Task, ...pairs: readonly Pair[]): number {
  return task.reward((geom1, geom2) => pairs.some(([a, b]) => a === geom1 && b === geom2));
}

const cubeRight: Pair = ["red_box", RIGHT_FINGER];
const cubeLeft: Pair = ["red_box", LEFT_FINGER];
const cubeTable: Pair = ["red_box", "table"];

Deno.test("transfer_cube counts touched, lifted, touched by the left hand on the table, and given over", () => {
  assert.equal(rewardOf(transferCube), 0);
  assert.equal(rewardOf(transferCube, cubeTable), 0);
  assert.equal(rewardOf(transferCube, cubeTable, cubeRight), 1);
  assert.equal(rewardOf(transferCube, cubeRight), 2);
  assert.equal(rewardOf(transferCube, cubeTable, cubeLeft), 3);
  assert.equal(rewardOf(transferCube, cubeLeft), 4);
});

Deno.test("transfer_cube takes a touch of the left finger for success while the right hand still holds the cube", () => {
  assert.equal(rewardOf(transferCube, cubeRight, cubeLeft), 4);
  assert.equal(rewardOf(transferCube, cubeRight, cubeLeft, cubeTable), 3);
});

Deno.test("a task takes a pair in MuJoCo's order only, and no other finger", () => {
  assert.equal(rewardOf(transferCube, [RIGHT_FINGER, "red_box"]), 0);
  assert.equal(rewardOf(transferCube, ["red_box", "vx300s_right/10_left_gripper_finger"]), 0);
  assert.equal(rewardOf(insertion, ["pin", "red_peg"]), 0);
});

const pegHeld: Pair = ["red_peg", RIGHT_FINGER];
const socketHeld: Pair = ["socket-2", LEFT_FINGER];
const pegTable: Pair = ["red_peg", "table"];

Deno.test("insertion counts both held, both lifted, peg at the socket, and peg at the pin", () => {
  assert.equal(rewardOf(insertion, pegHeld), 0);
  assert.equal(rewardOf(insertion, socketHeld), 0);
  assert.equal(rewardOf(insertion, pegHeld, socketHeld, pegTable, ["socket-1", "table"]), 1);
  assert.equal(rewardOf(insertion, pegHeld, socketHeld, ["socket-1", "table"]), 1);
  assert.equal(rewardOf(insertion, pegHeld, socketHeld), 2);
  assert.equal(rewardOf(insertion, ["red_peg", "socket-3"]), 3);
  assert.equal(rewardOf(insertion, ["red_peg", "pin"]), 4);
});

for (const wall of ["socket-1", "socket-2", "socket-3", "socket-4"]) {
  Deno.test(`insertion knows ${wall} for a wall of the socket`, () => {
    assert.equal(rewardOf(insertion, pegHeld, [wall, LEFT_FINGER]), 2);
    assert.equal(rewardOf(insertion, pegHeld, socketHeld, [wall, "table"]), 1);
    assert.equal(rewardOf(insertion, ["red_peg", wall]), 3);
  });
}

Deno.test("insertion gives no reward for peg at socket on the table, and success wherever the pin is touched", () => {
  assert.equal(rewardOf(insertion, ["red_peg", "socket-3"], pegTable), 0);
  assert.equal(rewardOf(insertion, ["red_peg", "pin"], pegTable, ["socket-1", "table"]), 4);
});
