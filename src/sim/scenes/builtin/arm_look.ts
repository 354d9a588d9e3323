/**
 * What the arm looks like: the parts of a ViperX 300, drawn by hand from its dimensions, link by link.
 *
 * Nothing here touches anything: the hulls of arm.ts do that, unseen. Parts of one link and one finish become one mesh.
 * Millimetres in the frame of the link.
 *
 * @module
 */

import {
  arc,
  box,
  circle,
  merge,
  mirror,
  type OutlinePoint,
  pair,
  type Point,
  prism,
  rectangle,
  reshape,
  type Solid,
} from "./solid.ts";

/** Surfaces; the room says how each of them takes the light. */
export type Finish = "shell" | "tube" | "servo" | "steel" | "print" | "rubber";

/** The parts of a link, by finish. */
export type Look = Readonly<Partial<Record<Finish, Solid>>>;

/** A disc across an axis, as of a bearing or a servo horn. */
function disc(axis: "x" | "y" | "z", center: OutlinePoint, radius: number, from: number, to: number): Solid {
  return prism(circle(center, radius), { axis, from, to, bevel: Math.min(0.8, (to - from) / 3) });
}

/** A bolt head. */
function bolt(axis: "x" | "y" | "z", center: OutlinePoint, from: number, to: number, radius = 2): Solid {
  return prism(circle(center, radius, 8), { axis, from, to });
}

/** Bolt heads around a center. */
function boltRing(
  axis: "x" | "y" | "z",
  center: OutlinePoint,
  ringRadius: number,
  count: number,
  from: number,
  to: number,
): Solid[] {
  return circle(center, ringRadius, count, 22.5).map((at) => bolt(axis, at, from, to, 1.6));
}

/** The horn of a servo that turns about y, on the left side of its link. */
function horn(center: OutlinePoint, from: number): Solid[] {
  return [
    disc("y", center, 11, from, from + 2.5),
    disc("y", center, 4, from + 2.5, from + 5),
    ...boltRing("y", center, 7.5, 8, from + 2.5, from + 3.4),
  ];
}

/** An outline from its left half, listed counter-clockwise; `y` says which of the two numbers is y. */
function bothSides(half: readonly OutlinePoint[], y: 0 | 1): OutlinePoint[] {
  const other = half.map(([u, v]): OutlinePoint => y === 0 ? [-u, v] : [u, -v]);
  return [...half, ...other.reverse()];
}

/** An outline from one half, the other being the same after half a turn. */
function turned(half: readonly OutlinePoint[]): OutlinePoint[] {
  return [...half, ...half.map(([u, v]): OutlinePoint => [-u, -v])];
}

const drawBase = (): Look => ({
  shell: merge([
    prism(
      bothSides([[102, 42], [42, 102], [-42, 102], [-96, 50], [-186, 50], [-197, 39]], 1),
      { axis: "z", from: 0, to: 8, bevel: 1.5 },
    ),
    prism(circle([0, 0], 62, 32), { axis: "z", from: 30, to: 79, bevel: 2.5 }),
    prism(rectangle([-64, -64], [64, 64], 36), { axis: "z", from: 8, to: 24, bevel: 3 }),
    prism(rectangle([-182, -36], [-96, 36], 4), { axis: "z", from: 49, to: 52.5, bevel: 1.2 }),
  ]),
  servo: merge([
    prism(rectangle([-190, -44], [-88, 44], 6), { axis: "z", from: 8, to: 50, bevel: 4 }),
    prism(circle([0, 0], 57, 32), { axis: "z", from: 22, to: 32 }),
    box([-90, -24, 10], [-50, 24, 44], 3),
  ]),
  steel: merge([
    ...circle([0, 0], 96, 8, 22.5).map((at) => bolt("z", at, 8, 11, 4.5)),
    bolt("z", [-184, -39], 8, 11, 4.5),
    bolt("z", [-184, 39], 8, 11, 4.5),
    disc("z", [0, 0], 59, 78, 79.6),
  ]),
});

