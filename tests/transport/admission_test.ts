/**
 * Who gets in, and when: what a listener reads of a stranger, and whom it keeps waiting.
 */

import assert from "node:assert/strict";
import { systemClock, withDeadline } from "../../src/clock.ts";
import { NullPolicy } from "../../src/policy/null.ts";
import { aloha } from "../../src/robot/aloha.ts";
import { PolicyService } from "../../src/serving/service.ts";
import { listenHttp } from "../../src/transport/http_server.ts";
import { listenTcp } from "../../src/transport/tcp.ts";
import { ws } from "../../src/transport/ws.ts";

const LIMITS = { maxMessageBytes: 16_000_000, maxConnections: 8, messageMs: 5000, idleMs: 5000 };

function serve(token?: string) {
  const policy = new NullPolicy({
    actionHorizon: 2,
    actionDim: 14,
    clock: systemClock,
    random: () => 0,
    delayMs: 0,
    jitterMs: 0,
    busy: false,
  });
  const service = new PolicyService({
    policy,
    profile: aloha,
    clock: systemClock,
    queueCapacity: 2,
    maxSessions: 8,
    maxMessageBytes: LIMITS.maxMessageBytes,
    version: "test",
    residentBytes: () => 0,
    ...(token === undefined ? {} : { token }),
  });
  const options = { hostname: "127.0.0.1", port: 0, clock: systemClock, limits: LIMITS };
  return { service, http: listenHttp(service, options), tcp: listenTcp(service, options) };
}

/** Sends bytes, and reads until the server closes or `enough` says so. */
async function exchange(port: number, text: string, enough: (reply: string) => boolean = () => false): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(text));
  const read = async () => {
    let reply = "";
    const buffer = new Uint8Array(4096);
    for (;;) {
      const count = await connection.read(buffer);
      if (count === null || enough(reply += new TextDecoder("latin1").decode(buffer.subarray(0, count)))) return reply;
    }
  };
  return await withDeadline(systemClock, 4000, () => new Error("no answer"), read);
}

Deno.test("http refuses a stranger before it reads the body", async () => {
  const { http, tcp } = serve("secret");
  // Ten million bytes are announced and none is sent: an answer means that nobody waited for them.
  const request = "POST /infer HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n";
  assert.match(await exchange(http.port, request, (reply) => reply.includes("no token")), /^HTTP\/1\.1 401 /);
  await Promise.all([http.close(0), tcp.close(0)]);
});

Deno.test("tcp refuses a stranger before it reads the first frame", async () => {
  const { http, tcp } = serve("secret");
  const frame = "\x00\x10\x00\x00\x01";
  assert.match(await exchange(tcp.port, frame, (reply) => reply.includes("no token")), /unauthorized/);
  await Promise.all([http.close(0), tcp.close(0)]);
});

Deno.test("http and ws refuse pages of another origin, and not those of their own", async () => {
  const { service, http, tcp } = serve();
  service.start();
  const ask = (path: string, headers: string) =>
    exchange(http.port, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n${headers}Connection: close\r\n\r\n`);
  assert.match(await ask("/info", "Origin: https://evil.example\r\n"), /^HTTP\/1\.1 403 /);
  assert.match(await ask("/info", "Origin: null\r\n"), /^HTTP\/1\.1 403 /);
  assert.match(await ask("/info", "Origin: http://127.0.0.1:8000\r\n"), /^HTTP\/1\.1 200 /);
  assert.match(await ask("/info", ""), /^HTTP\/1\.1 200 /);
  const upgrade = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: https://evil.example\r\n\r\n";
  assert.match(await exchange(http.port, upgrade), /^HTTP\/1\.1 403 /);
  await Promise.all([http.close(0), tcp.close(0)]);
});

Deno.test("openpi's clients get their greeting when the policy is ready, and not before", async () => {
  const { service, http, tcp } = serve();
  const options = { clock: systemClock, connectMs: 4000, maxMessageBytes: 1e6, openpi: true };
  let connected = false;
  const connecting = ws.connect(new URL(`ws://127.0.0.1:${http.port}/`), options).then((connection) => {
    connected = true;
    return connection;
  });
  // Another request on another connection shows that the server has had its time.
  await exchange(http.port, "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  assert.equal(connected, false);
  service.start();
  const connection = await connecting;
  assert.deepEqual([...connection.greeting!], [0x80]);
  await connection[Symbol.asyncDispose]();
  await Promise.all([http.close(0), tcp.close(0)]);
});

Deno.test("an openpi client that leaves before the policy is ready is forgotten", async () => {
  const { service, http, tcp } = serve();
  const stop = new AbortController();
  const options = { clock: systemClock, connectMs: 4000, maxMessageBytes: 1e6, openpi: true, signal: stop.signal };
  const connecting = assert.rejects(ws.connect(new URL(`ws://127.0.0.1:${http.port}/`), options), /enough/);
  const sessions = () => /pi0_sessions\{transport="ws"\} (\d+)/.exec(service.page("/metrics", CALLER)!.body)?.[1];
  const until = async (wanted: string) => {
    while (sessions() !== wanted) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const patiently = (wanted: string) =>
    withDeadline(systemClock, 4000, () => new Error(`sessions: ${sessions()}`), () => until(wanted));
  await patiently("1");
  stop.abort(new Error("enough"));
  await connecting;
  await patiently("0");
  await Promise.all([http.close(0), tcp.close(0)]);
});

const CALLER = { transport: "http", remote: "test" };
