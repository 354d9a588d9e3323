/**
 * Shapes of small models, looked at through a camera: what is drawn, how, and what is refused.
 */

import assert from "node:assert/strict";
import { SimulationError } from "../../src/errors.ts";
import { Cameras } from "../../src/sim/cameras.ts";
import { DARK, GLOW, openModel, SIZE } from "../support/tiny_model.ts";
import { pixelAt } from "../support/tiny_scene.ts";

Deno.test("geoms and sites of groups 0 to 2 are drawn, in their own colour or their material's", async () => {
  const box = (x: number, more: string) => `<geom type="box" size=".1 .1 .1" pos="${x} 0 -.1" ${more}/>`;
  using world = await openModel(
    GLOW + `<material name="red" emission="1" specular="0" rgba="1 0 0 1"/>`,
    box(-0.75, `material="red"`) + box(-0.25, `material="red" rgba="0 1 0 1"`) + box(0.25, `material="red" group="3"`) +
      `<site type="sphere" size=".1" pos=".75 0 0" material="glow" group="2"/>` +
      `<site type="sphere" size=".1" pos=".75 .5 0" material="glow" group="4"/>` +
      box(0.25, `rgba="1 1 1 0"`),
    DARK,
  );
  const image = new Cameras(world).render("above", SIZE);
  const at = (x: number, y: number) => pixelAt(image, Math.floor(16 + 16 * x), Math.floor(16 - 16 * y));
  assert.deepEqual(at(-0.75, 0), [255, 0, 0]);
  assert.deepEqual(at(-0.25, 0), [0, 255, 0]);
  assert.deepEqual(at(0.25, 0), [0, 0, 0]);
  assert.deepEqual(at(0.75, 0), [255, 255, 255]);
  assert.deepEqual(at(0.75, 0.5), [0, 0, 0]);
});

Deno.test("every kind of primitive, a mesh and planes are seen", async () => {
  const shapes = [
    `type="box" size=".1 .1 .1"`,
    `type="sphere" size=".1"`,
    `type="capsule" size=".1 .1"`,
    `type="cylinder" size=".1 .1"`,
    `type="ellipsoid" size=".1 .2 .1"`,
    `type="mesh" mesh="tetrahedron"`,
    `type="plane" size=".1 .1 .1"`,
    `type="plane" size="0 0 .1"`,
    `type="plane" size=".1 0 .1"`,
  ];
  for (const shape of shapes) {
    using world = await openModel(
      GLOW + `<mesh name="tetrahedron" vertex="-.2 -.2 0 .2 -.2 0 0 .2 0 0 0 .2"/>`,
      `<geom ${shape} material="glow"/>`,
      DARK,
    );
    assert.deepEqual(pixelAt(new Cameras(world).render("above", SIZE), 16, 16), [255, 255, 255], shape);
  }
});

Deno.test("textures repeat as their material says, and a skybox is seen where nothing else is", async () => {
  using world = await openModel(
    `<texture name="checks" type="2d" builtin="checker" width="64" height="64" rgb1="1 0 0" rgb2="0 0 1"/>
     <texture type="skybox" builtin="flat" width="8" height="8" rgb1="0 1 0" rgb2="0 1 0"/>
     <material name="checks" texture="checks" emission="1" specular="0" texrepeat="2 1"/>
     <material name="metre" texture="checks" emission="1" specular="0" texuniform="true"/>`,
    `<geom type="plane" size=".5 .5 1" material="checks"/><geom type="plane" size=".4 .5 1" pos="0 0 -9" material="metre"/>`,
    DARK,
  );
  const image = new Cameras(world).render("above", SIZE);
  // Four checks from left to right, two from bottom to top; MuJoCo's first quadrant is the lower left one in v.
  const row = (y: number) => [9, 13, 18, 22].map((x) => pixelAt(image, x, y).join());
  assert.deepEqual(row(11), ["255,0,0", "0,0,255", "255,0,0", "0,0,255"]);
  assert.deepEqual(row(20), ["0,0,255", "255,0,0", "0,0,255", "255,0,0"]);
  assert.deepEqual(pixelAt(image, 1, 1), [0, 255, 0]);
});

Deno.test("an endless floor is under every camera", async () => {
  using world = await openModel(
    GLOW,
    `<geom type="plane" size="0 0 1" material="glow"/><camera name="far" pos="321.5 -123.4 1" fovy="90"/>`,
    DARK,
  );
  const image = new Cameras(world).render("far", SIZE);
  assert.ok(image.data.every((value) => value === 255));
});

Deno.test("a shape that would be drawn wrong is refused with what to do about it", async () => {
  const box = `<geom type="box" size=".1 .1 .1" material="m"/>`;
  const cube = `<texture name="t" type="cube" builtin="flat" width="8" height="8" rgb1="1 1 1"/>`;
  const cases: readonly [assets: string, bodies: string, message: RegExp][] = [
    [`<material name="m" reflectance=".5"/>`, box, /reflection in geom 0.*set the reflectance of its material to 0/],
    [`${cube}<material name="m" texture="t"/>`, box, /cube texture of geom 0.*type 2d/],
    [
      `<hfield name="h" nrow="2" ncol="2" size="1 1 1 1"/>`,
      `<geom type="hfield" hfield="h"/>`,
      /height fields.*primitives or meshes/,
    ],
  ];
  for (const [assets, bodies, message] of cases) {
    using world = await openModel(assets, bodies);
    assert.throws(() => new Cameras(world), (error) => error instanceof SimulationError && message.test(error.message));
  }
});
