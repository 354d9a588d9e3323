/**
 * Cameras of small models: where they look from, and by which light.
 */

import assert from "node:assert/strict";
import { SimulationError } from "../../src/errors.ts";
import { Cameras } from "../../src/sim/cameras.ts";
import { DARK, GLOW, openModel, SIZE } from "../support/tiny_model.ts";
import { pixelAt } from "../support/tiny_scene.ts";

Deno.test("Cameras follow bodies and themselves", async () => {
  using world = await openModel(
    GLOW,
    `<body><freejoint/><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
      <geom type="box" size=".1 .1 .1" material="glow"/><camera name="riding" pos="0 0 1" fovy="90"/></body>`,
    DARK,
  );
  const cameras = new Cameras(world);
  assert.deepEqual(cameras.names, ["above", "riding"]);
  const centre = (camera: string) => pixelAt(cameras.render(camera, SIZE), 16, 16);
  assert.deepEqual([centre("above"), centre("riding")], [[255, 255, 255], [255, 255, 255]]);
  world.qpos[0] = 0.5;
  world.forward();
  assert.deepEqual([centre("above"), centre("riding")], [[0, 0, 0], [255, 255, 255]]);
});

Deno.test("lights shine with their own colours, and shadows can be left out", async () => {
  using world = await openModel(
    "",
    `<light directional="true" pos="0 0 3" dir="0 0 -1" diffuse=".2 .4 .6" specular="0 0 0"/>
     <light directional="true" pos="0 0 3" dir="0 0 -1" diffuse=".1 .1 .1" specular="0 0 0" castshadow="false"/>
     <light active="false" diffuse="1 1 1"/>
     <geom type="plane" size="2 2 1" rgba="1 1 1 1"/>
     <geom type="box" size=".1 .1 .1" pos="0 0 1.5" rgba="1 1 1 1"/>`,
    DARK,
  );
  const cameras = new Cameras(world);
  assert.deepEqual(pixelAt(cameras.render("above", SIZE), 16, 16), [26, 26, 26]);
  assert.deepEqual(pixelAt(cameras.render("above", SIZE, { shadows: false }), 16, 16), [77, 128, 179]);
  assert.deepEqual(pixelAt(cameras.render("above", SIZE), 4, 4), [77, 128, 179]);
});

Deno.test("render() refuses a camera that is not there, and says which ones are", async () => {
  using world = await openModel("", `<camera name="side"/>`);
  assert.throws(
    () => new Cameras(world).render("top", SIZE),
    new SimulationError('Cannot look through camera "top": the scene has above, side'),
  );
});

Deno.test("a light that would be drawn wrong is refused with what to do about it", async () => {
  using world = await openModel("", `<light type="point"/>`);
  assert.throws(
    () => new Cameras(world),
    (error) => error instanceof SimulationError && /light 0.*directional or a spot/.test(error.message),
  );
});

Deno.test("render() refuses a camera without a plain opening angle", async () => {
  using world = await openModel("", `<camera name="flat" projection="orthographic" fovy="1"/>`);
  assert.throws(() => new Cameras(world).render("flat", SIZE), /"flat": give it a fovy and no other projection/);
});
