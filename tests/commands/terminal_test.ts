import assert from "node:assert/strict";
import {
  BrokenPipe,
  createProgress,
  systemTerminal,
  type Terminal,
  type TextSink,
} from "../../src/commands/terminal.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** A sink that takes `limit` bytes at a time, or throws what `fail` gives first. */
class FakeSink implements TextSink {
  readonly #bytes: number[] = [];
  readonly #isTerminal: boolean;
  readonly #limit: number;
  readonly #fail: () => Error | undefined;

  constructor({ isTerminal = false, limit = Infinity, fail = (): Error | undefined => undefined } = {}) {
    this.#isTerminal = isTerminal;
    this.#limit = limit;
    this.#fail = fail;
  }

  get text(): string {
    return new TextDecoder().decode(new Uint8Array(this.#bytes));
  }

  isTerminal(): boolean {
    return this.#isTerminal;
  }

  writeSync(bytes: Uint8Array): number {
    const error = this.#fail();
    if (error !== undefined) throw error;
    const taken = bytes.subarray(0, this.#limit);
    this.#bytes.push(...taken);
    return taken.length;
  }
}

const noEnv = () => undefined;

function fakeTerminal(overrides: Partial<Terminal> = {}): Terminal & { readonly written: string[] } {
  const written: string[] = [];
  return {
    stdout: () => assert.fail("progress is no result"),
    stderr: (text) => written.push(text),
    stdoutIsTerminal: false,
    stderrIsTerminal: true,
    color: false,
    columns: 80,
    ...overrides,
    written,
  };
}

const CLEAR = "\r\x1b[2K";

Deno.test("systemTerminal() writes all of a text to a pipe that takes a few bytes at a time", () => {
  const stdout = new FakeSink({ limit: 3 });
  const stderr = new FakeSink({ limit: 1 });
  const terminal = systemTerminal(noEnv, stdout, stderr);
  terminal.stdout("π₀ result\n");
  terminal.stderr("π₀ notice\n");
  assert.equal(stdout.text, "π₀ result\n");
  assert.equal(stderr.text, "π₀ notice\n");
});

Deno.test("systemTerminal() waits for a full non-blocking pipe", () => {
  let calls = 0;
  const fail = () => ++calls % 2 === 1 ? new Deno.errors.WouldBlock("full") : undefined;
  const stdout = new FakeSink({ limit: 4, fail });
  systemTerminal(noEnv, stdout, new FakeSink()).stdout("0123456789");
  assert.equal(stdout.text, "0123456789");
  assert.equal(calls, 6);
});

Deno.test("systemTerminal() turns a broken stdout into BrokenPipe and keeps its cause", () => {
  const cause = new Deno.errors.BrokenPipe("gone");
  const terminal = systemTerminal(noEnv, new FakeSink({ fail: () => cause }), new FakeSink());
  assert.throws(() => terminal.stdout("result"), (error) => error instanceof BrokenPipe && error.cause === cause);
});

Deno.test("systemTerminal() goes on when nobody reads stderr", () => {
  const stdout = new FakeSink();
  const stderr = new FakeSink({ fail: () => new Deno.errors.BrokenPipe("gone") });
  const terminal = systemTerminal(noEnv, stdout, stderr);
  terminal.stderr("notice");
  terminal.stdout("result");
  assert.equal(stdout.text, "result");
});

Deno.test("systemTerminal() passes on every other failure to write", () => {
  const full = new Error("no space left on device");
  const terminal = systemTerminal(noEnv, new FakeSink({ fail: () => full }), new FakeSink({ fail: () => full }));
  assert.throws(() => terminal.stdout("result"), full);
  assert.throws(() => terminal.stderr("notice"), full);
});

Deno.test("systemTerminal() allows colour on a terminal unless NO_COLOR is set and not empty", () => {
  const window = new FakeSink({ isTerminal: true });
  const pipe = new FakeSink();
  const noColor = (value: string) => (name: string) => name === "NO_COLOR" ? value : undefined;
  assert.equal(systemTerminal(noEnv, window, pipe).color, true);
  assert.equal(systemTerminal(noColor(""), window, pipe).color, true);
  assert.equal(systemTerminal(noColor("1"), window, pipe).color, false);
  assert.equal(systemTerminal(noEnv, pipe, window).color, false);
});

Deno.test("systemTerminal() says which stream is a terminal", () => {
  const terminal = systemTerminal(noEnv, new FakeSink(), new FakeSink({ isTerminal: true }));
  assert.equal(terminal.stdoutIsTerminal, false);
  assert.equal(terminal.stderrIsTerminal, true);
});

/** Runs a program that makes a terminal of its own streams, with both of them in pipes. */
function startChild(program: string): Deno.ChildProcess {
  const module = new URL("../../src/commands/terminal.ts", import.meta.url).href;
  const code = `import { BrokenPipe, systemTerminal } from "${module}";
    const terminal = systemTerminal(() => undefined);
    ${program}`;
  return new Deno.Command(Deno.execPath(), { args: ["eval", code], stdin: "null", stdout: "piped", stderr: "piped" })
    .spawn();
}

Deno.test("systemTerminal() writes long results through a real pipe and assumes 80 columns there", async () => {
  const child = startChild(`terminal.stdout("x".repeat(1_000_000)); terminal.stderr(String(terminal.columns));`);
  const { code, stdout, stderr } = await child.output();
  assert.equal(new TextDecoder().decode(stderr), "80");
  assert.equal(stdout.length, 1_000_000);
  assert.equal(code, 0);
});

Deno.test("systemTerminal() throws BrokenPipe when the reader of a real pipe has gone", async () => {
  const child = startChild(`
    try {
      for (;;) terminal.stdout("x".repeat(100_000));
    } catch (error) {
      terminal.stderr(String(error instanceof BrokenPipe));
    }`);
  await child.stdout.cancel();
  assert.equal(await new Response(child.stderr).text(), "true");
  assert.equal((await child.status).code, 0);
});

Deno.test("createProgress() draws the line at the start and clears it at the end", () => {
  const terminal = fakeTerminal();
  const progress = createProgress(terminal, new FakeClock(), { quiet: false });
  progress.start(8, "ws");
  progress.end();
  assert.deepEqual(terminal.written, [`${CLEAR}ws [${"-".repeat(24)}] 0/8`, CLEAR]);
});

Deno.test("createProgress() redraws at most every 100 ms", async () => {
  const terminal = fakeTerminal();
  const clock = new FakeClock();
  const progress = createProgress(terminal, clock, { quiet: false });
  progress.start(4, "ws");
  await clock.advance(99);
  progress.advance(1);
  assert.equal(terminal.written.length, 1);
  await clock.advance(1);
  progress.advance(2, "12 ms");
  progress.advance(3);
  assert.deepEqual(terminal.written.slice(1), [`${CLEAR}ws [${"#".repeat(12)}${"-".repeat(12)}] 2/4 12 ms`]);
  await clock.advance(100);
  progress.advance(4);
  assert.equal(terminal.written.at(-1), `${CLEAR}ws [${"#".repeat(24)}] 4/4`);
});

Deno.test("createProgress() keeps the bar whole for an empty total and for more than all", async () => {
  const terminal = fakeTerminal();
  const clock = new FakeClock();
  const progress = createProgress(terminal, clock, { quiet: false });
  progress.start(0, "ws");
  progress.start(2, "ws");
  await clock.advance(100);
  progress.advance(3);
  assert.deepEqual(terminal.written, [
    `${CLEAR}ws [${"-".repeat(24)}] 0/0`,
    `${CLEAR}ws [${"-".repeat(24)}] 0/2`,
    `${CLEAR}ws [${"#".repeat(24)}] 3/2`,
  ]);
});

Deno.test("createProgress() stays on one line that is narrower than the window", async () => {
  const terminal = fakeTerminal({ columns: 40 });
  const clock = new FakeClock();
  const progress = createProgress(terminal, clock, { quiet: false });
  progress.start(1, "a label\nwith a break");
  await clock.advance(100);
  progress.advance(1, "a long note");
  for (const line of terminal.written) {
    assert.equal(line.length - CLEAR.length, 39);
    assert(line.startsWith(`${CLEAR}a label with a break [`));
  }
});

Deno.test("createProgress() writes nothing outside a run", async () => {
  const terminal = fakeTerminal();
  const clock = new FakeClock();
  const progress = createProgress(terminal, clock, { quiet: false });
  await clock.advance(1000);
  progress.advance(1);
  progress.end();
  assert.deepEqual(terminal.written, []);
  progress.start(1, "ws");
  progress.end();
  await clock.advance(1000);
  progress.advance(1);
  progress.end();
  assert.equal(terminal.written.length, 2);
});

Deno.test("createProgress() never writes when quiet or when stderr is no terminal", async () => {
  for (const [stderrIsTerminal, quiet] of [[true, true], [false, false]] as const) {
    const terminal = fakeTerminal({ stderrIsTerminal });
    const clock = new FakeClock();
    const progress = createProgress(terminal, clock, { quiet });
    progress.start(2, "ws");
    await clock.advance(1000);
    progress.advance(1);
    progress.end();
    assert.deepEqual(terminal.written, []);
  }
});
