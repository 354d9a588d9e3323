/**
 * The scene inside the program: both tasks as MJCF written from figures, so that nothing has to be installed.
 *
 * What touches is official: the bodies, joints, servos and contact parameters of gym-aloha 0.1.4, and of each mesh its
 * convex hull, which is all that MuJoCo's collision sees. What is drawn is our own.
 *
 * @module
 */

import type { Bytes } from "../../types.ts";
import type { SceneFiles } from "../mujoco.ts";
import type { TaskName } from "../task.ts";
import { armBody, ARMS, armServos, GRIP } from "./builtin/arm.ts";
import { drawArm, type Look } from "./builtin/arm_look.ts";
import HULLS from "./builtin/hulls.json" with { type: "json" };
import { roomAssets, roomBodies, roomSettings, roomTextures } from "./builtin/room.ts";
import type { Solid } from "./builtin/solid.ts";
import { type Attributes, element } from "./builtin/xml.ts";

/** Millimetres and not metres: MuJoCo reads inline vertices as 32-bit floats, and the official meshes are in them. */
const MM = [0.001, 0.001, 0.001];

/** What is drawn for each link. */
type Looks = Readonly<Record<string, Look>>;

/** Writes the scene of a task. The same bytes every time; nothing is read. */
export function builtinScene(task: TaskName): SceneFiles {
  const main = `builtin_${task}.xml`;
  const looks = drawArm();
  const xml = element("mujoco", { model: `aloha ${task}` }, [
    // No geom has mass (none is in these groups): every body that moves says its own.
    element("compiler", { angle: "radian", inertiafromgeom: "auto", inertiagrouprange: [4, 5] }),
    ...roomSettings(),
    element("default", {}, [
      element("default", { class: "hull" }, [element("geom", { type: "mesh", group: 3 })]),
      element("default", { class: "look" }, [element("geom", { group: 1, contype: 0, conaffinity: 0 })]),
    ]),
    element("asset", {}, [...roomAssets(), ...hullMeshes(), ...lookMeshes(looks)]),
    element("worldbody", {}, [
      ...roomBodies(),
      ...ARMS.map((arm) => armBody(arm, (link) => lookGeoms(looks, link))),
      ...objectBodies(task),
    ]),
    element("actuator", {}, ARMS.flatMap(armServos)),
  ]);
  const files = new Map<string, Bytes>(roomTextures()).set(main, new TextEncoder().encode(xml));
  return { main, files };
}

function hullMeshes(): string[] {
  return Object.entries(HULLS).map(([name, vertex]) => element("mesh", { name, vertex, scale: MM }));
}

function lookMeshes(looks: Looks): string[] {
  return Object.entries(looks).flatMap(([link, look]) =>
    Object.entries(look).map(([finish, solid]) => lookMesh(`${link}_${finish}`, solid))
  );
}

function lookMesh(name: string, { vertices, faces }: Solid): string {
  return element("mesh", {
    name,
    // A hundredth of a millimetre is enough to look at.
    vertex: vertices.map((point) => point.map((mm) => Number(mm.toFixed(2))).join(" ")).join(" "),
    face: faces.map((face) => face.join(" ")).join(" "),
    scale: MM,
  });
}

function lookGeoms(looks: Looks, link: string): string[] {
  return Object.keys(looks[link] ?? {}).map((finish) =>
    element("geom", { class: "look", type: "mesh", mesh: `${link}_${finish}`, material: finish })
  );
}

/** What lies on the table, in the order in which its joints follow those of the arms. */
function objectBodies(task: TaskName): string[] {
  if (task === "transfer_cube") {
    return [objectBody("box", "red_box_joint", [0.2, 0.5, 0.05], [block("red_box", [0.02, 0.02, 0.02])])];
  }
  return [
    objectBody("peg", "red_peg_joint", [0.2, 0.5, 0.05], [block("red_peg", [0.06, 0.01, 0.01])]),
    objectBody("socket", "blue_socket_joint", [-0.2, 0.5, 0.05], [
      socketWall("socket-1", [0.06, 0.018, 0.002], [0, 0, -0.02]),
      socketWall("socket-2", [0.06, 0.018, 0.002], [0, 0, 0.02]),
      socketWall("socket-3", [0.06, 0.002, 0.018], [0, 0.02, 0]),
      socketWall("socket-4", [0.06, 0.002, 0.018], [0, -0.02, 0]),
      block("pin", [0.04, 0.01, 0.01]),
    ]),
  ];
}

/** A body that moves freely; its inertia is the official one, far more than its size would give. */
function objectBody(name: string, joint: string, pos: readonly number[], geoms: readonly string[]): string {
  return element("body", { name, pos }, [
    element("joint", { name: joint, type: "free", frictionloss: 0.01 }),
    element("inertial", { pos: [0, 0, 0], mass: 0.05, diaginertia: [0.002, 0.002, 0.002] }),
    ...geoms,
  ]);
}

function block(name: string, size: readonly number[], more: Attributes = {}): string {
  return element("geom", { name, type: "box", size, rgba: [1, 0, 0, 1], ...GRIP, ...more });
}

function socketWall(name: string, size: readonly number[], pos: readonly number[]): string {
  return block(name, size, { pos, rgba: [0, 0, 1, 1], friction: [1, 0.05, 0.001] });
}
