/**
 * Rows of actions: relative to the state or absolute, and wider or narrower.
 *
 * @module
 */

/**
 * openpi's `make_bool_mask`: `[6, -1]` is six times true, once false.
 *
 * @param dims positive: that many true; negative: that many false; 0: none.
 */
export function makeMask(dims: readonly number[]): boolean[] {
  return dims.flatMap((dim) => new Array<boolean>(Math.abs(dim)).fill(dim > 0));
}

/**
 * Adds the state to each row where the mask is true; the mask's end leaves the rest as it is.
 *
 * @param width numbers per row.
 */
export function makeAbsolute<T extends Float32Array | Float64Array>(
  rows: T,
  width: number,
  state: ArrayLike<number>,
  mask: readonly boolean[],
): T {
  return shiftRows(rows, width, mask, (column) => state[column]!);
}

/** The inverse of {@linkcode makeAbsolute}: what training does with recorded actions. */
export function makeRelative<T extends Float32Array | Float64Array>(
  rows: T,
  width: number,
  state: ArrayLike<number>,
  mask: readonly boolean[],
): T {
  return shiftRows(rows, width, mask, (column) => -state[column]!);
}

function shiftRows<T extends Float32Array | Float64Array>(
  rows: T,
  width: number,
  mask: readonly boolean[],
  shiftOf: (column: number) => number,
): T {
  if (mask.length > width) throw new RangeError(`Cannot use a mask of ${mask.length} for rows of ${width} numbers`);
  const shifted = rows.slice() as T;
  for (let row = 0; row < rows.length; row += width) {
    for (let column = 0; column < mask.length; column++) {
      if (mask[column]) shifted[row + column]! += shiftOf(column);
    }
  }
  return shifted;
}

/** Rows of another width: cut on the right, or filled up with zeros there. */
export function fitRows(rows: Float64Array, width: number, newWidth: number): Float64Array {
  if (width === newWidth) return rows;
  const count = rows.length / width;
  const fitted = new Float64Array(count * newWidth);
  for (let row = 0; row < count; row++) {
    fitted.set(rows.subarray(row * width, row * width + Math.min(width, newWidth)), row * newWidth);
  }
  return fitted;
}
