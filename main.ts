/**
 * pi0: the program. Runs one command; the only place that prints an error and exits.
 *
 * @module
 */

import { systemClock } from "./src/clock.ts";
import { runProgram } from "./src/commands/mod.ts";
import { BrokenPipe, systemTerminal } from "./src/commands/terminal.ts";
import { UsageError } from "./src/errors.ts";

async function main(): Promise<number> {
  const env = (name: string) => Deno.env.get(name);
  const terminal = systemTerminal(env);
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      // Asked twice: whoever waits for an orderly end waits no longer.
      if (stop.signal.aborted) Deno.exit(1);
      stop.abort(new Error(`Stopped by ${signal}`));
    });
  }
  try {
    return await runProgram(Deno.args, { terminal, clock: systemClock, env, signal: stop.signal });
  } catch (error) {
    if (error instanceof BrokenPipe) return 0;
    terminal.stderr(`pi0: ${error instanceof Error ? error.message : error}\n`);
    if (env("PI0_DEBUG") && error instanceof Error) terminal.stderr(`${error.stack}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

Deno.exit(await main());