const drawShoulder = (): Look => ({
  shell: merge([
    prism(circle([0, 0], 61, 32), { axis: "z", from: 0.8, to: 6.5, bevel: 1.5 }),
    box([-20, -46, 6], [20, 46, 20], 2.5),
    ...pair(box([-19, 40.5, 6], [19, 44.5, 34], 1.2)),
  ]),
  servo: merge(pair(box([-17, 0.8, 8], [17, 42.5, 61.5], 2.2))),
  tube: merge(pair(box([-17.8, 12, 22], [17.8, 31, 27], 0.5))),
  steel: merge([
    ...pair(merge(horn([0, 48.05], 42.5))).flatMap((solid) => solid),
    ...circle([0, 0], 52, 8, 22.5).map((at) => bolt("z", at, 6.5, 8.5, 3)),
  ]),
});

/** A plate of a fork that turns about y: round at the joint, straight towards `to` along z. */
function forkPlate(to: number, radius: number, halfWidth: number): OutlinePoint[] {
  return [...arc([0, 0], radius, 180, 360, 13), [halfWidth, to], [-halfWidth, to]];
}

/** The same towards `to` along x. */
function forkPlateAlongX(to: number, radius: number, halfWidth: number): OutlinePoint[] {
  return [...arc([0, 0], radius, 90, 270, 13), [to, -halfWidth], [to, halfWidth]];
}

const drawUpperArm = (): Look => ({
  shell: merge([
    ...pair(prism(forkPlate(40, 14, 13), { axis: "y", from: 47.6, to: 52, bevel: 0.8 })),
    prism(
      bothSides([[22, 56], [46, 34], [52, 34], [52, 38], [22, 66], [22, 72]], 0),
      { axis: "x", from: -13, to: 13, bevel: 1.2 },
    ),
    // The bracket at the elbow.
    prism(bothSides([[27, 252], [48, 274], [48, 314], [42, 320]], 0), {
      axis: "x",
      from: -12,
      to: 22,
      bevel: 2,
    }),
    ...pair(box([14, 41.5, 283], [46, 45.5, 317], 1.2)),
  ]),
  tube: box([-10, -19.5, 60], [10, 19.5, 262], 2.5),
  servo: merge([
    ...pair(box([20, 0.8, 281.5], [72.5, 42.5, 316.5], 2.2)),
    box([-13.5, -20, 282], [-11, 20, 308], 0.8),
  ]),
  steel: merge([
    ...pair(merge(horn([59.55, 300], 42.5))),
    ...pair(merge([bolt("y", [0, 28], 51.5, 53.4), bolt("y", [-7, 34], 51.5, 53.4), bolt("y", [7, 34], 51.5, 53.4)])),
    ...pair(disc("y", [0, 0], 5.5, 51.5, 54)),
    ...pair(bolt("x", [36, 300], -13.5, -11.5, 2.6)),
  ]),
});

const drawUpperForearm = (): Look => ({
  shell: merge([
    ...pair(prism(forkPlateAlongX(36, 13, 12.5), { axis: "y", from: 46.8, to: 50.8, bevel: 0.8 })),
    prism(
      bothSides([[72, 22], [66, 22], [35, 50.8], [31, 50.8], [31, 45], [54, 22]], 1),
      { axis: "z", from: -15, to: 15, bevel: 1.2 },
    ),
    box([164, -22.5, -18], [194, 22.5, 18], 3),
  ]),
  tube: box([60, -19.5, -13], [170, 19.5, 13], 2.5),
  steel: merge([
    prism(circle([0, 0], 17), { axis: "x", from: 193, to: 198, bevel: 0.8 }),
    ...pair(merge([bolt("y", [22, -7], 50.4, 52.2), bolt("y", [22, 7], 50.4, 52.2), disc("y", [0, 0], 5.5, 50.4, 53)])),
    ...pair(merge([bolt("y", [173, -10], 22, 23.6), bolt("y", [173, 10], 22, 23.6), bolt("y", [186, 0], 22, 23.6)])),
  ]),
});

