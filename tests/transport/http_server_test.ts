import assert from "node:assert/strict";
import { type Clock, sleep, systemClock } from "../../src/clock.ts";
import { PolicyError } from "../../src/errors.ts";
import { listenHttp } from "../../src/transport/http_server.ts";
import type { ListenLimits } from "../../src/transport/transport.ts";
import { closePayload, parseClose } from "../../src/transport/ws_frame.ts";
import { EchoService } from "../support/echo_service.ts";
import { eventually, passing } from "../support/eventually.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { RawClient } from "../support/raw_client.ts";
import { hex, join } from "../support/scripted_socket.ts";

const LIMITS: ListenLimits = { maxMessageBytes: 100_000, maxConnections: 8, messageMs: 5000, idleMs: 5000 };

function start(clock: Clock = systemClock) {
  const service = new EchoService();
  const listener = listenHttp(service, { hostname: "127.0.0.1", port: 0, clock, limits: LIMITS });
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

function post(body: string, headers = ""): string {
  return `POST /infer HTTP/1.1\r\nHost: here\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
}

Deno.test("a request is answered as HTTP/1.1 has it", async () => {
  await using server = start();
  using client = await server.connect();
  await client.send(post("hello"));
  const { status, headers, text } = await client.response();
  assert.equal(status, 200);
  assert.deepEqual(Object.fromEntries(headers), {
    "content-type": "application/msgpack",
    "content-length": "5",
    "pi0-protocol": "1",
  });
  assert.equal(text, "hello");
});

Deno.test("two requests in one packet are answered in order, and the connection is kept", async () => {
  await using server = start();
  using client = await server.connect();
  await client.send(post("first") + post("second"));
  assert.equal((await client.response()).text, "first");
  assert.equal((await client.response()).text, "second");
  await client.send(post("third"));
  assert.equal((await client.response()).text, "third");
  assert.equal(server.service.callers.length, 1);
});

Deno.test("a chunked request is answered", async () => {
  await using server = start();
  using client = await server.connect();
  await client.send("POST /infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  assert.equal((await client.response()).text, "abcde");
});

Deno.test("a page is shown to GET, and its head to HEAD", async () => {
  await using server = start();
  using client = await server.connect();
  await client.send("GET /healthz?why=not HTTP/1.1\r\n\r\n");
  const page = await client.response();
  assert.equal(page.status, 200);
  assert.equal(page.text, "OK\n");
  assert.equal(page.headers.get("cache-control"), "no-store");
  await client.send("HEAD /healthz HTTP/1.1\r\n\r\n");
  assert.match((await client.head()).start, /^HTTP\/1\.1 200 /);
  await client.send(post("on"));
  assert.equal((await client.response()).text, "on");
});

Deno.test("another path is answered with 426, as openpi's server does, and says where to go", async () => {
  await using server = start();
  using client = await server.connect();
  for (const request of ["GET /nowhere HTTP/1.1\r\n\r\n", post("lost").replace("/infer", "/")]) {
    await client.send(request);
    const { status, headers, text } = await client.response();
    assert.equal(status, 426);
    assert.equal(headers.get("upgrade"), "websocket");
    assert.match(text, /POST \/infer/);
  }
});

Deno.test("GET /infer is answered with 405", async () => {
  await using server = start();
  using client = await server.connect();
  await client.send("GET /infer HTTP/1.1\r\n\r\n");
  const { status, headers } = await client.response();
  assert.equal(status, 405);
  assert.equal(headers.get("allow"), "POST");
});

Deno.test("HEAD never gets a body, whatever the answer is", async () => {
  await using server = start();
  using client = await server.connect();
  for (const [path, status] of [["/nowhere", 426], ["/infer", 405]] as const) {
    await client.send(`HEAD ${path} HTTP/1.1\r\n\r\n`);
    assert.match((await client.head()).start, new RegExp(`^HTTP/1\\.1 ${status} `));
    await client.send(post("next"));
    assert.equal((await client.response()).text, "next");
  }
});

Deno.test("the connection ends with a request that asks for it, and with one of HTTP/1.0 that does not ask to go on", async () => {
  const last = [
    post("bye", "Connection: close\r\n"),
    post("bye").replace("HTTP/1.1", "HTTP/1.0"),
    post("bye", "Connection: Keep-Alive, Close\r\n"),
  ];
  for (const request of last) {
    await using server = start();
    using client = await server.connect();
    await client.send(request);
    const { headers, text } = await client.response();
    assert.equal(text, "bye");
    assert.equal(headers.get("connection"), "close");
    assert.equal(await client.ended(), true);
  }
});

Deno.test("HTTP/1.0 may ask to go on", async () => {
  await using server = start();
  using client = await server.connect();
  for (const body of ["a", "b"]) {
    await client.send(post(body, "Connection: keep-alive\r\n").replace("HTTP/1.1", "HTTP/1.0"));
    assert.equal((await client.response()).text, body);
  }
});

Deno.test("Expect: 100-continue is told to continue before the body is sent", async () => {
  await using server = start();
  using client = await server.connect();
  await client.send(post("", "Expect: 100-continue\r\n").replace("Content-Length: 0", "Content-Length: 5"));
  assert.match((await client.head()).start, /^HTTP\/1\.1 100 /);
  await client.send("hello");
  assert.equal((await client.response()).text, "hello");
});

Deno.test("the absolute form of a proxy is understood", async () => {
  await using server = start();
  using client = await server.connect();
  await client.send(post("hello").replace("/infer", "http://here:8000/infer"));
  assert.equal((await client.response()).text, "hello");
  await client.send("GET http://here HTTP/1.1\r\n\r\n");
  assert.equal((await client.response()).status, 426);
});

Deno.test("what is no request is answered with its reason, and the connection ends", async () => {
  const malformed = [
    ["GET /healthz HTTP/2.0\r\n\r\n", 505],
    ["GET /healthz\r\n\r\n", 400],
    ["GET  /healthz HTTP/1.1\r\n\r\n", 400],
    ["Get /healthz HTTP/1.1\r\n\r\n", 400],
    ["GET /a b HTTP/1.1\r\n\r\n", 400],
    ["GET /healthz HTTP/1.1\r\nno colon\r\n\r\n", 400],
    ["\x16\x03\x01\x00", 400],
    [`POST /infer HTTP/1.1\r\nContent-Length: many\r\n\r\n`, 400],
    [`POST /infer HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
    [`POST /infer HTTP/1.1\r\nContent-Length: 100001\r\n\r\n`, 413],
    [`GET /healthz HTTP/1.1\r\nA: ${"b".repeat(20_000)}\r\n\r\n`, 413],
  ] as const;
  await using server = start();
  for (const [request, expected] of malformed) {
    using client = await server.connect();
    await client.send(request);
    const { status, headers } = await client.response();
    assert.equal(status, expected, JSON.stringify(request.slice(0, 60)));
    assert.equal(headers.get("connection"), "close");
    assert.equal(await client.ended(), true);
  }
  assert.equal(server.service.received, 0);
});

