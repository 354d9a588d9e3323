/**
 * The certificate that a server shows: the user's own, or one that pi0 makes once and keeps, so that its SHA-256 stays
 * the same when the server starts again.
 *
 * @module
 */

import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { UsageError } from "../errors.ts";
import { fingerprintOf, makeIdentity } from "../transport/certificate.ts";
import type { Identity } from "../transport/transport.ts";
import type { OptionTable, OptionValues } from "./options.ts";

const GROUP = "Encryption";
const FILE = "identity.json";
/** So long before its end a certificate is replaced. */
const RENEW_DAYS = 30;
const DAY_MS = 86_400_000;

/** The options of a command that serves. */
export const IDENTITY_OPTIONS = {
  "tls": { kind: "flag", group: GROUP, help: "Encrypt http, ws and tcp: https, wss, tcps on the same ports" },
  "tls-cert": {
    kind: "string",
    metavar: "FILE",
    group: GROUP,
    requires: ["tls-key"],
    help: "Certificate in PEM, with those that lead to its root; implies --tls [one that pi0 makes and keeps]",
  },
  "tls-key": { kind: "string", metavar: "FILE", group: GROUP, requires: ["tls-cert"], help: "Its key in PEM" },
  "write-cert": {
    kind: "string",
    metavar: "FILE",
    group: GROUP,
    help: "Write the certificate to a file, for the --ca of clients",
  },
} as const satisfies OptionTable;

export type IdentityOptions = Pick<OptionValues<typeof IDENTITY_OPTIONS>, "tlsCert" | "tlsKey" | "writeCert">;

/** What is kept between two starts. */
interface Kept extends Identity {
  /** The names that the certificate was made for. */
  readonly names: readonly string[];
}

/**
 * Finds the certificate, or makes one, and writes it where `--write-cert` says.
 *
 * @param host where the server listens.
 * @param say tells people of a certificate that is new or cannot be kept, in one line.
 * @throws {UsageError} where the user's own files cannot be used.
 */
export async function findIdentity(
  options: IdentityOptions,
  host: string,
  env: (name: string) => string | undefined,
  say: (line: string) => void,
): Promise<Identity> {
  const { tlsCert, tlsKey, writeCert } = options;
  const identity = tlsCert === undefined || tlsKey === undefined
    ? await keepIdentity(namesOf(host), stateFolder(env), say)
    : await readIdentity(tlsCert, tlsKey);
  if (writeCert === undefined) return identity;
  try {
    await Deno.writeTextFile(writeCert, identity.certPem);
  } catch (cause) {
    throw new UsageError(`Cannot write the certificate to ${writeCert}: ${(cause as Error).message}`, { cause });
  }
  return identity;
}

/** Where pi0 keeps what must outlive it: `PI0_HOME`, or what the system has for such things; undefined without any. */
export function stateFolder(env: (name: string) => string | undefined): string | undefined {
  const own = env("PI0_HOME");
  if (own) return own;
  const base = env("XDG_STATE_HOME") || env("LOCALAPPDATA");
  if (base) return `${base}/pi0`;
  const home = env("HOME");
  return home ? `${home}/.local/state/pi0` : undefined;
}

async function readIdentity(certFile: string, keyFile: string): Promise<Identity> {
  const [certPem, keyPem] = [await readPem("--tls-cert", certFile), await readPem("--tls-key", keyFile)];
  let fits: boolean;
  try {
    const inKey = createPublicKey(createPrivateKey(keyPem)).export({ type: "spki", format: "pem" });
    fits = new X509Certificate(certPem).publicKey.export({ type: "spki", format: "pem" }) === inKey;
  } catch (cause) {
    const message = `Cannot use --tls-cert ${certFile} with --tls-key ${keyFile}: ${(cause as Error).message}`;
    throw new UsageError(`${message} (both must be PEM)`, { cause });
  }
  if (fits) return { certPem, keyPem };
  throw new UsageError(`Cannot use --tls-cert ${certFile} with --tls-key ${keyFile}: the key is another's`);
}

/** @throws {UsageError} where a file that was typed cannot be read. */
export async function readPem(flag: string, file: string): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (cause) {
    const reason = cause instanceof Deno.errors.NotFound ? "there is no such file" : (cause as Error).message;
    throw new UsageError(`Cannot read ${flag} ${file}: ${reason}`, { cause });
  }
}

/** The names under which clients may reach a server on this machine that listens on `host`. */
function namesOf(host: string): string[] {
  const everywhere = host === "0.0.0.0" || host === "::";
  const names = ["localhost", "127.0.0.1", "::1", Deno.hostname(), ...(everywhere ? [] : [host])];
  // What no certificate can hold cannot be asked for by a client that verifies either.
  return [...new Set(names)].filter((name) => /^[A-Za-z0-9.:-]{1,253}$/.test(name));
}

async function keepIdentity(
  names: readonly string[],
  folder: string | undefined,
  say: (line: string) => void,
): Promise<Identity> {
  const file = folder === undefined ? undefined : `${folder}/${FILE}`;
  const kept = file === undefined ? undefined : await readKept(file);
  const why = kept === undefined ? "there was none" : reasonToRenew(kept, names);
  if (kept !== undefined && why === undefined) return kept;
  // Names of before stay: a server that is started now with one address and now with another keeps one certificate.
  const all = [...new Set([...kept?.names ?? [], ...names])];
  const made: Kept = { ...await makeIdentity({ names: all }), names: all };
  const old = kept === undefined ? "" : "; clients that pin the one before need the new SHA-256";
  try {
    if (folder === undefined || file === undefined) throw new Error("neither PI0_HOME nor HOME is set");
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    const partial = `${file}.${crypto.randomUUID()}`;
    // At once and whole: a crash must not leave half a file, and nobody else may read the key.
    await Deno.writeTextFile(partial, JSON.stringify(made, null, 1) + "\n", { mode: 0o600, createNew: true });
    await Deno.rename(partial, file);
    say(`made a certificate (${why}), kept in ${file}${old}`);
  } catch (error) {
    const reason = (error as Error).message;
    say(`made a certificate for this run only, since it cannot be kept: ${reason} (set PI0_HOME to a folder)`);
  }
  return made;
}

/** @returns undefined where nothing is kept that can be used. */
async function readKept(file: string): Promise<Kept | undefined> {
  try {
    const { certPem, keyPem, names } = JSON.parse(await Deno.readTextFile(file)) as Kept;
    fingerprintOf(certPem);
    createPrivateKey(keyPem);
    if (Array.isArray(names)) return { certPem, keyPem, names };
  } catch {
    // Not there, or damaged: another one takes its place, and a line says so.
  }
  return undefined;
}

/** @returns undefined where it can stay. */
function reasonToRenew({ certPem, names }: Kept, wanted: readonly string[]): string | undefined {
  const end = new Date(new X509Certificate(certPem).validTo);
  if (end.getTime() - new Date().getTime() < RENEW_DAYS * DAY_MS) return `it ends on ${end.toISOString().slice(0, 10)}`;
  const missing = wanted.filter((name) => !names.includes(name));
  return missing.length === 0 ? undefined : `the one before was not for ${missing.join(", ")}`;
}
