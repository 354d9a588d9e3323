/**
 * 8-bit weights: one scale per row, so that each output of a product keeps its own precision.
 *
 * @module
 */

/** Signed bytes, or unsigned ones with zero at 128. saturation.ts says which a processor wants. */
export type ByteType = "I8" | "U8";

/** The unsigned byte that means zero. */
export const ZERO_POINT = 128;

/** The largest step away from zero; one less than the byte allows downwards, so that both sides are alike. */
export const LARGEST_STEP = 127;

/** A matrix of 8 bits. */
export interface QuantizedMatrix {
  /** The transpose of what was given, row-major columns × rows: the order in which integer products read it. */
  readonly values: Int8Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;
  /** Factor per row of what was given: value = (byte − zero) × factor. */
  readonly scales: Float32Array<ArrayBuffer>;
}

/** Rows and columns that are turned over at a time: 64 × 64 values of both matrices fit the first-level cache. */
const TILE = 64;

/** Rounds row-major rows × columns to 8 bits and transposes it. A row of zeros gets scale 1. */
export function quantizeTransposed(
  matrix: Float32Array,
  rows: number,
  columns: number,
  type: ByteType,
): QuantizedMatrix {
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    let largest = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      const size = Math.abs(matrix[i]!);
      if (size > largest) largest = size;
    }
    scales[row] = largest === 0 ? 1 : largest / LARGEST_STEP;
  }
  const inverses = Float64Array.from(scales, (scale) => 1 / scale);
  const values = type === "U8" ? new Uint8Array(rows * columns) : new Int8Array(rows * columns);
  const zero = type === "U8" ? ZERO_POINT : 0;
  for (let row0 = 0; row0 < rows; row0 += TILE) {
    const row1 = Math.min(rows, row0 + TILE);
    for (let column0 = 0; column0 < columns; column0 += TILE) {
      const column1 = Math.min(columns, column0 + TILE);
      for (let row = row0; row < row1; row++) {
        const inverse = inverses[row]!;
        for (let column = column0; column < column1; column++) {
          values[column * rows + row] = Math.floor(matrix[row * columns + column]! * inverse + 0.5) + zero;
        }
      }
    }
  }
  return { values, scales };
}
