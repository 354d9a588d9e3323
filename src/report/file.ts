/**
 * Files that are there whole or not at all.
 *
 * @module
 */

import type { Bytes } from "../types.ts";

/**
 * Writes to a temporary file beside the path, which then takes its name.
 *
 * @param what is written, for the message: `results`.
 * @throws {Error} that names the path, where it cannot be written.
 */
export async function writeWhole(path: string, contents: string | Bytes, what: string): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  const bytes = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
  try {
    await Deno.writeFile(temporary, bytes, { createNew: true });
    await Deno.rename(temporary, path);
  } catch (cause) {
    await Deno.remove(temporary).catch(() => {
      // It may never have been created; the first failure is the one to report.
    });
    throw new Error(`Cannot write ${what} to "${path}": ${reason(cause)}`, { cause });
  }
}

/**
 * Makes a folder for results, or takes one that is there and empty.
 *
 * @param overwrite takes one that holds something, too.
 * @throws {Error} that names the path, where that is not so or cannot be.
 */
export async function makeFolder(path: string, { overwrite }: { readonly overwrite: boolean }): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
    if (!overwrite) {
      for await (const _ of Deno.readDir(path)) {
        throw new Error("it holds files already; choose another folder, or type --force");
      }
    }
  } catch (cause) {
    throw new Error(`Cannot write to the folder "${path}": ${reason(cause)}`, { cause });
  }
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "its folder does not exist";
  if (error instanceof Deno.errors.PermissionDenied) return "not permitted; choose another place";
  if (error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory) {
    return "a file of that name is in the way";
  }
  if (error instanceof Deno.errors.IsADirectory) return "a folder of that name is in the way";
  const message = error instanceof Error ? error.message : String(error);
  if (/os error 28\b/.test(message)) return "the disk is full";
  return message;
}
