import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import { fingerprintOf, makeIdentity } from "../../src/transport/certificate.ts";
import { http } from "../../src/transport/http.ts";
import { listenHttp } from "../../src/transport/http_server.ts";
import { listenTcp, tcp } from "../../src/transport/tcp.ts";
import type { Identity, Listener, ListenOptions, Service, Transport } from "../../src/transport/transport.ts";
import { ws } from "../../src/transport/ws.ts";
import { EchoService } from "../support/echo_service.ts";
import { eventually, passing, within } from "../support/eventually.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { RawClient } from "../support/raw_client.ts";
import { hex, latin1 } from "../support/scripted_socket.ts";

const LIMITS = { maxMessageBytes: 100_000, maxConnections: 4, messageMs: 5000, idleMs: 5000 };
const identity = await makeIdentity({ names: ["127.0.0.1"] });
/** The beginning of a TLS handshake whose rest never comes. */
const HALF_HELLO = "16 03 01 02 00 01 00 01 fc 03 03";

function start(options: Partial<ListenOptions> = {}, listen = listenTcp) {
  const service = new EchoService();
  const listener = listen(service, {
    hostname: "127.0.0.1",
    port: 0,
    clock: systemClock,
    limits: LIMITS,
    identity,
    ...options,
  });
  return { service, listener, [Symbol.asyncDispose]: () => listener.close(0) };
}

async function ask(transport: Transport, url: string, by: Identity = identity): Promise<string> {
  const options = { clock: systemClock, connectMs: 4000, maxMessageBytes: 1000 };
  const trust = { kind: "pin", sha256: fingerprintOf(by.certPem) } as const;
  await using connection = await transport.connect(new URL(url), { ...options, trust });
  return new TextDecoder().decode(await within("a reply", connection.request(latin1("hello"))));
}

Deno.test("a thousand half-open handshakes keep nobody out, and count as no connections", async () => {
  await using server = start();
  const { port } = server.listener;
  const idlers: RawClient[] = [];
  for (let i = 0; i < 1000; i++) {
    const client = await RawClient.connect(port);
    // Some say nothing, some begin a handshake, and some have left already.
    if (i % 3 === 1) await client.send(hex(HALF_HELLO)).catch(() => undefined);
    if (i % 3 === 2) client.close();
    idlers.push(client);
  }
  for (let i = 0; i < 3; i++) assert.equal(await ask(tcp, `tcps://127.0.0.1:${port}`), "hello");
  assert.equal(server.service.callers.length, 3);
  for (const client of idlers) client.close();
});

Deno.test("the oldest handshakes make way for newer ones", async () => {
  await using server = start();
  const oldest = await RawClient.connect(server.listener.port);
  await oldest.send(hex(HALF_HELLO));
  const others: RawClient[] = [];
  for (let i = 0; i < 300; i++) others.push(await RawClient.connect(server.listener.port));
  // However it is told: by an end, or by a reset.
  await oldest.ended().catch(() => undefined);
  for (const client of [oldest, ...others]) client.close();
});

Deno.test("a handshake that does not come to its end is given up, and leaves no timer", async () => {
  const clock = new FakeClock();
  await using server = start({ clock });
  using silent = await RawClient.connect(server.listener.port);
  using half = await RawClient.connect(server.listener.port);
  await half.send(hex(HALF_HELLO));
  await eventually("both handshakes have begun", () => clock.pending === 2);
  await clock.advance(9_999);
  assert.equal(clock.pending, 2);
  await clock.advance(1);
  await within("the end", silent.ended().catch(() => undefined));
  await within("the end", half.ended().catch(() => undefined));
  assert.equal(clock.pending, 0);
});

Deno.test("a listener that closes ends handshakes that go on", async () => {
  const clock = new FakeClock();
  const { listener } = start({ clock });
  using half = await RawClient.connect(listener.port);
  await half.send(hex(HALF_HELLO));
  await eventually("the handshake has begun", () => clock.pending === 1);
  await passing(clock, listener.close(1000));
  await within("the end", half.ended().catch(() => undefined));
});

Deno.test("a plain client on an encrypted portal is told that TLS is spoken there", async () => {
  const portals: [Transport, string, (service: Service, options: ListenOptions) => Listener, RegExp][] = [
    [http, "http", listenHttp, /a TLS server is on the other side \(use https:\/\/ or wss:\/\/\)/],
    [ws, "ws", listenHttp, /a TLS server is on the other side \(use https:\/\/ or wss:\/\/\)/],
    [tcp, "tcp", listenTcp, /a TLS server is on the other side \(use tcps:\/\/\)/],
  ];
  for (const [transport, scheme, listen, message] of portals) {
    await using server = start({}, listen);
    const { port } = server.listener;
    const plain = `${scheme}://127.0.0.1:${port}${transport.path ?? ""}`;
    await assert.rejects(ask(transport, plain), { code: "not_speaking", message });
    assert.equal(await ask(transport, plain.replace(":", "s:")), "hello", "others are not disturbed");
  }
});

Deno.test("garbage in a handshake disturbs nobody else", async () => {
  await using server = start();
  const { port } = server.listener;
  for (const bytes of [hex("16 03 01 00 04 ff ff ff ff"), hex("16 16 16 16 16 16 16 16"), hex("00"), hex("80 2e 01")]) {
    using client = await RawClient.connect(port);
    await client.send(bytes);
    await client.finish();
    assert.equal(await ask(tcp, `tcps://127.0.0.1:${port}`), "hello");
  }
});

Deno.test("a server that comes back with another certificate is not taken for the one before", async () => {
  const first = start();
  const { port } = first.listener;
  assert.equal(await ask(tcp, `tcps://127.0.0.1:${port}`), "hello");
  await first.listener.close(0);
  const renewed = await makeIdentity({ names: ["127.0.0.1"] });
  await using _second = start({ port, identity: renewed });
  await assert.rejects(ask(tcp, `tcps://127.0.0.1:${port}`), { code: "untrusted", message: /new certificate\?/ });
  assert.equal(await ask(tcp, `tcps://127.0.0.1:${port}`, renewed), "hello");
});
