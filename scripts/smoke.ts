/**
 * Tries the compiled program alone: in an empty folder, with an empty environment.
 *
 *     deno run -A scripts/smoke.ts dist/pi0
 *
 * Prints a line per check and `N passed, N failed, N skipped` at the end.
 *
 * @module
 */

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { TRANSPORT_NAMES } from "../src/transport/mod.ts";
import { type Program, runProgram, startServer } from "../tests/support/program.ts";

const [path] = Deno.args;
if (path === undefined) throw new Error("Give the path of the program: deno run -A scripts/smoke.ts dist/pi0");
const program: Program = ["env", "-i", resolve(path)];
const cwd = await Deno.makeTempDir();

let passed = 0;
let failed = 0;
const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));

async function check(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    passed++;
    print(`ok      ${what}`);
  } catch (error) {
    failed++;
    print(`FAILED  ${what}: ${error instanceof Error ? error.message : error}`);
  }
}

await check("pi0 --version", async () => {
  assert.match((await runProgram(["--version"], { program, cwd })).stdout, /^pi0 /);
});
await check("pi0 bench --help", async () => {
  assert.match((await runProgram(["bench", "--help"], { program, cwd })).stdout, /--transport/);
});
await check("a wrong flag exits with 2", async () => {
  assert.equal((await runProgram(["serve", "--prot", "1"], { program, cwd })).code, 2);
});
await check("pi0 bench --mode local with a busy policy (a Worker)", async () => {
  const args = ["bench", "--mode", "local", "-n", "5", "--policy", "null", "--null-delay-ms", "1", "--null-busy"];
  const { code, stderr } = await runProgram(args, { program, cwd });
  assert.equal(code, 0, stderr);
});
await check("pi0 sim (physics, pictures and the expert)", async () => {
  const args = ["sim", "--max-steps", "20", "--size", "160x120", "--out", "sim", "--json"];
  const { code, stdout, stderr } = await runProgram(args, { program, cwd });
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).steps, 20);
  await Deno.remove(`${cwd}/sim`, { recursive: true });
});
await check(`pi0 eval here and through ${TRANSPORT_NAMES.join(", ")} (Workers)`, async () => {
  const args = ["eval", "--mode", "compare", "--max-steps", "20", "-n", "2", "--json"];
  const { code, stdout, stderr } = await runProgram(args, { program, cwd });
  assert.equal(code, 0, stderr);
  const { comparisons } = JSON.parse(stdout) as { comparisons: { mode: string; identical: number }[] };
  assert.deepEqual(
    comparisons.map(({ mode, identical }) => ({ mode, identical })),
    TRANSPORT_NAMES.map((mode) => ({ mode, identical: 2 })),
  );
});
await check("pi0 record (videos, fonts and charts)", async () => {
  const args = ["record", "--max-steps", "10", "--size", "160x120", "--fps", "10", "--transport", "tcp", "--json"];
  const { code, stdout, stderr } = await runProgram(args, { program, cwd });
  assert.equal(code, 0, stderr);
  const { files } = JSON.parse(stdout) as { files: string[] };
  assert.deepEqual(files.filter((file) => /\.(mp4|png)$/.test(file)), [
    "record/videos/local_mini.mp4",
    "record/videos/remote_mini_tcp.mp4",
    "record/videos/comparison_mini_local_tcp.mp4",
    "record/charts/latency_breakdown.png",
  ]);
  await Deno.remove(`${cwd}/record`, { recursive: true });
});
await check(`pi0 serve and pi0 bench over ${TRANSPORT_NAMES.join(", ")}`, async () => {
  await using server = await startServer(["--null-delay-ms", "1"], { program, cwd });
  const args = ["bench", "--url", server.portals.http!, "--transport", "all", "-n", "20", "--json"];
  const { code, stdout, stderr } = await runProgram(args, { program, cwd });
  assert.equal(code, 0, stderr);
  const { summaries } = JSON.parse(stdout) as { summaries: { transport: string; count: number; errors: number }[] };
  assert.deepEqual(
    summaries.map(({ transport, count, errors }) => ({ transport, count, errors })),
    TRANSPORT_NAMES.map((transport) => ({ transport, count: 20, errors: 0 })),
  );
  assert.equal(await server.stop(), 0);
});
await check(
  "pi0 serve --tls and pi0 bench over https, wss, tcps, quic and quic-tcp, by the certificate's SHA-256",
  async () => {
    await using server = await startServer(["--tls"], { program, cwd });
    const { sha256 } = server.ready.tls as { sha256: string };
    const args = ["bench", "--url", server.portals.http!, "--cert-sha256", sha256, "--transport", "all", "-n", "20"];
    const { code, stdout, stderr } = await runProgram([...args, "--json"], { program, cwd });
    assert.equal(code, 0, stderr);
    const { summaries } = JSON.parse(stdout) as { summaries: { url: string; count: number; errors: number }[] };
    assert.deepEqual(
      summaries.map(({ url, count, errors }) => ({ scheme: new URL(url).protocol, count, errors })),
      ["https:", "wss:", "tcps:", "quic:", "quic-tcp:"].map((scheme) => ({ scheme, count: 20, errors: 0 })),
    );
    assert.equal(await server.stop(), 0);
  },
);
await check("pi0 link", async () => {
  await using server = await startServer([], { program, cwd });
  const { code, stdout, stderr } = await runProgram(["link", "--url", server.portals.http!], { program, cwd });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^Use /m);
});
await check("pi0 serve and pi0 bench with a random model (ONNX Runtime, in a Worker)", async () => {
  await using server = await startServer(["--policy", "random:tiny"], { program, cwd });
  const { model } = server.ready as unknown as { model: { random: boolean; provider: string } };
  assert.deepEqual([model.random, model.provider], [true, "cpu"]);
  const args = ["bench", "--url", server.portals.http!, "--transport", "all", "-n", "5", "--json"];
  const { code, stdout, stderr } = await runProgram(args, { program, cwd });
  assert.equal(code, 0, stderr);
  const { summaries } = JSON.parse(stdout) as { summaries: { count: number; errors: number }[] };
  assert.ok(summaries.every(({ count, errors }) => count === 5 && errors === 0));
  assert.equal(await server.stop(), 0);
});
const picture = new URL("../tests/fixtures/pi0_graph/pi0_tiny/cases/case0.model_base_0_rgb.png", import.meta.url);
const state = new Array(14).fill(0).join();
await check("pi0 infer mini gives the same actions as from source", async () => {
  const args = ["infer", "mini", "--state", state, "--camera", `cam_high=${picture.pathname}`, "--seed", "1"];
  const [compiled, source] = await Promise.all([runProgram(args, { program, cwd }), runProgram(args)]);
  assert.equal(compiled.code, 0, compiled.stderr);
  assert.deepEqual(JSON.parse(compiled.stdout).actions, JSON.parse(source.stdout).actions);
});
await check("pi0 infer with a random model in 8 bits", async () => {
  const args = ["infer", "random:tiny", "--precision", "int8", "--state", state];
  const { code, stdout, stderr } = await runProgram([...args, "--camera", `cam_high=${picture.pathname}`], {
    program,
    cwd,
  });
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).actions.length, 50);
});
await check("nothing was left in the folder", async () => {
  assert.deepEqual(await Array.fromAsync(Deno.readDir(cwd)), []);
});

await Deno.remove(cwd, { recursive: true });
print(`${passed} passed, ${failed} failed, 0 skipped`);
Deno.exit(failed === 0 ? 0 : 1);
