/**
 * Whether ONNX Runtime's CUDA provider can start here: which files it needs, where they are, and what is missing.
 *
 * Nothing is opened here. Which CUDA release a provider was built for stands in its own file, so that is read, never
 * assumed.
 *
 * @module
 */

import { readNeededLibraries } from "./elf.ts";

/** Reads a variable of the process's environment. */
export type ReadVariable = (name: string) => string | undefined;

/** A library that the provider needs. */
export interface CudaLibrary {
  /** Its file name, for example `libcublas.so.13`. */
  readonly name: string;
  /** Where it is; absent where it is in none of the folders. */
  readonly path?: string;
  /** The provider opens it only when a model needs it. */
  readonly optional: boolean;
}

export interface CudaReport {
  /** What stands in the way, as one sentence with its remedy; absent where CUDA can be tried. */
  readonly problem?: string;
  /** The folder that must hold the provider, beside ONNX Runtime's own library. */
  readonly folder: string;
  readonly libraries: readonly CudaLibrary[];
  /** Every folder that was looked into. */
  readonly lookedIn: readonly string[];
}

const PROVIDERS = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"] as const;

/** What belongs to CUDA or its driver; everything else is the system's own. */
const CUDA_NAME = /^lib(cu|nv)/;

/** Where the system and CUDA's installers put libraries. */
const SYSTEM_FOLDERS = [
  "/usr/local/cuda/lib64",
  "/usr/local/nvidia/lib64",
  "/usr/lib/x86_64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  "/lib/x86_64-linux-gnu",
  "/lib64",
  "/usr/lib64",
  "/usr/lib/wsl/lib",
];

export interface CudaSearch {
  readonly readVariable: ReadVariable;
  readonly systemFolders?: readonly string[];
}

/**
 * Looks for the CUDA provider beside a library of ONNX Runtime, and for everything it needs.
 *
 * @param libraryPath ONNX Runtime's own library, absolute.
 */
export async function findCuda(libraryPath: string, search: CudaSearch): Promise<CudaReport> {
  const folder = libraryPath.slice(0, libraryPath.lastIndexOf("/"));
  if (Deno.build.os !== "linux") {
    const problem = `Cannot use CUDA on ${Deno.build.os}: pi0 knows it on Linux only. Use --gpu=auto, or no --gpu`;
    return { problem, folder, libraries: [], lookedIn: [] };
  }
  const absent: string[] = [];
  for (const name of PROVIDERS) if (!await isFile(`${folder}/${name}`)) absent.push(name);
  if (absent.length > 0) {
    const problem = `Cannot use CUDA: ${absent.join(" and ")} ${absent.length > 1 ? "are" : "is"} not in ${folder}. ` +
      "Name a folder with --ort-lib-dir that holds ONNX Runtime's GPU build, all its files of one release";
    return { problem, folder, libraries: [], lookedIn: [folder] };
  }

  let needed: string[];
  try {
    needed = (await readNeededLibraries(`${folder}/${PROVIDERS[1]}`)).filter((name) => CUDA_NAME.test(name));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { problem: `Cannot use CUDA: ${reason}`, folder, libraries: [], lookedIn: [folder] };
  }
  const lookedIn = await listFolders(folder, search);
  const libraries: CudaLibrary[] = [];
  for (const name of needed) libraries.push(await locate(name, lookedIn, false));
  for (const name of openedLater(needed)) libraries.push(await locate(name, lookedIn, true));
  const missing = libraries.filter(({ path, optional }) => path === undefined && !optional).map(({ name }) => name);
  if (missing.length === 0) return { folder, libraries, lookedIn };
  const driver = missing.includes("libcuda.so.1") ? "; libcuda.so.1 comes with NVIDIA's driver" : "";
  const problem = `Cannot use CUDA: ${missing.join(", ")} ${missing.length > 1 ? "are" : "is"} missing. ` +
    `Looked in ${lookedIn.join(", ")}. Put what is missing into one of these${driver}`;
  return { problem, folder, libraries, lookedIn };
}

/** Libraries that a provider of 1.30 opens by name when a kernel wants them. */
function openedLater(needed: readonly string[]): string[] {
  const major = needed.map((name) => /^libcudart\.so\.(\d+)$/.exec(name)?.[1]).find((found) => found !== undefined);
  const names = ["libcudnn.so.9", ...(major === undefined ? [] : [`libnvrtc.so.${major}`])];
  return names.filter((name) => !needed.includes(name));
}

/** The folders to look into, best first; only those that are there. */
async function listFolders(folder: string, { readVariable, systemFolders }: CudaSearch): Promise<string[]> {
  const roots = ["CUDA_HOME", "CUDA_PATH"].flatMap((name) => readVariable(name) ?? []);
  const candidates = [
    folder,
    // NVIDIA's Python wheels hold nvidia/<part>/lib; unpacked here, or installed beside onnxruntime/capi.
    ...await wheelFolders(`${folder}/nvidia`),
    ...await wheelFolders(`${folder.split("/").slice(0, -2).join("/")}/nvidia`),
    ...(readVariable("LD_LIBRARY_PATH") ?? "").split(":").filter((path) => path !== ""),
    ...roots.flatMap((root) => [`${root}/lib64`, `${root}/lib`]),
    ...(systemFolders ?? SYSTEM_FOLDERS),
  ];
  const there: string[] = [];
  for (const candidate of new Set(candidates)) if (await isFolder(candidate)) there.push(candidate);
  return there;
}

async function wheelFolders(parent: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name } of Deno.readDir(parent)) found.push(`${parent}/${name}/lib`);
  } catch {
    // No wheels here.
    return [];
  }
  return found.sort();
}

async function locate(name: string, folders: readonly string[], optional: boolean): Promise<CudaLibrary> {
  for (const folder of folders) {
    const path = `${folder}/${name}`;
    if (await isFile(path)) return { name, path, optional };
  }
  return { name, optional };
}

async function isFile(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(() => undefined))?.isFile ?? false;
}

async function isFolder(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(() => undefined))?.isDirectory ?? false;
}
