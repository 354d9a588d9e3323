/**
 * Finds gym-aloha's files in what a user names: a folder, a wheel or zip, or the URL of one.
 *
 * @module
 */

import { unzipSync } from "fflate";
import { type Clock, withDeadline } from "../clock.ts";
import { UsageError } from "../errors.ts";
import { GYM_ALOHA_FILES, GYM_ALOHA_LICENSE, isGymAlohaLicense } from "../sim/scenes/gym_aloha.ts";
import type { Bytes } from "../types.ts";

/** The wheel has 0.4 MiB, a whole checkout about 20. */
const MAX_ARCHIVE_BYTES = 64 * 2 ** 20;
/** The largest of the files has 0.45 MiB. */
const MAX_FILE_BYTES = 2 ** 20;
const DOWNLOAD_MS = 120_000;
/** A checkout and a folder of Python packages have the files two folders down. */
const MAX_DEPTH = 3;

/** What looking around takes. */
export interface SourceContext {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Tells the user what goes on, in one line. */
  readonly log: (line: string) => void;
}

/** A file with a name that is sought. */
interface Candidate {
  readonly folder: string;
  readonly name: string;
  readonly sizeBytes: number;
  read(): Bytes | Promise<Bytes>;
}

/**
 * Takes those of gym-aloha's files that are there, by name; with the licence, if gym-aloha's own is there. What a
 * file holds is not checked.
 *
 * They may lie at any depth of an archive, and a few folders down in a folder; all are taken from the one folder that
 * has most of them.
 *
 * @param from a path or an http(s) URL.
 * @throws {UsageError} where it is a URL of another kind.
 * @throws {Error} where nothing can be read there.
 */
export async function collectFiles(from: string, context: SourceContext): Promise<Map<string, Bytes>> {
  const candidates = await findCandidates(from, context);
  const files = new Map<string, Bytes>();
  const folders = Map.groupBy(candidates.filter(({ name }) => name !== GYM_ALOHA_LICENSE.name), ({ folder }) => folder);
  const [fullest] = [...folders.values()].map((members) => new Map(members.map((member) => [member.name, member])))
    .sort((a, b) => b.size - a.size);
  for (const [name, candidate] of fullest ?? []) {
    context.signal.throwIfAborted();
    files.set(name, await take(candidate, from));
  }
  for (const candidate of candidates) {
    context.signal.throwIfAborted();
    if (candidate.name !== GYM_ALOHA_LICENSE.name || candidate.sizeBytes !== GYM_ALOHA_LICENSE.sizeBytes) continue;
    const bytes = await take(candidate, from);
    if (!isGymAlohaLicense(bytes)) continue;
    files.set(candidate.name, bytes);
    break;
  }
  return files;
}

async function take({ name, sizeBytes, read }: Candidate, from: string): Promise<Bytes> {
  if (sizeBytes > MAX_FILE_BYTES) {
    throw new Error(
      `Cannot take ${name} from ${from}: it has ${sizeBytes} bytes, and none of gym-aloha's files has ` +
        `${MAX_FILE_BYTES}; give another copy`,
    );
  }
  try {
    return await read();
  } catch (cause) {
    throw new Error(`Cannot read ${name} from ${from}: ${reason(cause)}`, { cause });
  }
}

async function findCandidates(from: string, context: SourceContext): Promise<Candidate[]> {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(from)?.[1]?.toLowerCase();
  if (scheme !== undefined) {
    if (!/^https?$/.test(scheme) || !URL.canParse(from)) {
      throw new UsageError(`Cannot use --from ${from}: give a folder, a wheel, a zip, or an http(s) URL of one`);
    }
    return archiveCandidates(await download(from, context), from);
  }
  const info = await Deno.stat(from).catch((cause) => {
    throw new Error(`Cannot read ${from}: ${cause instanceof Deno.errors.NotFound ? "there is none" : reason(cause)}`, {
      cause,
    });
  });
  if (info.isDirectory) return await folderCandidates(from, context.signal);
  if (info.size > MAX_ARCHIVE_BYTES) throw tooLarge("read", from);
  return archiveCandidates(await Deno.readFile(from), from);
}

