/**
 * Somebody in the middle of a path, who sees what goes by, changes it, loses it, or cuts it off.
 *
 * @module
 */

import type { Bytes } from "../../src/types.ts";

export type Direction = "up" | "down";

/** What becomes of bytes on their way; undefined loses them. */
export type Change = (bytes: Bytes, direction: Direction) => Bytes | undefined;

/** Between a UDP client and a server that may be replaced by another. */
export class UdpMiddle implements Disposable {
  readonly #near = listenUdp();
  /** As whom the server sees the client. */
  #far = listenUdp();
  #client: Deno.NetAddr | undefined;
  /** Port of the server, on this machine. */
  server: number;
  change: Change = (bytes) => bytes;

  constructor(server: number) {
    this.server = server;
    this.#forward(this.#near, "up").catch(() => undefined);
    this.#forward(this.#far, "down").catch(() => undefined);
  }

  get port(): number {
    return (this.#near.addr as Deno.NetAddr).port;
  }

  /** Gives the client another address, as a network does that it has moved to. */
  move(): void {
    this.#far.close();
    this.#far = listenUdp();
    this.#forward(this.#far, "down").catch(() => undefined);
  }

  async #forward(socket: Deno.DatagramConn, direction: Direction): Promise<void> {
    for await (const [datagram, from] of socket) {
      if (direction === "up") this.#client = from as Deno.NetAddr;
      const changed = this.change(new Uint8Array(datagram), direction);
      if (changed === undefined) continue;
      if (direction === "down") await this.#near.send(changed, this.#client!);
      else await this.#far.send(changed, { transport: "udp", hostname: "127.0.0.1", port: this.server });
    }
  }

  [Symbol.dispose](): void {
    this.#near.close();
    this.#far.close();
  }
}

function listenUdp(): Deno.DatagramConn {
  return Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
}

/** Between TCP clients and a server. */
export class TcpMiddle implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #server: number;
  readonly #sockets = new Set<Deno.TcpConn>();
  change: Change = (bytes) => bytes;

  constructor(server: number) {
    this.#server = server;
    this.#accept().catch(() => undefined);
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#server });
      this.#sockets.add(client).add(server);
      this.#forward(client, server, "up");
      this.#forward(server, client, "down");
    }
  }

  async #forward(from: Deno.TcpConn, to: Deno.TcpConn, direction: Direction): Promise<void> {
    try {
      const buffer = new Uint8Array(65_536);
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        const bytes = this.change(buffer.slice(0, count), direction);
        for (let sent = 0; bytes !== undefined && sent < bytes.length;) sent += await to.write(bytes.subarray(sent));
      }
    } catch {
      // Cut off at one of its ends.
    }
    this.#close(from);
    this.#close(to);
  }

  #close(socket: Deno.TcpConn): void {
    if (this.#sockets.delete(socket)) socket.close();
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.#sockets) this.#close(socket);
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    this.cut();
  }
}

/** A UDP socket that answers nothing by itself. */
export class SilentSocket implements Disposable {
  readonly socket = listenUdp();

  get port(): number {
    return (this.socket.addr as Deno.NetAddr).port;
  }

  [Symbol.dispose](): void {
    this.socket.close();
  }
}
