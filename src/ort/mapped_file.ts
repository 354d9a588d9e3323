/**
 * A file as memory, read by the operating system when it is touched and shared by all who map it.
 *
 * @module
 */

import { OrtError } from "../errors.ts";
import { type Address, encodeText } from "./native.ts";

const READ_ONLY = 0;
const PROTECTION_READ = 1;
const MAP_PRIVATE = 2;
/** What mmap returns where it cannot: (void *) -1. */
const FAILED = 0xffff_ffff_ffff_ffffn;

/** A mapped file; linux and macOS only. */
export class MappedFile implements Disposable {
  readonly bytes: number;
  /** Where its first byte is. */
  readonly address: Address;
  readonly #system: ReturnType<typeof openSystem>;

  /** @throws {OrtError} bad_model where it is not there or cannot be mapped. */
  constructor(path: string) {
    try {
      this.bytes = Deno.statSync(path).size;
    } catch (cause) {
      throw new OrtError("bad_model", `Cannot read the weights ${path}: ${(cause as Error).message}`, { cause });
    }
    this.#system = openSystem();
    const { open, mmap, close } = this.#system.symbols;
    const file = open(encodeText(path), READ_ONLY);
    const pointer = file < 0 ? null : mmap(null, BigInt(this.bytes), PROTECTION_READ, MAP_PRIVATE, file, 0n);
    if (file >= 0) close(file);
    this.address = Deno.UnsafePointer.value(pointer);
    if (this.address === 0n || this.address === FAILED) {
      this.#system.close();
      throw new OrtError("bad_model", `Cannot map the weights ${path} (${this.bytes} bytes) into memory`);
    }
  }

  [Symbol.dispose](): void {
    this.#system.symbols.munmap(Deno.UnsafePointer.create(this.address), BigInt(this.bytes));
    this.#system.close();
  }
}

function openSystem() {
  return Deno.dlopen(Deno.build.os === "darwin" ? "libSystem.B.dylib" : "libc.so.6", {
    open: { parameters: ["buffer", "i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
    mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "pointer" },
    munmap: { parameters: ["pointer", "usize"], result: "i32" },
  });
}
