/**
 * Reads from a Linux library which other libraries it needs, without opening it.
 *
 * @module
 */

const MAGIC = 0x7f454c46;
const CLASS_64_BIT = 2;
const LITTLE_ENDIAN = 1;
const SEGMENT_LOAD = 1;
const SEGMENT_DYNAMIC = 2;
const TAG_END = 0;
const TAG_NEEDED = 1;
const TAG_STRING_TABLE = 5;
/** A program header and a dynamic entry, in bytes. */
const PROGRAM_HEADER_BYTES = 56;
const DYNAMIC_ENTRY_BYTES = 16;
/** More than any library has; a damaged header must not make us read for ever. */
const MOST_PROGRAM_HEADERS = 1024;
const MOST_DYNAMIC_BYTES = 1 << 20;
const LONGEST_NAME_BYTES = 256;

/**
 * The DT_NEEDED entries of a 64-bit little-endian ELF file, in its order: `libcudart.so.13`, `libc.so.6` …
 *
 * @throws {TypeError} where the file is no such ELF file, or is cut short.
 */
export async function readNeededLibraries(path: string): Promise<string[]> {
  using file = await Deno.open(path);
  const read = async (offset: number, length: number): Promise<DataView> => {
    await file.seek(offset, Deno.SeekMode.Start);
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const count = await file.read(bytes.subarray(filled));
      if (count === null) throw new TypeError(`Cannot read ${path} as a library: it ends too early`);
      filled += count;
    }
    return new DataView(bytes.buffer);
  };

  const header = await read(0, 64);
  if (header.getUint32(0) !== MAGIC || header.getUint8(4) !== CLASS_64_BIT || header.getUint8(5) !== LITTLE_ENDIAN) {
    throw new TypeError(`Cannot read ${path} as a library: it is no 64-bit ELF file`);
  }
  const headerCount = header.getUint16(56, true);
  if (headerCount > MOST_PROGRAM_HEADERS) {
    throw new TypeError(`Cannot read ${path} as a library: ${headerCount} program headers`);
  }
  const headers = await read(Number(header.getBigUint64(32, true)), headerCount * PROGRAM_HEADER_BYTES);
  const segments = Array.from({ length: headerCount }, (_, i) => {
    const at = i * PROGRAM_HEADER_BYTES;
    return {
      type: headers.getUint32(at, true),
      offset: Number(headers.getBigUint64(at + 8, true)),
      address: Number(headers.getBigUint64(at + 16, true)),
      bytes: Number(headers.getBigUint64(at + 32, true)),
    };
  });
  const dynamic = segments.find(({ type }) => type === SEGMENT_DYNAMIC);
  if (dynamic === undefined) return [];

  const entries = await read(dynamic.offset, Math.min(dynamic.bytes, MOST_DYNAMIC_BYTES));
  const needed: number[] = [];
  let tableAddress = -1;
  for (let at = 0; at + DYNAMIC_ENTRY_BYTES <= entries.byteLength; at += DYNAMIC_ENTRY_BYTES) {
    const tag = Number(entries.getBigUint64(at, true));
    const value = Number(entries.getBigUint64(at + 8, true));
    if (tag === TAG_END) break;
    if (tag === TAG_NEEDED) needed.push(value);
    if (tag === TAG_STRING_TABLE) tableAddress = value;
  }
  const home = segments.find(({ type, address, bytes }) =>
    type === SEGMENT_LOAD && address <= tableAddress && tableAddress < address + bytes
  );
  if (home === undefined) {
    if (needed.length === 0) return [];
    throw new TypeError(`Cannot read ${path} as a library: its names are in no segment`);
  }
  const tableOffset = tableAddress - home.address + home.offset;
  const tableEnd = home.offset + home.bytes;
  const names: string[] = [];
  for (const offset of needed) {
    const start = tableOffset + offset;
    const bytes = new Uint8Array((await read(start, Math.min(LONGEST_NAME_BYTES, tableEnd - start))).buffer);
    const end = bytes.indexOf(0);
    if (end < 0) throw new TypeError(`Cannot read ${path} as a library: a name has no end`);
    names.push(new TextDecoder().decode(bytes.subarray(0, end)));
  }
  return names;
}
