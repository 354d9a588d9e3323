/**
 * Takes a library out of a compiled program, once.
 *
 * The runtime of a compiled program would write a library that is opened inside it to the temporary folder at every
 * start: 46 MB each time, left behind. So it goes to the user's cache folder under a name that says its release and
 * size, and is found there from then on.
 *
 * @module
 */

import type { ReadVariable } from "./cuda_libraries.ts";

/**
 * Makes sure that a file inside the program lies in the cache folder, and returns its path there.
 *
 * Several programs may do so at once: each writes a file of its own and renames it, so nobody sees half a library.
 *
 * @param release what the file belongs to; part of the folder's name.
 * @throws where this user has no home folder, or its cache cannot be written.
 */
export async function unpackOnce(path: string, release: string, readVariable: ReadVariable): Promise<string> {
  const name = path.split(/[/\\]/).at(-1)!;
  const cache = cacheFolder(readVariable);
  // A folder that everybody may write would let others put a library there for us to run.
  if (cache === undefined) throw new Error("no home folder is known (HOME is not set)");
  const { size } = await Deno.stat(path);
  const folder = `${cache}/${release}-${Deno.build.target}-${size}`;
  const target = `${folder}/${name}`;
  const there = await Deno.stat(target).catch(() => undefined);
  if (there?.size === size) return target;

  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = await Deno.makeTempFile({ dir: folder, prefix: "unpacking-" });
  try {
    await Deno.writeFile(draft, await Deno.readFile(path));
    await Deno.rename(draft, target);
  } catch (error) {
    await Deno.remove(draft).catch(() => undefined);
    throw error;
  }
  return target;
}

/** Copies a file inside the program to a new folder that only this user can read; the caller removes it. */
export async function unpackForNow(path: string): Promise<{ path: string; folder: string }> {
  const folder = await Deno.makeTempDir({ prefix: "pi0-" });
  const target = `${folder}/${path.split(/[/\\]/).at(-1)!}`;
  await Deno.writeFile(target, await Deno.readFile(path));
  return { path: target, folder };
}

/** Where this user's programs keep what they can make again; undefined where that is nowhere. */
export function cacheFolder(readVariable: ReadVariable): string | undefined {
  const read = (name: string) => {
    const value = readVariable(name);
    return value === "" ? undefined : value;
  };
  const below = (parent: string | undefined, rest: string) => parent === undefined ? undefined : `${parent}/${rest}`;
  if (Deno.build.os === "windows") return below(read("LOCALAPPDATA"), "pi0/cache");
  if (Deno.build.os === "darwin") return below(read("HOME"), "Library/Caches/pi0");
  return below(read("XDG_CACHE_HOME") ?? below(read("HOME"), ".cache"), "pi0");
}
