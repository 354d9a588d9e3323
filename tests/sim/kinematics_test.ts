import assert from "node:assert/strict";
import { placeAt } from "../../src/sim/aloha.ts";
import { HandSolver } from "../../src/sim/kinematics.ts";
import type { Quaternion, Vector } from "../../src/sim/rotation.ts";
import { openScene } from "../support/scenes.ts";

const CUBE = [0.1, 0.5, 0.05, 1, 0, 0, 0];

Deno.test("a hand solver finds joint angles that bring the hand where another pose had it", async () => {
  using world = await openScene("builtin", "transfer_cube");
  for (const [hand, first] of [["vx300s_left/gripper_link", 0], ["vx300s_right/gripper_link", 8]] as const) {
    const body = world.bodyId(hand);
    using solver = new HandSolver(world, hand, first);
    placeAt(world, CUBE);
    world.qpos.set([0.3, -0.7, 0.9, 0.4, -0.2, 0.5], first);
    world.kinematics();
    const position = [...(world.data.xpos as Float64Array).subarray(3 * body, 3 * body + 3)] as unknown as Vector;
    const orientation = [
      ...(world.data.xquat as Float64Array).subarray(4 * body, 4 * body + 4),
    ] as unknown as Quaternion;
    placeAt(world, CUBE);
    const angles = solver.solve({ position, orientation });
    assert.equal(angles.length, 6);
    world.qpos.set(angles, first);
    world.kinematics();
    const reached = (world.data.xpos as Float64Array).subarray(3 * body, 3 * body + 3);
    assert.ok(Math.hypot(...reached.map((value, i) => value - position[i]!)) < 1e-5);
  }
});

Deno.test("a hand solver keeps to the joints' ranges, and comes to an end, where a pose is out of reach", async () => {
  using world = await openScene("builtin", "transfer_cube");
  placeAt(world, CUBE);
  using solver = new HandSolver(world, "vx300s_left/gripper_link", 0);
  const angles = solver.solve({ position: [5, 5, 5], orientation: [0, 1, 0, 0] });
  const ranges = world.model.jnt_range as Float64Array;
  angles.forEach((angle, i) => assert.ok(angle >= ranges[2 * i]! && angle <= ranges[2 * i + 1]!));
});

Deno.test("a hand solver refuses a body that is not there", async () => {
  using world = await openScene("builtin", "transfer_cube");
  assert.throws(() => new HandSolver(world, "vx300s_middle/gripper_link", 0), { name: "SimulationError" });
});
