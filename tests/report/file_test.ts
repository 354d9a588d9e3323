import assert from "node:assert/strict";
import { makeFolder, writeWhole } from "../../src/report/file.ts";

/** Runs a test in a folder of its own. */
async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const namesIn = async (folder: string) =>
  (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).toSorted();

Deno.test("writeWhole() writes text and bytes, replaces what was there, and leaves nothing else behind", () =>
  inFolder(async (folder) => {
    const path = `${folder}/episode.json`;
    await writeWhole(path, "Würfel\n", "the episode");
    assert.equal(await Deno.readTextFile(path), "Würfel\n");
    await writeWhole(path, Uint8Array.of(0, 255, 13, 10), "a picture");
    assert.deepEqual(await Deno.readFile(path), Uint8Array.of(0, 255, 13, 10));
    await writeWhole(path, "", "nothing");
    assert.equal(await Deno.readTextFile(path), "");
    assert.deepEqual(await namesIn(folder), ["episode.json"]);
  }));

Deno.test("writeWhole() can write one path many times at once: one of the contents is there, whole", () =>
  inFolder(async (folder) => {
    const contents = Array.from({ length: 20 }, (_, i) => String(i % 10).repeat(10_000 + i));
    await Promise.all(contents.map((text) => writeWhole(`${folder}/x`, text, "text")));
    assert.ok(contents.includes(await Deno.readTextFile(`${folder}/x`)));
    assert.deepEqual(await namesIn(folder), ["x"]);
  }));

Deno.test("writeWhole() says what it could not write, where and why, and keeps what was there", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/taken`);
    await Deno.writeTextFile(`${folder}/file`, "old");
    const refusals: [path: string, why: string][] = [
      [`${folder}/missing/a.png`, "its folder does not exist"],
      [`${folder}/file/a.png`, "a file of that name is in the way"],
      [`${folder}/taken`, "a folder of that name is in the way"],
    ];
    for (const [path, why] of refusals) {
      await assert.rejects(writeWhole(path, "new", "the picture"), (error: Error) => {
        assert.equal(error.message, `Cannot write the picture to "${path}": ${why}`);
        return error.cause instanceof Error;
      });
    }
    assert.deepEqual(await namesIn(folder), ["file", "taken"]);
    assert.equal(await Deno.readTextFile(`${folder}/file`), "old");
  }));

Deno.test({
  name: "writeWhole() says that the disk is full (needs /dev/full)",
  ignore: !await Deno.stat("/dev/full").then(({ isCharDevice }) => isCharDevice, () => false),
  async fn() {
    // What is written to the device fails as on a full disk; it cannot be renamed, so the write itself is replaced.
    const write = Deno.writeFile;
    try {
      Deno.writeFile = (_, bytes) => write("/dev/full", bytes as Uint8Array);
      await assert.rejects(writeWhole("/tmp/full.png", "pixels", "a picture"), {
        message: 'Cannot write a picture to "/tmp/full.png": the disk is full',
      });
    } finally {
      Deno.writeFile = write;
    }
  },
});

Deno.test("makeFolder() makes a folder with those above it, and takes one that is there and empty", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a/b/c`;
    await makeFolder(path, { overwrite: false });
    await makeFolder(path, { overwrite: false });
    assert.deepEqual(await namesIn(path), []);
  }));

Deno.test("makeFolder() takes a folder that holds something only where it may, and removes nothing", () =>
  inFolder(async (folder) => {
    // A hidden file is something, too.
    for (const name of [".hidden", "episode.json"]) {
      const path = `${folder}/${name}-folder`;
      await Deno.mkdir(path);
      await Deno.writeTextFile(`${path}/${name}`, "mine");
      await assert.rejects(makeFolder(path, { overwrite: false }), {
        message: `Cannot write to the folder "${path}": it holds files already; choose another folder, or type --force`,
      });
      await makeFolder(path, { overwrite: true });
      assert.equal(await Deno.readTextFile(`${path}/${name}`), "mine");
    }
  }));

Deno.test("makeFolder() refuses the place of a file, and one inside a file", () =>
  inFolder(async (folder) => {
    const file = `${folder}/file`;
    await Deno.writeTextFile(file, "mine");
    for (const path of [file, `${file}/deeper`]) {
      for (const overwrite of [false, true]) {
        await assert.rejects(makeFolder(path, { overwrite }), {
          message: `Cannot write to the folder "${path}": a file of that name is in the way`,
        });
      }
    }
    assert.equal(await Deno.readTextFile(file), "mine");
  }));
