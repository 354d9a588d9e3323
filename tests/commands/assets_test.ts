import assert from "node:assert/strict";
import { runProgram } from "../../src/commands/mod.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import { UsageError } from "../../src/errors.ts";
import { GYM_ALOHA_FILES } from "../../src/sim/scenes/gym_aloha.ts";
import { eventually } from "../support/eventually.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { type Packed, writeZip } from "../support/zip_writer.ts";

const shared = Deno.env.get("PI0_SHARED") ?? `${import.meta.dirname}/../../../shared`;
const official = `${shared}/assets/gym_aloha`;
const needsShared = { ignore: await Deno.stat(official).then(() => false, () => true) };

/** What one command did. */
interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Around {
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
}

/** A data folder of its own, and `pi0 assets` in it. */
class Place implements AsyncDisposable {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Where the scene goes; neither this nor the data folder is there at first. */
  get scene(): string {
    return `${this.root}/data/gym-aloha`;
  }

  async run(args: readonly string[], { clock = systemClock, signal }: Around = {}): Promise<Run> {
    let stdout = "";
    let stderr = "";
    const terminal = {
      stdout: (text: string) => void (stdout += text),
      stderr: (text: string) => void (stderr += text),
      stdoutIsTerminal: false,
      stderrIsTerminal: false,
      color: false,
      columns: 80,
    };
    const env = (name: string) => name === "PI0_HOME" ? `${this.root}/data` : undefined;
    const world = { terminal, clock, env, signal: signal ?? new AbortController().signal };
    const code = await runProgram(["assets", ...args], world);
    return { code, stdout, stderr };
  }

  install(from: string, around?: Around): Promise<Run> {
    return this.run(["install", "--from", from], around);
  }

  /** Writes a file beside the data folder. @returns its path. */
  async write(name: string, bytes: Uint8Array): Promise<string> {
    await Deno.writeFile(`${this.root}/${name}`, bytes);
    return `${this.root}/${name}`;
  }

