/**
 * The ViperX 300 arm as physics sees it: bodies, inertias, joints, servos and convex hulls.
 *
 * All figures are those of gym-aloha 0.1.4 (Apache-2.0, with the MIT notice of the ALOHA code), which both arms share.
 * Metres, radians, kilograms, newtons; quaternions w x y z. The order of the rows is the order of declaration, from
 * which the numbers of bodies, joints and actuators follow.
 *
 * @module
 */

import { type Attributes, element } from "./xml.ts";

type Vector = readonly [number, number, number];
type Quaternion = readonly [number, number, number, number];

/** A position servo on a joint, with the joint's range as its own. */
interface Joint {
  readonly name: string;
  readonly axis: Vector;
  /** Only the fingers slide; the others turn. */
  readonly slides?: true;
  readonly range: readonly [number, number];
  /** Dry friction: N·m, or N where the joint slides. */
  readonly friction: number;
  /** N·m per radian, or N per metre. */
  readonly gain: number;
  /** Largest force or torque of the servo, where it has one. */
  readonly limit?: number;
}

/** A convex hull that touches things; its vertices are in hulls.json. */
interface Hull {
  /** Name of the geom, after the arm's. The rewards go by it. */
  readonly geom: string;
  readonly mesh: string;
  readonly position?: Vector;
  readonly turn?: Attributes;
  readonly contact?: Attributes;
}

interface Link {
  readonly name: string;
  /** Absent for the first link, which sits on the arm's base. */
  readonly parent?: string;
  readonly position: Vector;
  readonly inertia?: {
    readonly mass: number;
    readonly position: Vector;
    readonly turn: Quaternion;
    readonly diagonal: Vector;
  };
  readonly joint?: Joint;
  readonly hulls?: readonly Hull[];
}

/** A quarter turn about z: the meshes were drawn along y. */
const DRAWN_ALONG_Y: Attributes = { quat: [0.707107, 0, 0, 0.707107] };
/** The fingers were drawn upright; 3.14 and 1.57 are the figures of the scene, not π and π/2. */
const DRAWN_UPRIGHT: Attributes = { euler: [3.14, 1.57, 0] };

/** How what grips and what is gripped touch: with torsional friction, and harder than the rest. */
export const GRIP: Attributes = { condim: 4, friction: [1, 0.005, 0.0001], solref: [0.01, 1], solimp: [2, 1, 0.01] };

