/**
 * Encrypted servers as a user runs them.
 */

import assert from "node:assert/strict";
import { TRANSPORT_NAMES } from "../src/transport/mod.ts";
import { fingerprintOf, makeIdentity } from "../src/transport/certificate.ts";
import { runProgram, startServer } from "./support/program.ts";

interface Ready {
  readonly tls: { readonly sha256: string };
}

function bench(url: string, args: readonly string[], env: Record<string, string> = {}) {
  return runProgram(["bench", "--url", url, "-n", "2", "--rounds", "1", "--warmup", "0", ...args], {
    env: { NO_COLOR: "1", ...env },
  });
}

async function refused(url: string, args: readonly string[], pattern: RegExp, env: Record<string, string> = {}) {
  const { code, stderr } = await bench(url, args, env);
  assert.equal(code, 1, stderr);
  assert.match(stderr, pattern);
  assert.equal(stderr.trim().split("\n").length, 1, "an error is one line");
}

Deno.test("a server with --tls is measured over every transport by its pin, and by its certificate", async () => {
  const file = await Deno.makeTempFile({ suffix: ".pem" });
  await using server = await startServer(["--tls", "--write-cert", file]);
  const { sha256 } = server.ready.tls as Ready["tls"];
  assert.equal(sha256, fingerprintOf(await Deno.readTextFile(file)));
  for (const [name, url] of Object.entries(server.portals)) {
    assert.match(url, /^(https|wss|tcps|quic|quic-tcp):\/\//, name);
  }
  for (const args of [["--cert-sha256", sha256], ["--ca", file]]) {
    const { code, stdout, stderr } = await bench(server.portals.http!, ["--transport", "all", ...args]);
    assert.equal(code, 0, stderr);
    for (const name of TRANSPORT_NAMES) assert.match(stdout, new RegExp(`^${name} +2 `, "m"));
  }
  const openpi = await bench(server.portals.ws!.replace(/\/ws$/, ""), ["--openpi", "--cert-sha256", sha256]);
  assert.equal(openpi.code, 0, openpi.stderr);
  await Deno.remove(file);
});

Deno.test("a client in whom the system trusts a server's certificate still keeps to its pin and to its own roots", async () => {
  const other = await makeIdentity({ names: ["127.0.0.1"] });
  const [file, otherFile] = [await Deno.makeTempFile(), await Deno.makeTempFile()];
  await Deno.writeTextFile(otherFile, other.certPem);
  await using server = await startServer(["--tls", "--write-cert", file]);
  const env = { DENO_CERT: file };
  const url = server.portals.tcp!;
  const trusting = await bench(url, [], env);
  assert.equal(trusting.code, 0, trusting.stderr);
  await refused(url, ["--cert-sha256", fingerprintOf(other.certPem)], /--cert-sha256 asks for/, env);
  await refused(url, ["--ca", otherFile], /no root of --ca signed it/, env);
  await refused(url, [], /it is self-signed/);
  for (const path of [file, otherFile]) await Deno.remove(path);
});

Deno.test("a server keeps its certificate when it starts again, and forwards to an encrypted one", async () => {
  const home = await Deno.makeTempDir();
  const env = { PI0_HOME: home };
  const first = await startServer(["--tls"], { env });
  const { sha256 } = first.ready.tls as Ready["tls"];
  assert.equal(await first.stop(), 0);
  await using far = await startServer(["--tls"], { env });
  assert.equal((far.ready.tls as Ready["tls"]).sha256, sha256);
  await using near = await startServer(["--policy", far.portals.ws!, "--cert-sha256", sha256]);
  const { code, stderr } = await bench(near.portals.tcp!, []);
  assert.equal(code, 0, stderr);
  await far.stop();
  await Deno.remove(home, { recursive: true });
});

Deno.test("trust options without anything to verify are refused", async () => {
  for (
    const args of [
      ["serve", "--insecure"],
      ["serve", "--policy", "ws://127.0.0.1:1", "--insecure"],
      ["bench", "--url", "http://127.0.0.1:1", "--insecure"],
      ["bench", "--mode", "local", "--insecure"],
      ["bench", "--url", "https://127.0.0.1:1", "--insecure", "--ca", "x"],
      ["serve", "--tls-cert", "x"],
    ]
  ) {
    const { code, stderr } = await runProgram(args, { env: { NO_COLOR: "1" } });
    assert.equal(code, 2, args.join(" "));
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  }
});
