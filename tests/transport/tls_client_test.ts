import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import type { TransportError } from "../../src/errors.ts";
import { fingerprintOf, makeIdentity } from "../../src/transport/certificate.ts";
import { listenHttp } from "../../src/transport/http_server.ts";
import { listenTcp, tcp } from "../../src/transport/tcp.ts";
import { isAtLeast, TLS_IS_COMPLETE } from "../../src/transport/tls_socket.ts";
import type { Identity, Trust } from "../../src/transport/transport.ts";
import { EchoService } from "../support/echo_service.ts";
import { eventually, within } from "../support/eventually.ts";
import { latin1 } from "../support/scripted_socket.ts";

const LIMITS = { maxMessageBytes: 100_000, maxConnections: 8, messageMs: 5000, idleMs: 5000 };
const WHERE = { hostname: "127.0.0.1", port: 0, clock: systemClock, limits: LIMITS };
const DAY_MS = 86_400_000;

const read = (name: string) => Deno.readTextFile(new URL(`../fixtures/tls/${name}`, import.meta.url));
const own = await makeIdentity({ names: ["localhost", "127.0.0.1"] });
const foreign = await makeIdentity({ names: ["localhost", "127.0.0.1"] });
const issued: Identity = { certPem: await read("leaf.pem"), keyPem: await read("leaf.key") };
const rootPem = await read("root.pem");

const pin = (certPem: string): Trust => ({ kind: "pin", sha256: fingerprintOf(certPem) });
const roots = (pem: string): Trust => ({ kind: "roots", pem });
const insecure: Trust = { kind: "insecure" };

/** Connects to an echo server with this identity, and asks it something. */
async function ask(identity: Identity, trust: Trust | undefined, hostname = "127.0.0.1"): Promise<string> {
  const service = new EchoService();
  const listener = listenTcp(service, { ...WHERE, identity });
  try {
    return await askAt(listener.port, trust, hostname);
  } finally {
    await listener.close(0);
    await eventually("all connections end", () => listener.connections === 0);
  }
}

async function askAt(port: number, trust: Trust | undefined, hostname = "127.0.0.1"): Promise<string> {
  const options = { clock: systemClock, connectMs: 4000, maxMessageBytes: 1000 };
  const url = new URL(`tcps://${hostname}:${port}`);
  await using connection = await tcp.connect(url, { ...options, ...(trust === undefined ? {} : { trust }) });
  return new TextDecoder().decode(await within("a reply", connection.request(latin1("hello"))));
}

/** Asserts that the server is not believed, with what was presented and what the remedy is. */
async function distrusted(identity: Identity, trust: Trust | undefined, reason: RegExp, hostname?: string) {
  await assert.rejects(ask(identity, trust, hostname), (error: TransportError) => {
    assert.equal(error.code, "untrusted", String(error));
    assert.match(error.message, new RegExp(`SHA-256 ${fingerprintOf(identity.certPem)}, and `));
    assert.match(error.message, reason);
    assert.ok(!error.message.includes("\n"));
    return true;
  });
}

Deno.test("a client believes a certificate by its pin, by its root, and when told to believe anything", async () => {
  for (const trust of [pin(own.certPem), roots(own.certPem), roots(foreign.certPem + own.certPem), insecure]) {
    assert.equal(await ask(own, trust), "hello", trust.kind);
    assert.equal(await ask(own, trust, "localhost"), "hello", trust.kind);
  }
});

Deno.test("a client believes a certificate that one of its roots signed", async () => {
  assert.equal(await ask(issued, roots(rootPem)), "hello");
  assert.equal(await ask(issued, roots(foreign.certPem + rootPem), "localhost"), "hello");
});

Deno.test("a client with a pin refuses every other certificate, and says both hashes", async () => {
  await distrusted(own, pin(foreign.certPem), new RegExp(`--cert-sha256 asks for ${fingerprintOf(foreign.certPem)}`));
  await distrusted(issued, pin(rootPem), /asks for/);
});

Deno.test("a client with roots refuses what none of them signed", async () => {
  await distrusted(own, roots(foreign.certPem), /no root of --ca signed it .*--cert-sha256/);
  await distrusted(own, roots(rootPem), /no root of --ca signed it/);
  await distrusted(issued, roots(own.certPem), /no root of --ca signed it/);
});

Deno.test("a client that was told nothing refuses a self-signed certificate, and names the ways out", async () => {
  await distrusted(own, undefined, /it is self-signed \(.*--cert-sha256 [0-9a-f]{64}; .*--ca FILE; .*--insecure\)$/);
  await distrusted(issued, undefined, /no root that is trusted here signed it/);
});

Deno.test("a client with roots refuses a certificate that was made for other names", async () => {
  const other = await makeIdentity({ names: ["gpu-box.example"] });
  await distrusted(other, roots(other.certPem), /made for other names/);
});

Deno.test("a pin holds whatever names the certificate has", async () => {
  const other = await makeIdentity({ names: ["gpu-box.example"] });
  assert.equal(await ask(other, pin(other.certPem)), "hello");
});

Deno.test("a client with roots refuses a certificate outside its dates, and says which", async () => {
  const now = new Date().getTime();
  const expired = await makeIdentity({ names: ["127.0.0.1"], validFrom: new Date(now - 9 * DAY_MS), validDays: 5 });
  await distrusted(expired, roots(expired.certPem), /it expired on \d{4}-\d\d-\d\d/);
  const early = await makeIdentity({ names: ["127.0.0.1"], validFrom: new Date(now + 9 * DAY_MS) });
  await distrusted(early, roots(early.certPem), /it is not valid before \d{4}-\d\d-\d\d/);
});

Deno.test("a pin holds after the certificate's end, where the runtime can tell", async () => {
  const validFrom = new Date(new Date().getTime() - 9 * DAY_MS);
  const expired = await makeIdentity({ names: ["127.0.0.1"], validFrom, validDays: 5 });
  if (TLS_IS_COMPLETE) assert.equal(await ask(expired, pin(expired.certPem)), "hello");
  else await distrusted(expired, pin(expired.certPem), /it expired on .*use 2\.9\.6/);
});

Deno.test("a client says that a server speaks no TLS, on both of its plain portals", async () => {
  for (const listen of [listenTcp, listenHttp]) {
    const listener = listen(new EchoService(), WHERE);
    for (const trust of [undefined, pin(own.certPem), insecure]) {
      await assert.rejects(askAt(listener.port, trust), {
        code: "not_speaking",
        message: `tcps://127.0.0.1:${listener.port} speaks no TLS (use tcp://127.0.0.1:${listener.port}, ` +
          "or start it with --tls)",
      });
    }
    await listener.close(0);
  }
});

Deno.test("a client says disconnected where the server leaves during the handshake", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const leaving = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(1000));
  })();
  await assert.rejects(askAt((listener.addr as Deno.NetAddr).port, insecure), { code: "disconnected" });
  await leaving;
});

Deno.test("isAtLeast() compares versions by their numbers", () => {
  for (const version of ["2.9.6", "2.9.10", "2.10.0", "3.0.0", "2.9.6+abc", "2.10.0-rc.1"]) {
    assert.equal(isAtLeast(version, [2, 9, 6]), true, version);
  }
  for (const version of ["2.9.5", "2.8.99", "1.99.99", "2.9"]) {
    assert.equal(isAtLeast(version, [2, 9, 6]), false, version);
  }
});
