import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { systemClock } from "../../src/clock.ts";
import { PolicyError, TransportError } from "../../src/errors.ts";
import { ByteStream } from "../../src/transport/stream.ts";
import type { Caller, Connection, ConnectOptions } from "../../src/transport/transport.ts";
import { converseWs, ws } from "../../src/transport/ws.ts";
import { closePayload } from "../../src/transport/ws_frame.ts";
import { EchoService } from "../support/echo_service.ts";
import { eventually, within } from "../support/eventually.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { RawClient } from "../support/raw_client.ts";
import { hex, join, latin1, ScriptedSocket } from "../support/scripted_socket.ts";

const CONNECT: ConnectOptions = { clock: systemClock, connectMs: 5000, maxMessageBytes: 100_000 };

/** A server's frame of less than 126 bytes. */
function frame(first: number, payload: string | Uint8Array = ""): Uint8Array {
  const bytes = typeof payload === "string" ? latin1(payload) : payload;
  return join([Uint8Array.of(first, bytes.length), bytes]);
}

const BINARY = 0x82;
const TEXT = 0x81;
const CLOSE = 0x88;
const PING = 0x89;
const PONG = 0x8a;

/** What the server answers a handshake with, given the right answer to its key. */
type Handshake = (accept: string) => string;

const pi0: Handshake = (accept) =>
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  `Sec-WebSocket-Accept: ${accept}\r\nPi0-Protocol: 1\r\n\r\n`;
const foreign: Handshake = (accept) => pi0(accept).replace("Pi0-Protocol: 1\r\n", "");

/** Connects the client to a server that is written by hand; gives both ends. */
async function open(
  { handshake = pi0, first = new Uint8Array(0), path = "/ws", ...options }: Partial<ConnectOptions> & {
    handshake?: Handshake;
    /** Sent behind the handshake. */
    first?: Uint8Array;
    path?: string;
  } = {},
) {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const connecting = within(
    "connect",
    ws.connect(new URL(`ws://127.0.0.1:${port}${path}`), { ...CONNECT, ...options }),
  );
  // Heard below, once the server has done its part.
  connecting.catch(() => undefined);
  const server = new RawClient(await listener.accept());
  try {
    const request = await server.head();
    const key = request.headers.get("sec-websocket-key") ?? "";
    const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    await server.send(join([latin1(handshake(accept)), first]));
    const client = await connecting;
    return {
      client,
      server,
      request,
      async [Symbol.asyncDispose]() {
        await client[Symbol.asyncDispose]();
        server.close();
      },
    };
  } catch (error) {
    server.close();
    throw error;
  }
}

/** Sends a message and lets the server read it; the reply is still to come. */
async function send(
  { client, server }: { client: Connection; server: RawClient },
): Promise<{ reply: Promise<string> }> {
  const reply = within("a reply", client.request(latin1("ask"))).then((bytes) => String.fromCharCode(...bytes));
  // Heard by the test, once the server has said what it has to say.
  reply.catch(() => undefined);
  const { opcode, payload } = await server.frame(true);
  assert.deepEqual([opcode, payload], [2, latin1("ask")]);
  return { reply };
}

Deno.test("the handshake says what RFC 6455 wants, and who calls", async () => {
  await using ends = await open({ token: "s3cret", client: "arm", path: "/ws?robot=1" });
  const { start, headers } = ends.request;
  assert.equal(start, "GET /ws?robot=1 HTTP/1.1");
  assert.match(headers.get("host") ?? "", /^127\.0\.0\.1:\d+$/);
  assert.equal(headers.get("upgrade"), "websocket");
  assert.equal(headers.get("connection"), "Upgrade");
  assert.equal(headers.get("sec-websocket-version"), "13");
  assert.match(headers.get("sec-websocket-key") ?? "", /^[A-Za-z0-9+/]{22}==$/);
  assert.equal(headers.get("authorization"), "Bearer s3cret");
  assert.equal(headers.get("pi0-client"), "arm");
  assert.equal(headers.get("pi0-protocol"), "1");
  assert.equal(headers.has("sec-websocket-extensions"), false);
});

