/**
 * What `pi0 eval` has played, as it comes, so that the same command goes on where it was stopped.
 *
 * @module
 */

import type { EpisodeOutcome } from "../measure/evaluation.ts";
import { journalPath, openJournal, readJournal } from "../report/journal.ts";

type EvalEvent =
  | {
    readonly event: "run";
    readonly startedAt: string;
    readonly command: readonly string[];
    /** Everything that an episode's course depends on, as JSON. */
    readonly plan: string;
  }
  | ({ readonly event: "episode" } & EpisodeOutcome);

export interface EvalJournal extends Disposable {
  /** When the evaluation was begun. */
  readonly startedAt: string;
  /** Episodes that earlier runs of the same command have played. */
  readonly finished: readonly EpisodeOutcome[];
  append(outcome: EpisodeOutcome): void;
  /** Removes it: the results are written. */
  discard(): void;
}

/**
 * Opens the journal beside the results, or none where there will be no results.
 *
 * @param plan everything that an episode's course depends on. @param force begin anew where the journal is of another plan.
 * @throws {Error} where it is of another plan, or cannot be written.
 */
export async function openEvalJournal(
  out: string | undefined,
  { plan, command, force }: {
    readonly plan: Readonly<Record<string, unknown>>;
    readonly command: readonly string[];
    readonly force: boolean;
  },
): Promise<EvalJournal> {
  const startedAt = new Date().toISOString();
  if (out === undefined) {
    return { startedAt, finished: [], append() {}, discard() {}, [Symbol.dispose]() {} };
  }
  const text = JSON.stringify(plan);
  let events = await readJournal(out) as EvalEvent[];
  const head = events[0];
  const mine = head === undefined || (head.event === "run" && head.plan === text);
  if (!mine) {
    if (!force) {
      const typed = head.event === "run" ? `pi0 ${head.command.join(" ")}` : "another program";
      throw new Error(
        `Cannot go on with "${journalPath(out)}": it was left by another evaluation (${typed}); ` +
          "type that command, choose another --out, or begin anew with --force",
      );
    }
    await Deno.remove(journalPath(out));
    events = [];
  }
  const journal = openJournal<EvalEvent>(out);
  const begun = events[0]?.event === "run" ? events[0].startedAt : startedAt;
  if (events.length === 0) journal.append({ event: "run", startedAt, command, plan: text });
  return {
    startedAt: begun,
    finished: events.flatMap((one) => {
      if (one.event === "run") return [];
      const { event: _, ...outcome } = one;
      return [outcome];
    }),
    append: (outcome) => journal.append({ event: "episode", ...outcome }),
    discard: () => journal.discard(),
    [Symbol.dispose]: () => journal[Symbol.dispose](),
  };
}

/** @throws {Error} where there are results already. */
export async function refuseExisting(out: string): Promise<void> {
  try {
    await Deno.stat(out);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  throw new Error(`Cannot write results to "${out}": it is there already; choose another file, or type --force`);
}
