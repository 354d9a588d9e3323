/**
 * The operating system's loader of libraries, for libraries that stay for as long as the process lives.
 *
 * Deno closes a library together with the isolate that opened it. ONNX Runtime and CUDA leave threads and exit handlers
 * behind, which then run code that is no longer there; so these libraries are opened once more, and that opening is
 * never undone.
 *
 * @module
 */

import { encodePath, encodeText, readText } from "./native.ts";

/** Find every symbol now, not at its first call: what is missing shows here, with its name. */
const RTLD_NOW = 2;

/**
 * Opens a library for good.
 *
 * @param path absolute, or a bare file name, which the system then looks up in its own places.
 * @returns what the system said against it; undefined where the library is open.
 */
export function openForGood(path: string): string | undefined {
  return Deno.build.os === "windows" ? openOnWindows(path) : openOnUnix(path);
}

function openOnUnix(path: string): string | undefined {
  const name = Deno.build.os === "darwin" ? "libSystem.B.dylib" : "libc.so.6";
  const system = Deno.dlopen(name, {
    dlopen: { parameters: ["buffer", "i32"], result: "pointer" },
    dlerror: { parameters: [], result: "pointer" },
  });
  try {
    return system.symbols.dlopen(encodeText(path), RTLD_NOW) === null ? readText(system.symbols.dlerror()) : undefined;
  } finally {
    system.close();
  }
}

function openOnWindows(path: string): string | undefined {
  const system = Deno.dlopen("kernel32.dll", {
    LoadLibraryW: { parameters: ["buffer"], result: "pointer" },
    GetLastError: { parameters: [], result: "u32" },
  });
  try {
    return system.symbols.LoadLibraryW(encodePath(path)) === null
      ? `error ${system.symbols.GetLastError()}`
      : undefined;
  } finally {
    system.close();
  }
}
