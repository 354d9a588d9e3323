/**
 * Normalisation of states and actions by the statistics that come with a checkpoint, as openpi's `Normalize` and
 * `Unnormalize` do it.
 *
 * @module
 */

/** How numbers are normalised: by mean and standard deviation (π₀), or by the 1st and 99th percentile (π₀.₅). */
export type Normalization = "zscore" | "quantile";

/** Statistics of one vector, all of the same length. */
export interface Statistics {
  readonly mean: Float64Array;
  readonly std: Float64Array;
  /** The 1st and the 99th percentile; null where the file has none. */
  readonly quantiles: { readonly q01: Float64Array; readonly q99: Float64Array } | null;
}

/** What a checkpoint's `norm_stats.json` says of states and of actions, both in the model's space. */
export interface NormStats {
  readonly state: Statistics;
  readonly actions: Statistics;
}

/** openpi's guard against a division by zero. */
const EPSILON = 1e-6;

/**
 * Reads openpi's `norm_stats.json`: `{"norm_stats": {"state": …, "actions": …}}`, each with arrays `mean`, `std` and,
 * or null, `q01`, `q99`. Other keys are left alone.
 *
 * @param name the file's, for the error.
 * @throws {Error} where it is anything else.
 */
export function readNormStats(json: string, name: string): NormStats {
  const fail = (reason: string, cause?: unknown) => new Error(`Cannot read norm stats ${name}: ${reason}`, { cause });
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw fail("it is no JSON", cause);
  }
  const stats = property(value, "norm_stats");
  if (stats === undefined) throw fail(`it has no "norm_stats"; give the norm_stats.json of a checkpoint's assets`);

  const read = (key: "state" | "actions"): Statistics => {
    const numbers = (field: string, length?: number): Float64Array | null => {
      const list = property(property(stats, key), field) ?? null;
      if (list === null) return null;
      if (!Array.isArray(list) || !list.every(Number.isFinite)) throw fail(`"${key}.${field}" is no list of numbers`);
      if (length !== undefined && list.length !== length) {
        throw fail(`"${key}.${field}" has ${list.length} numbers, "${key}.mean" has ${length}`);
      }
      return Float64Array.from(list);
    };
    const mean = numbers("mean");
    const std = numbers("std", mean?.length);
    if (mean === null || std === null || mean.length === 0) throw fail(`it lacks "${key}.mean" or "${key}.std"`);
    const q01 = numbers("q01", mean.length);
    const q99 = numbers("q99", mean.length);
    if ((q01 === null) !== (q99 === null)) throw fail(`it has only one of "${key}.q01" and "${key}.q99"`);
    return { mean, std, quantiles: q01 === null || q99 === null ? null : { q01, q99 } };
  };
  return { state: read("state"), actions: read("actions") };
}

function property(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

/**
 * Where in a folder the norm stats of an asset may be, the likeliest first: in a checkpoint, in its `assets`, or in the
 * asset's own folder. The paths are relative, with slashes.
 *
 * @throws {Error} where the id would lead out of the folder.
 */
export function normStatsPaths(assetId: string): string[] {
  const parts = assetId.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..") || assetId.includes("\\")) {
    throw new Error(`Cannot use asset id "${assetId}": it must be names with slashes between, such as "trossen"`);
  }
  return [`assets/${assetId}/norm_stats.json`, `${assetId}/norm_stats.json`, "norm_stats.json"];
}

/**
 * One vector into the model's range. Statistics may be longer; what they have beyond the vector is unused.
 *
 * @throws {RangeError} where they are shorter, or lack what the normalisation needs.
 */
export function normalize(values: ArrayLike<number>, statistics: Statistics, by: Normalization): Float64Array {
  const { mean, std } = statistics;
  if (values.length > mean.length) {
    throw new RangeError(`Cannot normalise ${values.length} numbers with statistics of ${mean.length}: they differ`);
  }
  if (by === "zscore") {
    return Float64Array.from(values, (value, i) => (value - mean[i]!) / (std[i]! + EPSILON));
  }
  const { q01, q99 } = quantilesOf(statistics);
  return Float64Array.from(values, (value, i) => (value - q01[i]!) / (q99[i]! - q01[i]! + EPSILON) * 2 - 1);
}

/**
 * Rows out of the model's range, in double precision.
 *
 * @param width numbers per row. Those beyond the statistics mean nothing: quantiles leave them as they are, and z-scores
 * take mean 0 and deviation 1 for them.
 * @throws {RangeError} where rows are shorter than the statistics, which openpi would not take either.
 */
export function unnormalize(
  rows: Float32Array | Float64Array,
  width: number,
  statistics: Statistics,
  by: Normalization,
): Float64Array {
  const { mean, std } = statistics;
  const known = mean.length;
  if (known > width) {
    throw new RangeError(`Cannot unnormalise rows of ${width} numbers with statistics of ${known}: they are too long`);
  }
  const result = Float64Array.from(rows);
  if (by === "zscore") {
    for (let i = 0; i < result.length; i++) {
      const column = i % width;
      result[i] = column < known ? rows[i]! * (std[column]! + EPSILON) + mean[column]! : rows[i]! * (1 + EPSILON);
    }
    return result;
  }
  const { q01, q99 } = quantilesOf(statistics);
  // openpi computes the middle of it in the precision of the model's output.
  const single = rows instanceof Float32Array;
  for (let i = 0; i < result.length; i++) {
    const column = i % width;
    if (column >= known) continue;
    const half = single ? Math.fround(rows[i]! + 1) / 2 : (rows[i]! + 1) / 2;
    result[i] = half * (q99[column]! - q01[column]! + EPSILON) + q01[column]!;
  }
  return result;
}

function quantilesOf({ quantiles }: Statistics) {
  if (quantiles !== null) return quantiles;
  throw new RangeError("Cannot normalise by quantiles: the norm stats have none; give others, or use zscore");
}
