/**
 * One episode: a policy acts in a simulated world, and everything that happens is written down.
 *
 * @module
 */

import { PolicyError, SimulationError, TransportError, WireError } from "../errors.ts";
import type { ActionChunk, Environment, Policy } from "../types.ts";

/** One control step: what was done, and what came of it. */
export interface EpisodeStep {
  readonly action: readonly number[];
  /** What the robot feels afterwards. */
  readonly agent_pos: readonly number[];
  readonly qpos: readonly number[];
  readonly qvel: readonly number[];
  readonly reward: number;
}

/** How an episode went. */
export interface Episode {
  readonly task: string;
  readonly scene: string;
  readonly seed: number;
  readonly prompt: string;
  readonly policy: string;
  readonly controlHz: number;
  /** Rows of a chunk that were executed before the policy was asked again. */
  readonly replanSteps: number;
  /** The world after the reset. */
  readonly start: Omit<EpisodeStep, "action" | "reward">;
  readonly steps: readonly EpisodeStep[];
  readonly maxReward: number;
  readonly success: boolean;
  /** By stage: the first step, counted from 1, whose reward was at least that; null where it never was. */
  readonly firstStepOfReward: Readonly<Record<string, number | null>>;
  /** Why the episode broke off before its end. */
  readonly error?: string;
}

export interface EpisodeOptions {
  readonly environment: Environment;
  readonly policy: Policy;
  readonly seed: number;
  readonly replanSteps: number;
  /** Ends the episode at the first success, as gym-aloha does, instead of after the last step. */
  readonly stopAtSuccess: boolean;
  readonly signal: AbortSignal;
  /** Called after the reset with 0, and after each step with its number. */
  readonly onStep?: (step: number) => Promise<void> | void;
}

/** What the world, the policy and the way to a far policy fail with. */
const ENDS_EPISODE = [SimulationError, PolicyError, TransportError, WireError] as const;

/**
 * Plays an episode as fast as it goes. Where the physics breaks down or the policy gives no actions, the episode ends
 * there and says why.
 *
 * @throws the signal's reason; {@linkcode RangeError} where the policy acts for another kind of robot.
 */
export async function playEpisode(options: EpisodeOptions): Promise<Episode> {
  const { environment, policy, seed, replanSteps, stopAtSuccess, signal, onStep } = options;
  environment.reset(seed);
  const start = feel(environment);
  const steps: EpisodeStep[] = [];
  let error: string | undefined;
  await onStep?.(0);
  try {
    let chunk: ActionChunk | undefined;
    let row = 0;
    while (environment.stepCount < environment.maxSteps && !(stopAtSuccess && environment.success)) {
      signal.throwIfAborted();
      if (chunk === undefined || row === Math.min(replanSteps, chunk.actionHorizon)) {
        chunk = await policy.infer(environment.observe(), signal);
        requireActionDim(chunk, environment);
        row = 0;
      }
      const action = chunk.actions.slice(row * chunk.actionDim, ++row * chunk.actionDim);
      environment.step(action);
      steps.push({ action: Array.from(action), ...feel(environment), reward: environment.reward });
      await onStep?.(environment.stepCount);
    }
  } catch (cause) {
    if (!ENDS_EPISODE.some((kind) => cause instanceof kind)) throw cause;
    error = (cause as Error).message;
  }
  const rewards = steps.map(({ reward }) => reward);
  const maxReward = Math.max(0, ...rewards);
  const first = (stage: number) => {
    const index = rewards.findIndex((reward) => reward >= stage);
    return index < 0 ? null : index + 1;
  };
  const stages = Array.from({ length: environment.maxReward }, (_, i) => i + 1);
  return {
    task: environment.task,
    scene: environment.scene,
    seed,
    prompt: environment.prompt,
    policy: policy.name,
    controlHz: environment.controlHz,
    replanSteps,
    start,
    steps,
    maxReward,
    success: maxReward >= environment.maxReward,
    firstStepOfReward: Object.fromEntries(stages.map((stage) => [stage, first(stage)])),
    ...(error === undefined ? {} : { error }),
  };
}

function feel({ state, qpos, qvel }: Environment): Episode["start"] {
  return { agent_pos: Array.from(state), qpos: Array.from(qpos), qvel: Array.from(qvel) };
}

function requireActionDim({ actionDim }: ActionChunk, environment: Environment): void {
  if (actionDim === environment.actionDim) return;
  throw new RangeError(
    `Cannot execute actions of ${actionDim} numbers: ${environment.task} takes ${environment.actionDim}; ` +
      "use a policy of that robot",
  );
}