/** Seen from above: the roll servo across, then the wrist servo along. */
const FOREARM_COVER: readonly OutlinePoint[] = [
  [5, -12],
  [45, -21],
  [98, -21],
  [104, -15],
  [104, 14],
  [98, 20],
  [66, 20],
  [47, 43],
  [9, 43],
  [5, 39],
];

const drawLowerForearm = (): Look => ({
  shell: merge([
    prism(FOREARM_COVER, { axis: "z", from: 16.4, to: 20, bevel: 1 }),
    prism(FOREARM_COVER, { axis: "z", from: -20, to: -16.4, bevel: 1 }),
    prism(circle([0, 0], 22.5), { axis: "x", from: -1, to: 5, bevel: 1.2 }),
  ]),
  servo: merge([box([4.5, -11, -17], [49, 42, 17], 2), box([51, -20, -17], [113.5, 21, 17], 2)]),
  tube: merge([box([8, 38, -11], [45, 43.2, 11], 1), box([108, -13, -10], [114.2, 13, 10], 1)]),
  steel: merge([
    merge(horn([100, 0], 20.5)),
    mirror(merge(horn([100, 0], 19.5))),
    prism(circle([0, 0], 16), { axis: "x", from: -3, to: -0.6, bevel: 0.6 }),
    ...([[14, 30], [40, 30], [90, 12], [90, -12], [60, -12]] as OutlinePoint[]).flatMap((at) => [
      bolt("z", at, 19.8, 21.6, 2.2),
      bolt("z", at, -21.6, -19.8, 2.2),
    ]),
  ]),
});

/** Side plate of the wrist, in (x, z): from the joint up to the servo of the hand. */
const wristPlate = (): OutlinePoint[] => [
  ...arc([0, 0], 13, 100, 260, 11),
  [10, -12],
  [34, -10],
  [54, -10],
  [54, 30],
  [34, 30],
  [18, 17],
];

const drawWrist = (): Look => ({
  shell: merge([
    ...pair(prism(wristPlate(), { axis: "y", from: 25.4, to: 28.4, bevel: 0.7 })),
    box([34, -25.8, -7], [52, 25.8, 27], 2),
  ]),
  servo: box([31.5, -14, -11.5], [66, 14, 35], 2),
  tube: box([40, -10, 33], [60, 10, 35.8], 0.8),
  steel: merge([
    prism(circle([0, 0], 20), { axis: "x", from: 66, to: 69.6, bevel: 0.9 }),
    ...pair(merge([disc("y", [0, 0], 5, 28, 30.4), bolt("y", [42, 0], 28, 29.6), bolt("y", [42, 20], 28, 29.6)])),
    ...boltRing("x", [0, 0], 15, 8, 64.8, 66),
  ]),
});

const drawGripper = (): Look => ({
  servo: merge([box([3, -14, -11.5], [43, 14, 35], 2), box([41, -12, 24], [46, 12, 34], 1)]),
  shell: merge([
    // The carrier of the fingers: wide, and tapered to both ends.
    prism(bothSides([[30, -31], [75, -13], [75, 13], [30, 31]], 0), { axis: "x", from: 40, to: 46, bevel: 1.4 }),
    prism(rectangle([-20, -24], [20, 24], 6), { axis: "x", from: 30, to: 41, bevel: 2 }),
    ...pair(box([40, 64, -15], [77, 75, 15], 2)),
    ...pair(prism([[24, -10], [44, -10], [44, 10], [24, 10], [20, 4], [20, -4]], {
      axis: "x",
      from: 30,
      to: 40.5,
      bevel: 1,
    })),
  ]),
  tube: merge(pair(prism(rectangle([50, -6], [62, 6], 2), { axis: "x", from: 37.5, to: 40.5, bevel: 0.6 }))),
  steel: merge([
    prism(circle([0, 0], 19.6), { axis: "x", from: 0.2, to: 3.4, bevel: 0.9 }),
    prism(circle([70, -8.5], 3.2, 12), { axis: "y", from: -66, to: 66 }),
    prism(circle([70, 8.5], 3.2, 12), { axis: "y", from: -66, to: 66 }),
    prism(circle([0, 0], 9), { axis: "x", from: 45.5, to: 47, bevel: 0.5 }),
    ...pair(merge([bolt("y", [58, 9], 75, 76.6), bolt("y", [58, -9], 75, 76.6)])),
    ...pair(merge([bolt("x", [58, 11], 46, 47.8), bolt("x", [58, -11], 46, 47.8), bolt("x", [32, 22], 46, 47.8)])),
  ]),
});

