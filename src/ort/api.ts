/**
 * ONNX Runtime's C API, called from TypeScript: the library, its table of functions, and its way of reporting errors.
 *
 * @module
 */

import { OrtError } from "../errors.ts";
import { NEWEST_API_VERSION, OLDEST_API_VERSION, SLOTS } from "./api_slots.ts";
import { pointerIn, readText } from "./native.ts";

export type SlotName = keyof typeof SLOTS;

type Functions = { readonly [Name in SlotName]: Deno.UnsafeFnPointer<(typeof SLOTS)[Name]>["call"] };

/** What ONNX Runtime said about a call that failed. */
export class StatusError extends Error {
  override readonly name = "StatusError";

  /** @param code OrtErrorCode of the C API: 1 fail, 2 invalid argument, 3 no such file, 7 invalid protobuf … */
  constructor(readonly code: number, message: string) {
    super(message);
  }
}

/** The code of a file that is not there. */
export const NO_SUCH_FILE = 3;

/** An opened library. Whoever opens it closes it, after everything made with it has been released. */
export class Api implements Disposable {
  /** As the library calls itself, for example `1.30.0`. */
  readonly version: string;
  /** The version of the table of functions that is used. */
  readonly apiVersion: number;
  readonly functions: Functions;
  readonly #library: { close(): void };

  /**
   * @param path of the library, absolute.
   * @throws {OrtError} bad_library
   */
  constructor(readonly path: string) {
    const library = openLibrary(path);
    try {
      const base = library.symbols.OrtGetApiBase();
      if (base === null) throw new OrtError("bad_library", `Cannot use ${path}: it offers no functions`);
      const view = new Deno.UnsafePointerView(base);
      const getVersion = new Deno.UnsafeFnPointer(view.getPointer(8)!, { parameters: [], result: "pointer" } as const);
      this.version = readText(getVersion.call());
      const [apiVersion, table] = requestTable(view.getPointer(0), this.version);
      if (table === null) {
        throw new OrtError(
          "bad_library",
          `Cannot use ${path}: it is ONNX Runtime ${this.version}. Use 1.${OLDEST_API_VERSION} or newer`,
        );
      }
      this.apiVersion = apiVersion;
      this.functions = readFunctions(table, apiVersion, this.version);
      this.#library = library;
    } catch (error) {
      library.close();
      throw error;
    }
  }

  /** Whether the library is new enough for a function. */
  has(name: SlotName): boolean {
    return SLOTS[name].since <= this.apiVersion;
  }

  /**
   * Reads and releases what a function returned.
   *
   * @throws {StatusError} where it is an error.
   */
  check(status: Deno.PointerValue): void {
    if (status === null) return;
    const { GetErrorCode, GetErrorMessage, ReleaseStatus } = this.functions;
    const error = new StatusError(GetErrorCode(status), readText(GetErrorMessage(status)).trim());
    ReleaseStatus(status);
    throw error;
  }

  /** Calls a function that writes a pointer into its last argument, and returns that pointer. */
  make(call: (cell: BigUint64Array<ArrayBuffer>) => Deno.PointerValue): Deno.PointerValue {
    const cell = new BigUint64Array(1);
    this.check(call(cell));
    return pointerIn(cell);
  }

  /** Calls a function that writes a number into its last argument, and returns that number. */
  count(call: (cell: BigUint64Array<ArrayBuffer>) => Deno.PointerValue): number {
    const cell = new BigUint64Array(1);
    this.check(call(cell));
    return Number(cell[0]);
  }

  [Symbol.dispose](): void {
    this.#library.close();
  }
}

function openLibrary(path: string) {
  // Microsoft's releases from 1.29 on report use to Microsoft, and keep an identifier and a database in the user's cache
  // folder; this variable, read when the library begins, is what stops all of it.
  Deno.env.set("ORT_DISABLE_TELEMETRY", "1");
  try {
    return Deno.dlopen(path, { OrtGetApiBase: { parameters: [], result: "pointer" } });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OrtError("bad_library", `Cannot open ${path} as ONNX Runtime: ${reason}`, { cause });
  }
}

/** The newest table that both sides know; null where they know none. */
function requestTable(getApi: Deno.PointerValue, version: string): [number, Deno.PointerValue] {
  const definition = { parameters: ["u32"], result: "pointer" } as const;
  const request = new Deno.UnsafeFnPointer(getApi as Deno.PointerObject<typeof definition>, definition);
  // A library prints a complaint when it is asked for more than it has, so do not begin above its own version.
  const minor = Number(/^1\.(\d+)\./.exec(version)?.[1] ?? NEWEST_API_VERSION);
  for (let tried = Math.min(minor, NEWEST_API_VERSION); tried >= OLDEST_API_VERSION; tried--) {
    const table = request.call(tried);
    if (table !== null) return [tried, table];
  }
  return [0, null];
}

function readFunctions(table: Deno.PointerObject, apiVersion: number, version: string): Functions {
  const view = new Deno.UnsafePointerView(table);
  const entries = Object.entries(SLOTS).map(([name, facts]) => {
    if (facts.since > apiVersion) {
      const missing = () => {
        throw new OrtError(
          "bad_library",
          `Cannot call ${name}: ONNX Runtime ${version} lacks it. Use 1.${facts.since} or newer`,
        );
      };
      return [name, missing];
    }
    const definition: Deno.ForeignFunction = facts;
    const native = new Deno.UnsafeFnPointer(view.getPointer<Deno.ForeignFunction>(8 * facts.slot)!, definition);
    return [name, native.call.bind(native)];
  });
  return Object.fromEntries(entries) as Functions;
}