Deno.test("a failure has a status of its own and the service's words", async () => {
  await using server = start();
  using client = await server.connect();
  for (
    const [code, expected] of [["busy", 503], ["superseded", 409], ["policy_failed", 500], [
      "undeclared_variant",
      422,
    ]] as const
  ) {
    server.service.answer = () => {
      throw new PolicyError(code, "for a reason");
    };
    await client.send(post("x"));
    const { status, headers, text } = await client.response();
    assert.equal(status, expected);
    assert.equal(headers.get("content-type"), "application/msgpack");
    assert.equal(text, `error ${code}: for a reason`);
  }
});

Deno.test("the token comes as Bearer or Api-Key; without it the answer is 401 and the connection ends", async () => {
  await using server = start();
  server.service.token = "s3cret";
  for (const header of ["", "Authorization: Bearer guess\r\n", "Authorization: s3cret\r\n"]) {
    using client = await server.connect();
    await client.send(post("x", header));
    const { status, headers } = await client.response();
    assert.equal(status, 401);
    assert.equal(headers.get("www-authenticate"), "Bearer");
    assert.equal(await client.ended(), true);
  }
  using client = await server.connect();
  for (const header of ["Authorization: Bearer s3cret\r\n", "authorization: api-key s3cret\r\n"]) {
    await client.send(post("x", header));
    assert.equal((await client.response()).status, 200);
  }
});

