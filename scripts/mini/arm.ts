/**
 * One arm that stays in the upright plane through its base and its hand: joint angles in closed form, and no wrist
 * singularity. `forearm_roll` is always 0.
 *
 * @module
 */

/** Where a hand is, by its grasp point. */
export interface HandPose {
  /** Metres, in the world. */
  readonly position: readonly [x: number, y: number, z: number];
  /** How far it looks down, in radians: π/2 is straight down. */
  readonly pitch: number;
  /** About its own axis, in radians; 0 closes the fingers sideways. */
  readonly roll: number;
}

/** The arm's base in the world, and where the arm looks at waist 0: along x (1) or against it (−1). */
export interface ArmBase {
  readonly x: number;
  readonly y: number;
  readonly facing: 1 | -1;
}

/** Figures of gym-aloha's vx300s_left.xml and vx300s_right.xml, in metres. */
export const BASES = {
  left: { x: -0.469, y: 0.5, facing: 1 },
  right: { x: 0.469, y: 0.5, facing: -1 },
} as const satisfies Record<string, ArmBase>;
const SHOULDER_HEIGHT = 0.079 + 0.04805;
const UPPER_ARM = Math.hypot(0.05955, 0.3);
/** The upper arm's elevation at shoulder 0. */
const UPPER_ARM_ELEVATION = Math.atan2(0.3, 0.05955);
const FOREARM = 0.3;
const WRIST_TO_GRASP = 0.069744 + 0.134706;
/** How far the grasp point is below the hand's axis. */
const GRASP_DROP = 0.00205;

/**
 * The six joint angles that bring the hand to a pose, radians.
 *
 * A pose out of reach is reached for with a straight arm.
 */
export function jointsOf(base: ArmBase, { position: [x, y, z], pitch, roll }: HandPose): number[] {
  const dx = (x - base.x) * base.facing;
  const dy = (y - base.y) * base.facing;
  const drop = GRASP_DROP * Math.cos(roll);
  // From the grasp point back to the wrist, in the arm's plane.
  const along = Math.hypot(dx, dy) - WRIST_TO_GRASP * Math.cos(pitch) + drop * Math.sin(pitch);
  const up = z - SHOULDER_HEIGHT + WRIST_TO_GRASP * Math.sin(pitch) + drop * Math.cos(pitch);
  const reach = Math.min(Math.hypot(along, up), UPPER_ARM + FOREARM);
  const cosine = (UPPER_ARM ** 2 + reach ** 2 - FOREARM ** 2) / (2 * UPPER_ARM * reach);
  const upperElevation = Math.atan2(up, along) + Math.acos(Math.min(1, cosine));
  const elbowAlong = UPPER_ARM * Math.cos(upperElevation);
  const elbowUp = UPPER_ARM * Math.sin(upperElevation);
  const forearmElevation = Math.atan2(up - elbowUp, along - elbowAlong);
  const shoulder = UPPER_ARM_ELEVATION - upperElevation;
  return [Math.atan2(dy, dx), shoulder, -forearmElevation - shoulder, 0, pitch + forearmElevation, roll];
}

/** Where six joint angles bring the hand, as if `forearm_roll` were 0. */
export function handPoseOf(base: ArmBase, joints: ArrayLike<number>): HandPose {
  const [waist, shoulder, elbow, , wrist, roll] = Array.from(joints) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const upperElevation = UPPER_ARM_ELEVATION - shoulder;
  const forearmElevation = -(shoulder + elbow);
  const pitch = wrist - forearmElevation;
  const drop = GRASP_DROP * Math.cos(roll);
  const along = UPPER_ARM * Math.cos(upperElevation) + FOREARM * Math.cos(forearmElevation) +
    WRIST_TO_GRASP * Math.cos(pitch) - drop * Math.sin(pitch);
  const up = UPPER_ARM * Math.sin(upperElevation) + FOREARM * Math.sin(forearmElevation) -
    WRIST_TO_GRASP * Math.sin(pitch) - drop * Math.cos(pitch);
  const x = base.x + base.facing * along * Math.cos(waist);
  const y = base.y + base.facing * along * Math.sin(waist);
  return { position: [x, y, up + SHOULDER_HEIGHT], pitch, roll };
}