  /** Names in the data folder, none where there is none. */
  async kept(): Promise<string[]> {
    try {
      return (await Array.fromAsync(Deno.readDir(`${this.root}/data`))).map(({ name }) => name);
    } catch {
      return []; // Nothing was ever written.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.root, { recursive: true });
  }
}

async function emptyPlace(): Promise<Place> {
  return new Place(await Deno.makeTempDir());
}

/** The official files as a wheel has them; each can be replaced, or left out by an undefined. */
async function wheelFiles(changes: Record<string, Partial<Packed> | undefined> = {}): Promise<Packed[]> {
  const files: Packed[] = [{ path: "gym_aloha/scene.txt", bytes: new Uint8Array(3) }];
  for (const name of GYM_ALOHA_FILES) {
    if (name in changes && changes[name] === undefined) continue;
    const bytes = await Deno.readFile(`${official}/${name}`);
    files.push({ path: `gym_aloha/assets/${name}`, bytes, ...changes[name] });
  }
  const bytes = await Deno.readFile(`${official}/LICENSE`);
  return [...files, { path: "gym_aloha-0.1.5.dist-info/licenses/LICENSE", bytes }];
}

/** A server that answers everything alike. */
function serve(answer: () => Response | Promise<Response>): { url: string } & AsyncDisposable {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, answer);
  return {
    url: `http://127.0.0.1:${server.addr.port}/gym_aloha.whl`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("assets says that nothing is installed, where it would be and how to get it", async () => {
  await using place = await emptyPlace();
  for (const args of [[], ["list"]]) {
    const { code, stdout } = await place.run(args);
    assert.equal(code, 0);
    assert.equal(
      stdout,
      `gym-aloha  not installed; pi0 assets install --from DIR|WHEEL|ZIP|URL puts it into ${place.scene}\n`,
    );
  }
  const { stdout } = await place.run(["--json"]);
  assert.deepEqual(JSON.parse(stdout), { asset: "gym-aloha", state: "absent", folder: place.scene });
});

Deno.test("assets refuses command lines that make no sense, with the remedy", async () => {
  await using place = await emptyPlace();
  const refused = (args: string[], message: RegExp) =>
    assert.rejects(place.run(args), (error: Error) => {
      assert.ok(error instanceof UsageError, `${error}`);
      assert.match(error.message, message);
      return true;
    });
  await refused(["instal"], /Unknown action "instal" .*did you mean install\?/);
  await refused(["remove"], /Unknown action "remove" .*write install or list/);
  await refused(["toString"], /Unknown action "toString"/);
  await refused(["install"], /Missing option --from .*DIR\|WHEEL\|ZIP\|URL/);
  await refused(["list", "--from", "x"], /Cannot use --from without install/);
  await refused(["install", "--from", "ftp://host/x.whl"], /Cannot use --from ftp:.*http\(s\) URL/);
});

Deno.test("assets --help shows both actions and where the wheel comes from", async () => {
  await using place = await emptyPlace();
  const { stdout } = await place.run(["--help"]);
  assert.match(stdout, /install .*list/);
  assert.match(stdout, /pip download --no-deps gym-aloha==0\.1\.5/);
});

Deno.test("install refuses sources that hold nothing of the scene, in one line each, and writes nothing", async () => {
  await using place = await emptyPlace();
  const nothing = await place.write("nothing.zip", writeZip([{ path: "a.txt", bytes: new Uint8Array(1) }]));
  const text = await place.write("text.whl", new TextEncoder().encode("not a wheel at all, only its name"));
  await assert.rejects(place.install(`${place.root}/no`), { message: `Cannot read ${place.root}/no: there is none` });
  await assert.rejects(place.install(text), /Cannot read .*text\.whl: it is no whole zip file/);
  for (const from of [place.root, nothing]) {
    await assert.rejects(place.install(from), {
      message:
        `Cannot install gym-aloha from ${from}: none of its 18 files is there; give the wheel file, which has them all ` +
        "(pip download --no-deps gym-aloha==0.1.5)",
    });
  }
  assert.deepEqual(await place.kept(), []);
});

Deno.test("install refuses a bomb, whatever size it announces", async () => {
  await using place = await emptyPlace();
  const zeros = new Uint8Array(30_000_000);
  const honest = await place.write("honest.zip", writeZip([{ path: "scene.xml", bytes: zeros }]));
  await assert.rejects(place.install(honest), /Cannot take scene\.xml from .*: it has 30000000 bytes/);
  const lying = await place.write("lying.zip", writeZip([{ path: "scene.xml", bytes: zeros, announcedBytes: 1695 }]));
  await assert.rejects(place.install(lying), /Cannot install gym-aloha from .*lying\.zip/);
  assert.deepEqual(await place.kept(), []);
});

Deno.test("install from a URL says what the server answered", async () => {
  await using place = await emptyPlace();
  await using server = serve(() => new Response("no", { status: 404 }));
  await assert.rejects(place.install(server.url), {
    message: `Cannot fetch ${server.url}: the server answered 404 Not Found`,
  });
});

Deno.test("install from a URL where nobody answers is one line with the reason", async () => {
  await using place = await emptyPlace();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const url = `http://127.0.0.1:${port}/x.whl`;
  await assert.rejects(place.install(url), /^Error: Cannot fetch http:\/\/127\.0\.0\.1:\d+\/x\.whl: .*refused/i);
});

Deno.test("install stops fetching a file that does not end", async () => {
  await using place = await emptyPlace();
  const mebibyte = new Uint8Array(2 ** 20);
  let stopped = false;
  const endless = () =>
    new ReadableStream({ pull: (sink) => sink.enqueue(mebibyte), cancel: () => void (stopped = true) });
  await using server = serve(() => new Response(endless()));
  await assert.rejects(place.install(server.url), /Cannot fetch .*: it has more than 64 MiB; give the wheel alone/);
  await eventually("the download is let go of", () => stopped);
});

Deno.test("install gives a server that says nothing 120 s, and stops at once when it is told to", async () => {
  await using place = await emptyPlace();
  const silence = Promise.withResolvers<Response>();
  await using server = serve(() => silence.promise);
  const clock = new FakeClock();
  const late = assert.rejects(place.install(server.url, { clock }), /not complete after 120 s; fetch it by hand/);
  await eventually("the limit is set", () => clock.pending > 0);
  await clock.advance(119_999);
  assert.equal(clock.pending, 1);
  await clock.advance(1);
  await late;
  const stop = new AbortController();
  const stopped = place.install(server.url, { clock, signal: stop.signal });
  stop.abort(new Error("Stopped by SIGINT"));
  await assert.rejects(stopped, { message: "Stopped by SIGINT" });
  silence.resolve(new Response());
});

Deno.test({
  name: "install takes the scene from its folder, and list verifies it (needs PI0_SHARED)",
  ...needsShared,
  async fn() {
    await using place = await emptyPlace();
    const done = `${place.scene} (18 files and LICENSE, as published)\n`;
    assert.deepEqual(await place.install(official), {
      code: 0,
      stdout: `gym-aloha  installed in ${done}`,
      stderr: "",
    });
    assert.deepEqual(await place.kept(), ["gym-aloha"], "nothing temporary stays");
    for (const name of [...GYM_ALOHA_FILES, "LICENSE"]) {
      assert.deepEqual(await Deno.readFile(`${place.scene}/${name}`), await Deno.readFile(`${official}/${name}`), name);
    }
    assert.equal((await Array.fromAsync(Deno.readDir(place.scene))).length, GYM_ALOHA_FILES.length + 1);
    assert.equal((await place.run(["list"])).stdout, `gym-aloha  installed in ${done}`);
    assert.equal((await place.install(official)).stdout, `gym-aloha  is there already, in ${done}`);
  },
});

Deno.test({
  name: "install takes the scene from a wheel, and from a checkout around it (needs PI0_SHARED)",
  ...needsShared,
  async fn() {
    await using place = await emptyPlace();
    const wheel = await place.write("gym.whl", writeZip(await wheelFiles()));
    const { stdout } = await place.run(["install", "--from", wheel, "--json"]);
    assert.deepEqual(JSON.parse(stdout), {
      asset: "gym-aloha",
      state: "installed",
      folder: place.scene,
      changed: true,
    });
    await using other = await emptyPlace();
    for (const { path, bytes } of await wheelFiles()) {
      const [folder] = /^.*\//.exec(path)!;
      await Deno.mkdir(`${other.root}/${folder}`, { recursive: true });
      await other.write(path, bytes);
    }
    assert.match((await other.install(other.root)).stdout, /^gym-aloha {2}installed .*18 files and LICENSE/);
  },
});

Deno.test({
  name: "install takes all files from the folder that has most, where names are found in several (needs PI0_SHARED)",
  ...needsShared,
  async fn() {
    await using place = await emptyPlace();
    const stray = (path: string): Packed => ({ path, bytes: new Uint8Array(5) });
    const files = [stray("act/scene.xml"), ...await wheelFiles(), stray("scene.xml"), stray("LICENSE")];
    const { stdout } = await place.install(await place.write("two.zip", writeZip(files)));
    assert.match(stdout, /installed .*18 files and LICENSE/);
  },
});

Deno.test({
  name: "install never uses a name in a zip as a path (needs PI0_SHARED)",
  ...needsShared,
  async fn() {
    await using place = await emptyPlace();
    const outside = `${"../".repeat(20)}${place.root}/outside/`;
    const files = (await wheelFiles()).map(({ path, bytes }) => ({ path: path.replace(/^.*\//, outside), bytes }));
    assert.match((await place.install(await place.write("climbing.zip", writeZip(files)))).stdout, /installed/);
    await assert.rejects(Deno.stat(`${place.root}/outside`), Deno.errors.NotFound);
    assert.deepEqual(await place.kept(), ["gym-aloha"]);
  },
});

Deno.test({
  name: "install fetches the wheel from a server and says so (needs PI0_SHARED)",
  ...needsShared,
  async fn() {
    await using place = await emptyPlace();
    const wheel = writeZip(await wheelFiles());
    await using server = serve(() => new Response(wheel));
    const { stdout, stderr } = await place.install(server.url);
    assert.match(stdout, /^gym-aloha {2}installed/);
    assert.equal(stderr, `pi0: fetching ${server.url}\npi0: fetched ${wheel.length} bytes\n`);
    const quiet = await place.run(["install", "--quiet", "--from", server.url]);
    assert.equal(quiet.stderr, "");
    assert.match(quiet.stdout, /is there already/);
  },
});

Deno.test({
  name: "install refuses a wheel with a tampered or a missing file, and leaves what was there (needs PI0_SHARED)",
  ...needsShared,
  async fn() {
    await using place = await emptyPlace();
    await place.install(official);
    const tampered = await Deno.readFile(`${official}/vx300s_left.xml`);
    tampered[10]! ^= 1;
    for (
      const [changes, fault] of [
        [{ "vx300s_left.xml": { bytes: tampered } }, /: vx300s_left\.xml is not as published \(SHA-256/],
        [{ "vx300s_7_gripper.stl": undefined }, /: vx300s_7_gripper\.stl is missing; give the wheel file/],
      ] as const
    ) {
      const from = await place.write("bad.whl", writeZip(await wheelFiles(changes)));
      await assert.rejects(place.install(from), fault);
    }
    assert.deepEqual(await place.kept(), ["gym-aloha"]);
    assert.match((await place.run([])).stdout, /installed .*as published/);
  },
});

Deno.test({
  name: "list says what is damaged and exits with 1; install repairs it (needs PI0_SHARED)",
  ...needsShared,
  async fn() {
    await using place = await emptyPlace();
    await place.install(official);
    await Deno.truncate(`${place.scene}/scene.xml`, 100);
    const { code, stdout } = await place.run([]);
    assert.equal(code, 1);
    assert.match(stdout, /^gym-aloha {2}damaged in .*: scene\.xml is not as published .*install.* repairs it\n$/);
    assert.equal(JSON.parse((await place.run(["--json"])).stdout).state, "damaged");
    assert.match((await place.install(official)).stdout, /^gym-aloha {2}installed/);
    assert.equal((await place.run([])).code, 0);
    assert.deepEqual(await place.kept(), ["gym-aloha"]);
  },
});

Deno.test({
  name: "install without a licence says so, and never takes away the one that is there (needs PI0_SHARED)",
  ...needsShared,
  async fn() {
    await using place = await emptyPlace();
    const bare = await place.write("bare.zip", writeZip((await wheelFiles()).slice(0, -1)));
    const first = await place.install(bare);
    assert.match(first.stdout, /installed .*\(18 files, as published\)/);
    assert.match(first.stderr, /their LICENSE was not there: whoever passes the files on must pass it on/);
    assert.match((await place.install(official)).stdout, /gym-aloha {2}installed .*18 files and LICENSE/);
    assert.match((await place.install(bare)).stdout, /is there already.*18 files and LICENSE/);
  },
});

Deno.test({
  name: "install does not throw away a folder with somebody else's files (needs PI0_SHARED)",
  ...needsShared,
  async fn() {
    await using place = await emptyPlace();
    await Deno.mkdir(place.scene, { recursive: true });
    await Deno.writeTextFile(`${place.scene}/thesis.txt`, "years of work");
    await assert.rejects(place.install(official), /it holds thesis\.txt, which is not pi0's; move it away first/);
    assert.equal(await Deno.readTextFile(`${place.scene}/thesis.txt`), "years of work");
  },
});

Deno.test({
  name: "install where nothing can be written is one line that names PI0_HOME (needs PI0_SHARED)",
  ...needsShared,
  async fn() {
    await using place = await emptyPlace();
    await place.write("data", new Uint8Array(1)); // A file where the folder should be.
    await assert.rejects(place.install(official), /Cannot install into .*data\/gym-aloha: .*PI0_HOME can name another/);
  },
});
