import assert from "node:assert/strict";
import { OrtError } from "../../src/errors.ts";
import {
  findLibrary,
  FOLDER_VARIABLE,
  type LibrarySearch,
  PACKAGE_URLS,
  PACKAGE_VERSION,
} from "../../src/ort/library.ts";

const NAME = { linux: "libonnxruntime.so.1", darwin: "libonnxruntime.1.dylib", windows: "onnxruntime.dll" }[
  Deno.build.os as "linux"
];

/** A folder with the given files, each holding its own path. */
async function withFiles(paths: readonly string[], body: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    for (const path of paths) {
      await Deno.mkdir(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${root}/${path}`, path);
    }
    await body(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

function search(root: string, more: Partial<LibrarySearch> = {}): LibrarySearch {
  return {
    readVariable: () => undefined,
    programPath: `${root}/bin/pi0`,
    packageUrls: [new URL(`file://${root}/package/`), new URL(`file://${root}/real/`)],
    packed: false,
    ...more,
  };
}

Deno.test("a folder that is named is the only one that counts", async () => {
  await withFiles([`named/${NAME}`, `variable/${NAME}`, `bin/ort/${NAME}`, `package/${NAME}`], async (root) => {
    const readVariable = (name: string) => name === FOLDER_VARIABLE ? `${root}/variable` : undefined;
    const named = await findLibrary(search(root, { folder: `${root}/named`, readVariable }));
    assert.equal(named.path, `${root}/named/${NAME}`);
    assert.deepEqual(named.places, [{ origin: "--ort-lib-dir", folder: `${root}/named` }]);
    assert.equal((await findLibrary(search(root, { readVariable }))).path, `${root}/variable/${NAME}`);
    await assert.rejects(
      findLibrary(search(root, { folder: `${root}/empty`, readVariable })),
      (error) =>
        error instanceof OrtError && error.code === "no_library" &&
        error.message ===
          `Cannot find ONNX Runtime: --ort-lib-dir: ${root}/empty is not there. Name another folder`,
    );
  });
});

Deno.test("beside the program comes before the package, and the report says why a place was passed over", async () => {
  await withFiles([`bin/ort/${NAME}`, `package/${NAME}`], async (root) => {
    assert.equal((await findLibrary(search(root))).path, `${root}/bin/ort/${NAME}`);
    await Deno.rename(`${root}/bin/ort/${NAME}`, `${root}/bin/ort/other.txt`);
    const report = await findLibrary(search(root));
    assert.equal(report.path, `${root}/package/${NAME}`);
    assert.deepEqual(report.places, [
      {
        origin: "beside the program",
        folder: `${root}/bin/ort`,
        why: `${root}/bin/ort holds no ONNX Runtime library`,
      },
      { origin: "onnxruntime-node", folder: `${root}/package` },
    ]);
  });
});

Deno.test("the package is found under its real name where there is no link to it", async () => {
  await withFiles([`real/${NAME}`], async (root) => {
    const { path, places } = await findLibrary(search(root));
    assert.equal(path, `${root}/real/${NAME}`);
    assert.deepEqual(places.map(({ origin }) => origin), [
      "beside the program",
      "onnxruntime-node",
      "onnxruntime-node",
    ]);
  });
});

Deno.test("nowhere means an error that lists every place", async () => {
  await withFiles(["bin/pi0"], async (root) => {
    await assert.rejects(findLibrary(search(root)), (error) => {
      assert.ok(error instanceof OrtError && error.code === "no_library");
      assert.match(error.message, /beside the program: .*ort is not there; onnxruntime-node: .*package is not there/);
      assert.match(error.message, /--ort-lib-dir/);
      return true;
    });
  });
});

Deno.test({
  name: "an unpacked archive or wheel of a release serves as it is, the newest file of its names first",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const cases: [string[], string][] = [
      [["a/lib/libonnxruntime.so.1.30.0", "a/lib/libonnxruntime.so"], "a/lib/libonnxruntime.so.1.30.0"],
      [["a/onnxruntime/capi/libonnxruntime.so.1.30.0"], "a/onnxruntime/capi/libonnxruntime.so.1.30.0"],
      [["a/libonnxruntime.so"], "a/libonnxruntime.so"],
    ];
    for (const [files, expected] of cases) {
      await withFiles([...files, "a/libonnxruntime_providers_cuda.so"], async (root) => {
        assert.equal((await findLibrary(search(root, { folder: `${root}/a` }))).path, `${root}/${expected}`);
      });
    }
  },
});

Deno.test("a compiled program's library is unpacked once, and found from then on", async () => {
  await withFiles([`package/${NAME}`], async (root) => {
    const readVariable = (name: string) =>
      ["XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"].includes(name) ? `${root}/cache` : undefined;
    const packed = search(root, { packed: true, readVariable });
    const paths = (await Promise.all([findLibrary(packed), findLibrary(packed)])).map(({ path }) => path);
    const [path] = paths;
    assert.equal(new Set(paths).size, 1);
    assert.ok(path!.startsWith(`${root}/cache/`) && path!.includes(PACKAGE_VERSION));
    assert.equal(await Deno.readTextFile(path!), `package/${NAME}`);
    const { mtime, ino } = await Deno.stat(path!);
    const again = await findLibrary(packed);
    assert.equal(again.remark, undefined);
    const after = await Deno.stat(again.path);
    assert.deepEqual([after.mtime, after.ino], [mtime, ino]);
    const names: string[] = [];
    for await (const { name } of Deno.readDir(path!.replace(/\/[^/]*$/, ""))) names.push(name);
    assert.deepEqual(names, [NAME], "no drafts are left");

    // A copy that was cut short is made anew.
    await Deno.truncate(path!, 3);
    assert.equal(await Deno.readTextFile((await findLibrary(packed)).path), `package/${NAME}`);
  });
});

Deno.test("a compiled program without a cache unpacks to a folder of its own, and says so", async () => {
  await withFiles([`package/${NAME}`], async (root) => {
    const report = await findLibrary(search(root, { packed: true }));
    assert.equal(await Deno.readTextFile(report.path), `package/${NAME}`);
    assert.ok(report.path.startsWith(report.temporaryFolder!));
    assert.match(report.remark!, /unpacked at every start: no home folder/);
    await Deno.remove(report.temporaryFolder!, { recursive: true });
  });
});

Deno.test("the package that carries the library is the one deno.json pins", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  assert.equal(imports["onnxruntime-node"], `npm:onnxruntime-node@${PACKAGE_VERSION}`);
  const { version } = JSON.parse(await Deno.readTextFile(new URL("../../../../package.json", PACKAGE_URLS[0])));
  assert.equal(version, PACKAGE_VERSION);
});
