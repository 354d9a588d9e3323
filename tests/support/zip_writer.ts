/**
 * Writes zip files, honest ones and others.
 *
 * @module
 */

import { deflateRawSync } from "node:zlib";
import type { Bytes } from "../../src/types.ts";

/** A file to pack. */
export interface Packed {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Not packed where true. */
  readonly stored?: boolean;
  /** What the list says instead of the true unpacked size. */
  readonly announcedBytes?: number;
}

/** Packs files in order; the comment goes to the end. */
export function writeZip(files: readonly Packed[], comment = ""): Bytes {
  const parts: Uint8Array[] = [];
  const list: Uint8Array[] = [];
  let offset = 0;
  for (const { path, bytes, stored = false, announcedBytes = bytes.length } of files) {
    const name = new TextEncoder().encode(path);
    const data = stored ? bytes : deflateRawSync(bytes);
    const method = stored ? 0 : 8;
    // Signature, version, flags, method, time and date, CRC-32 (which nothing here reads), sizes, lengths.
    const local = numbers([0x04034b50, 4], [20, 2], [0, 2], [method, 2], [0, 4], [0, 4]);
    const sizes = numbers([data.length, 4], [announcedBytes, 4], [name.length, 2], [0, 2]);
    const entry = numbers([0x02014b50, 4], [20, 2], [20, 2], [0, 2], [method, 2], [0, 4], [0, 4]);
    // No comment, disk 0, no attributes, and where the local header is.
    list.push(entry, sizes, numbers([0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]), name);
    const record = [local, sizes, name, data];
    parts.push(...record);
    offset += lengthOf(record);
  }
  const listBytes = lengthOf(list);
  const counts = numbers([0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2]);
  const note = new TextEncoder().encode(comment);
  const end = [counts, numbers([listBytes, 4], [offset, 4], [note.length, 2]), note];
  return Uint8Array.from([...parts, ...list, ...end].flatMap((part) => [...part]));
}

/** Little-endian numbers of that many bytes each. */
function numbers(...values: readonly (readonly [value: number, bytes: 2 | 4])[]): Uint8Array {
  const out = new Uint8Array(values.reduce((sum, [, bytes]) => sum + bytes, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const [value, bytes] of values) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return out;
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
