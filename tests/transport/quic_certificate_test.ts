import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import { derOf, makeIdentity } from "../../src/transport/certificate.ts";
import { listenQuic, QUIC_ALPN } from "../../src/transport/quic.ts";
import { fetchQuicCertificate } from "../../src/transport/quic_certificate.ts";
import { EchoService } from "../support/echo_service.ts";
import { eventually, within } from "../support/eventually.ts";
import { SilentSocket, UdpMiddle } from "../support/middle.ts";

const LIMITS = { maxMessageBytes: 100_000, maxConnections: 8, messageMs: 5000, idleMs: 60_000 };
const identity = await makeIdentity({ names: ["127.0.0.1", "localhost"] });

function start() {
  const service = new EchoService();
  const where = { hostname: "127.0.0.1", port: 0, clock: systemClock };
  const listener = listenQuic(service, { ...where, limits: LIMITS, identity });
  const [expected] = derOf(identity.certPem);
  return {
    expected,
    port: listener.port,
    async [Symbol.asyncDispose]() {
      await eventually("nobody is left", () => listener.connections === 0);
      await listener.close(0);
    },
  };
}

function fetch(port: number, signal: AbortSignal = new AbortController().signal, serverName = "localhost") {
  const server = { hostname: "127.0.0.1", port, serverName, alpn: QUIC_ALPN };
  return fetchQuicCertificate(server, systemClock, signal);
}

Deno.test("fetchQuicCertificate() brings the certificate that a QUIC server shows, by name and by address", async () => {
  await using server = start();
  for (const name of ["localhost", "127.0.0.1"]) {
    assert.deepEqual(await within("a certificate", fetch(server.port, undefined, name)), server.expected);
  }
});

Deno.test("fetchQuicCertificate() asks again where packets are lost, and does without those that are garbage", async () => {
  await using server = start();
  using middle = new UdpMiddle(server.port);
  let up = 0;
  let down = 0;
  middle.change = (bytes, direction) => {
    if (direction === "up") return up++ === 0 ? undefined : bytes;
    return down++ === 0 ? bytes.slice(0, 30) : bytes;
  };
  assert.deepEqual(await within("a certificate", fetch(middle.port)), server.expected);
  assert.ok(up > 1);
});

Deno.test("fetchQuicCertificate() throws the signal's reason where nobody answers", async () => {
  using silent = new SilentSocket();
  const controller = new AbortController();
  const reason = new Error("enough");
  const refused = assert.rejects(within("the end", fetch(silent.port, controller.signal)), reason);
  const [datagram] = await silent.socket.receive();
  assert.equal(datagram.length, 1200);
  controller.abort(reason);
  await refused;
  await assert.rejects(fetch(silent.port, controller.signal), reason);
});
