/**
 * The scripted ways of both tasks: where each hand grasps, and when. Figures from ACT's scripted policies, except for the
 * first waypoint, which is where the hands really are in the start pose.
 *
 * @module
 */

import type { Pose } from "./kinematics.ts";
import { aboutAxis, type Quaternion, type Vector } from "./rotation.ts";
import type { TaskName } from "./task.ts";

/** Where a hand is at a control step; between two waypoints everything changes evenly. */
export interface Waypoint extends Pose {
  readonly step: number;
  /** 0 closed, 1 open. */
  readonly gripper: number;
}

/** The ways of both hands. */
export interface Script {
  readonly left: readonly Waypoint[];
  readonly right: readonly Waypoint[];
}

/** Length of both scripts, in control steps. */
export const SCRIPT_STEPS = 400;

const LEVEL: Quaternion = [1, 0, 0, 0];

/** The grasp points of the start pose: 13.5 cm in front of the grippers' frames. */
const START = {
  left: at(0, [-0.18295112, 0.5, 0.30665924], [0.99875026, 0, -0.04997917, 0], 0),
  right: at(0, [0.18295112, 0.4999979, 0.30665924], [0.99875026, 0, 0.04997917, 0], 0),
};

function at(step: number, position: Vector, orientation: Quaternion, gripper: number): Waypoint {
  return { step, position, orientation, gripper };
}

function offset([x, y, z]: Vector, dx: number, dy: number, dz: number): Vector {
  return [x + dx, y + dy, z + dz];
}

/** The right hand picks the cube up and holds it out; the left one takes it from the side. */
function transferCube(cube: Vector): Script {
  const meeting: Vector = [0, 0.5, 0.25];
  const down = aboutAxis([0, 1, 0], -60);
  const sideways = aboutAxis([1, 0, 0], 90);
  return {
    left: [
      START.left,
      at(100, offset(meeting, -0.1, 0, -0.02), sideways, 1),
      at(260, offset(meeting, 0.02, 0, -0.02), sideways, 1),
      at(310, offset(meeting, 0.02, 0, -0.02), sideways, 0),
      at(360, offset(meeting, -0.1, 0, -0.02), LEVEL, 0),
      at(400, offset(meeting, -0.1, 0, -0.02), LEVEL, 0),
    ],
    right: [
      START.right,
      at(90, offset(cube, 0, 0, 0.08), down, 1),
      at(130, offset(cube, 0, 0, -0.015), down, 1),
      at(170, offset(cube, 0, 0, -0.015), down, 0),
      at(200, offset(meeting, 0.05, 0, 0), down, 0),
      at(220, meeting, down, 0),
      at(310, meeting, down, 1),
      at(360, offset(meeting, 0.1, 0, 0), down, 1),
      at(400, offset(meeting, 0.1, 0, 0), down, 1),
    ],
  };
}

/** Both hands pick up what is theirs and bring it together in the middle. */
function insertion(peg: Vector, socket: Vector): Script {
  /** The peg is grasped lower than the socket, in whose middle it must arrive. */
  const pegLift = 0.00715;
  const way = (start: Waypoint, object: Vector, side: 1 | -1, lift: number): Waypoint[] => {
    const meeting: Vector = [0, 0.5, 0.15 + lift];
    const down = aboutAxis([0, 1, 0], -60 * side);
    return [
      start,
      at(120, offset(object, 0, 0, 0.08), down, 1),
      at(170, offset(object, 0, 0, -0.03), down, 1),
      at(220, offset(object, 0, 0, -0.03), down, 0),
      at(285, offset(meeting, 0.1 * side, 0, 0), down, 0),
      at(340, offset(meeting, 0.05 * side, 0, 0), down, 0),
      at(400, offset(meeting, 0.05 * side, 0, 0), down, 0),
    ];
  };
  return { left: way(START.left, socket, -1, 0), right: way(START.right, peg, 1, pegLift) };
}

/** The script of a task for objects that start in these poses (seven numbers each). */
export function scriptOf(task: TaskName, objectPose: Float64Array): Script {
  const position = (object: number): Vector => {
    const [x, y, z] = objectPose.subarray(7 * object);
    return [x!, y!, z!];
  };
  return task === "transfer_cube" ? transferCube(position(0)) : insertion(position(0), position(1));
}

/** Where a hand is at a control step, in between waypoints: orientations are mixed number by number, as ACT does. */
export function along(way: readonly Waypoint[], step: number): Waypoint {
  const next = way.findIndex((waypoint) => waypoint.step > step);
  const to = way[next < 0 ? way.length - 1 : next]!;
  const from = way[next < 0 ? way.length - 1 : next - 1]!;
  const share = to === from ? 0 : (step - from.step) / (to.step - from.step);
  const mix = (a: number, b: number) => a + (b - a) * share;
  const [ax, ay, az] = from.position;
  const [bx, by, bz] = to.position;
  const p = from.orientation;
  const q = to.orientation;
  return {
    step,
    position: [mix(ax, bx), mix(ay, by), mix(az, bz)],
    orientation: [mix(p[0], q[0]), mix(p[1], q[1]), mix(p[2], q[2]), mix(p[3], q[3])],
    gripper: mix(from.gripper, to.gripper),
  };
}
