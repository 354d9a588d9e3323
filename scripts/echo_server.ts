/**
 * The least that a socket can do, for comparison: takes a request of a known size and sends a reply of a known size,
 * on raw TCP, TLS and a QUIC stream, on QUIC inside a minimal relay, and on HTTP, HTTPS and WebSocket servers that the
 * runtime brings. Prints its ports and its certificate as JSON.
 *
 *     deno run -A scripts/echo_server.ts REQUEST_BYTES REPLY_BYTES
 *
 * @module
 */

import { createServer as createHttpsServer } from "node:https";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { makeIdentity } from "../src/transport/certificate.ts";
import { relay } from "./bare_sockets.ts";

const [requestBytes = 0, replyBytes = 0] = Deno.args.map(Number);
const reply = new Uint8Array(replyBytes);
const hostname = "127.0.0.1";
const { certPem: cert, keyPem: key } = await makeIdentity({ names: [hostname] });

const listener = Deno.listen({ hostname, port: 0 });
const web = Deno.serve({ hostname, port: 0, onListen: () => {} }, async (request) => {
  if (request.headers.get("upgrade") !== "websocket") {
    await request.arrayBuffer();
    return new Response(reply);
  }
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.binaryType = "arraybuffer";
  socket.onmessage = () => socket.send(reply);
  return response;
});
// The runtime's own TLS servers cannot turn Nagle's algorithm off; Node's can.
const tls = createTlsServer({ cert, key }, (socket: TLSSocket) => {
  let got = 0;
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("data", (bytes: Uint8Array) => {
    got += bytes.length;
    for (; got >= requestBytes; got -= requestBytes) socket.write(reply);
  });
});
const https = createHttpsServer({ cert, key }, (request, response) => {
  request.resume();
  request.on("end", () => response.end(reply));
});
const listening = (server: { listen(port: number, host: string, done: () => void): unknown; address(): unknown }) =>
  new Promise<number>((resolve) =>
    server.listen(0, hostname, () => resolve((server.address() as { port: number }).port))
  );
const endpoint = new Deno.QuicEndpoint({ hostname, port: 0 });
const quic = endpoint.listen({ cert, key, alpnProtocols: ["echo"] });
const relayed = Deno.listen({ hostname, port: 0 });

const ports = {
  tcp: (listener.addr as Deno.NetAddr).port,
  web: (web.addr as Deno.NetAddr).port,
  tls: await listening(tls as never),
  https: await listening(https as never),
  quic: endpoint.addr.port,
  relay: (relayed.addr as Deno.NetAddr).port,
};
// deno-lint-ignore no-console
console.log(JSON.stringify({ ports, cert }));

await Promise.all([acceptTcp(), acceptQuic(), acceptRelay()]);

async function acceptTcp(): Promise<void> {
  for await (const connection of listener) echo(connection).catch(() => connection.close());
}

async function echo(connection: Deno.TcpConn): Promise<void> {
  connection.setNoDelay(true);
  const buffer = new Uint8Array(requestBytes);
  for (;;) {
    for (let got = 0; got < requestBytes;) {
      const count = await connection.read(buffer.subarray(got));
      if (count === null) return connection.close();
      got += count;
    }
    for (let sent = 0; sent < replyBytes;) sent += await connection.write(reply.subarray(sent));
  }
}

async function acceptQuic(): Promise<void> {
  for await (const incoming of quic) {
    const connection = await incoming.accept();
    // Who leaves ends its streams, which is all that matters here.
    connection.closed.catch(() => undefined);
    echoQuic(connection).catch(() => undefined);
  }
}

async function echoQuic(connection: Deno.QuicConn): Promise<void> {
  const { value: stream } = await connection.incomingBidirectionalStreams.getReader().read();
  const reader = stream!.readable.getReader({ mode: "byob" });
  const writer = stream!.writable.getWriter();
  let memory = new ArrayBuffer(64 * 1024);
  for (;;) {
    for (let got = 0; got < requestBytes;) {
      const { value } = await reader.read(new Uint8Array(memory));
      if (value === undefined || value.length === 0) return;
      memory = value.buffer;
      got += value.length;
    }
    await writer.write(reply);
  }
}

async function acceptRelay(): Promise<void> {
  for await (const connection of relayed) {
    const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    relay(connection, socket, { transport: "udp", hostname, port: ports.quic });
  }
}
