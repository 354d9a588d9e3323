import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import type { TransportError } from "../../src/errors.ts";
import { fingerprintOf, makeIdentity } from "../../src/transport/certificate.ts";
import { closeIdleEndpoints } from "../../src/transport/quic.ts";
import { listenQuicTcp, quicTcp } from "../../src/transport/quic_tcp.ts";
import type { Connection, ConnectOptions, Identity, Trust } from "../../src/transport/transport.ts";
import { EchoService } from "../support/echo_service.ts";
import { eventually, within } from "../support/eventually.ts";
import { type Direction, TcpMiddle } from "../support/middle.ts";
import { RawClient } from "../support/raw_client.ts";
import { hex, join, latin1 } from "../support/scripted_socket.ts";

const LIMITS = { maxMessageBytes: 1_000_000, maxConnections: 16, messageMs: 5000, idleMs: 60_000 };
const OPTIONS: ConnectOptions = { clock: systemClock, connectMs: 4000, maxMessageBytes: 1_000_000 };
const identity = await makeIdentity({ names: ["127.0.0.1", "localhost"] });
const other = await makeIdentity({ names: ["127.0.0.1", "localhost"] });
const HELLO = { pi0: 1, certificate: identity.certPem };

function pinOf({ certPem }: Identity): Trust {
  return { kind: "pin", sha256: fingerprintOf(certPem) };
}

