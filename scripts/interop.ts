/**
 * Holds pi0 to what it promises others: unmodified openpi clients against `pi0 serve`, also in front of another server;
 * `pi0 bench` against a server of openpi's protocol; PROTOCOL.md's examples; and a client written from it alone.
 *
 *     deno task interop
 *
 * Prints a line per check and `N passed, N failed, N skipped` at the end. Without Python there is nothing to check
 * against, and that counts as one skipped.
 *
 * @module
 */

import assert from "node:assert/strict";
import { sleep, systemClock } from "../src/clock.ts";
import { runProgram, type Server, startServer } from "../tests/support/program.ts";
import { findPython } from "./python_server.ts";

/** For everything that one child does. */
const CHILD_LIMIT_MS = 120_000;
const TOKEN = "open-sesame";

const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
const pathOf = (name: string) => decodeURIComponent(new URL(name, import.meta.url).pathname);
const portOf = (url: string) => new URL(url.replace(/^\w+:/, "http:")).port;

let passed = 0;
let failed = 0;

function count(what: string, failure?: string): void {
  if (failure === undefined) passed++;
  else failed++;
  print(failure === undefined ? `ok ${what}` : `FAILED ${what}: ${failure.trim().replaceAll("\n", " / ")}`);
}

async function check(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    count(what);
  } catch (error) {
    count(what, error instanceof Error ? error.message : String(error));
  }
}

const found = await findPython();
if ("reason" in found) {
  print(`skipped: ${found.reason}`);
  print("0 passed, 0 failed, 1 skipped");
  Deno.exit(0);
}
const python = found.path;

/** A child whose lines are read as they come, and which does not outlive its limit or the block that holds it. */
class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #stderr: Promise<string>;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly lines: AsyncIterableIterator<string>;

  constructor(script: string, args: readonly string[]) {
    this.#process = new Deno.Command(python, {
      args: [pathOf(script), ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#stdin = this.#process.stdin.getWriter();
    this.#stderr = new Response(this.#process.stderr).text();
    this.#timer = setTimeout(() => this.#kill(), CHILD_LIMIT_MS);
    this.lines = linesOf(this.#process.stdout);
  }

  async say(line: string): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(line + "\n"));
  }

  /** Waits for the end. @returns why it was no good one, or undefined. */
  async failure(): Promise<string | undefined> {
    const { success, code, signal } = await this.#process.status;
    if (success) return undefined;
    const last = (await this.#stderr).trim().split("\n").at(-1);
    return signal === null ? `exit code ${code}: ${last}` : `killed after ${CHILD_LIMIT_MS} ms`;
  }

  #kill(): void {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill();
    clearTimeout(this.#timer);
    // Its pipes close with it; a write that was under way has nobody to tell.
    await this.#stdin.close().catch(() => undefined);
    await this.#stderr;
    await this.#process.status;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncIterableIterator<string> {
  let text = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)) {
    const lines = (text + part).split("\n");
    text = lines.pop()!;
    yield* lines;
  }
  if (text !== "") yield text;
}

/**
 * Runs a scenario of interop_client.py against a portal, and counts its checks.
 *
 * @param actions what the scenario may ask for.
 */
async function runClient(
  title: string,
  scenario: string,
  url: string,
  { args = [], actions = {} }: { args?: readonly string[]; actions?: Record<string, () => Promise<void>> } = {},
): Promise<void> {
  await using child = new Child("interop_client.py", [scenario, portOf(url), ...args]);
  let checks = 0;
  for await (const line of child.lines) {
    const [verdict, what, why = "no reason given"] = line.split("\t");
    if (verdict === "ok" || verdict === "FAILED") {
      checks++;
      count(`${title}: ${what}`, verdict === "ok" ? undefined : why);
    } else if (line.startsWith("> ")) {
      await actions[line.slice(2)]!();
      await child.say("done");
    } else {
      print(`  ${line}`);
    }
  }
  const failure = await child.failure();
  if (failure !== undefined) count(`${title}, ${scenario}`, failure);
  else if (checks === 0) count(`${title}, ${scenario}`, "it checked nothing");
}

