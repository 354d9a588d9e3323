/**
 * The program in this process, and what a test of a command puts around it: a folder of its own, a server to reach.
 *
 * @module
 */

import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import { runProgram } from "../../src/commands/mod.ts";
import { UsageError } from "../../src/errors.ts";
import { listenTcp } from "../../src/transport/tcp.ts";
import type { Policy } from "../../src/types.ts";
import type { Outcome } from "./program.ts";
import { tinyService } from "./tiny.ts";

interface Around {
  /** Ctrl-C. */
  readonly signal?: AbortSignal;
  /** Where set, stderr is a terminal, and this hears what is written there. */
  readonly onStderr?: (text: string) => void;
  /** Hears what is written to stdout. */
  readonly onStdout?: (text: string) => void;
}

/** Runs a command to its end, and shows an error as main.ts would. */
export async function runHere(argv: readonly string[], { signal, onStderr, onStdout }: Around = {}): Promise<Outcome> {
  let stdout = "";
  let stderr = "";
  const terminal = {
    stdout: (text: string) => {
      stdout += text;
      onStdout?.(text);
    },
    stderr: (text: string) => {
      stderr += text;
      onStderr?.(text);
    },
    stdoutIsTerminal: false,
    stderrIsTerminal: onStderr !== undefined,
    color: false,
    columns: 120,
  };
  // A data folder that is not there: nothing that is installed on this machine takes part.
  const env = (name: string) => name === "PI0_HOME" ? "/nowhere" : undefined;
  const world = { terminal, clock: systemClock, env, signal: signal ?? new AbortController().signal };
  try {
    return { code: await runProgram(argv, world), stdout, stderr };
  } catch (error) {
    assert.ok(error instanceof Error);
    return { code: error instanceof UsageError ? 2 : 1, stdout, stderr: `${stderr}pi0: ${error.message}\n` };
  }
}

/** Runs a test in a folder of its own. */
export async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What lies in a folder, sorted: a folder in it is one name. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).toSorted();
}

/** A server over TCP on a free port, with a policy for ALOHA. */
export function serveTiny(policy: Policy): AsyncDisposable & { readonly url: string; close(): Promise<void> } {
  const service = tinyService(policy, { clock: systemClock });
  service.start();
  const limits = { maxMessageBytes: 4_000_000, maxConnections: 8, messageMs: 5000, idleMs: 60_000 };
  const listener = listenTcp(service, { hostname: "127.0.0.1", port: 0, clock: systemClock, limits });
  let closed: Promise<void> | undefined;
  const close = () => closed ??= listener.close(0);
  return { url: `tcp://127.0.0.1:${listener.port}`, close, [Symbol.asyncDispose]: close };
}

/** An address of this machine where nobody listens. */
export function deadUrl(): string {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return `tcp://127.0.0.1:${port}`;
}