const LINKS: readonly Link[] = [
  {
    name: "shoulder_link",
    position: [0, 0, 0.079],
    inertia: {
      mass: 0.798614,
      position: [0.000259233, -3.3552e-6, 0.0116129],
      turn: [-0.476119, 0.476083, 0.52279, 0.522826],
      diagonal: [0.00120156, 0.00113744, 0.0009388],
    },
    joint: { name: "waist", axis: [0, 0, 1], range: [-3.14158, 3.14158], friction: 50, gain: 800, limit: 150 },
    hulls: [{ geom: "2_shoulder", mesh: "2_shoulder", position: [0, 0, -0.003], turn: DRAWN_ALONG_Y }],
  },
  {
    name: "upper_arm_link",
    parent: "shoulder_link",
    position: [0, 0, 0.04805],
    inertia: {
      mass: 0.792592,
      position: [0.0206949, 4e-10, 0.226459],
      turn: [0, 0.0728458, 0, 0.997343],
      diagonal: [0.00911338, 0.008925, 0.000759317],
    },
    joint: { name: "shoulder", axis: [0, 1, 0], range: [-1.85005, 1.25664], friction: 60, gain: 1600, limit: 300 },
    hulls: [{ geom: "3_upper_arm", mesh: "3_upper_arm", turn: DRAWN_ALONG_Y }],
  },
  {
    name: "upper_forearm_link",
    parent: "upper_arm_link",
    position: [0.05955, 0, 0.3],
    inertia: {
      mass: 0.322228,
      position: [0.105723, 0, 0],
      turn: [-0.000621631, 0.704724, 0.0105292, 0.709403],
      diagonal: [0.00144107, 0.00134228, 0.000152047],
    },
    joint: { name: "elbow", axis: [0, 1, 0], range: [-1.76278, 1.6057], friction: 60, gain: 800, limit: 100 },
    hulls: [{ geom: "4_upper_forearm", mesh: "4_upper_forearm" }],
  },
  {
    name: "lower_forearm_link",
    parent: "upper_forearm_link",
    position: [0.2, 0, 0],
    inertia: {
      mass: 0.414823,
      position: [0.0513477, 0.00680462, 0],
      turn: [-0.702604, -0.0796724, -0.702604, 0.0796724],
      diagonal: [0.0005911, 0.000546493, 0.000155707],
    },
    joint: { name: "forearm_roll", axis: [1, 0, 0], range: [-3.14158, 3.14158], friction: 30, gain: 10, limit: 100 },
    hulls: [{ geom: "5_lower_forearm", mesh: "5_lower_forearm", turn: { quat: [0, 1, 0, 0] } }],
  },
  {
    name: "wrist_link",
    parent: "lower_forearm_link",
    position: [0.1, 0, 0],
    inertia: {
      mass: 0.115395,
      position: [0.046743, -7.6652e-6, 0.010565],
      turn: [-0.00100191, 0.544586, 0.0026583, 0.8387],
      diagonal: [5.45707e-5, 4.63101e-5, 4.32692e-5],
    },
    joint: { name: "wrist_angle", axis: [0, 1, 0], range: [-1.8675, 2.23402], friction: 30, gain: 50 },
    hulls: [{ geom: "6_wrist", mesh: "6_wrist", turn: DRAWN_ALONG_Y }],
  },
  {
    name: "gripper_link",
    parent: "wrist_link",
    position: [0.069744, 0, 0],
    inertia: {
      mass: 0.251652,
      position: [0.0395662, -2.56311e-7, 0.00400649],
      turn: [0.62033, 0.619916, -0.339682, 0.339869],
      diagonal: [0.000689546, 0.000650316, 0.000468142],
    },
    joint: { name: "wrist_rotate", axis: [1, 0, 0], range: [-3.14158, 3.14158], friction: 30, gain: 20 },
    hulls: [
      { geom: "7_gripper", mesh: "7_gripper", position: [-0.02, 0, 0], turn: DRAWN_ALONG_Y },
      { geom: "9_gripper_bar", mesh: "9_gripper_bar", position: [-0.020175, 0, 0], turn: DRAWN_ALONG_Y },
    ],
  },
  // What the wrist camera looks at.
  { name: "camera_focus", parent: "gripper_link", position: [0.15, 0, 0.01] },
  {
    name: "gripper_prop_link",
    parent: "gripper_link",
    position: [0.0485, 0, 0],
    inertia: {
      mass: 0.008009,
      position: [0.002378, 2.85e-8, 0],
      turn: [0, 0, 0.897698, 0.440611],
      diagonal: [4.2979e-6, 2.8868e-6, 1.5314e-6],
    },
    hulls: [{ geom: "8_gripper_prop", mesh: "8_gripper_prop", position: [-0.0685, 0, 0], turn: DRAWN_ALONG_Y }],
  },
  {
    name: "left_finger_link",
    parent: "gripper_link",
    position: [0.0687, 0, 0],
    inertia: {
      mass: 0.034796,
      position: [0.017344, -0.0060692, 0],
      turn: [0.449364, 0.449364, -0.54596, -0.54596],
      diagonal: [2.48003e-5, 1.417e-5, 1.20797e-5],
    },
    joint: { name: "left_finger", axis: [0, 1, 0], slides: true, range: [0.021, 0.057], friction: 30, gain: 200 },
    hulls: [{
      geom: "10_left_gripper_finger",
      mesh: "10_gripper_finger_left",
      position: [0.005, -0.052, 0],
      turn: DRAWN_UPRIGHT,
      contact: GRIP,
    }],
  },
  {
    name: "right_finger_link",
    parent: "gripper_link",
    position: [0.0687, 0, 0],
    inertia: {
      mass: 0.034796,
      position: [0.017344, 0.0060692, 0],
      turn: [0.44937, -0.44937, 0.545955, -0.545955],
      diagonal: [2.48002e-5, 1.417e-5, 1.20798e-5],
    },
    joint: { name: "right_finger", axis: [0, 1, 0], slides: true, range: [-0.057, -0.021], friction: 30, gain: 200 },
    hulls: [{
      geom: "10_right_gripper_finger",
      mesh: "10_gripper_finger_right",
      position: [0.005, 0.052, 0],
      turn: DRAWN_UPRIGHT,
      contact: GRIP,
    }],
  },
];

