/**
 * A null server of openpi's protocol in Python, on `websockets` and `msgpack`, in a virtual environment that is made once
 * and kept in the user's cache folder.
 *
 * @module
 */

const PACKAGES = ["websockets", "msgpack", "openpi-client==0.1.2", "typing_extensions", "numpy<2"];

/** How long making the environment may take, per step. */
const LIMIT_MS = 300_000;

/** Where the environment is kept; a new list of packages gets a new one. */
function environmentPath(): string {
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "."}/.cache`;
  return `${cache}/pi0/python-${PACKAGES.join("_").replace(/[^A-Za-z0-9]+/g, "-")}`;
}

async function run(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { success, stderr } = await new Deno.Command(command, {
      args: [...args],
      stdout: "null",
      signal: AbortSignal.timeout(LIMIT_MS),
    }).output();
    return success ? undefined : new TextDecoder().decode(stderr).trim().split("\n").at(-1);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * Path of a Python that has what openpi's clients and servers need.
 *
 * @returns why there is none, where that is so.
 */
export async function findPython(): Promise<{ path: string } | { reason: string }> {
  const folder = environmentPath();
  const path = `${folder}/bin/python`;
  const check = "import websockets, msgpack, numpy, openpi_client.websocket_client_policy";
  if (await run(path, ["-c", check]) === undefined) return { path };
  const made = await run("python3", ["-m", "venv", "--clear", folder]);
  if (made !== undefined) return { reason: `no Python 3 with venv (${made})` };
  const installed = await run(path, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PACKAGES]);
  if (installed !== undefined) return { reason: `pip cannot install ${PACKAGES.join(" ")} (${installed})` };
  const works = await run(path, ["-c", check]);
  return works === undefined ? { path } : { reason: `openpi-client does not import (${works})` };
}

/** A running Python server, or the reason why there is none. */
export type PythonServer = AsyncDisposable & ({ readonly url: string } | { readonly url?: undefined; reason: string });

/** Starts `openpi_server.py` on a free port. */
export async function startPythonServer(): Promise<PythonServer> {
  const python = await findPython();
  if ("reason" in python) return { reason: python.reason, [Symbol.asyncDispose]: () => Promise.resolve() };
  const child = new Deno.Command(python.path, {
    args: [new URL("./openpi_server.py", import.meta.url).pathname],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { port } = JSON.parse(new TextDecoder().decode((await reader.read()).value));
  return {
    url: `ws://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      child.kill();
      await reader.cancel();
      await child.status;
    },
  };
}
