import assert from "node:assert/strict";
import { sleep, systemClock } from "../../src/clock.ts";
import type { TransportError } from "../../src/errors.ts";
import { fingerprintOf, makeIdentity } from "../../src/transport/certificate.ts";
import { closeIdleEndpoints, listenQuic, quic, QUIC_ALPN } from "../../src/transport/quic.ts";
import { fetchQuicCertificate } from "../../src/transport/quic_certificate.ts";
import { initialKeys, openPackets, sealInitial } from "../../src/transport/quic_packet.ts";
import type { Connection, ConnectOptions, Identity, Trust } from "../../src/transport/transport.ts";
import type { Bytes } from "../../src/types.ts";
import { EchoService } from "../support/echo_service.ts";
import { eventually, within } from "../support/eventually.ts";
import { SilentSocket, UdpMiddle } from "../support/middle.ts";
import { latin1 } from "../support/scripted_socket.ts";

const DAY_MS = 86_400_000;
const LIMITS = { maxMessageBytes: 1_000_000, maxConnections: 8, messageMs: 5000, idleMs: 60_000 };
const OPTIONS: ConnectOptions = { clock: systemClock, connectMs: 4000, maxMessageBytes: 1_000_000 };
const identity = await makeIdentity({ names: ["127.0.0.1", "localhost"] });
const other = await makeIdentity({ names: ["127.0.0.1", "localhost"] });

/** Deno 2.6.8's client offers no session tickets, and does not look at the dates of a pinned certificate. */
const IS_COMPLETE = !Deno.version.deno.startsWith("2.6.");

function pinOf({ certPem }: Identity): Trust {
  return { kind: "pin", sha256: fingerprintOf(certPem) };
}

function start(shown: Identity = identity) {
  const service = new EchoService();
  const where = { hostname: "127.0.0.1", port: 0, clock: systemClock };
  const listener = listenQuic(service, { ...where, limits: LIMITS, identity: shown });
  return {
    service,
    listener,
    port: listener.port,
    async [Symbol.asyncDispose]() {
      await listener.close(0);
      closeIdleEndpoints();
      await eventually("all connections end", () => listener.connections === 0);
      assert.equal(service.sessions, 0, "every session is closed");
    },
  };
}

function connect(port: number, options: Partial<ConnectOptions> = {}, hostname = "127.0.0.1"): Promise<Connection> {
  return quic.connect(new URL(`quic://${hostname}:${port}`), { ...OPTIONS, trust: pinOf(identity), ...options });
}

async function ask(connection: Connection, text: string): Promise<string> {
  return String.fromCharCode(...await within("a reply", connection.request(latin1(text))));
}

/** A connection, one request, and what came of it. */
async function visit(port: number, options: Partial<ConnectOptions> = {}, hostname?: string) {
  await using connection = await connect(port, options, hostname);
  assert.equal(await ask(connection, "hello"), "hello");
  // The server's tickets come behind its first words.
  assert.equal(await ask(connection, "again"), "again");
  return connection.zeroRtt;
}

Deno.test("quic trusts a server by its pin, by its root, by its name, and by nothing where that is typed", async () => {
  await using server = start();
  await visit(server.port, { trust: pinOf(identity) });
  await visit(server.port, { trust: { kind: "roots", pem: identity.certPem } });
  await visit(server.port, { trust: { kind: "roots", pem: identity.certPem } }, "localhost");
  await visit(server.port, { trust: { kind: "insecure" } });
});

Deno.test("quic does not trust another certificate, and says which one it saw", async () => {
  await using server = start();
  const shown = fingerprintOf(identity.certPem);
  const wrong: Trust[] = [pinOf(other), { kind: "roots", pem: other.certPem }, { kind: "system" }];
  for (const trust of wrong) {
    await assert.rejects(connect(server.port, { trust }), (error: TransportError) => {
      assert.equal(error.code, "untrusted");
      assert.match(error.message, new RegExp(`^Cannot trust quic://127\\.0\\.0\\.1:${server.port}: .*${shown}`));
      assert.match(error.message, /--cert-sha256|--ca|--insecure/);
      return true;
    });
  }
  await using wrongName = start(await makeIdentity({ names: ["elsewhere"] }));
  const trust: Trust = { kind: "roots", pem: other.certPem };
  await assert.rejects(connect(wrongName.port, { trust }), { code: "untrusted" });
  assert.equal(server.service.callers.length + wrongName.service.callers.length, 0);
});

Deno.test("quic refuses a certificate outside its dates, and says which and that only a new one helps", async () => {
  const now = new Date().getTime();
  const from = (days: number) => ({ names: ["127.0.0.1"], validFrom: new Date(now + days * DAY_MS), validDays: 5 });
  for (const [days, said] of [[-9, "it expired on"], [9, "it is not valid before"]] as const) {
    const dated = await makeIdentity(from(days));
    await using server = start(dated);
    const message = new RegExp(`${said} \\d{4}-\\d\\d-\\d\\d \\(give the server a new certificate\\)$`);
    await assert.rejects(connect(server.port, { trust: { kind: "roots", pem: dated.certPem } }), {
      code: "untrusted",
      message,
    });
    for (const trust of [pinOf(dated), { kind: "insecure" }] as const) {
      if (IS_COMPLETE) await assert.rejects(connect(server.port, { trust }), { code: "untrusted", message });
      else await visit(server.port, { trust });
    }
  }
});

