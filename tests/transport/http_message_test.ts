import assert from "node:assert/strict";
import type { TransportError } from "../../src/errors.ts";
import { formatHead, readBody, readHead, writeMessage } from "../../src/transport/http_message.ts";
import { ByteStream } from "../../src/transport/stream.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { latin1, ScriptedSocket, splits, streamOf } from "../support/scripted_socket.ts";

const MAX_BYTES = 1000;

/** Reads the head and the body of one message. */
async function read(parts: Uint8Array[], { untilEnd = false, maxBytes = MAX_BYTES } = {}) {
  const stream = streamOf(...parts);
  const head = await readHead(stream, {});
  assert.ok(head !== undefined);
  const body = await readBody(stream, head.headers, maxBytes, {}, untilEnd);
  return { head, text: String.fromCharCode(...body), stream };
}

const POST = "POST /infer HTTP/1.1\r\n";

Deno.test("readHead() and readBody() read the same message wherever the bytes are split", async () => {
  const message = `${POST}Host: here:8000\r\nContent-Length: 5\r\nX-Empty:\r\n\r\nhello`;
  for (const parts of splits(latin1(message))) {
    const { head, text } = await read(parts);
    assert.equal(head.start, "POST /infer HTTP/1.1");
    assert.deepEqual([...head.headers], [["host", "here:8000"], ["content-length", "5"], ["x-empty", ""]]);
    assert.equal(text, "hello");
  }
});

Deno.test("readHead() leaves the next message where it is", async () => {
  const { stream } = await read([latin1(`${POST}Content-Length: 1\r\n\r\naGET /x HTTP/1.1\r\n\r\n`)]);
  assert.equal((await readHead(stream, {}))?.start, "GET /x HTTP/1.1");
  assert.equal(await readHead(stream, {}), undefined);
});

Deno.test("readHead() says nothing came where the far end closed between messages, and disconnected inside one", async () => {
  assert.equal(await readHead(streamOf(), {}), undefined);
  await assert.rejects(readHead(streamOf(latin1(POST)), {}), { code: "disconnected" });
});

Deno.test("readHead() tells when the first byte is there", async () => {
  let started = 0;
  await readHead(streamOf(latin1("GET / HTTP/1.1\r\n"), latin1("\r\n")), {}, () => started++);
  assert.equal(started, 1);
});

Deno.test("readHead() cuts blanks around values, keeps those inside, and joins fields of one name", async () => {
  const { head } = await read([latin1(`${POST}A: \t b  c \t\r\nX: 1\r\nx:2\r\n\r\n`)]);
  assert.deepEqual([...head.headers], [["a", "b  c"], ["x", "1, 2"]]);
});

Deno.test("readHead() refuses folded and odd headers", async () => {
  const odd = [
    "A: b\r\n folded",
    "no colon",
    ": no name",
    "A : b",
    "A\0: b",
    "A: b\0c",
    "A: b\nC: d",
    "A: b\rC: d",
    "X\nB: c",
  ];
  for (const line of odd) {
    await assert.rejects(read([latin1(`${POST}${line}\r\n\r\n`)]), { code: "malformed" }, JSON.stringify(line));
  }
});

Deno.test("readHead() refuses at the first byte what begins with no letter", async () => {
  for (const byte of ["\0", "\x82", " ", "\xc1"]) {
    const stream = new ByteStream(new ScriptedSocket(latin1(byte)), new FakeClock());
    await assert.rejects(readHead(stream, {}), { code: "malformed" });
  }
});

Deno.test("readHead() recognises TLS on the other side, as a server and as a client", async () => {
  for (const [byte, reason] of [["\x15", /a TLS server .*https/], ["\x16", /a TLS client .*not encrypted/]] as const) {
    const stream = new ByteStream(new ScriptedSocket(latin1(byte)), new FakeClock());
    await assert.rejects(readHead(stream, {}), (error: TransportError) => {
      assert.equal(error.code, "not_speaking");
      assert.match(error.message, reason);
      return true;
    });
  }
});

Deno.test("readHead() refuses more than 16 KiB of headers, with and without an end, however they arrive", async () => {
  const long = `${POST}A: ${"b".repeat(17_000)}`;
  for (const text of [long, `${long}\r\n\r\n`]) {
    const bytes = latin1(text);
    for (const parts of [[bytes], [bytes.subarray(0, 9_000), bytes.subarray(9_000)]]) {
      await assert.rejects(readHead(streamOf(...parts), {}), { code: "too_large" }, `${parts.length} parts`);
    }
  }
});

Deno.test("readHead() waits long for the first byte and less long for the rest", async () => {
  const clock = new FakeClock();
  const socket = new ScriptedSocket();
  const reading = assert.rejects(readHead(new ByteStream(socket, clock), { idleMs: 10_000, messageMs: 50 }), {
    code: "deadline",
  });
  await clock.advance(9_000);
  socket.arrive(latin1("GET / HT"));
  await clock.advance(50);
  await reading;
});

Deno.test("readBody() gives an empty body to a request that declares none", async () => {
  const { text, stream } = await read([latin1("GET / HTTP/1.1\r\n\r\nnext")]);
  assert.equal(text, "");
  assert.equal(stream.unread, 4);
});

Deno.test("readBody() refuses a length that is no number, is there twice, or is above the limit", async () => {
  const wrong = [
    ["-1", "malformed"],
    ["+5", "malformed"],
    ["0x10", "malformed"],
    ["5, 5", "malformed"],
    ["", "malformed"],
    ["99999999999999999999", "malformed"],
    ["1001", "too_large"],
  ] as const;
  for (const [length, code] of wrong) {
    await assert.rejects(read([latin1(`${POST}Content-Length: ${length}\r\n\r\nhello`)]), { code }, length);
  }
  await assert.rejects(read([latin1(`${POST}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`)]), {
    code: "malformed",
  });
});

