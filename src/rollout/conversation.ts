/**
 * The questions of an episode to its policy, and the answers, each at the step where it is due.
 *
 * @module
 */

import type { ActionChunk, Environment, Policy, Timing, Travel } from "../types.ts";
import { delayStepsOf } from "./chunking.ts";
import type { EpisodeClock } from "./episode_clock.ts";
import type { Pace } from "./pacer.ts";

/** One question to the policy, and what became of the answer. Moments are ms since the start, by the episode's clock. */
export interface EpisodeRequest {
  /** The step at which it was asked: the policy saw the world as it was after so many steps. */
  readonly step: number;
  /** Steps until the answer was there: `arrivalStep − step`. Absent where the episode ended before. */
  readonly delaySteps?: number;
  readonly arrivalStep?: number;
  /** What the observation took to make, which is not in the episode's time: on a robot the cameras do that. */
  readonly observeMs: number;
  readonly askedMs: number;
  /** Absent where the policy failed. */
  readonly answeredMs?: number;
  /** The policy's own stages, by the clock where it runs. */
  readonly timing: Timing;
  /** Where the policy is far away: what the way took; and the time at the server, where it was told later. */
  readonly travel?: Omit<Travel, "previous"> & { readonly residenceMs?: number };
  /** Rows of the answer: those that were executed, and those that came too late for their steps. */
  readonly rows: number;
  readonly executedRows: number;
  readonly staleRows: number;
  /** Steps that repeated an action until the answer came: as a rule, or because the chunk before had ended. */
  readonly heldSteps: number;
  readonly exhaustedSteps: number;
}

type Draft = { -readonly [Key in keyof EpisodeRequest]: EpisodeRequest[Key] };

type Outcome = { readonly chunk: ActionChunk } | { readonly error: unknown };

interface ConversationParts {
  readonly environment: Environment;
  /** Of the episode. */
  readonly seed: number;
  readonly policy: Policy;
  readonly clock: EpisodeClock;
  readonly signal: AbortSignal;
  readonly pace: Pace;
}

/** The questions of an episode, one at a time, and their answers at the step where they are due. */
export class Conversation {
  readonly requests: Draft[] = [];
  readonly #parts: ConversationParts;
  #answer: Promise<void> | undefined;
  #outcome: Outcome | undefined;
  #delaySteps = 0;

  constructor(parts: ConversationParts) {
    this.#parts = parts;
  }

  /** The last question. */
  get last(): Draft {
    return this.requests.at(-1)!;
  }

  /** Asks. In the fast pace the world stands still until the answer is known, which is taken when it is due. */
  async ask(step: number): Promise<void> {
    const { environment, seed, policy, clock, signal, pace } = this.#parts;
    const drawn = policy.looks !== false;
    const { result: seen, tookMs: observeMs } = clock.standStill(() => environment.observe({ drawn }));
    // A flow model would start from the noise that is next where it runs, which depends on whom it answered before.
    const observation = { ...seen, seed: (seed + step) % 2 ** 32 };
    const askedMs = clock.now();
    this.requests.push({
      step,
      observeMs,
      askedMs,
      timing: {},
      rows: 0,
      executedRows: 0,
      staleRows: 0,
      heldSteps: 0,
      exhaustedSteps: 0,
    });
    const settle = (outcome: Outcome) => {
      const answeredMs = clock.now();
      const delayMs = pace.kind === "fast" ? pace.delayMs : answeredMs - askedMs;
      this.#delaySteps = delayStepsOf(delayMs, environment.controlHz);
      this.#outcome = outcome;
      if ("chunk" in outcome) this.#write(outcome.chunk, answeredMs);
    };
    this.#answer = policy.infer(observation, signal).then((chunk) => settle({ chunk }), (error) => settle({ error }));
    if (pace.kind === "fast") await this.#answer;
  }

  #write({ timing, travel, actionHorizon }: ActionChunk, answeredMs: number): void {
    Object.assign(this.last, { answeredMs, timing, rows: actionHorizon });
    if (travel === undefined) return;
    const { previous, ...way } = travel;
    this.last.travel = way;
    // In the first answer of an episode the server tells of an earlier one.
    const before = this.requests.at(-2);
    if (before?.travel === undefined) return;
    if (previous.residenceMs !== undefined) before.travel = { ...before.travel, residenceMs: previous.residenceMs };
    if (previous.encodeMs !== undefined) before.timing = { ...before.timing, encode: previous.encodeMs };
  }

  /**
   * The answer, once, where it is here at this step; undefined where it is not, or nothing was asked.
   *
   * @throws what the policy threw; {@linkcode RangeError} where it acts for another kind of robot.
   */
  takeAnswer(step: number): { readonly chunk: ActionChunk; readonly delaySteps: number } | undefined {
    if (this.#outcome === undefined || step < this.last.step + this.#delaySteps) return undefined;
    const outcome = this.#outcome;
    this.#outcome = undefined;
    if ("error" in outcome) throw outcome.error;
    requireActionDim(outcome.chunk, this.#parts.environment);
    const delaySteps = step - this.last.step;
    Object.assign(this.last, { delaySteps, arrivalStep: step });
    return { chunk: outcome.chunk, delaySteps };
  }

  /** Waits for an answer that comes too late for the episode: cut short, it would cost a far policy its connection. */
  async end(): Promise<void> {
    await this.#answer;
  }
}

function requireActionDim({ actionDim }: ActionChunk, environment: Environment): void {
  if (actionDim === environment.actionDim) return;
  throw new RangeError(
    `Cannot execute actions of ${actionDim} numbers: ${environment.task} takes ${environment.actionDim}; ` +
      "use a policy of that robot",
  );
}