/** Starts openpi_server.py. */
async function startOpenpi(args: readonly string[] = []): Promise<{ url: string } & AsyncDisposable> {
  const child = new Child("openpi_server.py", args);
  const { value } = await child.lines.next();
  if (value === undefined) throw new Error(`openpi_server.py did not start: ${await child.failure()}`);
  const { port } = JSON.parse(value) as { port: number };
  return { url: `ws://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
}

async function checkOpenpiClients(): Promise<void> {
  await using open = await startServer();
  await runClient("openpi's client", "aloha", open.portals.ws!);
  await runClient("openpi's client", "error", open.portals.ws!);
  await using closed = await startServer(["--token", TOKEN]);
  await runClient("openpi's client, server with a token", "aloha", closed.portals.ws!, { args: ["--token", TOKEN] });
  await runClient("openpi's client, server with a token", "token", closed.portals.ws!);
  for (const robot of ["droid", "libero"]) {
    await using server = await startServer(["--robot", robot]);
    await runClient("openpi's client", robot, server.portals.ws!);
  }
}

async function checkForwarding(): Promise<void> {
  let upstream = await startServer();
  const url = upstream.portals.tcp!;
  const kill = async () => void await upstream.stop("SIGKILL");
  const start = async (args: readonly string[] = []) => {
    upstream = await startServer(["--tcp-port", portOf(url), ...args]);
  };
  try {
    await using forwarder = await startServer(["--policy", url]);
    const actions = {
      "kill": kill,
      "start": () => start(),
      "start slow": () => start(["--null-delay-ms", "60000"]),
      async "kill while it computes"() {
        await awaitSession(upstream);
        // The session stands; the request itself is milliseconds behind.
        await sleep(systemClock, 500);
        await kill();
      },
    };
    await runClient("openpi's client, forwarded to tcp", "upstream", forwarder.portals.ws!, { actions });
    await runClient("openpi's client, forwarded to tcp", "aloha", forwarder.portals.ws!);
  } finally {
    await upstream[Symbol.asyncDispose]();
  }
}

/** Waits until the forwarder has connected to its upstream again. */
async function awaitSession(upstream: Server): Promise<void> {
  const metrics = new URL("/metrics", upstream.portals.http!);
  for (let attempt = 0; attempt < 200; attempt++) {
    const text = await (await fetch(metrics)).text();
    if (text.includes('pi0_sessions{transport="tcp"} 1')) return;
    await sleep(systemClock, 50);
  }
  throw new Error("The forwarder did not connect to its upstream again");
}

async function checkForwardingToOpenpi(): Promise<void> {
  await using openpi = await startOpenpi(["--token", TOKEN]);
  await using forwarder = await startServer(["--policy", openpi.url, "--openpi", "--upstream-token", TOKEN]);
  const args = ["--metadata", JSON.stringify({ reset_pose: [0, -1.5, 1.5, 0, 0, 0] })];
  await runClient("openpi's client, forwarded to openpi", "aloha", forwarder.portals.ws!, { args });
}

interface BenchSummary {
  readonly count: number;
  readonly errors: number;
  readonly decomposition: { readonly inferMs?: number; readonly networkMs?: number };
}

async function checkBench(): Promise<void> {
  const bench = async (url: string, args: readonly string[] = []) => {
    const program = ["bench", "--openpi", "--url", url, "-n", "30", "--rounds", "2", "--json", "--quiet", ...args];
    const { code, stdout, stderr } = await runProgram(program);
    assert.equal(code, 0, stderr);
    const { summaries } = JSON.parse(stdout) as { summaries: [BenchSummary] };
    assert.deepEqual([summaries[0].count, summaries[0].errors], [30, 0], "not every request was answered");
    return summaries[0].decomposition;
  };
  await using open = await startOpenpi();
  await check("pi0 bench, openpi's server: all answered, server_timing.infer_ms read", async () => {
    assert.equal(typeof (await bench(open.url)).inferMs, "number");
  });
  await check("pi0 bench, openpi's server: prev_total_ms, which counts pauses, is not taken for its time", async () => {
    assert.equal((await bench(open.url, ["--hz", "50"])).networkMs, undefined);
  });
  for (const robot of ["droid", "libero"]) {
    await check(`pi0 bench, openpi's server: ${robot}, all answered`, async () => {
      await bench(open.url, ["--robot", robot]);
    });
  }
  await using closed = await startOpenpi(["--token", TOKEN]);
  await check("pi0 bench, openpi's server with a token: all answered", async () => {
    await bench(closed.url, ["--token", TOKEN]);
  });
  await check("pi0 bench, openpi's server with a token: a wrong one is refused and told", async () => {
    const { code, stderr } = await runProgram(["bench", "--openpi", "--url", closed.url, "--token", "wrong"]);
    assert.equal(code, 1);
    assert.match(stderr, /401/);
  });
}

