/**
 * Small models, and a camera that looks down on them.
 *
 * @module
 */

import { openWorld, type World } from "../../src/sim/mujoco.ts";

/** Of the pictures. */
export const SIZE = { widthPx: 32, heightPx: 32 };

/** A material that is white whatever shines on it. */
export const GLOW = `<material name="glow" emission="1" specular="0" rgba="1 1 1 1"/>`;

/** Settings without the viewer's own light. */
export const DARK = `<headlight active="0"/>`;

/** Bodies, and the camera `above`: 1 m above the origin, looking down, image up = +y. */
export async function openModel(assets: string, bodies: string, settings = ""): Promise<World> {
  const xml = `<mujoco><statistic extent="1" center="0 0 0"/><visual>${settings}</visual><asset>${assets}</asset>
    <worldbody><camera name="above" pos="0 0 1" fovy="90"/>${bodies}</worldbody></mujoco>`;
  const world = await openWorld({ main: "m.xml", files: new Map([["m.xml", new TextEncoder().encode(xml)]]) });
  world.reset();
  world.forward();
  return world;
}
