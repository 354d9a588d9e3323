/**
 * The program as a user runs it: as a child process of this one, from source or as a compiled binary.
 *
 * @module
 */

/** How long a server may take to be ready, and a command to end. */
const LIMIT_MS = 60_000;

/** How to start pi0: the words before its own arguments. */
export type Program = readonly [command: string, ...words: string[]];

/** This checkout's main.ts, on the Deno that runs now (never through npx, whose child outlives it). */
export const SOURCE: Program = [
  Deno.execPath(),
  "run",
  "-A",
  decodeURIComponent(new URL("../../main.ts", import.meta.url).pathname),
];

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export async function runProgram(
  args: readonly string[],
  { program = SOURCE, env = {}, cwd }: { program?: Program; env?: Record<string, string>; cwd?: string } = {},
): Promise<Outcome> {
  const [command, ...words] = program;
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...words, ...args],
    env,
    stdin: "null",
    signal: AbortSignal.timeout(LIMIT_MS),
    ...(cwd === undefined ? {} : { cwd }),
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

export interface Server extends AsyncDisposable {
  readonly pid: number;
  /** The whole ready line. */
  readonly ready: { readonly portals: Readonly<Record<string, string>> } & Readonly<Record<string, unknown>>;
  /** URL by transport. */
  readonly portals: Readonly<Record<string, string>>;
  /** Sends a signal; SIGTERM stops it in order, SIGKILL as a crash would. Resolves to its exit code. */
  stop(signal?: Deno.Signal): Promise<number>;
}

/**
 * Starts `pi0 serve` on free ports and waits until it is ready.
 *
 * @param args further options; `--port` and its like replace the free ports, `--policy` the null policy.
 */
export async function startServer(
  args: readonly string[] = [],
  { program = SOURCE, env = {}, cwd }: { program?: Program; env?: Record<string, string>; cwd?: string } = {},
): Promise<Server> {
  const [command, ...words] = program;
  // A server of a test does not touch what the user's own keeps.
  const home = env.PI0_HOME === undefined ? await Deno.makeTempDir({ prefix: "pi0-home-" }) : undefined;
  const ports = ["port", "tcp-port", "quic-port", "quic-tcp-port"].flatMap((name) =>
    args.includes(`--${name}`) ? [] : [`--${name}`, "0"]
  );
  const policy = args.includes("--policy") ? [] : ["--policy", "null"];
  const child = new Deno.Command(command, {
    args: [...words, "serve", "--json", "--quiet", ...ports, ...policy, ...args],
    env: { ...(home === undefined ? {} : { PI0_HOME: home }), ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    ...(cwd === undefined ? {} : { cwd }),
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`pi0 serve ended before it was ready, with code ${(await child.status).code}`);
    text += value;
  }
  clearTimeout(timer);
  const ready = JSON.parse(text.split("\n")[0]!);
  let stopped: Promise<number> | undefined;
  const stop = (signal: Deno.Signal = "SIGTERM") =>
    stopped ??= (async () => {
      try {
        child.kill(signal);
      } catch {
        // It has ended already: Ctrl-C in a terminal reaches it, too.
      }
      const late = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
      // Reads what is left, so that the pipe closes.
      while (!(await reader.read()).done);
      const { code } = await child.status;
      clearTimeout(late);
      if (home !== undefined) await Deno.remove(home, { recursive: true });
      return code;
    })();
  return {
    pid: child.pid,
    ready,
    portals: ready.portals,
    stop,
    async [Symbol.asyncDispose]() {
      await stop("SIGKILL").catch(() => undefined);
    },
  };
}