async function checkTcpClient(): Promise<void> {
  const run = async (server: Server, args: readonly string[] = []) => {
    await using child = new Child("tcp_client.py", ["127.0.0.1", portOf(server.portals.tcp!), ...args]);
    const lines = (await Array.fromAsync(child.lines)).map((line) => line.replace(/ inference_ms \d\S*$/, " in time"));
    return { lines, failure: await child.failure() };
  };
  const answered = "action (50, 14) in time";
  const expected = { lines: [answered, "error wrong_shape", answered], failure: undefined };
  await using open = await startServer();
  await check("tcp_client.py: actions, a typed error, actions again", async () => {
    assert.deepEqual(await run(open), expected);
  });
  await using closed = await startServer(["--token", TOKEN]);
  await check("tcp_client.py with a token: actions, a typed error, actions again", async () => {
    assert.deepEqual(await run(closed, ["--token", TOKEN]), expected);
  });
  for (const args of [[], ["--token", "wrong"]]) {
    await check(`tcp_client.py with ${args[1] ?? "no"} token: refused`, async () => {
      const { lines, failure } = await run(closed, args);
      assert.deepEqual(lines, []);
      assert.match(failure ?? "it was let in", /unauthorized/);
    });
  }
}

/** Sends PROTOCOL.md's example requests, and compares the replies with those that stand there. */
async function checkExamples(): Promise<void> {
  const page = await Deno.readTextFile(pathOf("../src/wire/PROTOCOL.md"));
  const blocks = [...page.matchAll(/^```hex\n(.*?)^```$/gms)].map(([, text]) => text!.replace(/#.*$|\s/gm, ""));
  await using server = await startServer(["--action-horizon", "1"]);
  for (const [i, dialect] of ["robodal", "openpi"].entries()) {
    await check(`PROTOCOL.md's example in ${dialect}'s dialect gets the reply that stands there`, async () => {
      const [request, reply] = blocks.slice(2 * i, 2 * i + 2);
      assert.ok(request !== undefined && reply !== undefined, "no such example");
      const answer = await exchange(Number(portOf(server.portals.tcp!)), Uint8Array.fromHex(request));
      assert.equal(withoutTimes(answer.toHex()), withoutTimes(reply));
    });
  }
}

/** A message and its reply, on a tcp portal and a connection of their own. */
async function exchange(port: number, message: Uint8Array): Promise<Uint8Array> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const timer = setTimeout(() => connection.close(), CHILD_LIMIT_MS);
  const frame = new Uint8Array(4 + message.length);
  new DataView(frame.buffer).setUint32(0, message.length);
  frame.set(message, 4);
  await connection.write(frame);
  const reply = new Uint8Array(64 * 1024);
  let end = 0;
  while (end < 4 || end < 4 + new DataView(reply.buffer).getUint32(0)) {
    const read = await connection.read(reply.subarray(end));
    if (read === null) throw new Error("The server closed the connection");
    end += read;
  }
  clearTimeout(timer);
  return reply.subarray(4, end);
}

/** Blanks the float64 behind `infer_ms` and `inference_ms`, which differ from run to run. */
function withoutTimes(hex: string): string {
  return hex.replaceAll(/(696e666572(?:656e6365)?5f6d73cb)[0-9a-f]{16}/g, "$1…");
}

const parts = {
  checkOpenpiClients,
  checkForwarding,
  checkForwardingToOpenpi,
  checkBench,
  checkTcpClient,
  checkExamples,
};
for (const [name, part] of Object.entries(parts)) {
  // Checks count their failures themselves; what comes here is a server that did not start.
  await part().catch((error) => count(name, String(error)));
}
print(`${passed} passed, ${failed} failed, 0 skipped`);
Deno.exit(failed === 0 ? 0 : 1);