Deno.test("a pin holds on quic whatever names the certificate has", async () => {
  const elsewhere = await makeIdentity({ names: ["elsewhere"] });
  await using server = start(elsewhere);
  await visit(server.port, { trust: pinOf(elsewhere) });
});

Deno.test("quic says in one line that nobody answers, within the limit for connecting", async () => {
  using silent = new SilentSocket();
  const { port } = silent;
  const late = {
    name: "TransportError",
    code: "deadline",
    message:
      `Cannot connect to quic://127.0.0.1:${port}: no answer within 60 ms (is the server running, and does the ` +
      "network carry UDP packets of 1200 bytes? quic-tcp and tcp need none)",
  };
  await assert.rejects(connect(port, { connectMs: 60 }), late);
  await assert.rejects(connect(port, { connectMs: 60, trust: { kind: "insecure" } }), late);
  closeIdleEndpoints();
});

Deno.test("quic does not connect where packets of 1200 bytes do not pass", async () => {
  await using server = start();
  using middle = new UdpMiddle(server.port);
  middle.change = (bytes) => bytes.length > 1100 ? undefined : bytes;
  await assert.rejects(connect(middle.port, { connectMs: 60 }), { code: "deadline" });
});

Deno.test("quic works where packets of 1200 bytes pass and none longer, from the start or later on", async () => {
  await using server = start();
  using middle = new UdpMiddle(server.port);
  const message = Uint8Array.from({ length: 50_000 }, (_, i) => i * 31);
  const narrow = (bytes: Bytes) => bytes.length > 1200 ? undefined : bytes;
  for (const isNarrowFirst of [true, false]) {
    middle.change = isNarrowFirst ? narrow : (bytes) => bytes;
    await using connection = await connect(middle.port);
    assert.deepEqual(await within("a reply", connection.request(message)), message);
    middle.change = narrow;
    assert.deepEqual(await within("a reply", connection.request(message)), message);
  }
});

Deno.test("quic stands a path that flips bits, loses packets and repeats them", async () => {
  await using server = start();
  using middle = new UdpMiddle(server.port);
  let count = 0;
  middle.change = (bytes) => {
    if (++count % 11 === 0) return undefined;
    if (count % 7 === 0) bytes[bytes.length >> 1]! ^= 4;
    return bytes;
  };
  await using connection = await connect(middle.port);
  const message = Uint8Array.from({ length: 50_000 }, (_, i) => i * 31);
  assert.deepEqual(await within("a reply", connection.request(message)), message);
});

Deno.test("the first request of a reconnect travels as 0-RTT data, and both sides know", async () => {
  await using server = start();
  assert.equal(await visit(server.port), false);
  assert.equal(await visit(server.port), IS_COMPLETE);
  assert.equal(await visit(server.port), IS_COMPLETE);
  const told = server.service.callers.map(({ zeroRtt }) => zeroRtt);
  assert.deepEqual(told, [false, IS_COMPLETE, IS_COMPLETE]);
});

Deno.test("0-RTT data that is sent again by somebody who has recorded it is not taken", async () => {
  await using server = start();
  using middle = new UdpMiddle(server.port);
  await visit(middle.port);
  const recorded: Uint8Array[] = [];
  middle.change = (bytes, direction) => {
    if (direction === "up") recorded.push(bytes.slice());
    return bytes;
  };
  assert.equal(await visit(middle.port), IS_COMPLETE);
  assert.equal(server.service.received, 4);
  using attacker = new SilentSocket();
  const target = { transport: "udp" as const, hostname: "127.0.0.1", port: server.port };
  const answers = attacker.socket.receive();
  // The server remembers the first connection for a moment, and takes what is sent again for a part of it.
  for (let answered = false; !answered;) {
    for (const datagram of recorded) await attacker.socket.send(datagram, target);
    answered = await Promise.race([answers.then(() => true), sleep(systemClock, 50).then(() => false)]);
  }
  await sleep(systemClock, 50);
  assert.equal(server.service.received, 4);
});

Deno.test("a connection goes on when the client's address changes", async () => {
  await using server = start();
  using middle = new UdpMiddle(server.port);
  await using connection = await connect(middle.port);
  assert.equal(await ask(connection, "here"), "here");
  middle.move();
  assert.equal(await ask(connection, "there"), "there");
  assert.equal(server.service.callers.length, 1);
});

Deno.test("a ticket does not outlive the way of trusting that it was got with", async () => {
  await using server = start();
  await visit(server.port, { trust: { kind: "insecure" } });
  await assert.rejects(connect(server.port, { trust: pinOf(other) }), { code: "untrusted" });
});

