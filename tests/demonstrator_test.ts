/**
 * The teacher of the small policy, in the physics that it teaches for.
 */

import assert from "node:assert/strict";
import { BASES, handPoseOf, jointsOf } from "../scripts/mini/arm.ts";
import { demonstrate } from "../scripts/mini/demonstration.ts";
import { ACTION_DIM, planFrom, type Point } from "../scripts/mini/demonstrator.ts";
import { seededRandom } from "../src/random.ts";
import { type AlohaEnvironment } from "../src/sim/environment.ts";
import { openEnvironment } from "../src/sim/mod.ts";
import { rotate } from "../src/sim/rotation.ts";
import type { TaskName } from "../src/sim/task.ts";

const open = (task: TaskName) =>
  openEnvironment({ task, scene: "builtin", sceneFolder: "", maxSteps: 1000, observed: [] });

Deno.test("jointsOf() is the way back from handPoseOf(), for both arms", () => {
  const random = seededRandom(1);
  for (const base of Object.values(BASES)) {
    for (let i = 0; i < 100; i++) {
      // Wider, the hand would come to lie behind the base, where the waist would rather turn.
      const around = (middle: number) => middle + 0.6 * (random() - 0.5);
      const joints = [around(0), around(-0.4), around(1), 0, around(0.5), 2 * around(0)];
      const back = jointsOf(base, handPoseOf(base, joints));
      joints.forEach((angle, joint) => assert.ok(Math.abs(angle - back[joint]!) < 1e-9, `joint ${joint} of ${joints}`));
    }
  }
});

Deno.test("handPoseOf() is where MuJoCo's model of the arms has its grasp points", async () => {
  using environment = await open("transfer_cube");
  environment.reset(0);
  const { world } = environment;
  const angles = [0.3, -0.5, 0.8, 0, 0.4, 0];
  world.qpos.set(angles, 0);
  world.qpos.set(angles, 8);
  world.forward();
  for (const side of ["left", "right"] as const) {
    const body = world.bodyId(`vx300s_${side}/gripper_link`);
    const [w, x, y, z] = world.data.xquat.slice(4 * body, 4 * body + 4) as number[];
    // From the gripper's frame to the grasp point, as in the expert.
    const offset = rotate([w!, x!, y!, z!], [0.134706, 0, -0.00205]);
    const { position } = handPoseOf(BASES[side], angles);
    position.forEach((coordinate, axis) => {
      const found = world.data.xpos[3 * body + axis] + offset[axis]!;
      assert.ok(Math.abs(found - coordinate) < 1e-5, `${side} ${axis}: ${found}, not ${coordinate}`);
    });
  }
});

/** Plays by plans that are made anew every 10 steps; the step of the first success, or undefined. */
function play(environment: AlohaEnvironment, task: TaskName, disturb: (step: number) => void): number | undefined {
  let command = environment.state;
  let plan = new Float64Array(0) as Float64Array;
  for (let step = 0; step < 500; step++) {
    disturb(step);
    if (step % 10 === 0) {
      const [, ...places] = Array.from({ length: task === "insertion" ? 3 : 2 }, (_, i) => 9 + 7 * i);
      const objects = places.map((first) => [...environment.qpos.slice(first, first + 3)] as unknown as Point);
      plan = planFrom(task, { command, state: environment.state, objects });
    }
    command = plan.slice((step % 10) * ACTION_DIM, (step % 10 + 1) * ACTION_DIM);
    environment.step(command);
    if (environment.success) return step;
  }
  return undefined;
}

for (const task of ["transfer_cube", "insertion"] as const) {
  Deno.test(`planFrom() brings ${task} to its end within the 400 steps of an evaluation`, async () => {
    using environment = await open(task);
    for (const seed of [3, 4]) {
      environment.reset(seed);
      const step = play(environment, task, () => undefined);
      assert.ok(step !== undefined && step < 400, `seed ${seed}: ${step}`);
    }
  });
}

Deno.test("planFrom() goes for a cube again that somebody has pushed away", async () => {
  using environment = await open("transfer_cube");
  environment.reset(5);
  const step = play(environment, "transfer_cube", (step) => {
    if (step !== 80) return;
    environment.world.qpos.set([0.05, 0.42, 0.05], 16);
    environment.world.forward();
  });
  assert.ok(step !== undefined && step < 400, `${step}`);
});

Deno.test("demonstrate() plays the same episode for the same seed, with pictures without their bars", async () => {
  const play = async () => {
    using environment = await open("insertion");
    // Drawing takes ten times as long as the physics.
    environment.render = (_, { widthPx: width, heightPx: height }) => ({
      ...{ width, height },
      layout: "hwc",
      data: new Uint8Array(3 * width * height),
    });
    return demonstrate(environment, "insertion", 4);
  };
  const [one, other] = [await play(), await play()];
  assert.ok(one.success && one.frames.length > 10);
  assert.deepEqual(other.frames.at(-1), one.frames.at(-1));
  assert.equal(one.frames[0]!.picture.length, 168 * 224 * 3);
  assert.equal(one.frames[0]!.actions.length, 50 * ACTION_DIM);
});
