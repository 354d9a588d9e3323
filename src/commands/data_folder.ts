/**
 * Where pi0 keeps what a user installs.
 *
 * @module
 */

import { join, posix, win32 } from "node:path";
import { UsageError } from "../errors.ts";

/**
 * `PI0_HOME`, or the system's place for data of programs: the XDG data folder on Linux, `Application Support` on macOS,
 * `%LOCALAPPDATA%` on Windows; in each of these a folder `pi0`. It need not be there.
 *
 * @param env reads an environment variable.
 * @throws {UsageError} where the environment does not tell.
 */
export function dataFolder(
  env: (name: string) => string | undefined,
  os: typeof Deno.build.os = Deno.build.os,
): string {
  const home = env("PI0_HOME");
  if (home !== undefined) {
    if (home.trim() === "") throw new UsageError("Empty variable PI0_HOME: unset it or give it a value");
    return home;
  }
  if (os === "windows") return win32.join(required(env, "LOCALAPPDATA"), "pi0");
  if (os === "darwin") return posix.join(required(env, "HOME"), "Library/Application Support/pi0");
  // The XDG specification: a path that is empty or not absolute counts as not set.
  const data = env("XDG_DATA_HOME");
  if (data?.startsWith("/")) return posix.join(data, "pi0");
  return posix.join(required(env, "HOME"), ".local/share/pi0");
}

/** Where the official scene is, once it is installed. */
export function gymAlohaFolder(env: (name: string) => string | undefined): string {
  return join(dataFolder(env), "gym-aloha");
}

function required(env: (name: string) => string | undefined, name: string): string {
  const value = env(name);
  if (value) return value;
  throw new UsageError(`Cannot find pi0's data folder: ${name} is not set; set PI0_HOME to a folder`);
}
