/**
 * The text around a run: where a command writes, and the progress line. Commands get a {@linkcode Terminal} passed in;
 * nothing else in the program writes to standard output or standard error.
 *
 * @module
 */
import type { Clock } from "../clock.ts";

/** Where a command writes, and what is known about the place. */
export interface Terminal {
  /** Writes results, all of the text before it returns. @throws {BrokenPipe} when nobody reads any more. */
  stdout(text: string): void;
  /** Writes everything that is no result. Lost without an error when nobody reads any more. */
  stderr(text: string): void;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  /** Whether text on stdout may have colours. */
  readonly color: boolean;
  /** Width of the window at this moment. */
  readonly columns: number;
}

/** The reader of stdout has gone, as `head` does: no failure, but there is nothing left to do. */
export class BrokenPipe extends Error {
  override readonly name = "BrokenPipe";
}

/** What {@linkcode systemTerminal} needs of `Deno.stdout` and `Deno.stderr`. */
export interface TextSink {
  /** Writes as many bytes as fit at once and returns their number. */
  writeSync(bytes: Uint8Array): number;
  isTerminal(): boolean;
}

/** Width that is assumed where there is no window to ask. */
const DEFAULT_COLUMNS = 80;

/**
 * The terminal that the program was started in.
 *
 * @param env reads an environment variable; `NO_COLOR`, set and not empty, turns colours off (no-color.org).
 */
export function systemTerminal(
  env: (name: string) => string | undefined,
  stdout: TextSink = Deno.stdout,
  stderr: TextSink = Deno.stderr,
): Terminal {
  const stdoutIsTerminal = stdout.isTerminal();
  return {
    stdout(text) {
      try {
        writeAll(stdout, text);
      } catch (error) {
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
        throw new BrokenPipe("Cannot write to stdout: its reader has gone", { cause: error });
      }
    },
    stderr(text) {
      try {
        writeAll(stderr, text);
      } catch (error) {
        // There is no place left to complain in, and the result on stdout may still be wanted.
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      }
    },
    stdoutIsTerminal,
    stderrIsTerminal: stderr.isTerminal(),
    color: stdoutIsTerminal && !env("NO_COLOR"),
    get columns() {
      try {
        return Deno.consoleSize().columns || DEFAULT_COLUMNS; // 0 in windows that do not know their size
      } catch {
        return DEFAULT_COLUMNS; // Deno throws where no stream is a terminal.
      }
    },
  };
}

/** Writes the whole text although a pipe may take only a part of it at a time. */
function writeAll(sink: TextSink, text: string): void {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(sink.writeSync(rest));
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      // The program that started this one made the pipe non-blocking, and it is full. Results must not be cut, so wait.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** One line on stderr that tells how far a run is. */
export interface Progress {
  /** Shows the line. `total` is the number of steps, in any unit. */
  start(total: number, label: string): void;
  /** Says that `done` steps of the total are over; drawn at most every 100 ms. */
  advance(done: number, note?: string): void;
  /** Clears the line, so that other text can be written. */
  end(): void;
}

const REDRAW_MS = 100;
const BAR_COLUMNS = 24;

/** Back to the first column, then erase the line (ECMA-48 "erase in line"). */
const CLEAR_LINE = "\r\x1b[2K";

/** A progress line that stays silent when `quiet` is set or stderr is no terminal. */
export function createProgress(terminal: Terminal, clock: Clock, { quiet }: { readonly quiet: boolean }): Progress {
  if (quiet || !terminal.stderrIsTerminal) return { start() {}, advance() {}, end() {} };
  let run: { total: number; label: string; drawnAtMs: number } | undefined;
  const draw = (total: number, label: string, done: number, note: string) => {
    const line = progressLine(total, label, done, note);
    // A full last column would make some terminals wrap, and a wrapped line cannot be cleared.
    terminal.stderr(CLEAR_LINE + [...line].slice(0, terminal.columns - 1).join(""));
  };
  return {
    start(total, label) {
      run = { total, label, drawnAtMs: clock.now() };
      draw(total, label, 0, "");
    },
    advance(done, note = "") {
      if (run === undefined || clock.now() - run.drawnAtMs < REDRAW_MS) return;
      run.drawnAtMs = clock.now();
      draw(run.total, run.label, done, note);
    },
    end() {
      if (run === undefined) return;
      run = undefined;
      terminal.stderr(CLEAR_LINE);
    },
  };
}

function progressLine(total: number, label: string, done: number, note: string): string {
  const share = total > 0 ? Math.min(1, Math.max(0, done / total)) : 0;
  const filled = Math.floor(share * BAR_COLUMNS);
  const bar = "#".repeat(filled) + "-".repeat(BAR_COLUMNS - filled);
  return `${label} [${bar}] ${done}/${total} ${note}`.replace(/\s+/g, " ").trim();
}
