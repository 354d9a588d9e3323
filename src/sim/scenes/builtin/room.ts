/**
 * Everything around the arms: the table with what stands under it, floor and walls, light, finishes and cameras.
 *
 * The table that things touch is the hull of the official one, unseen; cameras stand where the official ones do.
 * Metres; brightness 0–1.
 *
 * @module
 */

import type { Bytes } from "../../../types.ts";
import type { Finish } from "./arm_look.ts";
import { floorTexture, matTexture, woodTexture } from "./texture.ts";
import { element } from "./xml.ts";

/** Half the size of the table top, and how thick it is. */
const TABLE = { halfX: 0.6096, halfY: 0.381, thickness: 0.03, centerY: 0.6 };
const FLOOR_Z = -0.75;
/** Half the width of the room, its depth and the height of its walls. */
const ROOM = { halfX: 3, frontY: -2.4, backY: 3, height: 3.2 };
/** The mat lies on the wood, its top where the hull's top is. */
const MAT = { thickness: 0.002, margin: 0.036, cell: 0.05 };

/** How the parts of the arm take the light. */
const FINISHES: Readonly<Record<Finish, { rgba: readonly number[]; specular: number; shininess: number }>> = {
  shell: { rgba: [0.32, 0.335, 0.36, 1], specular: 0.45, shininess: 0.35 },
  tube: { rgba: [0.56, 0.58, 0.61, 1], specular: 0.6, shininess: 0.5 },
  servo: { rgba: [0.125, 0.13, 0.14, 1], specular: 0.35, shininess: 0.3 },
  steel: { rgba: [0.72, 0.73, 0.75, 1], specular: 0.9, shininess: 0.7 },
  print: { rgba: [0.64, 0.635, 0.615, 1], specular: 0.1, shininess: 0.2 },
  rubber: { rgba: [0.1, 0.1, 0.11, 1], specular: 0.1, shininess: 0.1 },
};

/** Pictures that the scene loads, by file name. */
export function roomTextures(): Map<string, Bytes> {
  return new Map([["mat.png", matTexture()], ["wood.png", woodTexture()], ["floor.png", floorTexture()]]);
}

/** Light quality and reach. The extent and centre are the official scene's: near and far planes follow from them. */
export function roomSettings(): string[] {
  return [
    element("statistic", { extent: 1.6570258202835135, center: [-0.10948708985824313, 0.6, -0.015000000000000013] }),
    element("visual", {}, [
      element("map", { znear: 0.1, force: 0.1 }),
      element("quality", { shadowsize: 4096, offsamples: 4 }),
      element("headlight", { ambient: [0.26, 0.26, 0.27], diffuse: [0.22, 0.22, 0.22], specular: [0.15, 0.15, 0.15] }),
    ]),
  ];
}

/** Textures and materials, those of the arm's finishes too. */
export function roomAssets(): string[] {
  const texture = (name: string) => element("texture", { name, type: "2d", file: `${name}.png` });
  const matte = { specular: 0, shininess: 0.1, reflectance: 0 };
  return [
    texture("mat"),
    texture("wood"),
    texture("floor"),
    element("material", {
      name: "mat",
      texture: "mat",
      texrepeat: [(2 * (TABLE.halfX - MAT.margin)) / MAT.cell, (2 * (TABLE.halfY - MAT.margin)) / MAT.cell],
      specular: 0.12,
      shininess: 0.06,
      reflectance: 0,
    }),
    element("material", { name: "wood", texture: "wood", texrepeat: [3, 2], ...matte }),
    element("material", { name: "floor", texture: "floor", texrepeat: [4, 4], ...matte }),
    element("material", { name: "wall", rgba: [0.5, 0.52, 0.55, 1], specular: 0.15, shininess: 0.03, reflectance: 0 }),
    element("material", { name: "skirting", rgba: [0.2, 0.21, 0.23, 1], ...matte }),
    element("material", { name: "frame", rgba: [0.16, 0.17, 0.19, 1], specular: 0.3, shininess: 0.3 }),
    ...Object.entries(FINISHES).map(([name, finish]) => element("material", { name, ...finish })),
  ];
}

