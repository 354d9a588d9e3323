/**
 * Which row of which chunk a robot executes at each step, and when the policy is asked again. Pure: it counts steps and
 * knows neither a clock nor a world.
 *
 * A request made at step t whose answer takes d steps is here at step t + d. Meanwhile the world goes on:
 *
 * - `hold` executes `replanSteps` rows, asks, repeats the last action d times, and goes on with row 0 of the new chunk.
 * - `continue` executes `replanSteps` rows, asks, goes on with the old chunk, and d steps later with row d of the new
 *   one: rows 0 to d − 1 were meant for steps that are over (stale). Where the old chunk ends before, the last action is
 *   repeated (exhausted).
 *
 * The first chunk is waited for in the start pose, and executed from row 0, in both.
 *
 * @module
 */

export const WHILE_WAITING = ["hold", "continue"] as const;
/** What a robot does while it waits for a chunk. */
export type WhileWaiting = typeof WHILE_WAITING[number];

/** Why a step repeats the last action: a chunk is waited for, or the old one has no rows left. */
export type Held = "waiting" | "exhausted";

/** What a step executes: a row of the chunk that answers a request (both counted from 0), or the last action again. */
export type Move = { readonly request: number; readonly row: number } | { readonly held: Held };

export interface ChunkingRules {
  /** Rows executed before the policy is asked again; fewer where the chunk has fewer. At least 1. */
  readonly replanSteps: number;
  readonly whileWaiting: WhileWaiting;
}

interface Chunk {
  readonly request: number;
  readonly rows: number;
  nextRow: number;
  executed: number;
}

/**
 * One episode's chunks. At each step: {@linkcode arrive} where an answer has come, {@linkcode ask} where
 * {@linkcode asks} says so, then {@linkcode next}.
 */
export class Chunking {
  readonly #rules: ChunkingRules;
  #requests = 0;
  #waiting = false;
  #chunk: Chunk | undefined;

  constructor(rules: ChunkingRules) {
    this.#rules = rules;
  }

  /** Whether the policy is to be asked now. */
  get asks(): boolean {
    if (this.#waiting) return false;
    if (this.#chunk === undefined) return true;
    const { executed, nextRow, rows } = this.#chunk;
    return executed === this.#rules.replanSteps || nextRow === rows;
  }

  /** A request is made at this step. @returns its number. */
  ask(): number {
    if (this.#waiting) throw new Error("Cannot ask twice at once: the answer to the first request has not come");
    this.#waiting = true;
    return this.#requests++;
  }

  /**
   * The answer to the last request is here, before this step executes anything.
   *
   * @param delaySteps steps since the request. @param rows of the chunk, at least 1.
   * @returns the row that is executed first: as many rows are stale. Equal to `rows` where all of them are.
   */
  arrive(delaySteps: number, rows: number): number {
    if (!this.#waiting) throw new Error("Cannot take an answer: nothing was asked");
    this.#waiting = false;
    const first = this.#chunk === undefined || this.#rules.whileWaiting === "hold" ? 0 : Math.min(delaySteps, rows);
    this.#chunk = { request: this.#requests - 1, rows, nextRow: first, executed: 0 };
    return first;
  }

  /** What this step executes. */
  next(): Move {
    if (this.asks) throw new Error("Cannot go on: the policy has to be asked first");
    const chunk = this.#chunk;
    if (chunk === undefined) return { held: "waiting" };
    if (this.#waiting && this.#rules.whileWaiting === "hold") return { held: "waiting" };
    if (chunk.nextRow === chunk.rows) return { held: "exhausted" };
    chunk.executed++;
    return { request: chunk.request, row: chunk.nextRow++ };
  }
}

/** Control steps that a delay takes: a step that has begun is over. */
export function delayStepsOf(delayMs: number, controlHz: number): number {
  // 60 ms × 50 Hz is 3 steps, and no rounding error shall make it 4.
  return Math.max(0, Math.ceil(delayMs * controlHz / 1000 - 1e-9));
}