Deno.test("with BBR a long first request waits for the handshake, and with Cubic it does not", async () => {
  await using server = start();
  for (const [congestion, early] of [["bbr", false], ["cubic", IS_COMPLETE]] as const) {
    await visit(server.port, { congestion });
    await using connection = await connect(server.port, { congestion });
    const message = new Uint8Array(12_000).fill(7);
    assert.deepEqual(await within("a reply", connection.request(message)), message);
    assert.equal(connection.zeroRtt, early, congestion);
  }
});

Deno.test("a server that was restarted answers who comes with a ticket of the one before", async () => {
  await using first = start();
  using middle = new UdpMiddle(first.port);
  await visit(middle.port);
  await using second = start();
  middle.server = second.port;
  assert.equal(await visit(middle.port), false);
  assert.equal(second.service.received, 2);
});

Deno.test("a server that was restarted with another certificate is not believed, ticket or not", async () => {
  await using first = start();
  using middle = new UdpMiddle(first.port);
  await visit(middle.port);
  await using second = start(other);
  middle.server = second.port;
  await assert.rejects(visit(middle.port), { code: "untrusted" });
  assert.equal(second.service.received, 0);
});

Deno.test("a reconnect to a server that is gone ends within the limit for connecting", async () => {
  await using server = start();
  using middle = new UdpMiddle(server.port);
  await visit(middle.port);
  middle.change = () => undefined;
  await assert.rejects(visit(middle.port, { connectMs: 60 }), {
    code: "deadline",
    message: /^Cannot connect to quic:/,
  });
});

Deno.test("quic says that a QUIC server speaks another protocol", async () => {
  const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
  const listener = endpoint.listen({ cert: identity.certPem, key: identity.keyPem, alpnProtocols: ["other"] });
  const refused = listener.accept().catch(() => undefined);
  await assert.rejects(connect(endpoint.addr.port), { code: "not_speaking" });
  await refused;
  closeIdleEndpoints();
  endpoint.close();
});

Deno.test("an honest client is served while a thousand handshakes are begun and not ended, and garbage comes", async () => {
  await using server = start();
  using attacker = new SilentSocket();
  const target = { transport: "udp" as const, hostname: "127.0.0.1", port: server.port };
  const payload = await firstPayload();
  for (let i = 0; i < 1000; i++) {
    await attacker.socket.send(firstPacket(payload, i), target);
    await attacker.socket.send(crypto.getRandomValues(new Uint8Array(1 + i % 1400)), target);
    if (i === 500) await visit(server.port);
  }
  await visit(server.port);
  assert.ok(server.listener.connections < LIMITS.maxConnections, "what is no connection takes nobody's place");
});

/** What a real client's first packet says, taken from one. */
async function firstPayload(): Promise<Uint8Array> {
  using silent = new SilentSocket();
  const controller = new AbortController();
  const server = { hostname: "127.0.0.1", port: silent.port, serverName: "localhost", alpn: QUIC_ALPN };
  const asked = fetchQuicCertificate(server, systemClock, controller.signal).catch(() => undefined);
  const [datagram] = await silent.socket.receive();
  controller.abort();
  await asked;
  const [packet] = openPackets(datagram, () => initialKeys(datagram.subarray(6, 14)).client);
  return packet!.payload;
}

/** The first packet of a client that is never heard of again. */
function firstPacket(payload: Uint8Array, serial: number): Uint8Array {
  const id = new Uint8Array(8);
  new DataView(id.buffer).setUint32(0, serial + 1);
  return sealInitial(initialKeys(id).client, { destination: id, source: id }, 0, payload);
}

Deno.test("a connection without a stream is closed after the idle limit", async () => {
  const service = new EchoService();
  const where = { hostname: "127.0.0.1", port: 0, clock: systemClock };
  const listener = listenQuic(service, { ...where, limits: { ...LIMITS, idleMs: 30 }, identity });
  await using connection = await connect(listener.port);
  await eventually("the server closes", () => connection.closed);
  await listener.close(0);
  closeIdleEndpoints();
});

Deno.test("many clients at once are each answered their own", async () => {
  await using server = start();
  await Promise.all(Array.from({ length: 8 }, async (_, i) => {
    await using connection = await connect(server.port);
    for (let n = 0; n < 20; n++) {
      assert.equal(await ask(connection, `client ${i} message ${n}`), `client ${i} message ${n}`);
    }
  }));
});

Deno.test("a server that cannot be reached for long costs no socket with each attempt", async () => {
  using silent = new SilentSocket();
  // Each endpoint is a socket; those of the whole process cannot be told from those of tests beside this one.
  const { QuicEndpoint } = Deno;
  let opened = 0;
  Deno.QuicEndpoint = class extends QuicEndpoint {
    constructor(options?: Deno.QuicEndpointOptions) {
      super(options);
      opened++;
    }
  };
  try {
    for (let i = 0; i < 20; i++) {
      await assert.rejects(connect(silent.port, { connectMs: 5 }), { code: "deadline" });
    }
  } finally {
    Deno.QuicEndpoint = QuicEndpoint;
  }
  assert.equal(opened, 1);
  closeIdleEndpoints();
});
