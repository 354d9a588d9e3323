import assert from "node:assert/strict";
import { findIdentity, type IdentityOptions, stateFolder } from "../../src/commands/identity.ts";
import { UsageError } from "../../src/errors.ts";
import { makeIdentity } from "../../src/transport/certificate.ts";

const DAY_MS = 86_400_000;
const NONE: IdentityOptions = { tlsCert: undefined, tlsKey: undefined, writeCert: undefined };

/** A folder that is gone after the test, and what was said while it was used. */
async function world() {
  const folder = await Deno.makeTempDir();
  const said: string[] = [];
  const env = (name: string) => name === "PI0_HOME" ? `${folder}/state` : undefined;
  return {
    folder,
    file: `${folder}/state/identity.json`,
    said,
    find: (options: Partial<IdentityOptions> = {}, host = "127.0.0.1") =>
      findIdentity({ ...NONE, ...options }, host, env, (line) => said.push(line)),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test("a certificate is made once, kept where nobody else can read it, and found again", async () => {
  await using here = await world();
  const first = await here.find();
  assert.deepEqual(here.said, [`made a certificate (there was none), kept in ${here.file}`]);
  if (Deno.build.os !== "windows") assert.equal((await Deno.stat(here.file)).mode! & 0o777, 0o600);
  const { certPem, keyPem } = await here.find();
  assert.deepEqual({ certPem, keyPem }, { certPem: first.certPem, keyPem: first.keyPem });
  assert.equal(here.said.length, 1, "nothing is said of what stays");
  const files = await Array.fromAsync(Deno.readDir(`${here.folder}/state`), ({ name }) => name);
  assert.deepEqual(files, ["identity.json"]);
});

Deno.test("a certificate is renewed for a new name, keeps the names before, and then stays for either", async () => {
  await using here = await world();
  const first = await here.find();
  const second = await here.find({}, "192.0.2.7");
  assert.notEqual(second.certPem, first.certPem);
  assert.match(here.said[1]!, /the one before was not for 192\.0\.2\.7.*need the new SHA-256/);
  for (const host of ["127.0.0.1", "192.0.2.7", "0.0.0.0", "::"]) {
    assert.equal((await here.find({}, host)).certPem, second.certPem, host);
  }
});

Deno.test("a certificate is renewed when it ends within a month, and not before", async () => {
  await using here = await world();
  await here.find();
  const { names } = JSON.parse(await Deno.readTextFile(here.file));
  for (const [days, renewed] of [[-5, true], [29, true], [32, false]] as const) {
    const validFrom = new Date(new Date().getTime() - 10 * DAY_MS);
    const old = await makeIdentity({ names, validFrom, validDays: days + 10 });
    await Deno.writeTextFile(here.file, JSON.stringify({ ...old, names }));
    assert.equal((await here.find()).certPem !== old.certPem, renewed, `${days} days`);
  }
  assert.match(here.said[1]!, /made a certificate \(it ends on \d{4}-\d\d-\d\d\)/);
});

Deno.test("what is damaged is replaced, with a line that says so", async () => {
  await using here = await world();
  const { certPem } = await here.find();
  for (
    const text of ["", "{", "[]", "null", '{"certPem":1}', JSON.stringify({ certPem, keyPem: "no key", names: [] })]
  ) {
    await Deno.writeTextFile(here.file, text);
    const before = here.said.length;
    assert.notEqual((await here.find()).certPem, certPem);
    assert.equal(here.said.length, before + 1, text);
  }
});

Deno.test("where nothing can be kept the certificate is for this run, and a line says why", async () => {
  await using here = await world();
  await Deno.writeTextFile(`${here.folder}/state`, "a file where a folder should be");
  assert.match((await here.find()).certPem, /BEGIN CERTIFICATE/);
  assert.match(here.said[0]!, /^made a certificate for this run only, .*PI0_HOME/);
  const said: string[] = [];
  await findIdentity(NONE, "127.0.0.1", () => undefined, (line) => said.push(line));
  assert.match(said[0]!, /for this run only.*neither PI0_HOME nor HOME is set/);
});

Deno.test("the user's own certificate is used as it is, and nothing is kept", async () => {
  await using here = await world();
  const own = await makeIdentity({ names: ["box"] });
  const [tlsCert, tlsKey, writeCert] = ["cert", "key", "copy"].map((name) => `${here.folder}/${name}.pem`);
  await Deno.writeTextFile(tlsCert!, own.certPem);
  await Deno.writeTextFile(tlsKey!, own.keyPem);
  assert.deepEqual(await here.find({ tlsCert, tlsKey, writeCert }), own);
  assert.equal(await Deno.readTextFile(writeCert!), own.certPem);
  assert.deepEqual(here.said, []);
  await assert.rejects(Deno.stat(here.file), Deno.errors.NotFound);
});

Deno.test("files that are missing, no PEM, or do not belong together are refused by name", async () => {
  await using here = await world();
  const [one, two] = [await makeIdentity({ names: ["box"] }), await makeIdentity({ names: ["box"] })];
  const put = async (name: string, text: string) => {
    await Deno.writeTextFile(`${here.folder}/${name}`, text);
    return `${here.folder}/${name}`;
  };
  const [cert, key, otherKey] = [await put("a", one.certPem), await put("b", one.keyPem), await put("c", two.keyPem)];
  const wrong = [
    [{ tlsCert: `${here.folder}/none`, tlsKey: key }, /Cannot read --tls-cert .*none: there is no such file/],
    [{ tlsCert: cert, tlsKey: otherKey }, /Cannot use --tls-cert .* the key is another's/],
    [{ tlsCert: key, tlsKey: key }, /Cannot use --tls-cert .*PEM/],
    [{ tlsCert: cert, tlsKey: cert }, /Cannot use --tls-cert .*PEM/],
    [{ writeCert: `${here.folder}/none/copy.pem` }, /Cannot write the certificate to .*none/],
  ] as const;
  for (const [options, message] of wrong) {
    await assert.rejects(here.find(options), (error: UsageError) => {
      assert.ok(error instanceof UsageError, String(error));
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("the state folder is PI0_HOME, or the system's place for such things", () => {
  const folder = (variables: Record<string, string>) => stateFolder((name) => variables[name]);
  assert.equal(folder({ PI0_HOME: "/a", XDG_STATE_HOME: "/b", HOME: "/c" }), "/a");
  assert.equal(folder({ XDG_STATE_HOME: "/b", HOME: "/c" }), "/b/pi0");
  assert.equal(folder({ PI0_HOME: "", HOME: "/c" }), "/c/.local/state/pi0");
  assert.equal(folder({}), undefined);
});