/** Lights, the room, cameras and the table, in the official order of the bodies. */
export function roomBodies(): string[] {
  return [...lights(), ...room(), ...cameras(), table(), element("body", { name: "midair", pos: [0, 0.6, 0.2] })];
}

function lights(): string[] {
  const light = (shadow: boolean, pos: readonly number[], dir: readonly number[], brightness: number) =>
    element("light", {
      directional: "true",
      castshadow: `${shadow}`,
      pos,
      dir,
      diffuse: [brightness, brightness, brightness],
      specular: [brightness, brightness, brightness],
    });
  return [
    // Straight from the front: MuJoCo's shadow map would speckle surfaces that slope along both of its axes. It reaches
    // 1.66 m around the line from this position, which goes through the middle of the table.
    light(true, [0, -0.4, 2], [0, 0.5, -1], 0.55),
    light(false, [-1, -1, 1], [1, 0.5, -0.7], 0.24),
    light(false, [1, 2, 1.5], [-0.6, -1, -0.7], 0.24),
  ];
}

/** A floor, and walls on the three sides that cameras see. */
function room(): string[] {
  const { halfX, frontY, backY, height } = ROOM;
  const middleY = (frontY + backY) / 2;
  const halfY = (backY - frontY) / 2;
  const border = (material: string, high: number, thick: number) => [
    slab(material, [0, backY, FLOOR_Z + high / 2], [halfX, thick, high / 2]),
    slab(material, [-halfX, middleY, FLOOR_Z + high / 2], [thick, halfY, high / 2]),
    slab(material, [halfX, middleY, FLOOR_Z + high / 2], [thick, halfY, high / 2]),
  ];
  return [
    element("geom", {
      class: "look",
      type: "plane",
      material: "floor",
      pos: [0, middleY, FLOOR_Z],
      size: [halfX, halfY, 0.5],
    }),
    ...border("wall", height, 0.05),
    ...border("skirting", 0.1, 0.065),
  ];
}

/** A box to look at; `size` is half of it. */
function slab(material: string, pos: readonly number[], size: readonly number[]): string {
  return element("geom", { class: "look", type: "box", material, pos, size });
}

function cameras(): string[] {
  const camera = (name: string, pos: readonly number[], target = "table") =>
    element("camera", { name, pos, fovy: 78, mode: "targetbody", target });
  return [
    camera("left_pillar", [-0.5, 0.2, 0.6]),
    camera("right_pillar", [0.5, 0.2, 0.6]),
    camera("top", [0, 0.6, 0.8]),
    camera("angle", [0, 0, 0.6]),
    camera("front_close", [0, 0.2, 0.4], "vx300s_left/camera_focus"),
  ];
}

function table(): string {
  const { halfX, halfY, thickness, centerY } = TABLE;
  const legHalf = (-FLOOR_Z - thickness) / 2;
  const [legX, legY] = [halfX - 0.06, halfY - 0.05];
  const legs = [-1, 1].flatMap((sideX) =>
    [-1, 1].map((sideY) => slab("frame", [sideX * legX, sideY * legY, -thickness - legHalf], [0.0225, 0.0225, legHalf]))
  );
  const railZ = -thickness - 0.0225;
  const rails = [-1, 1].flatMap((side) => [
    slab("frame", [0, side * legY, railZ], [legX - 0.0225, 0.0225, 0.0225]),
    slab("frame", [side * legX, 0, railZ], [0.0225, legY - 0.0225, 0.0225]),
  ]);
  return element("body", { name: "table", pos: [0, centerY, 0] }, [
    element("geom", { class: "hull", name: "table", mesh: "tabletop" }),
    slab("wood", [0, 0, -MAT.thickness / 2 - thickness / 2], [halfX, halfY, (thickness - MAT.thickness) / 2]),
    slab("mat", [0, 0, -MAT.thickness / 2], [halfX - MAT.margin, halfY - MAT.margin, MAT.thickness / 2]),
    ...legs,
    ...rails,
  ]);
}
