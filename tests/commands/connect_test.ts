import assert from "node:assert/strict";
import { checkTrust, isLoopback, readTrust } from "../../src/commands/connect.ts";
import { UsageError } from "../../src/errors.ts";

const NONE = { ca: undefined, certSha256: undefined, insecure: false };
const HEX = "0123456789abcdef".repeat(4);
const ROOT = decodeURIComponent(new URL("../fixtures/tls/root.pem", import.meta.url).pathname);

Deno.test("readTrust() reads what was typed, and nothing where nothing was", async () => {
  assert.equal(await readTrust(NONE), undefined);
  assert.deepEqual(await readTrust({ ...NONE, insecure: true }), { kind: "insecure" });
  assert.deepEqual(await readTrust({ ...NONE, certSha256: HEX }), { kind: "pin", sha256: HEX });
  assert.deepEqual(await readTrust({ ...NONE, ca: ROOT }), { kind: "roots", pem: await Deno.readTextFile(ROOT) });
});

Deno.test("readTrust() takes a hash as OpenSSL and browsers print it", async () => {
  const printed = HEX.toUpperCase().replace(/..(?=.)/g, "$&:");
  assert.deepEqual(await readTrust({ ...NONE, certSha256: printed }), { kind: "pin", sha256: HEX });
});

Deno.test("readTrust() refuses what is no hash and what holds no certificate", async () => {
  for (const certSha256 of ["", HEX.slice(1), `${HEX}0`, `${HEX.slice(1)}g`]) {
    await assert.rejects(readTrust({ ...NONE, certSha256 }), UsageError, certSha256);
  }
  for (const ca of [ROOT.replace("root.pem", "leaf.key"), ROOT.replace("root.pem", "none.pem")]) {
    await assert.rejects(readTrust({ ...NONE, ca }), UsageError, ca);
  }
});

Deno.test("checkTrust() refuses to verify what is not encrypted, and names the URL that is", () => {
  for (const url of ["http://box:8000", "ws://box:8000/ws", "tcp://box:8765"]) {
    assert.throws(() => checkTrust({ kind: "insecure" }, [url]), {
      name: "UsageError",
      message: new RegExp(`\\(use ${url.replace(":", "s:")}\\)$`),
    });
    checkTrust(undefined, [url]);
    checkTrust({ kind: "insecure" }, [url, "quic://box:8767"]);
    checkTrust({ kind: "insecure" }, [url.replace(":", "s:")]);
  }
});

Deno.test("isLoopback() knows this machine by its names and addresses, and no other", () => {
  for (const name of ["localhost", "127.0.0.1", "127.9.8.7", "::1", "[::1]"]) {
    assert.equal(isLoopback(name), true, name);
  }
  for (const name of ["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example", "localhost.example", "128.0.0.1"]) {
    assert.equal(isLoopback(name), false, name);
  }
});
