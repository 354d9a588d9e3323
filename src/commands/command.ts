/**
 * What a command is, and what it is given.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import type { CommandDescription } from "./help.ts";
import type { OptionTable, OptionValues } from "./options.ts";
import type { Terminal } from "./terminal.ts";

/** The world outside, as a command sees it. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly env: (name: string) => string | undefined;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  /** Version of the program. */
  readonly version: string;
  /** What was typed after the command's name. */
  readonly argv: readonly string[];
}

export interface Command<Table extends OptionTable = OptionTable> extends CommandDescription {
  readonly options: Table;
  /** Resolves to the exit code. */
  run(options: OptionValues<Table>, context: CommandContext): Promise<number>;
}

/** Gives a command's `run` the type of its own options. */
export function defineCommand<const Table extends OptionTable>(command: Command<Table>): Command<Table> {
  return command;
}
