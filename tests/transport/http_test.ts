import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import { PolicyError, TransportError } from "../../src/errors.ts";
import { http } from "../../src/transport/http.ts";
import type { ConnectOptions } from "../../src/transport/transport.ts";
import { eventually, within } from "../support/eventually.ts";
import { RawClient } from "../support/raw_client.ts";
import { latin1 } from "../support/scripted_socket.ts";

const CONNECT: ConnectOptions = { clock: systemClock, connectMs: 5000, maxMessageBytes: 1000 };

/** Connects the client to a server that is written by hand; gives both ends. */
async function open(options: Partial<ConnectOptions> = {}, path = "/infer") {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const client = await http.connect(new URL(`http://127.0.0.1:${port}${path}`), { ...CONNECT, ...options });
  const server = new RawClient(await listener.accept());
  return {
    client,
    server,
    /** Sends a message, lets the server read it, and answers with these bytes; an empty text ends the connection. */
    async ask(answer: string): Promise<string> {
      const asked = within("a reply", client.request(latin1("ask")));
      // Heard below, once the server has done its part.
      asked.catch(() => undefined);
      await server.head();
      assert.deepEqual(await server.bytes(3), latin1("ask"));
      if (answer === "") server.close();
      else await server.send(answer);
      return String.fromCharCode(...await asked);
    },
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      server.close();
    },
  };
}

function response(status: string, body = "", headers = ""): string {
  return `HTTP/1.1 ${status}\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
}

Deno.test("a request says where it goes, what it is and who calls", async () => {
  await using ends = await open({ token: "s3cret", client: "arm" }, "/infer?robot=1");
  const asked = within("a reply", ends.client.request(latin1("ask")));
  const { start, headers } = await ends.server.head();
  assert.equal(start, "POST /infer?robot=1 HTTP/1.1");
  assert.match(headers.get("host") ?? "", /^127\.0\.0\.1:\d+$/);
  assert.deepEqual(Object.fromEntries([...headers].filter(([name]) => name !== "host")), {
    "content-type": "application/msgpack",
    "content-length": "3",
    "authorization": "Bearer s3cret",
    "pi0-client": "arm",
    "pi0-protocol": "1",
  });
  await ends.server.send(response("200 OK", "reply"));
  assert.equal(String.fromCharCode(...await asked), "reply");
});

Deno.test("replies are read whatever marks their end", async () => {
  await using ends = await open();
  assert.equal(await ends.ask(response("200 OK", "by length")), "by length");
  const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nby\r\n7\r\n chunks\r\n0\r\n\r\n";
  assert.equal(await ends.ask(chunked), "by chunks");
  const interim = "HTTP/1.1 100 Continue\r\n\r\n";
  assert.equal(await ends.ask(interim + response("200 OK", "after another")), "after another");
});

Deno.test("a failure in the service's words is a reply, whatever its status", async () => {
  await using ends = await open();
  const headers = "Content-Type: application/msgpack\r\n";
  assert.equal(await ends.ask(response("503 Service Unavailable", "busy", headers)), "busy");
  assert.equal(ends.client.closed, false);
});

Deno.test("a server that says close is not asked again", async () => {
  await using ends = await open();
  assert.equal(await ends.ask(response("200 OK", "bye", "Connection: close\r\n")), "bye");
  assert.equal(ends.client.closed, true);
  await assert.rejects(ends.client.request(latin1("ask")), { code: "disconnected" });
});

Deno.test("a status without the service's words throws what it means, and quotes one line", async () => {
  const meanings = [
    ["401 Unauthorized", PolicyError, "unauthorized"],
    ["403 Forbidden", PolicyError, "unauthorized"],
    ["503 Service Unavailable", PolicyError, "busy"],
    ["404 Not Found", TransportError, "not_speaking"],
    ["500 Internal Server Error", TransportError, "not_speaking"],
  ] as const;
  for (const [status, type, code] of meanings) {
    await using ends = await open();
    await assert.rejects(ends.ask(response(status, "a reason\nand more")), (error: PolicyError | TransportError) => {
      assert.ok(error instanceof type, String(error));
      assert.equal(error.code, code);
      assert.ok(error.message.includes(`answered ${status.slice(0, 3)}: a reason (`) || code === "busy", error.message);
      assert.doesNotMatch(error.message, /and more/);
      return true;
    });
    assert.equal(ends.client.closed, true);
  }
});

Deno.test("what is no HTTP throws not_speaking", async () => {
  const answers = [
    "\0\0\0\x05hello",
    "SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "HTTP/2 200\r\n\r\n",
    "HTTP/1.1 200 OK\r\nodd\r\n\r\n",
  ];
  for (const answer of answers) {
    await using ends = await open();
    await assert.rejects(ends.ask(answer), { name: "TransportError", code: "not_speaking" }, answer);
    assert.equal(ends.client.closed, true);
  }
});

Deno.test("another version of the protocol throws protocol_mismatch", async () => {
  await using ends = await open();
  await assert.rejects(ends.ask(response("200 OK", "x", "Pi0-Protocol: 2\r\n")), { code: "protocol_mismatch" });
});

Deno.test("a connection that ends before or inside the reply throws disconnected", async () => {
  await using ends = await open();
  await assert.rejects(ends.ask(""), { name: "TransportError", code: "disconnected" });
  await using other = await open();
  const asked = assert.rejects(other.ask("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"), { code: "disconnected" });
  await eventually("the client has read some", () => other.client.bytesIn > 0);
  other.server.close();
  await asked;
});

Deno.test("an idle client closes on bytes that nobody asked for", async () => {
  await using ends = await open();
  assert.equal(await ends.ask(response("200 OK", "reply")), "reply");
  await ends.server.send(response("408 Request Timeout"));
  await eventually("the client closes", () => ends.client.closed);
});
