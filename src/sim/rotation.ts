/**
 * Turns in space, as unit quaternions w x y z.
 *
 * @module
 */

export type Quaternion = readonly [w: number, x: number, y: number, z: number];
export type Vector = readonly [x: number, y: number, z: number];

/** A turn about an axis of unit length. */
export function aboutAxis([x, y, z]: Vector, degrees: number): Quaternion {
  const half = degrees * Math.PI / 360;
  const sine = Math.sin(half);
  return [Math.cos(half), x * sine, y * sine, z * sine];
}

/** The turn `second`, seen in the frame that `first` has turned: Hamilton's product. */
export function compose([aw, ax, ay, az]: Quaternion, [bw, bx, by, bz]: Quaternion): Quaternion {
  return [
    aw * bw - ax * bx - ay * by - az * bz,
    aw * bx + ax * bw + ay * bz - az * by,
    aw * by - ax * bz + ay * bw + az * bx,
    aw * bz + ax * by - ay * bx + az * bw,
  ];
}

/** The turn back. */
export function inverse([w, x, y, z]: Quaternion): Quaternion {
  return [w, -x, -y, -z];
}

/** Scaled to unit length. */
export function normalise(turn: Quaternion): Quaternion {
  const length = Math.hypot(...turn);
  return [turn[0] / length, turn[1] / length, turn[2] / length, turn[3] / length];
}

/** The vector after the turn. */
export function rotate(turn: Quaternion, [x, y, z]: Vector): Vector {
  const [, rx, ry, rz] = compose(compose(turn, [0, x, y, z]), inverse(turn));
  return [rx, ry, rz];
}

/** Axis times angle in radians, the short way round: at most π long. */
export function rotationVector([w, x, y, z]: Quaternion): Vector {
  const sine = Math.hypot(x, y, z);
  if (sine === 0) return [0, 0, 0];
  const angle = 2 * Math.atan2(sine, Math.abs(w));
  const scale = (w < 0 ? -angle : angle) / sine;
  return [x * scale, y * scale, z * scale];
}