Deno.test("another client on the same connection has another session, and the one before it ends", async () => {
  await using server = start();
  using client = await server.connect();
  for (const name of ["left", "left", "right"]) {
    await client.send(post("x", `Pi0-Client: ${name}\r\nPi0-Protocol: 1\r\n`));
    await client.response();
  }
  assert.deepEqual(server.service.callers.map((caller) => [caller.client, caller.version]), [["left", 1], [
    "right",
    1,
  ]]);
  assert.equal(server.service.closed, 1);
});

Deno.test("a request that does not arrive in time is answered with 408", async () => {
  const clock = new FakeClock();
  await using server = start(clock);
  for (const part of ["POST /in", post("hello").slice(0, -1), post("", "X: y\r\n").slice(0, -2)]) {
    using client = await server.connect();
    await client.send(part);
    assert.equal((await passing(clock, client.response())).status, 408);
    assert.equal(await passing(clock, client.ended()), true);
  }
});

Deno.test("a client that goes on sending can read why it was refused", async () => {
  const clock = new FakeClock();
  await using server = start(clock);
  for (
    const request of ["POST /infer HTTP/1.1\r\nContent-Length: 100001\r\n\r\n", post("x", "Connection: close\r\n")]
  ) {
    using client = await server.connect();
    await client.send(request);
    await client.response();
    // A socket that was closed at once would answer this with a reset, and the next one could not be sent.
    for (let i = 0; i < 10; i++) {
      await client.send("x".repeat(1000));
      await sleep(systemClock, 1);
    }
    assert.equal(await client.ended(), true);
  }
});

Deno.test("a server that stops says so in the reply to the request in flight", async () => {
  await using server = start();
  using client = await server.connect();
  const release = server.service.holdAll();
  await client.send(post("last"));
  await eventually("the message arrives", () => server.service.received === 1);
  const closing = server.listener.close(60_000);
  release();
  const { headers, text } = await client.response();
  assert.equal(text, "last");
  assert.equal(headers.get("connection"), "close");
  assert.equal(await client.ended(), true);
  await closing;
});

Deno.test("a silent client is let go without a word", async () => {
  const clock = new FakeClock();
  await using server = start(clock);
  using client = await server.connect();
  await client.send(post("hello"));
  await client.response();
  assert.equal(await passing(clock, client.ended()), true);
});

// RFC 6455, section 1.3: this key has this answer.
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

