/**
 * Results as they come, one JSON line each, so that a killed benchmark keeps what it measured, and an evaluation goes on
 * where it was stopped.
 *
 * @module
 */

import type { ConnectSample, LatencySample, PingSample } from "../measure/sample.ts";

/** One line of a benchmark's journal. */
export type JournalEvent =
  | { readonly event: "run"; readonly startedAt: string; readonly command: readonly string[] }
  | ({ readonly event: "sample" } & LatencySample)
  | ({ readonly event: "connect" } & ConnectSample)
  | ({ readonly event: "ping" } & PingSample);

/** An open journal. Leaving its scope closes the file and keeps it; {@linkcode discard} removes it. */
export class Journal<Event extends object = JournalEvent> implements Disposable {
  readonly path: string;
  #file: Deno.FsFile | undefined;

  /** See {@linkcode openJournal}. */
  constructor(path: string, file: Deno.FsFile) {
    this.path = path;
    this.#file = file;
  }

  /**
   * Writes one line at once. Synchronous, so that it is with the system before anything can kill the program.
   *
   * @throws {Error} that names the path, where it cannot be written or the journal is closed.
   */
  append(event: Event): void {
    if (this.#file === undefined) throw new Error(`Cannot write to "${this.path}": the journal is closed`);
    let rest = new TextEncoder().encode(`${JSON.stringify(event)}\n`);
    try {
      while (rest.length > 0) rest = rest.subarray(this.#file.writeSync(rest));
    } catch (cause) {
      throw new Error(`Cannot write to "${this.path}": check that its disk is there and not full`, { cause });
    }
  }

  /**
   * Closes and removes the file, once the final results are written.
   *
   * @throws {Error} that names the path, where it cannot be removed.
   */
  discard(): void {
    this[Symbol.dispose]();
    try {
      Deno.removeSync(this.path);
    } catch (cause) {
      throw new Error(`Cannot remove "${this.path}": remove it by hand, the results are complete`, { cause });
    }
  }

  /** Closes the file and keeps it. */
  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

/**
 * Opens `<outPath>.partial.jsonl`. Lines that a killed run left there stay, and new ones follow them.
 *
 * @param outPath where the final results will be.
 * @throws {Error} that names the path, where it cannot be opened.
 */
export function openJournal<Event extends object = JournalEvent>(outPath: string): Journal<Event> {
  const path = journalPath(outPath);
  try {
    return new Journal(path, Deno.openSync(path, { append: true, create: true }));
  } catch (cause) {
    throw new Error(`Cannot open "${path}": choose a file in a folder that exists and can be written`, { cause });
  }
}

/** Where the journal of results is. */
export function journalPath(outPath: string): string {
  return `${outPath}.partial.jsonl`;
}

/**
 * The events of a journal that a stopped run left behind; none where there is no journal. A last line that the run did
 * not finish does not count, and is cut off, so that the next one does not stick to it.
 *
 * @throws {Error} that names the path, where it cannot be read.
 */
export async function readJournal(outPath: string): Promise<unknown[]> {
  const path = journalPath(outPath);
  try {
    const text = await Deno.readTextFile(path);
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    if (whole.length < text.length) await Deno.truncate(path, new TextEncoder().encode(whole).length);
    return whole.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return [];
    throw new Error(`Cannot read "${path}": remove it to begin anew, or choose another file with --out`, { cause });
  }
}
