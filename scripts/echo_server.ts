/**
 * The least that a socket can do, for comparison: takes a request of a known size and sends a reply of a known size,
 * on raw TCP, and on the runtime's own HTTP and WebSocket servers. Prints its ports as JSON.
 *
 *     deno run -A scripts/echo_server.ts REQUEST_BYTES REPLY_BYTES
 *
 * @module
 */

const [requestBytes = 0, replyBytes = 0] = Deno.args.map(Number);
const reply = new Uint8Array(replyBytes);

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const web = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
  if (request.headers.get("upgrade") !== "websocket") {
    await request.arrayBuffer();
    return new Response(reply);
  }
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.binaryType = "arraybuffer";
  socket.onmessage = () => socket.send(reply);
  return response;
});
const tcp = (listener.addr as Deno.NetAddr).port;
// deno-lint-ignore no-console
console.log(JSON.stringify({ tcp, web: (web.addr as Deno.NetAddr).port }));

for await (const connection of listener) echo(connection).catch(() => connection.close());

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