/** Which arm, and where its base stands on the table. */
export interface Arm {
  /** Prefix of all its names. */
  readonly name: "vx300s_left" | "vx300s_right";
  /** Name of the camera on its gripper. */
  readonly camera: string;
  readonly placed: Attributes;
}

/** Left first. 3.1416 is the figure of the scene, not π. */
export const ARMS: readonly Arm[] = [
  { name: "vx300s_left", camera: "left_wrist", placed: { pos: [-0.469, 0.5, 0] } },
  { name: "vx300s_right", camera: "right_wrist", placed: { pos: [0.469, 0.5, 0], euler: [0, 0, 3.1416] } },
];

/**
 * The body of an arm with all that hangs on it.
 *
 * @param dress gives the geoms to draw for a link, or for `base`.
 */
export function armBody(arm: Arm, dress: (link: string) => readonly string[]): string {
  return element("body", { name: arm.name, ...arm.placed }, [
    ...dress("base"),
    ...linkBodies(arm, undefined, dress),
  ]);
}

/** The servos of an arm, in the order of its joints. */
export function armServos(arm: Arm): string[] {
  return LINKS.flatMap(({ joint }) => {
    if (joint === undefined) return [];
    const { name, range, gain, limit } = joint;
    const force: Attributes = limit === undefined ? {} : { forcelimited: "true", forcerange: [-limit, limit] };
    return [element("position", {
      joint: `${arm.name}/${name}`,
      kp: gain,
      ctrllimited: "true",
      ctrlrange: range,
      ...force,
    })];
  });
}

function linkBodies(arm: Arm, parent: string | undefined, dress: (link: string) => readonly string[]): string[] {
  return LINKS.filter((link) => link.parent === parent).map((link) => {
    const { name, position, inertia, joint, hulls = [] } = link;
    const children: string[] = [];
    if (inertia !== undefined) {
      const { mass, position, turn, diagonal } = inertia;
      children.push(element("inertial", { pos: position, quat: turn, mass, diaginertia: diagonal }));
    }
    if (joint !== undefined) children.push(jointElement(arm, joint));
    children.push(...hulls.map((hull) => hullGeom(arm, hull)), ...dress(name));
    if (name === "gripper_link") children.push(wristCamera(arm));
    children.push(...linkBodies(arm, name, dress));
    return element("body", { name: `${arm.name}/${name}`, pos: position }, children);
  });
}

function jointElement(arm: Arm, { name, axis, slides, range, friction }: Joint): string {
  return element("joint", {
    name: `${arm.name}/${name}`,
    type: slides ? "slide" : "hinge",
    axis,
    limited: "true",
    range,
    frictionloss: friction,
  });
}

function hullGeom(arm: Arm, { geom, mesh, position = [0, 0, 0], turn = {}, contact = {} }: Hull): string {
  return element("geom", {
    class: "hull",
    name: `${arm.name}/${geom}`,
    mesh,
    pos: position,
    ...turn,
    ...contact,
  });
}

function wristCamera(arm: Arm): string {
  return element("camera", {
    name: arm.camera,
    pos: [-0.1, 0, 0.16],
    fovy: 20,
    mode: "targetbody",
    target: `${arm.name}/camera_focus`,
  });
}
