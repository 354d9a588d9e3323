/**
 * The program as a user runs it: exit codes, messages, and serve with bench over every transport.
 */

import assert from "node:assert/strict";
import { TRANSPORT_NAMES } from "../src/transport/mod.ts";
import { runProgram, SOURCE, startServer } from "./support/program.ts";

async function refused(args: string[], pattern: RegExp, code = 2): Promise<void> {
  const outcome = await runProgram(args, { env: { NO_COLOR: "1" } });
  assert.match(outcome.stderr, pattern);
  assert.equal(outcome.code, code);
  assert.equal(outcome.stdout, "", "errors do not go to stdout");
  assert.equal(outcome.stderr.trim().split("\n").length, 1, "an error is one line");
  assert.ok(!outcome.stderr.includes("    at "), "no stack trace leaves the program");
}

Deno.test("pi0 --help names every command and its exit codes, on stdout", async () => {
  const { code, stdout, stderr } = await runProgram(["--help"]);
  assert.equal(code, 0);
  assert.match(stdout, /\n {2}serve .*\n {2}bench .*\n {2}link /);
  assert.match(stdout, /0 success/);
  assert.equal(stderr, "");
});

Deno.test("pi0 without a command shows the help on stderr and exits with 2", async () => {
  const { code, stdout, stderr } = await runProgram([]);
  assert.equal(code, 2);
  assert.equal(stdout, "");
  assert.match(stderr, /Usage: pi0 COMMAND/);
});