Deno.test("readBody() refuses a length and a coding at once, and codings other than chunked", async () => {
  const chunks = "5\r\nhello\r\n0\r\n\r\n";
  for (
    const headers of [
      "Content-Length: 5\r\nTransfer-Encoding: chunked",
      "Transfer-Encoding: gzip, chunked",
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
      "Transfer-Encoding: identity",
    ]
  ) {
    await assert.rejects(read([latin1(`${POST}${headers}\r\n\r\n${chunks}`)]), { code: "malformed" }, headers);
  }
});

const CHUNKED = `${POST}Transfer-Encoding: Chunked\r\n\r\n`;

Deno.test("readBody() puts chunks together wherever the bytes are split", async () => {
  const message =
    `${CHUNKED}5\r\nhello\r\n00A;note=1\r\n, chunked \r\n1\r\n\n\r\n0\r\nTrailer: x\r\nMore: y\r\n\r\nnext`;
  for (const parts of splits(latin1(message))) {
    const { text, stream } = await read(parts);
    assert.equal(text, "hello, chunked \n");
    await stream.ready(4);
    assert.equal(String.fromCharCode(...stream.peek(4)), "next");
  }
});

Deno.test("readBody() refuses chunks that are malformed", async () => {
  const wrong = ["x\r\n", "\r\n", "-1\r\n", "5 \r\nhello\r\n0\r\n\r\n", "5\nhello\r\n", "5\r\nhello!\r\n0\r\n\r\n"];
  for (const chunks of [...wrong, "fffffffff\r\n"]) {
    await assert.rejects(read([latin1(CHUNKED + chunks)]), { code: "malformed" }, JSON.stringify(chunks));
  }
});

Deno.test("readBody() refuses chunks, lines and trailers beyond the limits", async () => {
  const wrong = {
    "one chunk too long": "3e9\r\n",
    "many chunks too long": `${`1f4\r\n${"a".repeat(500)}\r\n`.repeat(2)}1\r\na\r\n0\r\n\r\n`,
    "a line without end": `5;${"x".repeat(300)}`,
    "a line with an end": `5;${"x".repeat(300)}\r\nhello\r\n0\r\n\r\n`,
    "endless trailers": `0\r\n${"A: b\r\n".repeat(50)}\r\n`,
  };
  for (const [name, chunks] of Object.entries(wrong)) {
    await assert.rejects(read([latin1(CHUNKED + chunks)]), { code: "too_large" }, name);
  }
  const crumbs = latin1(CHUNKED + "1\r\na\r\n".repeat(70_000));
  await assert.rejects(read([crumbs], { maxBytes: 100_000 }), { code: "too_large" });
});

Deno.test("readBody() says disconnected where the far end closes inside a body", async () => {
  const cut = ["Content-Length: 5\r\n\r\n", "Content-Length: 5\r\n\r\nhell"];
  for (const chunks of ["", "5", "5\r\n", "5\r\nhello", "5\r\nhello\r\n", "0\r\n", "0\r\nA: b\r\n"]) {
    cut.push(`Transfer-Encoding: chunked\r\n\r\n${chunks}`);
  }
  for (const text of cut) {
    await assert.rejects(read([latin1(POST + text)]), { code: "disconnected" }, JSON.stringify(text));
  }
});

Deno.test("readBody() reads a reply without a length to the end, up to the limit", async () => {
  const reply = "HTTP/1.0 200 OK\r\n\r\n";
  for (const parts of splits(latin1(`${reply}to the end`))) {
    assert.equal((await read(parts, { untilEnd: true })).text, "to the end");
  }
  assert.equal((await read([latin1(reply)], { untilEnd: true })).text, "");
  assert.equal((await read([latin1(reply), new Uint8Array(1000)], { untilEnd: true })).text.length, 1000);
  await assert.rejects(read([latin1(reply), new Uint8Array(1001)], { untilEnd: true }), { code: "too_large" });
});

Deno.test("a body stays as it is while the next head arrives", async () => {
  const { stream } = await read([
    latin1(POST + "Content-Length: 0\r\n\r\n" + POST + "Content-Length: 3\r\n\r\nabcGET / HT"),
  ]);
  const head = await readHead(stream, {});
  const body = await readBody(stream, head!.headers, MAX_BYTES, {});
  await assert.rejects(readHead(stream, {}), { code: "disconnected" });
  assert.equal(String.fromCharCode(...body), "abc");
});

Deno.test("formatHead() writes the fields that have a value", () => {
  assert.equal(
    formatHead("HTTP/1.1 200 OK", { "A": "b", "Length": 0, "Absent": undefined }),
    "HTTP/1.1 200 OK\r\nA: b\r\nLength: 0\r\n\r\n",
  );
});

Deno.test("formatHead() refuses values that no header can hold", () => {
  for (const value of ["a\r\nX: y", "a\n", "a\0", "schlüssel", "鍵"]) {
    assert.throws(() => formatHead("GET / HTTP/1.1", { "Authorization": value }), TypeError);
  }
});

Deno.test("writeMessage() writes head and body in one piece", async () => {
  const socket = new ScriptedSocket();
  await writeMessage(new ByteStream(socket, new FakeClock()), "HTTP/1.1 200 OK\r\n\r\n", latin1("abc"));
  assert.deepEqual(socket.written, [latin1("HTTP/1.1 200 OK\r\n\r\nabc")]);
});
