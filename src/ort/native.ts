/**
 * Values of the C language: strings, cells that a function writes a pointer or a number into, arrays of pointers.
 *
 * A function keeps the memory of a `buffer` argument alive while it runs, and not longer: what C goes on reading after
 * the call must be held by whoever owns the object it belongs to.
 *
 * @module
 */

/** A pointer's number; 0n is null. */
export type Address = bigint;

const encoder = new TextEncoder();

/** Text as C wants it: UTF-8 with a zero at the end. */
export function encodeText(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${text}\0`);
}

/** A path as ONNX Runtime wants it: UTF-16 on Windows, UTF-8 elsewhere. */
export function encodePath(path: string, os: typeof Deno.build.os = Deno.build.os): Uint8Array<ArrayBuffer> {
  if (os !== "windows") return encodeText(path);
  const units = Uint16Array.from(`${path}\0`, (unit) => unit.charCodeAt(0));
  return new Uint8Array(units.buffer);
}

/** Reads text that C owns. */
export function readText(pointer: Deno.PointerValue): string {
  return pointer === null ? "" : new Deno.UnsafePointerView(pointer).getCString();
}

/**
 * An array of strings for C in one piece of memory: the table of pointers, then the strings, so that nothing but the
 * returned bytes must stay alive.
 */
export function encodeTexts(texts: readonly string[]): Uint8Array<ArrayBuffer> {
  const parts = texts.map(encodeText);
  const tableBytes = 8 * parts.length;
  const bytes = new Uint8Array(new ArrayBuffer(tableBytes + parts.reduce((sum, part) => sum + part.length, 0) + 1));
  const table = new BigUint64Array(bytes.buffer, 0, parts.length);
  const start = addressOf(bytes);
  let at = tableBytes;
  for (const [i, part] of parts.entries()) {
    table[i] = start + BigInt(at);
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Where bytes lie. Good for as long as their memory is held. */
export function addressOf(view: ArrayBufferView<ArrayBufferLike>): Address {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(view as BufferSource));
}

/** The pointer of an address. */
export function pointerTo(address: Address): Deno.PointerValue {
  return Deno.UnsafePointer.create(address);
}

/** A place for a function to write one pointer, `size_t` or `int64_t` into. */
export function makeCell(): BigUint64Array<ArrayBuffer> {
  return new BigUint64Array(1);
}

/** The pointer in a cell, or at a place of an array of pointers. */
export function pointerIn(cell: BigUint64Array<ArrayBuffer>, index = 0): Deno.PointerValue {
  return Deno.UnsafePointer.create(cell[index] ?? 0n);
}

/** The pointers of an array that C owns. */
export function readPointers(start: Deno.PointerValue, count: number): Deno.PointerValue[] {
  if (start === null) return [];
  const view = new Deno.UnsafePointerView(start);
  return Array.from({ length: count }, (_, i) => view.getPointer(8 * i));
}
