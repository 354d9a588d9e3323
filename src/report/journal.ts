/**
 * Results as they come, one JSON line each, so that a killed benchmark keeps what it measured.
 *
 * @module
 */

import type { ConnectSample, LatencySample, PingSample } from "../measure/sample.ts";

/** One line of a journal. */
export type JournalEvent =
  | { readonly event: "run"; readonly startedAt: string; readonly command: readonly string[] }
  | ({ readonly event: "sample" } & LatencySample)
  | ({ readonly event: "connect" } & ConnectSample)
  | ({ readonly event: "ping" } & PingSample);

/** An open journal. Leaving its scope closes the file and keeps it; {@linkcode discard} removes it. */
export class Journal implements Disposable {
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
  append(event: JournalEvent): void {
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
export function openJournal(outPath: string): Journal {
  const path = `${outPath}.partial.jsonl`;
  try {
    return new Journal(path, Deno.openSync(path, { append: true, create: true }));
  } catch (cause) {
    throw new Error(`Cannot open "${path}": choose a file in a folder that exists and can be written`, { cause });
  }
}