function start(shown: Identity = identity, port = 0) {
  const service = new EchoService();
  const where = { hostname: "127.0.0.1", port, clock: systemClock };
  const listener = listenQuicTcp(service, { ...where, limits: LIMITS, identity: shown });
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

function connect(port: number, options: Partial<ConnectOptions> = {}): Promise<Connection> {
  const url = new URL(`quic-tcp://127.0.0.1:${port}`);
  return within("a connection", quicTcp.connect(url, { ...OPTIONS, trust: pinOf(identity), ...options }));
}

async function ask(connection: Connection, text: string): Promise<string> {
  return String.fromCharCode(...await within("a reply", connection.request(latin1(text))));
}

function frame(text: string): Uint8Array {
  return join([Uint8Array.of(0, 0, text.length >> 8, text.length & 0xff), latin1(text)]);
}

/** What travelled in one direction, cut into datagrams; the server's hello is left out. */
function datagramsIn(bytes: Uint8Array, direction: Direction): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const datagrams: Uint8Array[] = [];
  let at = direction === "down" ? 4 + view.getUint32(0) : 0;
  while (at + 2 <= bytes.length) {
    const length = view.getUint16(at);
    datagrams.push(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return datagrams;
}

Deno.test("what the relay carries is QUIC version 1, and nothing of a message can be read in it", async () => {
  await using server = start();
  using middle = new TcpMiddle(server.port);
  const seen: Record<Direction, Uint8Array[]> = { up: [], down: [] };
  middle.change = (bytes, direction) => {
    seen[direction].push(bytes.slice());
    return bytes;
  };
  await using connection = await connect(middle.port, { token: "s3cret" });
  assert.equal(await ask(connection, "a robot's secret"), "a robot's secret");
  for (const direction of ["up", "down"] as const) {
    const bytes = join(seen[direction]);
    const datagrams = datagramsIn(bytes, direction);
    // The second bit is set in a client's first packet, and may be anything later on (RFC 9287).
    if (direction === "up") assert.equal(datagrams[0]![0]! & 0xc0, 0xc0);
    const long = datagrams.filter(([first]) => first! >= 0x80);
    assert.ok(long.length > 0, "long headers come first");
    for (const datagram of long) assert.equal(datagram.subarray(1, 5).toHex(), "00000001");
    assert.ok(long.length < datagrams.length, "short headers follow the long ones");
    const text = String.fromCharCode(...bytes.subarray(0, 100_000));
    assert.ok(!text.includes("secret") && !text.includes("s3cret"));
  }
  assert.equal(datagramsIn(join(seen.up), "up")[0]!.length, 1200, "a client's first datagram is a full one");
});

Deno.test("one flipped bit loses a packet and not the session", async () => {
  await using server = start();
  using middle = new TcpMiddle(server.port);
  await using connection = await connect(middle.port);
  assert.equal(await ask(connection, "before"), "before");
  let flipped = 0;
  middle.change = (bytes, direction) => {
    // The last byte is a packet's, whatever stands before.
    if (direction === "up" && flipped++ === 0) bytes[bytes.length - 1]! ^= 1;
    return bytes;
  };
  assert.equal(await ask(connection, "after"), "after");
  assert.ok(flipped > 1, "it was sent again");
  assert.equal(server.service.callers.length, 1, "on the same session");
});

Deno.test("a relay that is cut ends the connection with one line, at both ends", async () => {
  await using server = start();
  using middle = new TcpMiddle(server.port);
  await using connection = await connect(middle.port);
  const release = server.service.holdAll();
  const cut = {
    name: "TransportError",
    code: "disconnected",
    message: `The relay to quic-tcp://127.0.0.1:${middle.port} was cut`,
  };
  const asked = assert.rejects(within("a reply", connection.request(latin1("hello"))), cut);
  await eventually("the message arrives", () => server.service.received === 1);
  middle.cut();
  await asked;
  assert.equal(connection.closed, true);
  await eventually("the session ends", () => server.service.closed === 1);
  release();
});

Deno.test("quic-tcp trusts a server by its pin, by its root, and by nothing where that is typed", async () => {
  await using server = start();
  for (const trust of [pinOf(identity), { kind: "roots", pem: identity.certPem }, { kind: "insecure" }] as Trust[]) {
    await using connection = await connect(server.port, { trust });
    assert.equal(await ask(connection, "hello"), "hello");
  }
});

Deno.test("quic-tcp does not trust another certificate, and says which one it saw", async () => {
  await using server = start();
  for (const trust of [pinOf(other), { kind: "roots", pem: other.certPem }, { kind: "system" }] as Trust[]) {
    await assert.rejects(connect(server.port, { trust }), (error: TransportError) => {
      assert.equal(error.code, "untrusted");
      assert.match(error.message, new RegExp(`^Cannot trust quic-tcp://.*${fingerprintOf(identity.certPem)}`));
      return true;
    });
  }
  await eventually("nothing is left", () => server.listener.connections === 0);
});

Deno.test("a relay that lies about its certificate gains nothing", async () => {
  await using server = start();
  using middle = new TcpMiddle(server.port);
  const lie = frame(JSON.stringify({ pi0: 1, certificate: other.certPem }));
  let said = false;
  middle.change = (bytes, direction) => {
    if (direction === "up" || said) return bytes;
    said = true;
    const rest = bytes.subarray(4 + new DataView(bytes.buffer).getUint32(0));
    return join([lie, rest]);
  };
  await assert.rejects(connect(middle.port, { trust: pinOf(other) }), { code: "untrusted" });
});

Deno.test("quic-tcp says that something else answers, or nobody, within the limit for connecting", async () => {
  const wrong = [
    ["HTTP/1.1 400 Bad Request\r\n\r\n", "not_speaking"],
    [frame("{}"), "protocol_mismatch"],
    [frame(JSON.stringify({ ...HELLO, pi0: 2 })), "protocol_mismatch"],
    [frame(JSON.stringify({ pi0: 1, certificate: "none" })), "not_speaking"],
    [frame("[oh no"), "not_speaking"],
    [hex("7fffffff"), "not_speaking"],
    [join([frame(JSON.stringify(HELLO)), hex("0000")]), "not_speaking"],
    [join([frame(JSON.stringify(HELLO)), hex("05dd00")]), "not_speaking"],
    ["", "deadline"],
  ] as const;
  for (const [said, code] of wrong) {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const refused = assert.rejects(connect(port, { connectMs: said === "" ? 60 : 4000 }), { code });
    using server = new RawClient(await listener.accept());
    await server.send(said);
    await refused;
  }
  closeIdleEndpoints();
});

Deno.test("the server's hello is its certificate, in a frame of JSON", async () => {
  await using server = start();
  using client = await RawClient.connect(server.port);
  const expected = frame(JSON.stringify(HELLO));
  assert.deepEqual(await client.bytes(expected.length), expected);
});

Deno.test("a client of the relay that sends no datagrams, or such as are too long, is let go, and others are not", async () => {
  await using server = start();
  await using honest = await connect(server.port);
  assert.equal(await ask(honest, "before"), "before");
  for (const bytes of ["0000", "ffff 00", "05dd 00"]) {
    using client = await RawClient.connect(server.port);
    await client.bytes(frame(JSON.stringify(HELLO)).length);
    await client.send(hex(bytes));
    assert.equal(await client.ended(), true);
  }
  using garbage = await RawClient.connect(server.port);
  const noise = crypto.getRandomValues(new Uint8Array(1000));
  for (let i = 0; i < 200; i++) await garbage.send(join([hex("03e8"), noise]));
  assert.equal(await ask(honest, "after"), "after");
  assert.equal(server.service.callers.length, 1);
});

Deno.test("a thousand relays without a handshake inside keep nobody out, and count as no connections", async () => {
  await using server = start();
  const idlers: RawClient[] = [];
  for (let i = 0; i < 1000; i++) {
    const client = await RawClient.connect(server.port);
    // Some say nothing, some send what is no QUIC, and some have left already.
    if (i % 3 === 1) await client.send(hex("0004 c0000000")).catch(() => undefined);
    if (i % 3 === 2) client.close();
    idlers.push(client);
  }
  for (let i = 0; i < 3; i++) {
    await using connection = await connect(server.port);
    assert.equal(await ask(connection, "hello"), "hello");
  }
  assert.equal(server.service.callers.length, 3);
  await eventually("nobody is counted", () => server.listener.connections === 0);
  for (const client of idlers) client.close();
});

Deno.test("the oldest relays without a handshake inside make way for newer ones, and one with a handshake does not", async () => {
  await using server = start();
  await using honest = await connect(server.port);
  assert.equal(await ask(honest, "before"), "before");
  const oldest = await RawClient.connect(server.port);
  await oldest.bytes(frame(JSON.stringify(HELLO)).length);
  const others: RawClient[] = [];
  for (let i = 0; i < 300; i++) others.push(await RawClient.connect(server.port));
  assert.equal(await oldest.ended(), true);
  assert.equal(await ask(honest, "after"), "after");
  for (const client of [oldest, ...others]) client.close();
});

Deno.test("a relay that is cut in the middle of connecting is one line", async () => {
  await using server = start();
  using middle = new TcpMiddle(server.port);
  middle.change = (bytes, direction) => {
    if (direction === "up") middle.cut();
    return bytes;
  };
  await assert.rejects(connect(middle.port), {
    code: "disconnected",
    message: `The relay to quic-tcp://127.0.0.1:${middle.port} was cut`,
  });
});

Deno.test("quic-tcp does not trust a server that was restarted with another certificate, and says that it may be new", async () => {
  const first = start();
  const { port } = first;
  const visit = async (trust: Trust) => {
    await using connection = await connect(port, { trust });
    assert.equal(await ask(connection, "hello"), "hello");
  };
  await visit(pinOf(identity));
  await first[Symbol.asyncDispose]();
  await using second = start(other, port);
  await assert.rejects(visit(pinOf(identity)), { code: "untrusted", message: /new certificate\?/ });
  assert.equal(second.service.received, 0);
  await visit(pinOf(other));
});

Deno.test("many clients at once are each answered their own, and told apart by their addresses", async () => {
  await using server = start();
  await Promise.all(Array.from({ length: 8 }, async (_, i) => {
    await using connection = await connect(server.port);
    for (let n = 0; n < 10; n++) assert.equal(await ask(connection, `client ${i}, ${n}`), `client ${i}, ${n}`);
  }));
  assert.equal(new Set(server.service.callers.map(({ remote }) => remote)).size, 8);
});
