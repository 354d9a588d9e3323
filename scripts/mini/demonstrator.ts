/**
 * The teacher of the small policy: a plan from any moment of an episode, by what the moment shows.
 *
 * π₀ has no memory, so a plan follows from where the hands and the objects are, never from the time that has passed:
 * a cube that was missed, dropped or pushed away is gone for again. Places are those of ACT's scripts; the hands move
 * in the upright planes of their arms (see arm.ts), which leaves no joint to jump.
 *
 * @module
 */

import type { TaskName } from "../../src/sim/task.ts";
import { BASES, handPoseOf, jointsOf } from "./arm.ts";

/** Rows of a plan, and numbers per row: as π₀ for this robot. */
export const PLAN_ROWS = 50;
export const ACTION_DIM = 14;

/** What a plan is made from. */
export interface Moment {
  /** What the arms were last asked for: 14 numbers, as an action. */
  readonly command: ArrayLike<number>;
  /** Where the joints are: 14 numbers, as a state. */
  readonly state: ArrayLike<number>;
  /** Centres of the task's objects in metres: the cube, or peg and socket. */
  readonly objects: readonly Point[];
}

export type Point = readonly [x: number, y: number, z: number];
type Side = "left" | "right";

/** A hand at a moment of the plan; between two of them everything changes evenly. */
interface Stop {
  readonly step: number;
  readonly position: Point;
  readonly pitch: number;
  readonly roll: number;
  /** 0 closed, 1 open. */
  readonly gripper: number;
}

/** Metres per control step: through the air, down to an object, with an object, and from hand to hand. */
const FLY = 0.0045;
const DESCEND = 0.0026;
const CARRY = 0.0055;
const APPROACH = 0.0024;
/** Radians per control step, where a turn takes longer than the way. */
const TURN = 0.03;
/** Steps for the whole way of the fingers. */
const FINGERS = 15;
/** Steps between what one hand has done and the answer of the other. */
const PAUSE = 4;

const DOWN = Math.PI / 3;
const SIDEWAYS = Math.PI / 2;

/** Above the grasp point before going down, and the height in which nothing is hit. */
const ABOVE = 0.08;
const CLEAR_HEIGHT = 0.12;
/** As near as that, the fingers close. */
const NEAR = 0.012;
/** The cone in which a hand goes straight to the grasp point: its width there, and per metre above. */
const CONE = 0.015;
const CONE_SLOPE = 0.5;
/** A gripper that was asked to close as far as that has closed. */
const CLOSED = 0.06;
/** Fingers that are farther apart than that, though asked to close, have something between them: a peg 0.35, a cube 0.6. */
const BLOCKED = 0.2;
/** A hand that holds an object has its centre within that. */
const HOLD_REACH = { cube: 0.045, peg: 0.09, socket: 0.09 };

/** Where a task's objects rest on the table, and where they are grasped: heights in metres. */
const GRASP_HEIGHTS = { cube: 0.035, peg: 0.02, socket: 0.02 };

const plus = (a: Point, b: Point): Point => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const minus = (a: Point, b: Point): Point => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const length = (a: Point): number => Math.hypot(...a);

/** The way of one hand, put together stop by stop. */
class Way {
  readonly side: Side;
  readonly stops: Stop[];

  constructor(side: Side, command: ArrayLike<number>) {
    this.side = side;
    const first = side === "left" ? 0 : 7;
    const joints = Array.from({ length: 6 }, (_, i) => command[first + i]!);
    this.stops = [{ step: 0, ...handPoseOf(BASES[side], joints), gripper: command[first + 6]! }];
  }

  get end(): Stop {
    return this.stops.at(-1)!;
  }

  /** Goes on to a place; the fingers move meanwhile, and where the way is too short for them, it takes as long as they do. */
  move(position: Point, speed: number, to: Partial<Pick<Stop, "pitch" | "roll" | "gripper">> = {}): this {
    const { end } = this;
    const stop = { ...end, ...to, position };
    const turn = Math.max(Math.abs(stop.pitch - end.pitch), Math.abs(stop.roll - end.roll));
    const fingers = Math.abs(stop.gripper - end.gripper) * FINGERS;
    const steps = Math.ceil(Math.max(length(minus(position, end.position)) / speed, turn / TURN, fingers));
    if (steps > 0) this.stops.push({ ...stop, step: end.step + steps });
    return this;
  }