async function folderCandidates(root: string, signal: AbortSignal): Promise<Candidate[]> {
  const found: Candidate[] = [];
  let level = [root];
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    const below: string[] = [];
    for (const folder of level) {
      signal.throwIfAborted();
      let entries: Deno.DirEntry[];
      try {
        entries = await Array.fromAsync(Deno.readDir(folder));
      } catch (cause) {
        if (folder !== root) continue; // Somebody else's; the files are elsewhere.
        throw new Error(`Cannot read ${root}: ${reason(cause)}`, { cause });
      }
      for (const { name, isDirectory } of entries) {
        const path = `${folder}/${name}`;
        if (isDirectory) below.push(path);
        if (!isSought(name)) continue;
        const info = await Deno.stat(path).catch(() => undefined); // A link to nothing is no file.
        if (info?.isFile) found.push({ folder, name, sizeBytes: info.size, read: () => Deno.readFile(path) });
      }
    }
    level = below;
  }
  return found;
}

/** The names in an archive are compared and never used as paths. */
function archiveCandidates(zip: Bytes, from: string): Candidate[] {
  const found: Candidate[] = [];
  try {
    unzipSync(zip, {
      filter: ({ name: path, originalSize, size }) => {
        const cut = path.lastIndexOf("/");
        const name = path.slice(cut + 1);
        if (isSought(name)) {
          // The unpacked size is what the archive says, and all the room it gets; the packed one bounds the work.
          const sizeBytes = Math.max(originalSize, size);
          const read = () => unzipSync(zip, { filter: (entry) => entry.name === path })[path] as Bytes;
          found.push({ folder: path.slice(0, Math.max(0, cut)), name, sizeBytes, read });
        }
        return false;
      },
    });
  } catch (cause) {
    throw new Error(`Cannot read ${from}: it is no whole zip file; give a folder, a wheel or a zip`, { cause });
  }
  return found;
}

function isSought(name: string): boolean {
  return name === GYM_ALOHA_LICENSE.name || GYM_ALOHA_FILES.includes(name);
}

/** Fetches a file whole: into memory, and within limits of size and time. */
async function download(url: string, { clock, signal, log }: SourceContext): Promise<Bytes> {
  log(`fetching ${url}`);
  const late = () => new Error(`Cannot fetch ${url}: not complete after ${DOWNLOAD_MS / 1000} s; fetch it by hand`);
  const bytes = await withDeadline(clock, DOWNLOAD_MS, late, (signal) => fetchBytes(url, signal), signal);
  log(`fetched ${bytes.length} bytes`);
  return bytes;
}

async function fetchBytes(url: string, signal: AbortSignal): Promise<Bytes> {
  const response = await fetch(url, { signal }).catch((cause) => {
    // Deno 2.9 says "fetch failed" and keeps the reason in the cause; either repeats the URL in front of it.
    const what = reason(cause?.cause ?? cause).replace(/^error sending request for url \(.*?\): /, "");
    throw new Error(`Cannot fetch ${url}: ${what}`, { cause });
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`Cannot fetch ${url}: the server answered ${response.status} ${response.statusText}`.trim());
  }
  const chunks: Bytes[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_ARCHIVE_BYTES) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new Error(`Cannot fetch ${url}: ${reason(cause)}`, { cause });
  }
  if (sizeBytes > MAX_ARCHIVE_BYTES) throw tooLarge("fetch", url);
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

function tooLarge(action: string, from: string): Error {
  return new Error(
    `Cannot ${action} ${from}: it has more than ${MAX_ARCHIVE_BYTES / 2 ** 20} MiB; give the wheel alone`,
  );
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
