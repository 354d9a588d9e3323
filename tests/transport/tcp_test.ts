import assert from "node:assert/strict";
import { type Clock, sleep, systemClock } from "../../src/clock.ts";
import { listenTcp, tcp } from "../../src/transport/tcp.ts";
import { EchoService } from "../support/echo_service.ts";
import { eventually, passing, within } from "../support/eventually.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { RawClient } from "../support/raw_client.ts";
import { hex, join, latin1 } from "../support/scripted_socket.ts";

const LIMITS = { maxMessageBytes: 100_000, maxConnections: 8, messageMs: 5000, idleMs: 60_000 };

function start(clock: Clock = systemClock) {
  const service = new EchoService();
  const listener = listenTcp(service, { hostname: "127.0.0.1", port: 0, clock, limits: LIMITS });
  return {
    service,
    listener,
    connect: () => RawClient.connect(listener.port),
    async [Symbol.asyncDispose]() {
      const closing = listener.close(5000);
      await (clock instanceof FakeClock ? passing(clock, closing) : closing);
      await eventually("all connections end", () => listener.connections === 0);
      assert.equal(service.sessions, 0, "every session is closed");
    },
  };
}

/** A message behind its length. */
function frame(message: string): Uint8Array {
  return join([Uint8Array.of(0, 0, message.length >> 8, message.length & 0xff), latin1(message)]);
}

/** The text of the next frame. */
async function readText(client: RawClient): Promise<string> {
  const [a, b, c, d] = await client.bytes(4);
  assert.deepEqual([a, b], [0, 0]);
  return String.fromCharCode(...await client.bytes(c! * 256 + d!));
}

Deno.test("an introduction and a message in one packet are answered with one reply, as the golden bytes show", async () => {
  await using server = start();
  using client = await server.connect();
  await client.send(join([frame('{"pi0":1,"client":"arm"}'), hex("00000003 616263")]));
  assert.deepEqual(await client.bytes(7), hex("00000003 616263"));
  assert.equal(server.service.callers[0]?.client, "arm");
});

Deno.test("a message without an introduction is answered, also an empty one", async () => {
  for (const message of ["hello", "", "a"]) {
    await using server = start();
    using client = await server.connect();
    await client.send(frame(message));
    assert.equal(await readText(client), message);
    await client.send(frame("next"));
    assert.equal(await readText(client), "next");
    assert.equal(server.service.callers[0]?.version, undefined);
  }
});

Deno.test("messages that arrive together are answered in order", async () => {
  await using server = start();
  using client = await server.connect();
  await client.send(join([frame("one"), frame("two"), frame("three")]));
  for (const expected of ["one", "two", "three"]) assert.equal(await readText(client), expected);
});

Deno.test("what cannot be served is answered with its reason, and the connection ends", async () => {
  const wrong = [
    [frame('{"pi0":2}'), /^error protocol_mismatch: /],
    [frame("{oh no"), /^error malformed: /],
    [frame('{"pi0":1,"token":5}'), /^error wrong_type: .*introduction\.token/],
    [hex("7fffffff 00"), /^error too_large: /],
    [latin1("GET /healthz HTTP/1.1\r\n\r\n"), /^error not_speaking: .* an HTTP client /],
    [hex("16 03 01 02 00 01 00 01 fc 03 03"), /^error not_speaking: .* a TLS client /],
  ] as const;
  await using server = start();
  for (const [bytes, reason] of wrong) {
    using client = await server.connect();
    await client.send(bytes);
    assert.match(await readText(client), reason);
    assert.equal(await client.ended(), true);
  }
  assert.equal(server.service.received, 0);
});

Deno.test("an introduction that comes second is a message", async () => {
  await using server = start();
  using client = await server.connect();
  await client.send(join([frame("first"), frame('{"pi0":2}')]));
  assert.equal(await readText(client), "first");
  assert.equal(await readText(client), '{"pi0":2}');
});

Deno.test("a message that does not arrive in time is answered with its reason", async () => {
  for (const part of ["00", "000000", "00000005", "00000005 61"]) {
    const clock = new FakeClock();
    await using server = start(clock);
    using client = await server.connect();
    await client.send(hex(part));
    assert.match(await passing(clock, readText(client)), /^error deadline: /, part);
    assert.equal(await passing(clock, client.ended()), true);
  }
});

Deno.test("a client that goes on sending can read why it was refused", async () => {
  const clock = new FakeClock();
  await using server = start(clock);
  using client = await server.connect();
  await client.send(hex("7fffffff 00"));
  assert.match(await readText(client), /^error too_large: /);
  // A socket that was closed at once would answer this with a reset, and the next one could not be sent.
  for (let i = 0; i < 10; i++) {
    await client.send("x".repeat(1000));
    await sleep(systemClock, 1);
  }
  assert.equal(await client.ended(), true);
});

Deno.test("a silent client is let go without a word, before and after a message", async () => {
  for (const messages of [[], ["hello"]]) {
    const clock = new FakeClock();
    await using server = start(clock);
    using client = await server.connect();
    for (const message of messages) {
      await client.send(frame(message));
      assert.equal(await readText(client), message);
    }
    assert.equal(await passing(clock, client.ended()), true);
  }
});

Deno.test("the client says its introduction once, together with its first message", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const options = { clock: systemClock, connectMs: 5000, maxMessageBytes: 1000, token: "t", client: "c" };
  await using connection = await tcp.connect(new URL(`tcp://127.0.0.1:${port}`), options);
  using server = new RawClient(await listener.accept());
  for (const expected of [join([frame('{"pi0":1,"token":"t","client":"c"}'), frame("ask")]), frame("ask")]) {
    const asked = within("a reply", connection.request(latin1("ask")));
    assert.deepEqual(await server.bytes(expected.length), expected);
    await server.send(frame("reply"));
    assert.equal(String.fromCharCode(...await asked), "reply");
  }
});

Deno.test("a client whose server is something else throws not_speaking or too_large", async () => {
  for (const [said, code] of [["HTTP/1.1 400 Bad Request\r\n", "not_speaking"], ["SSH-2.0", "too_large"]] as const) {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const options = { clock: systemClock, connectMs: 5000, maxMessageBytes: 1000 };
    await using connection = await tcp.connect(new URL(`tcp://127.0.0.1:${port}`), options);
    using server = new RawClient(await listener.accept());
    const refused = assert.rejects(within("a reply", connection.request(latin1("ask"))), { code });
    await server.send(said);
    await refused;
    assert.equal(connection.closed, true);
  }
});
