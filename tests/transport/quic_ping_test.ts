import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import { makeIdentity } from "../../src/transport/certificate.ts";
import { listenQuic } from "../../src/transport/quic.ts";
import { pingQuic } from "../../src/transport/quic_ping.ts";
import { EchoService } from "../support/echo_service.ts";
import { within } from "../support/eventually.ts";
import { SilentSocket, UdpMiddle } from "../support/middle.ts";

const LIMITS = { maxMessageBytes: 100_000, maxConnections: 8, messageMs: 5000, idleMs: 60_000 };
const identity = await makeIdentity({ names: ["127.0.0.1"] });

function listen() {
  const where = { hostname: "127.0.0.1", port: 0, clock: systemClock };
  return listenQuic(new EchoService(), { ...where, limits: LIMITS, identity });
}

function ping(port: number, count: number, waitMs: number, signal = new AbortController().signal) {
  return pingQuic({ hostname: "127.0.0.1", port, count, intervalMs: 1, waitMs, clock: systemClock, signal });
}

Deno.test("pingQuic() gets an answer to every datagram from a QUIC server, which takes none of them for a connection", async () => {
  const listener = listen();
  const times = await within("answers", ping(listener.port, 50, 30_000));
  assert.equal(times.length, 50);
  for (const ms of times) assert.ok(ms !== undefined && ms >= 0);
  assert.equal(listener.connections, 0);
  await listener.close(0);
});

Deno.test("pingQuic() says which datagrams were lost, up or down, and is not misled by strays", async () => {
  const listener = listen();
  using middle = new UdpMiddle(listener.port);
  let up = 0;
  let down = 0;
  middle.change = (bytes, direction) => {
    if (direction === "up") {
      assert.equal(bytes.length, 1200);
      return up++ === 3 ? undefined : bytes;
    }
    if (down++ === 5) return new Uint8Array([1, 2, 3]);
    return bytes;
  };
  const times = await within("answers", ping(middle.port, 20, 2000));
  assert.equal(times.filter((ms) => ms === undefined).length, 2);
  assert.equal(times[3], undefined);
  await listener.close(0);
});

Deno.test("pingQuic() gives up waiting where nobody answers, and at once when nobody wants to know any more", async () => {
  using silent = new SilentSocket();
  assert.deepEqual(await within("the end", ping(silent.port, 3, 1)), [undefined, undefined, undefined]);
  const controller = new AbortController();
  const reason = new Error("enough");
  const refused = assert.rejects(within("the end", ping(silent.port, 3, 600_000, controller.signal)), reason);
  controller.abort(reason);
  await refused;
});
