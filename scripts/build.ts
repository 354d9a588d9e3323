/**
 * Compiles dist/pi0, one file that needs nothing beside it.
 *
 *     deno task build                       with an internet connection: Deno fetches its runtime
 *     DENORT_BIN=FILE deno task build       with a runtime (denort) that is there already
 *
 * @module
 */

import { existsSync } from "node:fs";
import { PACKAGE_VERSION } from "../src/ort/library.ts";

const OUTPUT = "dist/pi0";

/** Files that are opened by URL, so that the compiler does not see them. */
const INCLUDED = [
  "src/policy/null_worker.ts",
  "src/ort/worker.ts",
  "src/commands/eval_worker.ts",
  "src/report/video_worker.ts",
  "src/robot/frames",
  "src/pi0/mini/mini.safetensors",
];

/** ONNX Runtime's npm package, of which only this platform's library is needed: 46 MB instead of 290. */
const ORT_FOLDER = `node_modules/.deno/onnxruntime-node@${PACKAGE_VERSION}/node_modules/onnxruntime-node/bin/napi-v6`;
const PLATFORM = { linux: "linux", darwin: "darwin", windows: "win32" }[Deno.build.os as string] ?? Deno.build.os;
const ARCHITECTURE = Deno.build.arch === "aarch64" ? "arm64" : "x64";
const LIBRARY_NAME = /^(libonnxruntime\.(so\.1|1\.\d+\.\d+\.dylib)|onnxruntime\.dll)$/;

/** This platform's library, and everything in the package that must stay outside. */
async function listOrtFiles(): Promise<{ libraries: string[]; excluded: string[] }> {
  const libraries: string[] = [];
  const excluded: string[] = [];
  for await (const platform of Deno.readDir(ORT_FOLDER)) {
    for await (const architecture of Deno.readDir(`${ORT_FOLDER}/${platform.name}`)) {
      const folder = `${ORT_FOLDER}/${platform.name}/${architecture.name}`;
      if (platform.name !== PLATFORM || architecture.name !== ARCHITECTURE) {
        excluded.push(folder);
        continue;
      }
      for await (const { name } of Deno.readDir(folder)) {
        (LIBRARY_NAME.test(name) ? libraries : excluded).push(`${folder}/${name}`);
      }
    }
  }
  if (libraries.length === 0) throw new Error(`Cannot build: ${ORT_FOLDER} has no library; run deno install first`);
  return { libraries, excluded };
}

/** What packages bring along and nothing here opens. */
const EXCLUDED = [
  // MuJoCo's build for threads, and its source map.
  ...["mt", "mujoco.wasm.map"].map((name) => `${folderOf("@mujoco/mujoco", "3.14.0")}/${name}`),
  // Of ECharts only the bundle that charts load, which has its own copy of ZRender.
  ...unused(folderOf("echarts", "6.1.0"), ["package.json", "dist"]),
  ...unused(`${folderOf("echarts", "6.1.0")}/dist`, ["echarts.esm.min.mjs"]),
  folderOf("zrender", "6.1.0"),
  ...unused(`${folderOf("dejavu-fonts-ttf", "2.37.3")}/ttf`, ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf"]),
];

/** Where Deno keeps an npm package in this checkout. */
function folderOf(name: string, version: string): string {
  return `node_modules/.deno/${name.replace("/", "+")}@${version}/node_modules/${name}`;
}

/** Everything in a folder but these; nothing where a package is not installed yet. */
function unused(folder: string, kept: readonly string[]): string[] {
  if (!existsSync(folder)) return [];
  return Array.from(Deno.readDirSync(folder)).flatMap(({ name }) => kept.includes(name) ? [] : [`${folder}/${name}`]);
}

/**
 * The version of a denort, from the user agent in it.
 *
 * A runtime of another version makes a file that dies with "Could not find standalone binary section".
 */
async function denortVersion(path: string): Promise<string | undefined> {
  // Latin-1 keeps every byte a character, in memory of one byte each.
  const text = new TextDecoder("latin1").decode(await Deno.readFile(path));
  return /Deno\/(\d+\.\d+\.\d+)/.exec(text)?.[1];
}

const denort = Deno.env.get("DENORT_BIN");
if (denort !== undefined) {
  const version = await denortVersion(denort);
  if (version !== Deno.version.deno) {
    const found = version === undefined ? "no Deno runtime" : `of Deno ${version}`;
    // deno-lint-ignore no-console
    console.error(
      `Cannot build with DENORT_BIN ${denort}: it is ${found}, and this is Deno ${Deno.version.deno}. ` +
        `Run the build with that version (npx -y deno@${version ?? "VERSION"} task build), or unset DENORT_BIN`,
    );
    Deno.exit(1);
  }
}

const { libraries, excluded } = await listOrtFiles();
const { code } = await new Deno.Command(Deno.execPath(), {
  args: [
    "compile",
    "-A",
    // `deno task check` has done it; compile would check Workers against the wrong library.
    "--no-check",
    // A second file in the temporary folder, for a program that starts in 0.1 s.
    "--no-code-cache",
    ...[...INCLUDED, ...libraries].flatMap((path) => ["--include", path]),
    ...[...EXCLUDED, ...excluded].flatMap((path) => ["--exclude", path]),
    "-o",
    OUTPUT,
    "main.ts",
  ],
}).spawn().status;
Deno.exit(code);