  /** Opens or closes where it is. */
  grip(gripper: number): this {
    return this.move(this.end.position, 1, { gripper });
  }

  /** Stays until a step, at least. */
  wait(step: number): this {
    if (step > this.end.step) this.stops.push({ ...this.end, step });
    return this;
  }

  /** The hand at a step. */
  at(step: number): Stop {
    const next = this.stops.findIndex((stop) => stop.step > step);
    if (next < 0) return this.end;
    const [from, to] = [this.stops[next - 1]!, this.stops[next]!];
    const share = (step - from.step) / (to.step - from.step);
    const mix = (a: number, b: number) => a + (b - a) * share;
    const [ax, ay, az] = from.position;
    const [bx, by, bz] = to.position;
    return {
      step,
      position: [mix(ax, bx), mix(ay, by), mix(az, bz)],
      pitch: mix(from.pitch, to.pitch),
      roll: mix(from.roll, to.roll),
      gripper: mix(from.gripper, to.gripper),
    };
  }
}

/** Whether a hand has closed its fingers on an object. */
function holds({ side, end }: Way, state: ArrayLike<number>, object: Point, kind: keyof typeof HOLD_REACH): boolean {
  const blocked = state[side === "left" ? 6 : 13]! > BLOCKED;
  return blocked && end.gripper < CLOSED && length(minus(end.position, object)) < HOLD_REACH[kind];
}

/** Goes to an object on the table and closes the fingers on it, from wherever the hand is. */
function grasp(way: Way, object: Point, height: number): Way {
  const target: Point = [object[0], object[1], height];
  const hand = way.end;
  const [dx, dy, dz] = minus(hand.position, target);
  const missed = hand.gripper < CLOSED;
  if (length([dx, dy, dz]) < NEAR && !missed) return way.grip(0);
  const aside = Math.hypot(dx, dy);
  const low = hand.position[2] < height + CLEAR_HEIGHT - ABOVE;
  const straight = aside < CONE + CONE_SLOPE * Math.max(0, dz) && Math.abs(hand.pitch - DOWN) < 0.2 &&
    !(low && hand.gripper < 0.9);
  if (low && !straight) {
    // The fingers open before the hand leaves, so that nothing is taken along.
    way.grip(1).move([hand.position[0], hand.position[1], CLEAR_HEIGHT], FLY, { gripper: 1 });
  }
  if (!straight) way.move(plus(target, [0, 0, ABOVE]), FLY, { pitch: DOWN, roll: 0, gripper: 1 });
  return way.move(target, DESCEND, { pitch: DOWN, roll: 0, gripper: 1 }).grip(0);
}

/** Up from the table, without dragging along it. */
function lift(way: Way): Way {
  const [x, y, z] = way.end.position;
  return z < 0.07 ? way.move([x, y, 0.08], CARRY, { gripper: 0 }) : way;
}

const MEETING: Point = [0, 0.5, 0.25];
/** Where the left hand waits for the cube, where it closes, and where the right hand goes afterwards. */
const TAKER_WAITS = plus(MEETING, [-0.1, 0, -0.02]);
const TAKER_CLOSES = plus(MEETING, [0.02, 0, -0.02]);
const GIVER_LEAVES = plus(MEETING, [0.1, 0, 0]);

