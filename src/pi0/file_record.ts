/**
 * Files as a manifest knows them: path, size and SHA-256, so that a damaged or exchanged one is noticed.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { isAbsolute, join } from "node:path";

/** A file that must be as it was. */
export interface FileRecord {
  /** From the manifest's folder; absolute where the file is not in it. */
  readonly path: string;
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** Bytes done, of so many. */
export type OnBytes = (doneBytes: number, totalBytes: number) => void;

const CHUNK_BYTES = 1 << 22;

/** The SHA-256 of bytes in memory, in hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Where a recorded file is. */
export function pathOf(folder: string, { path }: FileRecord): string {
  return isAbsolute(path) ? path : join(folder, path);
}

/** Reads a file for its record. */
export async function recordFile(folder: string, path: string, onBytes?: OnBytes): Promise<FileRecord> {
  const full = isAbsolute(path) ? path : join(folder, path);
  using file = await Deno.open(full);
  const { size } = await file.stat();
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK_BYTES);
  let bytes = 0;
  for (let count = await file.read(chunk); count !== null; count = await file.read(chunk)) {
    hash.update(chunk.subarray(0, count));
    bytes += count;
    onBytes?.(bytes, size);
  }
  return { path, bytes, sha256: hash.digest("hex") };
}

/** Writes a file piece by piece, and its record. */
export async function writeRecorded(
  folder: string,
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  onBytes?: (doneBytes: number) => void,
): Promise<FileRecord> {
  const hash: Hash = createHash("sha256");
  let bytes = 0;
  using file = await Deno.open(join(folder, path), { write: true, createNew: true });
  for await (const chunk of chunks) {
    hash.update(chunk);
    for (let written = 0; written < chunk.length;) written += await file.write(chunk.subarray(written));
    bytes += chunk.length;
    onBytes?.(bytes);
  }
  return { path, bytes, sha256: hash.digest("hex") };
}

/**
 * Compares a file's size with its record, and its contents where it is not larger than `hashUpToBytes`.
 *
 * @throws {Error} where it is not there, or not as it was.
 */
export async function checkFile(
  folder: string,
  record: FileRecord,
  { hashUpToBytes, onBytes }: { readonly hashUpToBytes: number; readonly onBytes?: OnBytes | undefined },
): Promise<void> {
  const path = pathOf(folder, record);
  const remedy = "export the model again";
  const found = await Deno.stat(path).catch((cause) => {
    throw new Error(`Cannot use the model in ${folder}: ${path} is not there; put it back, or ${remedy}`, { cause });
  });
  if (found.size !== record.bytes) {
    throw new Error(
      `Cannot use the model in ${folder}: ${path} has ${found.size} bytes instead of ${record.bytes}; ${remedy}`,
    );
  }
  if (record.bytes > hashUpToBytes) return;
  const { sha256 } = await recordFile(folder, record.path, onBytes);
  if (sha256 === record.sha256) return;
  throw new Error(
    `Cannot use the model in ${folder}: ${path} is not as it was exported (its SHA-256 differs); ${remedy}`,
  );
}
