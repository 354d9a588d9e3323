/**
 * Where ONNX Runtime's library is.
 *
 * A folder that somebody named is the only one that counts: a library from elsewhere would run the model on another
 * machine's terms than they asked for. Otherwise: beside the program, then the onnxruntime-node package.
 *
 * @module
 */

import { OrtError } from "../errors.ts";
import type { ReadVariable } from "./cuda_libraries.ts";
import { unpackForNow, unpackOnce } from "./unpack.ts";

/** The variable that names a folder, where no option does. */
export const FOLDER_VARIABLE = "PI0_ORT_LIB_DIR";

/** The release of the package that carries the library; deno.json pins the same. */
export const PACKAGE_VERSION = "1.30.0";

/** A place where the library could be. */
export interface LibraryPlace {
  /** How the place came up: `--ort-lib-dir`, the variable, `beside the program`, `onnxruntime-node`. */
  readonly origin: string;
  readonly folder: string;
  /** Why it was not taken; absent for the one that was. */
  readonly why?: string;
}

export interface LibraryReport {
  /** Absolute path of the library to open. */
  readonly path: string;
  /** Every place looked at, the taken one last. */
  readonly places: readonly LibraryPlace[];
  /** What is worse than it could be: a compiled program that cannot keep the library anywhere. */
  readonly remark?: string;
  /** Holds nothing but the library, for this start only; whoever opened it removes the folder. */
  readonly temporaryFolder?: string;
}

export interface LibrarySearch {
  /** What `--ort-lib-dir` says. */
  readonly folder?: string | undefined;
  readonly readVariable: ReadVariable;
  /** This program's own file. */
  readonly programPath: string;
  /** Where the package's libraries may be, as file URLs; a compiled program carries them inside. */
  readonly packageUrls: readonly URL[];
  /** Whether the package is inside a compiled program, out of the loader's reach. */
  readonly packed: boolean;
}

/**
 * The package's folder for this platform, found from this file, which works in a compiled program as well. Such a
 * program holds the real folder, and the link to it only where other packages come along.
 */
export const PACKAGE_URLS: readonly URL[] = [
  "node_modules/onnxruntime-node",
  `node_modules/.deno/onnxruntime-node@${PACKAGE_VERSION}/node_modules/onnxruntime-node`,
].map((path) => new URL(`../../${path}/bin/napi-v6/${nodePlatform()}/${nodeArchitecture()}/`, import.meta.url));

/** File names of the library, best first; a release's own files carry its version. */
const FILE_NAMES: Record<string, RegExp[]> = {
  linux: [/^libonnxruntime\.so\.1$/, /^libonnxruntime\.so\.1\.[\d.]+$/, /^libonnxruntime\.so$/],
  darwin: [/^libonnxruntime\.1\.dylib$/, /^libonnxruntime\.1\.[\d.]+\.dylib$/, /^libonnxruntime\.dylib$/],
  windows: [/^onnxruntime\.dll$/],
};

/** Where an unpacked archive or Python wheel of a release keeps the library. */
const SUBFOLDERS = ["", "/lib", "/onnxruntime/capi"];

/**
 * Finds the library.
 *
 * @throws {OrtError} no_library, with every place that was tried.
 */
export async function findLibrary(search: LibrarySearch): Promise<LibraryReport> {
  const places: LibraryPlace[] = [];
  const variable = search.readVariable(FOLDER_VARIABLE);
  const named = search.folder !== undefined
    ? { origin: "--ort-lib-dir", folder: search.folder }
    : variable !== undefined && variable !== ""
    ? { origin: FOLDER_VARIABLE, folder: variable }
    : undefined;
  if (named !== undefined) {
    const found = await lookInto(named.folder);
    places.push(found.path === undefined ? { ...named, why: found.why } : named);
    if (found.path !== undefined) return { path: found.path, places };
    throw new OrtError("no_library", `Cannot find ONNX Runtime: ${describePlaces(places)}. Name another folder`);
  }

  const beside = { origin: "beside the program", folder: `${folderOf(search.programPath)}/ort` };
  const found = await lookInto(beside.folder);
  if (found.path !== undefined) return { path: found.path, places: [beside] };
  places.push({ ...beside, why: found.why });

  for (const url of search.packageUrls) {
    const packaged = { origin: "onnxruntime-node", folder: pathOf(url) };
    const inside = await lookInto(packaged.folder);
    if (inside.path === undefined) {
      places.push({ ...packaged, why: inside.why });
      continue;
    }
    places.push(packaged);
    if (!search.packed) return { path: inside.path, places };
    try {
      const path = await unpackOnce(inside.path, `onnxruntime-${PACKAGE_VERSION}`, search.readVariable);
      return { path, places };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const { path, folder } = await unpackForNow(inside.path);
      const remark = `ONNX Runtime is unpacked at every start: ${reason}`;
      return { path, places, remark, temporaryFolder: folder };
    }
  }
  throw new OrtError(
    "no_library",
    `Cannot find ONNX Runtime: ${describePlaces(places)}. Name a folder that holds it with --ort-lib-dir`,
  );
}

function describePlaces(places: readonly LibraryPlace[]): string {
  return places.map(({ origin, why }) => `${origin}: ${why}`).join("; ");
}

/** The library in a folder, or why there is none. */
async function lookInto(folder: string): Promise<{ path: string; why?: never } | { path?: never; why: string }> {
  const patterns = FILE_NAMES[Deno.build.os] ?? FILE_NAMES["linux"]!;
  let failure: unknown;
  let folders = 0;
  for (const subfolder of SUBFOLDERS) {
    const place = `${folder}${subfolder}`;
    const names: string[] = [];
    try {
      for await (const { name } of Deno.readDir(place)) names.push(name);
      folders++;
    } catch (error) {
      if (subfolder === "") failure = error;
      continue;
    }
    for (const pattern of patterns) {
      const name = names.filter((name) => pattern.test(name)).sort().at(-1);
      if (name !== undefined) return { path: absolute(`${place}/${name}`) };
    }
  }
  if (folders > 0) return { why: `${folder} holds no ONNX Runtime library` };
  if (failure instanceof Deno.errors.NotFound) return { why: `${folder} is not there` };
  const reason = failure instanceof Error ? failure.message : String(failure);
  return { why: `${folder} cannot be read (${reason})` };
}

function absolute(path: string): string {
  return /^([/\\]|[A-Za-z]:)/.test(path) ? path : `${Deno.cwd()}/${path}`;
}

function folderOf(path: string): string {
  return path.replace(/[/\\][^/\\]*$/, "");
}

function pathOf(url: URL): string {
  const path = decodeURIComponent(url.pathname).replace(/\/$/, "");
  return Deno.build.os === "windows" ? path.replace(/^\//, "") : path;
}

/** Node's word for this system, which names the package's folders. */
function nodePlatform(): string {
  return Deno.build.os === "windows" ? "win32" : Deno.build.os;
}

function nodeArchitecture(): string {
  return Deno.build.arch === "aarch64" ? "arm64" : "x64";
}