function transferCube({ command, state, objects }: Moment): readonly [left: Way, right: Way] {
  const left = new Way("left", command);
  const right = new Way("right", command);
  const cube = objects[0]!;
  const taken = holds(left, state, cube, "cube");
  const given = holds(right, state, cube, "cube");
  if (taken) {
    // The giver lets go, and the taker keeps still.
    if (right.end.gripper < 1) right.grip(1);
    right.move(GIVER_LEAVES, APPROACH, { gripper: 1 });
    return [left, right];
  }
  if (!given) grasp(right, cube, GRASP_HEIGHTS.cube);
  const atMeeting = length(minus(right.end.position, MEETING)) < NEAR;
  if (!atMeeting) lift(right).move(MEETING, CARRY, { pitch: DOWN, gripper: 0 });
  const ready = right.end.step;
  const [x, y, z] = left.end.position;
  const onItsWay = given && atMeeting && x > TAKER_WAITS[0] - NEAR && Math.abs(y - MEETING[1]) < NEAR &&
    Math.abs(z - TAKER_WAITS[2]) < NEAR && Math.abs(left.end.roll - SIDEWAYS) < 0.1;
  const closing = onItsWay && length(minus(left.end.position, TAKER_CLOSES)) < NEAR;
  if (!closing) {
    if (!onItsWay) left.move(TAKER_WAITS, FLY, { pitch: 0, roll: SIDEWAYS, gripper: 1 });
    left.wait(ready + PAUSE).move(TAKER_CLOSES, APPROACH, { gripper: 1 });
  }
  left.grip(0);
  right.wait(left.end.step + PAUSE).grip(1).move(GIVER_LEAVES, APPROACH, { gripper: 1 });
  return [left, right];
}

/** Where peg and socket meet, and how far from there the hands are before, and when the peg is in. */
const JOINT: Point = [0, 0.5, 0.15];
const BEFORE = 0.1;
const INSIDE = 0.043;
/** Beyond that a peg is not in line with its socket. */
const IN_LINE = 0.005;

function insertion({ command, state, objects }: Moment): readonly [left: Way, right: Way] {
  const left = new Way("left", command);
  const right = new Way("right", command);
  const [peg, socket] = objects as readonly [Point, Point];
  /** Brings an object up to before the meeting point; says how its centre will lie to the hand then. */
  const bring = (way: Way, object: Point, kind: "peg" | "socket"): { held: boolean; offset: Point } => {
    const held = holds(way, state, object, kind);
    if (!held) grasp(way, object, GRASP_HEIGHTS[kind]);
    const { position } = handPoseOf(BASES[way.side], Array.from(state).slice(way.side === "left" ? 0 : 7));
    return { held, offset: minus(object, position) };
  };
  const pegs = bring(right, peg, "peg");
  const sockets = bring(left, socket, "socket");
  // The socket's hand goes where ACT's goes; the peg's hand so that the peg is in line with it.
  const socketAt = (out: number): Point => plus(JOINT, [-out, 0, 0]);
  const nominal: Point = [0, 0, 0.00715];
  const shift: Point = pegs.held && sockets.held
    ? [0, sockets.offset[1] - pegs.offset[1], sockets.offset[2] - pegs.offset[2]]
    : nominal;
  const pegAt = (out: number): Point => plus(plus(JOINT, [out, 0, 0]), shift);
  const line = (a: Point, b: Point) => Math.hypot(a[1] - b[1], a[2] - b[2]) < IN_LINE;
  const inside = pegs.held && sockets.held && line(left.end.position, socketAt(0)) &&
    line(right.end.position, pegAt(0)) &&
    left.end.position[0] > -BEFORE - NEAR && right.end.position[0] < BEFORE + NEAR;
  if (!inside) {
    lift(left).move(socketAt(BEFORE), CARRY, { pitch: DOWN, gripper: 0 });
    lift(right).move(pegAt(BEFORE), CARRY, { pitch: DOWN, gripper: 0 });
    const ready = Math.max(left.end.step, right.end.step) + PAUSE;
    left.wait(ready);
    right.wait(ready);
  }
  left.move(socketAt(INSIDE), APPROACH / 2, { gripper: 0 });
  right.move(pegAt(INSIDE), APPROACH / 2, { gripper: 0 });
  return [left, right];
}

const SCRIPTS = { transfer_cube: transferCube, insertion } as const satisfies Record<
  TaskName,
  (moment: Moment) => readonly [Way, Way]
>;

/** The next {@linkcode PLAN_ROWS} actions from a moment on: rows × {@linkcode ACTION_DIM}, row-major. */
export function planFrom(task: TaskName, moment: Moment): Float64Array {
  const ways = SCRIPTS[task](moment);
  const actions = new Float64Array(PLAN_ROWS * ACTION_DIM);
  for (let row = 0; row < PLAN_ROWS; row++) {
    ways.forEach((way, i) => {
      const hand = way.at(row + 1);
      actions.set([...jointsOf(BASES[way.side], hand), hand.gripper], row * ACTION_DIM + 7 * i);
    });
  }
  return actions;
}
