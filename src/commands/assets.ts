/**
 * `pi0 assets`: installs the official simulation scene, and says what is installed.
 *
 * @module
 */

import { dirname } from "node:path";
import { UsageError } from "../errors.ts";
import { findFault, GYM_ALOHA_FILES, GYM_ALOHA_LICENSE, readSceneFiles } from "../sim/scenes/gym_aloha.ts";
import type { Bytes } from "../types.ts";
import { collectFiles } from "./asset_source.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { gymAlohaFolder } from "./data_folder.ts";
import { COMMON_OPTIONS, nearest, type OptionTable, type OptionValues } from "./options.ts";

const OPTIONS = {
  "action": {
    kind: "positional",
    help: "install (needs --from), or list: what is installed, where, and whether it is as published [list]",
  },
  "from": {
    kind: "string",
    metavar: "DIR|WHEEL|ZIP|URL",
    help: "Where install finds the files: a folder, a wheel, a zip, or an http(s) URL of one",
  },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

type AssetsOptions = OptionValues<typeof OPTIONS>;

const ACTIONS = { install, list };

/** What can lie in the installed folder. */
const NAMES = [...GYM_ALOHA_FILES, GYM_ALOHA_LICENSE.name];

export const assets = defineCommand({
  name: "assets",
  summary: "install the official gym-aloha scene for the simulator",
  description:
    "The simulator has a scene of its own. The official one of gym-aloha (Apache-2.0) is not part of pi0: install takes " +
    "its XML and STL files, and their LICENSE, from what --from names, at any depth of an archive, and checks each by " +
    "its SHA-256 before anything is written. The wheel on PyPI has them all (448 kB).\n\n" +
    "They go into the folder gym-aloha of pi0's data folder: PI0_HOME, or the system's place for such data " +
    "(on Linux XDG_DATA_HOME/pi0, else ~/.local/share/pi0). list exits with 1 where installed files are damaged.",
  options: OPTIONS,
  examples: [
    {
      command: "pip download --no-deps gym-aloha==0.1.5",
      text: "Fetch the wheel from PyPI.",
    },
    {
      command: "pi0 assets install --from gym_aloha-0.1.5-py3-none-any.whl",
      text: "Install the scene from it.",
    },
    { command: "pi0 assets", text: "Say what is installed." },
  ],
  async run(options, context) {
    const word = options.action ?? "list";
    if (!Object.hasOwn(ACTIONS, word)) {
      const similar = nearest(word, Object.keys(ACTIONS));
      const hint = similar === undefined ? "write install or list" : `did you mean ${similar}?`;
      throw new UsageError(`Unknown action ${JSON.stringify(word)} for pi0 assets: ${hint} (see pi0 assets --help)`);
    }
    return await ACTIONS[word as keyof typeof ACTIONS](options, context);
  },
});

async function list({ from, json }: AssetsOptions, { terminal, env }: CommandContext): Promise<number> {
  if (from !== undefined) {
    throw new UsageError(
      "Cannot use --from without install: write pi0 assets install --from … (see pi0 assets --help)",
    );
  }
  const folder = gymAlohaFolder(env);
  const files = await readSceneFiles(folder, NAMES);
  const fault = findFault(files);
  const state = fault === undefined ? "installed" : files.size === 0 ? "absent" : "damaged";
  const remedy = "pi0 assets install --from DIR|WHEEL|ZIP|URL";
  const text = {
    installed: `installed in ${folder} (${describeFiles(files)}, as published)`,
    absent: `not installed; ${remedy} puts it into ${folder}`,
    damaged: `damaged in ${folder}: ${fault}; ${remedy} repairs it`,
  }[state];
  const report = { asset: "gym-aloha", state, folder, ...(state === "damaged" ? { fault } : {}) };
  terminal.stdout(json ? `${JSON.stringify(report)}\n` : `gym-aloha  ${text}\n`);
  return state === "damaged" ? 1 : 0;
}

async function install({ from, json, quiet }: AssetsOptions, context: CommandContext): Promise<number> {
  const { terminal, env, clock, signal } = context;
  if (from === undefined) {
    throw new UsageError(
      "Missing option --from for pi0 assets install: write --from DIR|WHEEL|ZIP|URL (see pi0 assets --help)",
    );
  }
  const log = (line: string) => quiet ? undefined : terminal.stderr(`pi0: ${line}\n`);
  const folder = gymAlohaFolder(env);
  const found = await collectFiles(from, { clock, signal, log });
  const fault = findFault(found);
  if (fault !== undefined) {
    throw new Error(
      `Cannot install gym-aloha from ${from}: ${fault}; give the wheel file, which has them all ` +
        "(pip download --no-deps gym-aloha==0.1.5)",
    );
  }
  const present = await readInstalled(folder);
  // A source without the licence does not take away the one that is there.
  const license = found.get(GYM_ALOHA_LICENSE.name) ?? present.get(GYM_ALOHA_LICENSE.name);
  const wanted = license === undefined ? found : new Map(found).set(GYM_ALOHA_LICENSE.name, license);
  const changed = !haveSameFiles(wanted, present);
  if (changed) await replaceFolder(folder, wanted, signal);
  if (license === undefined) {
    log("their LICENSE was not there: whoever passes the files on must pass it on; the wheel has it");
  }
  const text = changed ? `installed in ${folder}` : `is there already, in ${folder}`;
  const report = { asset: "gym-aloha", state: "installed", folder, changed };
  terminal.stdout(
    json ? `${JSON.stringify(report)}\n` : `gym-aloha  ${text} (${describeFiles(wanted)}, as published)\n`,
  );
  return 0;
}

/** For example `18 files and LICENSE`. */
function describeFiles(files: ReadonlyMap<string, Bytes>): string {
  return `${GYM_ALOHA_FILES.length} files${files.has(GYM_ALOHA_LICENSE.name) ? " and LICENSE" : ""}`;
}

/**
 * Reads what was installed before.
 *
 * @throws {Error} where the folder holds what pi0 did not put there, and must not be thrown away with it.
 */
async function readInstalled(folder: string): Promise<Map<string, Bytes>> {
  const entries = await Array.fromAsync(Deno.readDir(folder)).catch((cause) => {
    if (cause instanceof Deno.errors.NotFound) return [];
    throw new Error(`Cannot install into ${folder}: ${cause.message}; PI0_HOME can name another place`, { cause });
  });
  const stranger = entries.find(({ name }) => !NAMES.includes(name));
  if (stranger !== undefined) {
    throw new Error(`Cannot install into ${folder}: it holds ${stranger.name}, which is not pi0's; move it away first`);
  }
  return await readSceneFiles(folder, NAMES);
}

function haveSameFiles(a: ReadonlyMap<string, Bytes>, b: ReadonlyMap<string, Bytes>): boolean {
  const equal = (left: Bytes, right: Bytes | undefined) =>
    left.length === right?.length && left.every((byte, i) => byte === right[i]);
  return a.size === b.size && [...a].every(([name, bytes]) => equal(bytes, b.get(name)));
}

/**
 * Puts a folder with exactly these files in the place of the one that may be there. Everything is written beside it
 * first, so that the place never holds a part of them.
 */
async function replaceFolder(folder: string, files: ReadonlyMap<string, Bytes>, signal: AbortSignal): Promise<void> {
  const fresh = `${folder}.${crypto.randomUUID()}.partial`;
  const old = `${fresh}.old`;
  try {
    await Deno.mkdir(dirname(folder), { recursive: true });
    await Deno.mkdir(fresh);
    for (const [name, bytes] of files) await Deno.writeFile(`${fresh}/${name}`, bytes, { signal });
    const moved = await renameIfThere(folder, old);
    try {
      await Deno.rename(fresh, folder);
    } catch (error) {
      if (moved) await Deno.rename(old, folder);
      throw error;
    }
  } catch (cause) {
    signal.throwIfAborted();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot install into ${folder}: ${reason}; PI0_HOME can name another place`, { cause });
  } finally {
    await removeIfThere(fresh);
  }
  await removeIfThere(old);
}

async function renameIfThere(from: string, to: string): Promise<boolean> {
  try {
    await Deno.rename(from, to);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function removeIfThere(folder: string): Promise<void> {
  try {
    await Deno.remove(folder, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