Deno.test("an openpi client says its token as openpi does, nothing about pi0, and is greeted", async () => {
  await using ends = await open({
    openpi: true,
    token: "s3cret",
    client: "arm",
    handshake: foreign,
    first: frame(BINARY, "hi"),
  });
  const { headers } = ends.request;
  assert.equal(headers.get("authorization"), "Api-Key s3cret");
  assert.equal(headers.has("pi0-client"), false);
  assert.equal(headers.has("pi0-protocol"), false);
  assert.deepEqual(ends.client.greeting, latin1("hi"));
  const { reply } = await send(ends);
  await ends.server.send(frame(BINARY, "actions"));
  assert.equal(await reply, "actions");
  assert.deepEqual(ends.client.greeting, latin1("hi"));
});

Deno.test("a reply may come in fragments, with a ping between them that is answered", async () => {
  await using ends = await open();
  const { reply } = await send(ends);
  await ends.server.send(join([frame(0x02, "re"), frame(PING, "there?"), frame(0x00, ""), frame(0x80, "ply")]));
  assert.equal(await reply, "reply");
  const pong = await ends.server.frame(true);
  assert.deepEqual([pong.opcode, pong.payload], [10, latin1("there?")]);
});

Deno.test("pings are answered while the client waits for its reply", async () => {
  await using ends = await open();
  const { reply } = await send(ends);
  for (const name of ["", "a", "x".repeat(125)]) {
    await ends.server.send(frame(PING, name));
    const pong = await ends.server.frame(true);
    assert.deepEqual([pong.opcode, pong.payload], [10, latin1(name)]);
  }
  await ends.server.send(frame(BINARY, "reply"));
  assert.equal(await reply, "reply");
});

Deno.test("pings are answered while the client is idle, before and between requests", async () => {
  await using ends = await open();
  for (let round = 0; round < 2; round++) {
    for (const name of ["", "idle"]) {
      await ends.server.send(frame(PING, name));
      const pong = await ends.server.frame(true);
      assert.deepEqual([pong.opcode, pong.payload], [10, latin1(name)]);
    }
    const { reply } = await send(ends);
    await ends.server.send(frame(BINARY, "reply"));
    assert.equal(await reply, "reply");
  }
});

Deno.test("ping() waits for its pong, answers pings meanwhile, and leaves the connection usable", async () => {
  await using ends = await open();
  const pinged = within("a pong", ends.client.ping!());
  const ping = await ends.server.frame(true);
  assert.deepEqual([ping.opcode, ping.payload.length], [9, 0]);
  await ends.server.send(join([frame(PING, "you?"), frame(PONG)]));
  await pinged;
  assert.equal((await ends.server.frame(true)).opcode, 10);
  const { reply } = await send(ends);
  await ends.server.send(frame(BINARY, "reply"));
  assert.equal(await reply, "reply");
});

Deno.test("the server's close throws disconnected, with its code and reason", async () => {
  await using ends = await open();
  const { reply } = await send(ends);
  await ends.server.send(frame(CLOSE, closePayload(1012, "restarting")));
  await assert.rejects(
    reply,
    new TransportError("disconnected", "The server closed the WebSocket: 1012 restarting"),
  );
  assert.equal(ends.client.closed, true);
});

Deno.test("a connection that ends without a close throws disconnected", async () => {
  for (const part of ["", "82", "82 05 61"]) {
    await using ends = await open();
    const { reply } = await send(ends);
    await ends.server.send(hex(part));
    ends.server.close();
    await assert.rejects(reply, { name: "TransportError", code: "disconnected" });
  }
});

Deno.test("an idle client closes on a close frame, on a message nobody asked for, and on broken frames", async () => {
  for (const bytes of [frame(CLOSE, closePayload(1001, "")), frame(BINARY, "?"), hex("f3 00"), hex("82 80 00000000")]) {
    await using ends = await open();
    await ends.server.send(bytes);
    await eventually("the client closes", () => ends.client.closed);
    await assert.rejects(ends.client.request(latin1("ask")), { code: "disconnected" });
  }
});

