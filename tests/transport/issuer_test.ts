import assert from "node:assert/strict";
import { derOf, makeIdentity } from "../../src/transport/certificate.ts";
import { isIssuedBy } from "../../src/transport/issuer.ts";

const read = (name: string) => Deno.readTextFile(new URL(`../fixtures/tls/${name}`, import.meta.url));
const rootPem = await read("root.pem");
const leaf = derOf(await read("leaf.pem"))[0]!;

Deno.test("isIssuedBy() finds the root that signed a certificate, also among others", async () => {
  const other = await makeIdentity({ names: ["box"] });
  assert.equal(isIssuedBy(leaf, rootPem), true);
  assert.equal(isIssuedBy(leaf, other.certPem + rootPem), true);
  assert.equal(isIssuedBy(derOf(other.certPem)[0]!, other.certPem), true, "a self-signed certificate is its own root");
});

Deno.test("isIssuedBy() refuses roots that signed something else", async () => {
  const [one, two] = [await makeIdentity({ names: ["box"] }), await makeIdentity({ names: ["box"] })];
  assert.equal(isIssuedBy(leaf, one.certPem), false);
  assert.equal(isIssuedBy(derOf(one.certPem)[0]!, two.certPem), false);
  assert.equal(isIssuedBy(derOf(one.certPem)[0]!, rootPem), false);
  assert.equal(isIssuedBy(leaf, ""), false);
});

Deno.test("isIssuedBy() refuses a certificate with one bit turned, in what is signed and in the signature", () => {
  // The last 256 bytes are the signature; 20 more say how it was made and how long it is.
  const places = [...leaf.keys()].filter((at) => at >= 8 && (at < leaf.length - 276 || at >= leaf.length - 256));
  for (const at of places) {
    const changed = leaf.slice();
    changed[at]! ^= 0x10;
    assert.equal(isIssuedBy(changed, rootPem), false, `byte ${at}`);
  }
});

Deno.test("isIssuedBy() refuses what is no certificate", () => {
  for (const length of [0, 1, 2, 3, 50, 200]) assert.equal(isIssuedBy(leaf.slice(0, length), rootPem), false);
});
