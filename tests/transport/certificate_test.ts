import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { derOf, fingerprintOf, makeIdentity, pemOf, PRIVATE_NAME } from "../../src/transport/certificate.ts";
import { isIssuedBy } from "../../src/transport/issuer.ts";
import { within } from "../support/eventually.ts";

const DAY_MS = 86_400_000;

/** Whether the runtime's own TLS accepts the certificate as its only proof, for this name. */
async function accepts(certPem: string, keyPem: string, hostname: string): Promise<boolean> {
  using listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert: certPem, key: keyPem });
  const { port } = listener.addr as Deno.NetAddr;
  const serving = listener.accept().then(async (connection) => {
    using _ = connection;
    await connection.handshake().catch(() => undefined);
  });
  try {
    const socket = await Deno.connect({ hostname: "127.0.0.1", port });
    using connection = await Deno.startTls(socket, { hostname, caCerts: [certPem] });
    return await within("the handshake", connection.handshake()).then(() => true, () => false);
  } finally {
    await serving;
  }
}

Deno.test("makeIdentity() makes a certificate that holds for its names and for no other", async () => {
  const names = ["localhost", "gpu-box.example", "127.0.0.1", "::1", "fe80::1:2", "2001:db8:0:0:1:0:0:9"];
  const { certPem, keyPem } = await makeIdentity({ names });
  for (const name of [...names, PRIVATE_NAME]) assert.equal(await accepts(certPem, keyPem, name), true, name);
  for (const name of ["other.example", "127.0.0.2", "::2"]) {
    assert.equal(await accepts(certPem, keyPem, name), false, name);
  }
});

Deno.test("makeIdentity() makes another certificate, key and serial number each time", async () => {
  const [one, two] = [await makeIdentity({ names: ["box"] }), await makeIdentity({ names: ["box"] })];
  assert.notEqual(one.keyPem, two.keyPem);
  assert.notEqual(fingerprintOf(one.certPem), fingerprintOf(two.certPem));
  assert.notEqual(new X509Certificate(one.certPem).serialNumber, new X509Certificate(two.certPem).serialNumber);
});

Deno.test("makeIdentity() makes a certificate that is valid from a day before, on either side of 2050", async () => {
  for (const year of ["2026", "2049", "2050", "2077"]) {
    const validFrom = new Date(`${year}-12-31T10:20:30Z`);
    const certificate = new X509Certificate(
      (await makeIdentity({ names: ["box"], validFrom, validDays: 10 })).certPem,
    );
    assert.equal(new Date(certificate.validFrom).getTime(), validFrom.getTime() - DAY_MS);
    assert.equal(new Date(certificate.validTo).getTime(), validFrom.getTime() + 10 * DAY_MS);
    assert.equal(certificate.ca, false);
  }
});

Deno.test("makeIdentity() signs so that the signature can be verified, whatever numbers it has", async () => {
  // A number in DER loses the zeros in front and gains one where its first bit is set: one in 256 is shorter.
  for (let i = 0; i < 300; i++) {
    const { certPem } = await makeIdentity({ names: ["box"] });
    assert.ok(isIssuedBy(derOf(certPem)[0]!, certPem), certPem);
  }
});

Deno.test("makeIdentity() refuses a name that no certificate can hold", async () => {
  for (const name of ["", "two words", "börse.example", "x".repeat(254)]) {
    await assert.rejects(makeIdentity({ names: [name] }), TypeError, name);
  }
});

Deno.test("fingerprintOf() is the SHA-256 of the first certificate in a file", async () => {
  const [{ certPem }, other] = [await makeIdentity({ names: ["box"] }), await makeIdentity({ names: ["box"] })];
  const expected = new X509Certificate(certPem).fingerprint256.replaceAll(":", "").toLowerCase();
  assert.equal(fingerprintOf(certPem), expected);
  assert.equal(fingerprintOf(`made by hand\r\n${certPem.replaceAll("\n", "\r\n")}${other.certPem}`), expected);
  assert.match(expected, /^[0-9a-f]{64}$/);
});

Deno.test("fingerprintOf() refuses a text without a certificate", async () => {
  const { keyPem } = await makeIdentity({ names: ["box"] });
  assert.throws(() => fingerprintOf(keyPem), TypeError);
});

Deno.test("derOf() and pemOf() undo each other", async () => {
  const pems = [await makeIdentity({ names: ["a"] }), await makeIdentity({ names: ["b"] })].map((i) => i.certPem);
  const ders = derOf(pems.join(""));
  assert.deepEqual(ders.map((der) => pemOf("CERTIFICATE", der)), pems);
});