const drawGripperProp = (): Look => ({
  tube: prism(
    turned([[-4, -9], [3, -26], [8, -26], [10, -21], [5, -8], [8, 0]]),
    { axis: "x", from: -1.2, to: 2.4, bevel: 0.7 },
  ),
  steel: merge([
    disc("x", [0, 0], 3.6, 2, 4.6),
    bolt("x", [6, -22], 2, 4, 2.6),
    bolt("x", [-6, 22], 2, 4, 2.6),
  ]),
});

/** The left finger is a wedge: flat where it grips (y −22.4), its back coming in towards the tip. */
function wedge(solid: Solid): Solid {
  return reshape(solid, ([x, y, z]): Point => {
    const backMm = x < 15 ? 2 : 2 - (x - 15) * 22.9 / 70;
    return [x, -22.4 + (y + 22.4) * (backMm + 22.4) / 24.4, z];
  });
}

const UPPER_LEG: OutlinePoint[] = [[9, 21], [14, 21], [68, 0], [85, -3.5], [85, 5], [16, 30.5], [9, 30.5]];
const FINGER_DEPTH = { axis: "y", from: -21.8, to: 2, bevel: 0.8 } as const;

const drawLeftFinger = (): Look => ({
  print: merge([
    wedge(prism(UPPER_LEG, FINGER_DEPTH)),
    wedge(prism(UPPER_LEG.map(([x, z]): OutlinePoint => [x, -z]).reverse(), FINGER_DEPTH)),
    wedge(box([8, -21.8, -30.2], [13.5, 2, 30.2], 0.8)),
    wedge(box([36, -21.5, -10], [40, 0, 10], 0.6)),
    box([-5, -9, 19], [9, 2, 30.5], 0.8),
    box([-5, -9, -30.5], [9, 2, -19], 0.8),
    prism(circle([2, 0], 12.5, 20), { axis: "y", from: -8, to: 1, bevel: 0.8 }),
  ]),
  rubber: prism([[48, -9.5], [84, -3.5], [84, 3.5], [48, 9.5]], { axis: "y", from: -22.4, to: -21.6 }),
  steel: merge([
    prism(circle([2, 0], 5, 12), { axis: "y", from: -8.6, to: 1.6 }),
    bolt("y", [1, 25], 2, 3.4, 2.2),
    bolt("y", [1, -25], 2, 3.4, 2.2),
  ]),
});

const drawRightFinger = (): Look => mapLook(drawLeftFinger(), mirror);

function mapLook(look: Look, change: (solid: Solid) => Solid): Look {
  return Object.fromEntries(Object.entries(look).map(([finish, solid]) => [finish, change(solid)]));
}

/** Draws every link; `base` is what stands on the table. */
export function drawArm(): Readonly<Record<string, Look>> {
  return {
    base: drawBase(),
    shoulder_link: drawShoulder(),
    upper_arm_link: drawUpperArm(),
    upper_forearm_link: drawUpperForearm(),
    lower_forearm_link: drawLowerForearm(),
    wrist_link: drawWrist(),
    gripper_link: drawGripper(),
    gripper_prop_link: drawGripperProp(),
    left_finger_link: drawLeftFinger(),
    right_finger_link: drawRightFinger(),
  };
}
