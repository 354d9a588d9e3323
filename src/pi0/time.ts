/**
 * What depends on the flow's time alone. The number of steps is fixed when the graph is written, so all of it becomes
 * constants: π₀'s time half of the action MLP, π₀.₅'s whole time MLP and every adaptive norm's modulation.
 *
 * @module
 */
import type { Pi0Config } from "./config.ts";
import type { Pi0Weights } from "./weights.ts";

/** One adaptive norm at one moment: `norm(x) × scale + shift`, and `gate` for what the block adds. */
export interface Modulation {
  readonly scale: Float32Array<ArrayBuffer>;
  readonly shift: Float32Array<ArrayBuffer>;
  readonly gate: Float32Array<ArrayBuffer>;
}

/** The constants of every Euler step. */
export interface FoldedTime {
  readonly flowSteps: number;
  /** From an action to its first hidden values, row-major expert width × action dim; the same in every step. */
  readonly actionWeight: Float32Array<ArrayBuffer>;
  /** Added to that, per step. */
  readonly actionBiases: readonly Float32Array<ArrayBuffer>[];
  /** π₀.₅: the vector that modulates the norms, per step. */
  readonly conditions?: readonly Float32Array<ArrayBuffer>[];
  /** π₀.₅: by norm, per step. */
  readonly modulations?: ReadonlyMap<string, readonly Modulation[]>;
}

/** The moments of the Euler steps, from 1 down: added up in float32 as openpi does, where 1 − 0.1 − 0.1 is 0.79999995. */
export function flowTimes(flowSteps: number): number[] {
  const step = Math.fround(-1 / flowSteps);
  const times = [1];
  while (times.length < flowSteps) times.push(Math.fround(times.at(-1)! + step));
  return times;
}

/**
 * The sine and cosine vectors of every step, float32 [flowSteps × expert width]: waves whose periods grow evenly on a
 * logarithmic scale. Computed in float64; JAX's own float32 differs by up to 2e-4.
 */
export function timeVectors(config: Pi0Config, flowSteps: number): Float32Array<ArrayBuffer> {
  const { width } = config.expert;
  const { shortest, longest } = config.timePeriods;
  const waves = width / 2;
  const vectors = new Float32Array(flowSteps * width);
  flowTimes(flowSteps).forEach((time, step) => {
    for (let wave = 0; wave < waves; wave++) {
      const fraction = waves === 1 ? 0 : wave / (waves - 1);
      const angle = 2 * Math.PI * time / (shortest * (longest / shortest) ** fraction);
      vectors[step * width + wave] = Math.sin(angle);
      vectors[step * width + waves + wave] = Math.cos(angle);
    }
  });
  return vectors;
}

/**
 * Folds the time vectors, float32 [flowSteps × expert width], into the weights. For the full π₀.₅ that reads 466 MB of
 * float32 weights once, and takes about two seconds.
 *
 * @throws {RangeError} where the vectors do not have that length.
 */
export async function foldTime(
  weights: Pi0Weights,
  flowSteps: number,
  vectors: Float32Array = timeVectors(weights.config, flowSteps),
): Promise<FoldedTime> {
  const { expert: { width } } = weights.config;
  if (vectors.length !== flowSteps * width) {
    throw new RangeError(
      `Cannot fold the time vectors: ${flowSteps} steps of ${width} numbers are needed, ${vectors.length} are there`,
    );
  }
  const steps = Array.from({ length: flowSteps }, (_, step) => vectors.slice(step * width, (step + 1) * width));
  return weights.config.family === "pi0"
    ? await foldActionMlp(weights, steps)
    : await foldAdaptiveNorms(weights, steps);
}

/** π₀: `W1 · [Win·x + bin ; time] + b1` is one product with the action and one bias per step. */
async function foldActionMlp(weights: Pi0Weights, steps: Float32Array[]): Promise<FoldedTime> {
  const { actionDim, expert: { width } } = weights.config;
  const actionIn = await weights.readMatrix("action_in");
  const mlpIn = await weights.readMatrix("action_time_in");
  const actionWeight = new Float32Array(width * actionDim);
  const rowSums = new Float64Array(actionDim);
  for (let row = 0; row < width; row++) {
    rowSums.fill(0);
    for (let inner = 0; inner < width; inner++) {
      const factor = mlpIn[row * 2 * width + inner]!;
      for (let column = 0; column < actionDim; column++) {
        rowSums[column]! += factor * actionIn[inner * actionDim + column]!;
      }
    }
    actionWeight.set(rowSums, row * actionDim);
  }
  const mlpBias = weights.vector("action_time_in.bias");
  const actionInBias = weights.vector("action_in.bias");
  const actionBiases = steps.map((time) => {
    const input = new Float32Array(2 * width);
    input.set(actionInBias);
    input.set(time, width);
    return multiply(mlpIn, input, mlpBias);
  });
  return { flowSteps: steps.length, actionWeight, actionBiases };
}

/** π₀.₅: time enters through the norms only; swish follows both layers of its MLP. */
async function foldAdaptiveNorms(weights: Pi0Weights, steps: Float32Array[]): Promise<FoldedTime> {
  const { depth, expert: { width } } = weights.config;
  const [timeIn, timeOut] = [await weights.readMatrix("time_in"), await weights.readMatrix("time_out")];
  const conditions = steps.map((time) => {
    const hidden = multiply(timeIn, time, weights.vector("time_in.bias")).map(swish);
    return multiply(timeOut, hidden, weights.vector("time_out.bias")).map(swish);
  });
  const layers = Array.from({ length: depth }, (_, layer) => [`expert.${layer}.norm1`, `expert.${layer}.norm2`]);
  const modulations = new Map<string, Modulation[]>();
  for (const norm of [...layers.flat(), "expert.norm"]) {
    const matrix = await weights.readMatrix(norm);
    const bias = weights.vector(`${norm}.bias`);
    modulations.set(
      norm,
      conditions.map((condition) => {
        const all = multiply(matrix, condition, bias);
        return {
          scale: all.slice(0, width).map((scale) => 1 + scale),
          shift: all.slice(width, 2 * width),
          gate: all.slice(2 * width),
        };
      }),
    );
  }
  return {
    flowSteps: steps.length,
    actionWeight: await weights.readMatrix("action_in"),
    actionBiases: steps.map(() => weights.vector("action_in.bias")),
    conditions,
    modulations,
  };
}

/** Matrix × vector + bias, summed in float64. */
function multiply(matrix: Float32Array, vector: Float32Array, bias: Float32Array): Float32Array<ArrayBuffer> {
  const columns = vector.length;
  const result = new Float32Array(bias.length);
  for (let row = 0; row < result.length; row++) {
    let sum = bias[row]!;
    for (let column = 0; column < columns; column++) sum += matrix[row * columns + column]! * vector[column]!;
    result[row] = sum;
  }
  return result;
}

function swish(value: number): number {
  return value / (1 + Math.exp(-value));
}