Deno.test("what breaks the framing throws not_speaking", async () => {
  for (const digits of ["f2 00", "83 00", "82 81 00000000 61", "80 00"]) {
    await using ends = await open();
    const { reply } = await send(ends);
    await ends.server.send(hex(digits));
    await assert.rejects(reply, { name: "TransportError", code: "not_speaking" }, digits);
    assert.equal(ends.client.closed, true);
  }
});

Deno.test("a text message throws not_speaking; from an openpi server it is the failure of the policy", async () => {
  const traceback = frame(TEXT, "Traceback (most recent call last):\n  File x\nKeyError: 'state'\n");
  await using ends = await open();
  const { reply } = await send(ends);
  await ends.server.send(traceback);
  const message = "The server sent text instead of a reply: KeyError: 'state'";
  await assert.rejects(reply, new TransportError("not_speaking", message));

  await using other = await open({ openpi: true, handshake: foreign, first: frame(BINARY, "hi") });
  const { reply: failed } = await send(other);
  await other.server.send(traceback);
  await assert.rejects(failed, new PolicyError("policy_failed", "The server failed: KeyError: 'state'"));
});

Deno.test("a handshake that is answered wrongly throws not_speaking", async () => {
  const wrong: Handshake[] = [
    () => pi0("AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    (accept) => pi0(accept).replace(/Sec-WebSocket-Accept.*\r\n/, ""),
    () => "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone",
    () => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    () => "220 mail.example ESMTP\r\n\r\n",
    () => "SSH-2.0-OpenSSH_9.6\r\n\r\n",
    () => "\0\0\0\x05hello",
  ];
  for (const handshake of wrong) {
    await assert.rejects(open({ handshake }), { name: "TransportError", code: "not_speaking" }, handshake(""));
  }
});

Deno.test("a server that says no says why", async () => {
  const refusal = (status: string) => () => `HTTP/1.1 ${status}\r\nContent-Length: 8\r\n\r\nnot now\n`;
  await assert.rejects(open({ handshake: refusal("401 Unauthorized") }), (error: PolicyError) => {
    assert.equal(error.code, "unauthorized");
    assert.match(error.message, /answered 401: not now/);
    return true;
  });
  await assert.rejects(open({ handshake: refusal("503 Service Unavailable") }), { name: "PolicyError", code: "busy" });
});

Deno.test("a WebSocket that is not pi0's throws not_speaking and mentions --openpi", async () => {
  await assert.rejects(open({ handshake: foreign }), (error: TransportError) => {
    assert.equal(error.code, "not_speaking");
    assert.match(error.message, /--openpi/);
    return true;
  });
});

Deno.test("another version of the protocol throws protocol_mismatch", async () => {
  const handshake: Handshake = (accept) => pi0(accept).replace("Protocol: 1", "Protocol: 2");
  await assert.rejects(open({ handshake }), { name: "PolicyError", code: "protocol_mismatch" });
});

Deno.test("the client says goodbye", async () => {
  await using ends = await open();
  await ends.client[Symbol.asyncDispose]();
  const { opcode, payload } = await ends.server.frame(true);
  assert.deepEqual([opcode, payload], [8, hex("03e8")]);
  assert.equal(await ends.server.ended(), true);
});

Deno.test("converseWs() closes the session of a client that is gone before the handshake is answered", async () => {
  const service = new EchoService();
  const socket = new ScriptedSocket();
  socket.writeError = new Deno.errors.ConnectionReset("reset");
  const stream = new ByteStream(socket, new FakeClock());
  const accepted = { stream, remote: "there", busy: true, closing: false };
  for (const openpi of [false, true]) {
    const caller: Caller = { transport: "ws", remote: "there", openpi };
    const limits = { maxMessageBytes: 1000, maxConnections: 1, messageMs: 50, idleMs: 50 };
    await converseWs(accepted, { start: "", headers: new Map() }, caller, service.open(caller), limits);
    assert.equal(service.sessions, 0);
  }
});
