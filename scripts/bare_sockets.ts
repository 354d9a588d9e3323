/**
 * Clients of `echo_server.ts`: what the runtime's own sockets cost with nothing around them.
 *
 * @module
 */

import { Agent, request as requestHttps } from "node:https";
import { connect as connectTls } from "node:tls";

const HOST = "127.0.0.1";

/** A socket that carries messages of one size there and replies of another back. */
export interface BareSocket {
  exchange(message: Uint8Array<ArrayBuffer>): Promise<void>;
  close(): unknown;
}

export async function bareTcp(port: number, replyBytes: number): Promise<BareSocket> {
  const connection = await Deno.connect({ hostname: HOST, port });
  connection.setNoDelay(true);
  const reply = new Uint8Array(replyBytes);
  return {
    async exchange(message) {
      for (let sent = 0; sent < message.length;) sent += await connection.write(message.subarray(sent));
      for (let got = 0; got < replyBytes;) got += await connection.read(reply.subarray(got)) ?? replyBytes;
    },
    close: () => connection.close(),
  };
}

export function bareHttp(port: number): Promise<BareSocket> {
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 1 });
  const exchange = async (message: Uint8Array<ArrayBuffer>) => {
    const response = await fetch(`http://${HOST}:${port}/`, { method: "POST", body: message, client });
    await response.arrayBuffer();
  };
  return Promise.resolve({ exchange, close: () => client.close() });
}

export async function bareWs(port: number): Promise<BareSocket> {
  const socket = new WebSocket(`ws://${HOST}:${port}/`);
  socket.binaryType = "arraybuffer";
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  return {
    exchange: (message) =>
      new Promise((resolve) => {
        socket.onmessage = () => resolve();
        socket.send(message);
      }),
    close: () => socket.close(),
  };
}

/** Node's TLS, as the runtime's own cannot turn Nagle's algorithm off, which waits 40 ms. */
export async function bareTls(port: number, replyBytes: number, ca: string): Promise<BareSocket> {
  const socket = connectTls({ host: HOST, port, ca });
  socket.setNoDelay(true);
  await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  let got = 0;
  let wake = () => {};
  socket.on("data", (bytes: Uint8Array) => {
    got += bytes.length;
    if (got < replyBytes) return;
    got -= replyBytes;
    wake();
  });
  return {
    exchange: (message) =>
      new Promise((resolve) => {
        wake = resolve;
        socket.write(message);
      }),
    close: () => socket.destroy(),
  };
}

export function bareHttps(port: number, ca: string): Promise<BareSocket> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const exchange = (message: Uint8Array<ArrayBuffer>) =>
    new Promise<void>((resolve, reject) => {
      const headers = { "content-length": message.length };
      const request = requestHttps({ host: HOST, port, ca, agent, method: "POST", headers }, (response) => {
        response.resume();
        response.on("end", resolve);
      });
      request.on("error", reject);
      request.end(message);
    });
  return Promise.resolve({ exchange, close: () => agent.destroy() });
}

type QuicCongestion = "throughput" | "low-latency";

export async function bareQuic(
  port: number,
  replyBytes: number,
  ca: string,
  congestionControl: QuicCongestion = "low-latency",
): Promise<BareSocket> {
  const options = { hostname: HOST, port, alpnProtocols: ["echo"], caCerts: [ca], congestionControl };
  const connection = await Deno.connectQuic(options);
  connection.closed.catch(() => undefined);
  const stream = await connection.createBidirectionalStream();
  const reader = stream.readable.getReader({ mode: "byob" });
  const writer = stream.writable.getWriter();
  let memory = new ArrayBuffer(64 * 1024);
  return {
    async exchange(message) {
      await writer.write(message);
      for (let got = 0; got < replyBytes;) {
        const { value } = await reader.read(new Uint8Array(memory));
        memory = value!.buffer;
        got += value!.length;
      }
    },
    close: () => connection.close(),
  };
}

/** QUIC whose datagrams travel through a TCP connection. */
export async function bareQuicRelay(port: number, replyBytes: number, ca: string): Promise<BareSocket> {
  const connection = await Deno.connect({ hostname: HOST, port });
  const socket = Deno.listenDatagram({ transport: "udp", hostname: HOST, port: 0 });
  const near = (socket.addr as Deno.NetAddr).port;
  relay(connection, socket);
  const quic = await bareQuic(near, replyBytes, ca, "throughput");
  return {
    exchange: quic.exchange,
    close() {
      quic.close();
      connection.close();
    },
  };
}

/** Carries datagrams behind their length (u16, big-endian) until either side ends; the least that a relay can do. */
export function relay(connection: Deno.TcpConn, socket: Deno.DatagramConn, peer?: Deno.Addr): void {
  connection.setNoDelay(true);
  let address = peer;
  const up = async () => {
    const buffer = new Uint8Array(2048);
    for (;;) {
      const [datagram, from] = await socket.receive(buffer.subarray(2));
      address ??= from;
      buffer[0] = datagram.length >> 8;
      buffer[1] = datagram.length & 0xff;
      for (let rest = buffer.subarray(0, 2 + datagram.length); rest.length > 0;) {
        rest = rest.subarray(await connection.write(rest));
      }
    }
  };
  const down = async () => {
    const buffer = new Uint8Array(128 * 1024);
    for (let end = 0;;) {
      const count = await connection.read(buffer.subarray(end));
      if (count === null) return socket.close();
      end += count;
      let at = 0;
      while (end - at >= 2) {
        const length = buffer[at]! * 256 + buffer[at + 1]!;
        if (end - at < 2 + length) break;
        await socket.send(buffer.subarray(at + 2, at + 2 + length), address!);
        at += 2 + length;
      }
      buffer.copyWithin(0, at, end);
      end -= at;
    }
  };
  // When one side ends the other has nothing to carry.
  up().catch(() => undefined);
  down().catch(() => socket.close());
}