function handshake(path: string, headers = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: here\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n` +
    `Sec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n${headers}\r\n`;
}

/** A masked frame. */
function frame(first: number, payload: string | Uint8Array): Uint8Array {
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  const mask = [0x12, 0x34, 0x56, 0x78];
  return join([Uint8Array.of(first, 0x80 | bytes.length, ...mask), bytes.map((byte, i) => byte ^ mask[i % 4]!)]);
}

const BINARY = 0x82;
const TEXT = 0x81;
const CLOSE = 0x88;
const PING = 0x89;

async function openWebSocket(server: { connect(): Promise<RawClient> }, path = "/ws"): Promise<RawClient> {
  const client = await server.connect();
  await client.send(handshake(path));
  assert.match((await client.head()).start, /^HTTP\/1\.1 101 /);
  return client;
}

function textOf({ payload }: { payload: Uint8Array }): string {
  return new TextDecoder().decode(payload);
}

Deno.test("the handshake of RFC 6455 is answered as it says, and extensions that are offered are not taken", async () => {
  await using server = start();
  using client = await server.connect();
  await client.send(handshake("/ws", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"));
  const { start: line, headers } = await client.head();
  assert.equal(line, "HTTP/1.1 101 Switching Protocols");
  assert.deepEqual(Object.fromEntries(headers), {
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-accept": ACCEPT,
    "pi0-protocol": "1",
  });
  await client.send(frame(BINARY, "hello"));
  assert.deepEqual(await client.bytes(7), join([hex("82 05"), new TextEncoder().encode("hello")]));
});

Deno.test("a message may come in the packet of the handshake", async () => {
  await using server = start();
  using client = await server.connect();
  await client.send(join([new TextEncoder().encode(handshake("/ws")), frame(BINARY, "early")]));
  await client.head();
  assert.equal(textOf(await client.frame()), "early");
});

Deno.test("a handshake that is not of RFC 6455 is refused with 400", async () => {
  await using server = start();
  const wrong = [
    handshake("/ws").replace("Version: 13", "Version: 8"),
    handshake("/ws").replace(KEY, "short"),
    handshake("/ws").replace("GET", "POST"),
  ];
  for (const request of wrong) {
    using client = await server.connect();
    await client.send(request);
    assert.equal((await client.response()).status, 400);
    assert.equal(await client.ended(), true);
  }
});

Deno.test("a WebSocket without the token is refused with 401", async () => {
  await using server = start();
  server.service.token = "s3cret";
  using client = await server.connect();
  await client.send(handshake("/ws"));
  const { status, text } = await client.response();
  assert.equal(status, 401);
  assert.match(text, /token/);
  assert.equal(await client.ended(), true);
  using other = await server.connect();
  await other.send(handshake("/", "Authorization: Api-Key s3cret\r\n"));
  assert.match((await other.head()).start, / 101 /);
});

Deno.test("a message in fragments is answered, and the ping between them", async () => {
  await using server = start();
  using client = await openWebSocket(server);
  await client.send(join([frame(0x02, "hel"), frame(PING, "now"), frame(0x80, "lo")]));
  const pong = await client.frame();
  assert.deepEqual([pong.opcode, textOf(pong)], [10, "now"]);
  assert.equal(textOf(await client.frame()), "hello");
});

Deno.test("pings of every length are answered", async () => {
  await using server = start();
  using client = await openWebSocket(server);
  for (const length of [0, 1, 2, 3, 4, 5, 124, 125]) {
    await client.send(frame(PING, "p".repeat(length)));
    const pong = await client.frame();
    assert.deepEqual([pong.opcode, textOf(pong)], [10, "p".repeat(length)]);
  }
});

Deno.test("pings are answered while a message is being handled", async () => {
  await using server = start();
  using client = await openWebSocket(server);
  const release = server.service.holdAll();
  await client.send(frame(BINARY, "slow"));
  await eventually("the message arrives", () => server.service.received === 1);
  for (const name of ["", "a", "b"]) {
    await client.send(frame(PING, name));
    const pong = await client.frame();
    assert.deepEqual([pong.opcode, textOf(pong)], [10, name]);
  }
  // In two packets, too.
  const ping = frame(PING, "parts");
  await client.send(ping.subarray(0, 8));
  await client.send(ping.subarray(8));
  assert.equal(textOf(await client.frame()), "parts");
  release();
  const reply = await client.frame();
  assert.deepEqual([reply.opcode, textOf(reply)], [2, "slow"]);
});

Deno.test("a message that arrives while another one is being handled is answered after it", async () => {
  await using server = start();
  using client = await openWebSocket(server);
  const release = server.service.holdAll();
  await client.send(frame(BINARY, "first"));
  await eventually("the message arrives", () => server.service.received === 1);
  await client.send(frame(BINARY, "second"));
  release();
  assert.equal(textOf(await client.frame()), "first");
  assert.equal(textOf(await client.frame()), "second");
});

Deno.test("a broken frame while a message is being handled ends the connection after the reply, and nothing else", async () => {
  await using server = start();
  using client = await openWebSocket(server);
  const release = server.service.holdAll();
  await client.send(frame(BINARY, "slow"));
  await eventually("the message arrives", () => server.service.received === 1);
  await client.send(hex("f3 00"));
  using other = await openWebSocket(server);
  await other.send(frame(PING, "alive"));
  assert.equal(textOf(await other.frame()), "alive");
  release();
  assert.equal(textOf(await client.frame()), "slow");
  const { opcode, payload } = await client.frame();
  assert.equal(opcode, 8);
  assert.equal(parseClose(payload).code, 1002);
});

Deno.test("a close frame while a message is being handled ends the session", async () => {
  await using server = start();
  using client = await openWebSocket(server);
  const release = server.service.holdAll();
  await client.send(frame(BINARY, "slow"));
  await eventually("the message arrives", () => server.service.received === 1);
  await client.send(frame(CLOSE, closePayload(1001, "")));
  await eventually("the session ends", () => server.service.closed === 1);
  release();
});

Deno.test("a text message on pi0's path is answered with an error, and the connection stays usable", async () => {
  await using server = start();
  using client = await openWebSocket(server);
  await client.send(frame(TEXT, "{}"));
  const { opcode, payload } = await client.frame();
  assert.equal(opcode, 2);
  assert.match(new TextDecoder().decode(payload), /^error text_frame: /);
  await client.send(frame(BINARY, "on"));
  assert.equal(textOf(await client.frame()), "on");
});

Deno.test("on any other path openpi's protocol is spoken: the greeting comes first", async () => {
  for (const path of ["/", "/infer", "/anything"]) {
    await using server = start();
    using client = await server.connect();
    await client.send(handshake(path));
    const { headers } = await client.head();
    assert.equal(headers.has("pi0-protocol"), false);
    assert.equal(textOf(await client.frame()), "hello");
    await client.send(frame(BINARY, "observation"));
    assert.equal(textOf(await client.frame()), "observation");
    assert.equal(server.service.callers[0]?.openpi, true);
  }
});

Deno.test("on openpi's path a failure is a text message, then the close that openpi's server sends", async () => {
  for (const message of [frame(BINARY, "observation"), frame(TEXT, "{}")]) {
    await using server = start();
    server.service.answer = () => {
      throw new PolicyError("policy_failed", "ValueError: no such camera");
    };
    using client = await openWebSocket(server, "/");
    await client.frame();
    await client.send(message);
    const failure = await client.frame();
    assert.equal(failure.opcode, 1);
    assert.match(textOf(failure), /no such camera|text message/);
    const farewell = await client.frame();
    assert.equal(farewell.opcode, 8);
    assert.deepEqual(parseClose(farewell.payload), {
      code: 1011,
      reason: "Internal server error. Traceback included in previous frame.",
    });
    assert.equal(await client.ended(), true);
  }
});

Deno.test("a close frame is echoed with its code, and the connection ends", async () => {
  await using server = start();
  using client = await openWebSocket(server);
  await client.send(frame(CLOSE, closePayload(1000, "done")));
  const { opcode, payload } = await client.frame();
  assert.equal(opcode, 8);
  assert.deepEqual(parseClose(payload), { code: 1000, reason: "" });
  assert.equal(await client.ended(), true);
  await eventually("the session ends", () => server.service.closed === 1);
});

Deno.test("what RFC 6455 forbids is answered with a close frame that says why", async () => {
  const wrong = [
    [hex("82 01 61"), 1002, /no mask/],
    [hex("c2 81 00000000 61"), 1002, /reserved bits/],
    [hex("80 80 00000000"), 1002, /continuation of nothing/],
    [hex("89 fe 00ff 00000000"), 1002, /too long/],
    [hex("82 ff 0000000000100000 00000000"), 1009, /too_large/],
  ] as const;
  await using server = start();
  for (const [bytes, code, reason] of wrong) {
    using client = await openWebSocket(server);
    await client.send(bytes);
    const { opcode, payload } = await client.frame();
    assert.equal(opcode, 8);
    assert.equal(parseClose(payload).code, code);
    assert.match(parseClose(payload).reason, reason);
    assert.equal(await client.ended(), true);
  }
});

Deno.test("a server that stops says so on a WebSocket whose message it has just answered", async () => {
  await using server = start();
  using client = await openWebSocket(server);
  const release = server.service.holdAll();
  await client.send(frame(BINARY, "last"));
  await eventually("the message arrives", () => server.service.received === 1);
  const closing = server.listener.close(60_000);
  release();
  assert.equal(textOf(await client.frame()), "last");
  const { opcode, payload } = await client.frame();
  assert.equal(opcode, 8);
  assert.equal(parseClose(payload).code, 1001);
  client.close();
  await closing;
});

Deno.test("a silent WebSocket is asked whether it is still there, and ends when it says nothing", async () => {
  const clock = new FakeClock();
  await using server = start(clock);
  using client = await openWebSocket(server);
  assert.equal((await passing(clock, client.frame())).opcode, 9);
  assert.equal((await passing(clock, client.frame())).opcode, 8);
});

Deno.test("a WebSocket that answers the question lives on", async () => {
  const clock = new FakeClock();
  await using server = start(clock);
  using client = await openWebSocket(server);
  for (let i = 0; i < 3; i++) {
    assert.equal((await passing(clock, client.frame())).opcode, 9);
    await client.send(frame(0x8a, ""));
    // Its answer shows that the pong before it has been read.
    await client.send(frame(BINARY, "here"));
    assert.equal(textOf(await client.frame()), "here");
  }
});
