/**
 * One episode: a policy, near or far, acts in a simulated world, and everything that happens is written down.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { PolicyError, SimulationError, TransportError, WireError } from "../errors.ts";
import type { ActionChunk, Environment, Policy } from "../types.ts";
import { Chunking, type Held, type WhileWaiting } from "./chunking.ts";
import { Conversation, type EpisodeRequest } from "./conversation.ts";
import { EpisodeClock } from "./episode_clock.ts";
import { type Pace, Pacer } from "./pacer.ts";

/** One control step: what was done, and what came of it. */
export interface EpisodeStep {
  readonly action: readonly number[];
  /** What the robot feels afterwards. */
  readonly agent_pos: readonly number[];
  readonly qpos: readonly number[];
  readonly qvel: readonly number[];
  readonly reward: number;
  /** The request whose answer the action is from, counted from 0, and the row of it; absent where it was held. */
  readonly request?: number;
  readonly row?: number;
  /** Why the action before was repeated (at first: the start pose was held). */
  readonly held?: Held;
  /** When it was executed, in ms since the start by the {@linkcode EpisodeClock}; real pace only. */
  readonly atMs?: number;
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
  readonly whileWaiting: WhileWaiting;
  readonly pace: Pace;
  /** By the {@linkcode EpisodeClock}, from the start to the last step. */
  readonly durationMs: number;
  /** Steps that began more than 2 ms late; real pace only. */
  readonly missedDeadlines?: number;
  /** The step before which the task's first object was put elsewhere; absent where it was left in peace. */
  readonly pushAt?: number;
  /** The world after the reset. */
  readonly start: Pick<EpisodeStep, "agent_pos" | "qpos" | "qvel">;
  readonly requests: readonly EpisodeRequest[];
  readonly steps: readonly EpisodeStep[];
  readonly maxReward: number;
  readonly success: boolean;
  /** By stage: the first step, counted from 1, whose reward was at least that; null where it never was. */
  readonly firstStepOfReward: Readonly<Record<string, number | null>>;
  /** Why the episode broke off before its end. */
  readonly error?: string;
  /** What broke it off, for example `TransportError`. */
  readonly errorName?: string;
}

/** As fast as it goes, with answers that take no time. */
export const FAST: Pace = { kind: "fast", delayMs: 0 };

export interface EpisodeOptions {
  readonly environment: Environment;
  readonly policy: Policy;
  readonly seed: number;
  readonly replanSteps: number;
  /** `hold` where absent. */
  readonly whileWaiting?: WhileWaiting;
  /** {@linkcode FAST} where absent. */
  readonly pace?: Pace;
  /** The step before which somebody puts the task's first object elsewhere; nobody does where it is absent. */
  readonly pushAt?: number;
  /** Ends the episode at the first success, as gym-aloha does, instead of after the last step. */
  readonly stopAtSuccess: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called after the reset with 0, and after each step with its number. */
  readonly onStep?: (step: number) => Promise<void> | void;
}

/** What the world, the policy and the way to a far policy fail with. */
const ENDS_EPISODE = [SimulationError, PolicyError, TransportError, WireError] as const;

/**
 * Plays an episode. Where the physics breaks down or the policy gives no actions, the episode ends there and says why.
 *
 * @throws the signal's reason; {@linkcode RangeError} where the policy acts for another kind of robot.
 */
export async function playEpisode(options: EpisodeOptions): Promise<Episode> {
  const { environment, policy, seed, replanSteps, whileWaiting = "hold", pace = FAST, signal, onStep } = options;
  environment.reset(seed);
  const start = feel(environment);
  const steps: EpisodeStep[] = [];
  let failure: Error | undefined;
  await onStep?.(0);
  const clock = new EpisodeClock(options.clock);
  const chunking = new Chunking({ replanSteps, whileWaiting });
  const conversation = new Conversation({ environment, seed, policy, pace, clock, signal });
  const pacer = pace.kind === "real" ? new Pacer(clock, environment.controlHz) : undefined;
  let chunk: ActionChunk | undefined;
  // States and actions of a robot have the same order.
  let action = environment.state.slice(0, environment.actionDim);

  /** Takes the answer if it is here. */
  const arrive = (step: number) => {
    const answered = conversation.takeAnswer(step);
    if (answered === undefined) return;
    chunk = answered.chunk;
    conversation.last.staleRows = chunking.arrive(answered.delaySteps, chunk.actionHorizon);
  };

  try {
    while (environment.stepCount < environment.maxSteps && !(options.stopAtSuccess && environment.success)) {
      signal.throwIfAborted();
      await pacer?.tick(signal);
      const step = environment.stepCount;
      if (step === options.pushAt) environment.push();
      arrive(step);
      if (chunking.asks) {
        chunking.ask();
        await conversation.ask(step);
        arrive(step);
      }
      const move = chunking.next();
      if ("held" in move) {
        if (move.held === "waiting") conversation.last.heldSteps++;
        else conversation.last.exhaustedSteps++;
      } else {
        action = chunk!.actions.slice(move.row * chunk!.actionDim, (move.row + 1) * chunk!.actionDim);
        conversation.requests[move.request]!.executedRows++;
      }
      const atMs = pacer === undefined ? {} : { atMs: clock.now() };
      environment.step(action);
      steps.push({ action: Array.from(action), ...feel(environment), reward: environment.reward, ...move, ...atMs });
      await onStep?.(environment.stepCount);
    }
  } catch (cause) {
    if (!ENDS_EPISODE.some((kind) => cause instanceof kind)) throw cause;
    failure = cause as Error;
  }
  const durationMs = clock.now();
  await conversation.end();
  const maxReward = Math.max(0, ...steps.map(({ reward }) => reward));
  return {
    task: environment.task,
    scene: environment.scene,
    seed,
    prompt: environment.prompt,
    policy: policy.name,
    controlHz: environment.controlHz,
    replanSteps,
    whileWaiting,
    pace,
    durationMs,
    ...(pacer === undefined ? {} : { missedDeadlines: pacer.missed }),
    ...(options.pushAt === undefined ? {} : { pushAt: options.pushAt }),
    start,
    requests: conversation.requests,
    steps,
    maxReward,
    success: maxReward >= environment.maxReward,
    firstStepOfReward: firstSteps(steps, environment.maxReward),
    ...(failure === undefined ? {} : { error: failure.message, errorName: failure.name }),
  };
}

function firstSteps(steps: readonly EpisodeStep[], stages: number): Record<string, number | null> {
  const first = (stage: number) => {
    const index = steps.findIndex(({ reward }) => reward >= stage);
    return index < 0 ? null : index + 1;
  };
  return Object.fromEntries(Array.from({ length: stages }, (_, i) => [i + 1, first(i + 1)]));
}

function feel({ state, qpos, qvel }: Environment): Episode["start"] {
  return { agent_pos: Array.from(state), qpos: Array.from(qpos), qvel: Array.from(qvel) };
}