Deno.test("pi0 --version says the version of the program and of its runtime", async () => {
  const { stdout } = await runProgram(["--version"]);
  assert.match(stdout, /^pi0 \d+\.\d+\.\d+ \(Deno \d+\.\d+\.\d+, V8 /);
});

Deno.test("every command explains itself with examples", async () => {
  const commands = [
    "serve",
    "bench",
    "link",
    "sim",
    "sim render",
    "eval",
    "record",
    "infer",
    "export",
    "inspect",
    "assets",
  ];
  for (const command of commands) {
    const { code, stdout } = await runProgram([...command.split(" "), "--help"]);
    assert.equal(code, 0);
    assert.match(stdout, /Examples/);
    assert.ok(!stdout.includes("undefined"));
  }
});

Deno.test("a misspelled command is refused with the nearest name", () => refused(["benhc"], /did you mean bench/));

Deno.test("a misspelled second word of a command is refused with the nearest name", () =>
  refused(["sim", "rendr"], /Unknown command sim rendr: did you mean sim render/));

Deno.test("a misspelled flag is refused with the nearest name", () =>
  refused(["serve", "--prot", "9"], /--prot.*did you mean --port/));

Deno.test("a flag without its value is refused", () => refused(["bench", "--url"], /Missing value of --url/));

Deno.test("contradictory flags are refused", () =>
  refused(["serve", "--token", "x", "--no-auth"], /Cannot use --no-auth with --token/));

Deno.test("bench without a server says what to give", () => refused(["bench"], /give --url/));

Deno.test("a token that no header can carry is refused", () =>
  refused(["serve", "--token", "two words"], /Cannot use that token/));

Deno.test("bench of a far server with options of a policy here is refused", () =>
  refused(["bench", "--url", "ws://127.0.0.1:1", "--null-delay-ms", "5"], /give its options to pi0 serve/));

Deno.test("bench with more pictures than the robot sends is refused", () =>
  refused(
    ["bench", "--mode", "local", "--policy", "null", "--robot", "droid", "--pictures", "3"],
    /Cannot send 3 pictures: droid sends 2/,
  ));

Deno.test("serve of the null policy with options of a far one is refused", () =>
  refused(["serve", "--policy", "null", "--openpi"], /Cannot use --openpi with --policy null/));

Deno.test("serve of the model inside for another robot than its own is refused", () =>
  refused(["serve", "--robot", "droid"], /Cannot use --robot droid with --policy mini: its robot is aloha/));

Deno.test("serve with a default prompt that the model does not know is refused, and the known ones are named", () =>
  refused(
    ["serve", "--default-prompt", "Fold it", "--quiet"],
    /Cannot use --default-prompt Fold it: mini knows "Transfer cube", "Insert peg"$/m,
  ));

Deno.test("serve of the model inside with options of the null policy is refused", () =>
  refused(["serve", "--null-delay-ms", "26"], /--null-delay-ms with --policy mini: it belongs to --policy null/));

Deno.test("serve on every address without a token is refused", () =>
  refused(["serve", "--host", "0.0.0.0"], /--token .*--no-auth/));

Deno.test("an unknown policy is refused with the ones there are", () =>
  refused(
    ["serve", "--policy", "nul"],
    /policies are mini, null, expert, replay:FILE, random:NAME, a URL, a model folder \(did you mean null\?\)/,
  ));

Deno.test("sim with a size that is none is refused", () => refused(["sim", "--size", "640"], /--size 640.*640x480/));

Deno.test("sim with a recording that is not there is one line and exit code 1", () =>
  refused(
    ["sim", "--policy", "replay:/nowhere/x.json"],
    /Cannot replay "\/nowhere\/x.json": there is no such file/,
    1,
  ));

Deno.test("bench at a dead port is one line and exit code 1", () =>
  refused(["bench", "--url", "http://127.0.0.1:1"], /Cannot connect to http:\/\/127.0.0.1:1: nobody is listening/, 1));

Deno.test("bench at an unknown host names it", () =>
  refused(["bench", "--url", "ws://no-such-host.invalid:8000"], /no-such-host\.invalid.*unknown host/, 1));

Deno.test("a port that is taken is one line that names the flag", async () => {
  await using server = await startServer();
  const { port } = new URL(server.portals.http!);
  await refused(
    ["serve", "--policy", "null", "--port", port, "--tcp-port", "0"],
    /the port is taken \(choose another with --port/,
    1,
  );
});

Deno.test("bench measures every transport of a server, and its file fits the table", async () => {
  await using server = await startServer(["--null-delay-ms", "1"]);
  const out = await Deno.makeTempFile({ suffix: ".json" });
  const args = ["bench", "--url", server.portals.tcp!, "--transport", "all", "-n", "12", "--rounds", "2", "--out", out];
  const { code, stdout, stderr } = await runProgram(args);
  assert.equal(code, 0, stderr);
  for (const name of TRANSPORT_NAMES) assert.match(stdout, new RegExp(`^${name} +12 `, "m"));
  const results = JSON.parse(await Deno.readTextFile(out));
  assert.equal(results.samples.length, 12 * TRANSPORT_NAMES.length);
  assert.equal(results.interrupted, false);
  for (const summary of results.summaries) {
    assert.equal(summary.errors, 0);
    assert.ok(summary.decomposition.inferMs >= 1, "the policy's delay is in infer");
    assert.ok(summary.latencyMs.p50Ms > summary.decomposition.inferMs);
  }
  await assert.rejects(Deno.stat(`${out}.partial.jsonl`), Deno.errors.NotFound);
  assert.equal(await server.stop(), 0);
});

Deno.test("bench sends as many pictures as it is told, and tells of connections by 0-RTT", async () => {
  await using server = await startServer();
  const args = ["bench", "--url", server.portals.quic!, "--insecure", "-n", "4", "--rounds", "2", "--pictures", "4"];
  const { code, stdout, stderr } = await runProgram([...args, "--json"]);
  assert.equal(code, 0, stderr);
  const { summaries, connects } = JSON.parse(stdout);
  assert.ok(summaries[0].bytesOut > 4 * 150_528);
  assert.deepEqual(connects.map(({ zeroRtt }: { zeroRtt?: boolean }) => typeof zeroRtt), ["boolean", "boolean"]);
  const granted = connects.filter(({ zeroRtt }: { zeroRtt: boolean }) => zeroRtt).length;
  assert.equal(summaries[0].zeroRttConnects ?? 0, granted);
});

Deno.test("bench with --json prints one JSON document on stdout and nothing else", async () => {
  const { code, stdout, stderr } = await runProgram([
    "bench",
    "--mode",
    "local",
    "--policy",
    "null",
    "-n",
    "5",
    "--json",
  ]);
  assert.equal(code, 0);
  assert.equal(stderr, "");
  const results = JSON.parse(stdout);
  assert.equal(results.schema, "pi0.bench/1");
  assert.equal(results.summaries[0].transport, "local");
});

Deno.test("bench keeps the pace it was given and counts from the intended time", async () => {
  await using server = await startServer(["--null-delay-ms", "30"]);
  // Requests are due every 10 ms and take 30: the later they are, the longer they have waited.
  const args = ["bench", "--url", server.portals.ws!, "--hz", "100", "-n", "12", "--rounds", "1", "--json"];
  const results = JSON.parse((await runProgram(args)).stdout);
  const waits = results.samples.map((s: { finishedMs: number; scheduledMs: number }) => s.finishedMs - s.scheduledMs);
  assert.ok(waits.at(-1) - waits[0] > 100, `latency grows while the server is too slow: ${waits}`);
  assert.equal(results.summaries[0].missed, 12);
});

Deno.test("a wrong token is one line and exit code 1, on every transport", async () => {
  await using server = await startServer(["--token", "right"]);
  const { sha256 } = server.ready.tls as { sha256: string };
  for (const name of TRANSPORT_NAMES) {
    const trust = name.startsWith("quic") ? ["--cert-sha256", sha256] : [];
    await refused(["bench", "--url", server.portals[name]!, "--token", "wrong", ...trust], /the token is wrong/, 1);
  }
  const { code } = await runProgram(["bench", "--url", server.portals.tcp!, "-n", "2"], {
    env: { PI0_TOKEN: "right" },
  });
  assert.equal(code, 0);
});

Deno.test("bench at the portal of another protocol says so", async () => {
  await using server = await startServer();
  const { port } = new URL(server.portals.http!);
  await refused(["bench", "--url", `tcp://127.0.0.1:${port}`], /HTTP server is on the other side/, 1);
  const { port: tcpPort } = new URL(server.portals.tcp!);
  await refused(["bench", "--url", `ws://127.0.0.1:${tcpPort}`], /is no HTTP|as HTTP/, 1);
});

Deno.test("bench at openpi's path of a server hints at --openpi", async () => {
  await using server = await startServer();
  const { port } = new URL(server.portals.http!);
  await refused(["bench", "--url", `ws://127.0.0.1:${port}/policy`], /not pi0's \(add --openpi/, 1);
  const args = ["bench", "--openpi", "--url", `ws://127.0.0.1:${port}`, "-n", "4", "--json"];
  const results = JSON.parse((await runProgram(args)).stdout);
  assert.equal(results.summaries[0].count, 4);
  assert.equal(results.connects[0].windowWarmUpMs, undefined, "openpi's servers are never sent padding");
});

Deno.test("Ctrl-C in the middle of bench shows and keeps what was measured", async () => {
  await using server = await startServer(["--null-delay-ms", "20"]);
  const out = await Deno.makeTempFile({ suffix: ".json" });
  const [command, ...words] = SOURCE;
  const args = [...words, "bench", "--url", server.portals.tcp!, "-n", "100000", "--rounds", "1", "--out", out];
  const child = new Deno.Command(command, { args, stdout: "piped", stderr: "piped" }).spawn();
  const journal = `${out}.partial.jsonl`;
  // The first lines in the journal prove that measuring has begun.
  for (let tries = 0; tries < 600; tries++) {
    const text = await Deno.readTextFile(journal).catch(() => "");
    if (text.includes('"event":"sample"')) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.kill("SIGINT");
  const { code, stdout, stderr } = await child.output();
  assert.equal(code, 1);
  assert.match(new TextDecoder().decode(stdout), /^tcp +\d+ /m);
  assert.match(new TextDecoder().decode(stderr), /interrupted/);
  const results = JSON.parse(await Deno.readTextFile(out));
  assert.equal(results.interrupted, true);
  assert.ok(results.samples.length > 0);
});

Deno.test("bench that is killed leaves its samples in the journal", async () => {
  await using server = await startServer(["--null-delay-ms", "20"]);
  const out = await Deno.makeTempFile({ suffix: ".json" });
  const [command, ...words] = SOURCE;
  const args = [...words, "bench", "--url", server.portals.tcp!, "-n", "100000", "--rounds", "1", "--out", out];
  const child = new Deno.Command(command, { args, stdout: "null", stderr: "null" }).spawn();
  const samples = async () => {
    const text = await Deno.readTextFile(`${out}.partial.jsonl`).catch(() => "");
    return text.split("\n").filter((line) => line.includes('"event":"sample"'));
  };
  for (let tries = 0; tries < 600 && (await samples()).length < 3; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.kill("SIGKILL");
  await child.status;
  const kept = await samples();
  assert.ok(kept.length >= 3);
  for (const line of kept) assert.equal(JSON.parse(line).transport, "tcp");
});

Deno.test("SIGTERM ends a server in order while a client is busy, and the client ends, too", async () => {
  await using server = await startServer(["--null-delay-ms", "100"]);
  const args = ["--url", server.portals.tcp!, "-n", "1000", "--warmup", "0", "--rounds", "1", "--timeout-ms", "500"];
  const outcome = runProgram(["bench", ...args, "--json"]);
  // The server's own count says when the client is at work.
  const metrics = server.portals.http!.replace("/infer", "/metrics");
  for (let tries = 0; tries < 600; tries++) {
    const text = await (await fetch(metrics)).text();
    if (Number(/pi0_requests_total\{transport="tcp",code="ok"\} (\d+)/.exec(text)?.[1] ?? 0) >= 3) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal(await server.stop("SIGTERM"), 0);
  const { samples } = JSON.parse((await outcome).stdout) as { samples: { error?: { code: string } }[] };
  assert.ok(samples.filter(({ error }) => error === undefined).length > 0);
  const codes = samples.flatMap(({ error }) => error === undefined ? [] : [error.code]);
  assert.ok(codes.length > 0);
  for (const code of codes) assert.match(code, /^(draining|disconnected|unreachable|deadline)$/);
});

Deno.test("a proxy gives one transport's clients the portal of another server", async () => {
  await using upstream = await startServer(["--null-delay-ms", "1"]);
  await using proxy = await startServer(["--policy", upstream.portals.tcp!]);
  const args = ["bench", "--url", proxy.portals.ws!, "-n", "5", "--json"];
  const results = JSON.parse((await runProgram(args)).stdout);
  assert.equal(results.summaries[0].count, 5);
  assert.equal(results.server.policy, `${upstream.portals.tcp}`);
});
