/**
 * `pi0 link` as a user runs it.
 */

import assert from "node:assert/strict";
import { systemClock } from "../src/clock.ts";
import { listenTcp } from "../src/transport/tcp.ts";
import { TRANSPORT_NAMES } from "../src/transport/mod.ts";
import { SilentSocket } from "./support/middle.ts";
import { runProgram, startServer } from "./support/program.ts";
import { TinyPolicy, tinyService } from "./support/tiny.ts";

interface Report {
  readonly schema: string;
  readonly path: { readonly sent: number; readonly lost: number; readonly floorMs: number };
  readonly datagrams?: { readonly sent: number; readonly lost: number };
  readonly ways: {
    readonly transport: string;
    readonly encrypted: boolean;
    readonly steadyMs?: number;
    readonly error?: { readonly code: string; readonly message: string };
  }[];
  readonly recommendation: { readonly transport: string; readonly sentence: string } | null;
  readonly interrupted: boolean;
}

const NO_COLOR = { env: { NO_COLOR: "1" } };

Deno.test("link measures every portal of a server, and recommends one of them", async () => {
  await using server = await startServer(["--tls", "--token", "right"]);
  const { sha256 } = server.ready.tls as { sha256: string };
  const known = ["--cert-sha256", sha256, "--token", "right"];
  const { code, stdout, stderr } = await runProgram(["link", "--url", server.portals.http!, ...known, "--json"]);
  assert.equal(code, 0, stderr);
  const report: Report = JSON.parse(stdout);
  assert.equal(report.schema, "pi0.link/1");
  assert.deepEqual(report.ways.map(({ transport }) => transport), TRANSPORT_NAMES);
  for (const { transport, encrypted, steadyMs, error } of report.ways) {
    assert.equal(error, undefined, transport);
    assert.ok(encrypted);
    assert.ok(steadyMs! > 0);
  }
  assert.equal(report.path.sent, 20);
  assert.deepEqual([report.datagrams!.sent, report.datagrams!.lost], [200, 0]);
  assert.ok((TRANSPORT_NAMES as string[]).includes(report.recommendation!.transport));
  assert.equal(report.interrupted, false);
});

Deno.test("link prints a table and one sentence, and finds the certificate of a server on this machine by itself", async () => {
  await using server = await startServer();
  const { code, stdout, stderr } = await runProgram(["link", "--url", server.portals.ws!], NO_COLOR);
  assert.equal(code, 0, stderr);
  for (const name of TRANSPORT_NAMES) assert.match(stdout, new RegExp(`^${name} +(yes|no) `, "m"));
  assert.match(stdout, /^datagrams: .* 0 of 200 lost/m);
  assert.match(stdout, /^Use \S+ \(\S+\): .*\.\n$/m);
});

Deno.test("link says why a portal cannot be reached, and recommends another", async () => {
  using silent = new SilentSocket();
  const service = tinyService(new TinyPolicy());
  service.start();
  const limits = { maxMessageBytes: 4_000_000, maxConnections: 8, messageMs: 5000, idleMs: 60_000 };
  const listener = listenTcp(service, { hostname: "127.0.0.1", port: 0, clock: systemClock, limits });
  const url = `tcp://127.0.0.1:${listener.port}`;
  service.portals = { tcp: url, ws: "ws://127.0.0.1:1/ws", quic: `quic://127.0.0.1:${silent.port}` };
  const { code, stdout, stderr } = await runProgram(["link", "--url", url], NO_COLOR);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^quic: None of 200 datagrams to .*UDP does not pass/m);
  assert.match(stdout, /^ws: Cannot .*nobody is listening/m);
  assert.match(stdout, /^Use tcp .*: no other way works from here/m);
  await listener.close(0);
});

Deno.test("link that reaches its limit says what it did not measure", async () => {
  await using server = await startServer();
  // Two hundred datagrams, 10 ms apart, take longer than this.
  const args = ["link", "--url", server.portals.tcp!, "--limit-s", "1", "--json"];
  const { code, stdout } = await runProgram(args);
  const report: Report = JSON.parse(stdout);
  assert.equal(code, 1);
  assert.equal(report.interrupted, true);
  assert.equal(report.recommendation, null);
  for (const { error } of report.ways) assert.match(error!.message, /^Not measured: the limit of 1 s has passed/);
});

Deno.test("link without a server, with a wrong token or at a dead port is one line", async () => {
  await using server = await startServer(["--token", "right"]);
  const refused = async (args: string[], pattern: RegExp, exitCode: number) => {
    const { code, stdout, stderr } = await runProgram(["link", ...args], NO_COLOR);
    assert.match(stderr, pattern);
    assert.equal(stderr.trim().split("\n").length, 1);
    assert.deepEqual([code, stdout], [exitCode, ""]);
  };
  await refused([], /give --url/, 2);
  await refused(["--url", server.portals.tcp!, "--token", "wrong"], /the token is wrong/, 1);
  await refused(["--url", "tcp://127.0.0.1:1"], /nobody is listening/, 1);
  await refused(["--url", server.portals.tcp!, "--token", "right", "--insecure", "--limit-s", "0"], /--limit-s/, 2);
});
