/**
 * Holds the map of the house: who may import whom, and who may touch what.
 */

import assert from "node:assert/strict";
import { SOURCE } from "./support/program.ts";

/** Rooms and loose files of src/, with what each may import; everyone may import types, errors and clock. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  types: [],
  errors: [],
  clock: [],
  random: [],
  image: [],
  transport: [],
  render: ["image"],
  robot: ["image", "random"],
  wire: ["image", "robot"],
  onnx: [],
  cloud: [],
  checkpoint: [],
  ort: ["onnx"],
  pi0: ["onnx", "checkpoint", "robot", "image", "random"],
  policy: ["robot", "wire", "pi0", "ort", "checkpoint", "image", "transport/transport.ts"],
  serving: ["wire", "transport/transport.ts", "robot/profile.ts"],
  sim: ["robot", "render", "image"],
  rollout: [],
  measure: ["random", "transport/transport.ts"],
  report: ["image", "measure"],
};
const EVERYONE = ["types", "errors", "clock"];

/** What only one file may name. */
const DOORS: readonly { readonly pattern: RegExp; readonly files: RegExp }[] = [
  { pattern: /performance\.now|setTimeout\(|Date\.now/, files: /^src\/clock\.ts$/ },
  { pattern: /\bconsole\./, files: /^(main\.ts|src\/commands\/)/ },
  { pattern: /Deno\.exit/, files: /^main\.ts$/ },
  { pattern: /Deno\.QuicEndpoint|connectQuic/, files: /^src\/transport\/quic\.ts$/ },
  { pattern: /Deno\.dlopen/, files: /^src\/ort\// },
  { pattern: /@mujoco\/mujoco/, files: /^src\/sim\/mujoco\.ts$/ },
];

interface Edge {
  readonly from: string;
  readonly to: string;
}

const ROOT = new URL("../", import.meta.url);

async function readGraph(): Promise<{ files: string[]; edges: Edge[] }> {
  const { stdout } = await new Deno.Command(SOURCE[0], { args: ["info", "--json", "main.ts"], cwd: ROOT }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: { specifier: string; dependencies?: { code?: { specifier: string }; type?: { specifier: string } }[] }[];
  };
  const local = (specifier: string) => specifier.startsWith(ROOT.href) ? specifier.slice(ROOT.href.length) : undefined;
  const files: string[] = [];
  const edges: Edge[] = [];
  for (const { specifier, dependencies } of modules) {
    const from = local(specifier);
    if (from === undefined || from.startsWith("node_modules/")) continue;
    files.push(from);
    for (const { code, type } of dependencies ?? []) {
      const to = local(code?.specifier ?? type?.specifier ?? "");
      if (to !== undefined && !to.startsWith("node_modules/")) edges.push({ from, to });
    }
  }
  return { files, edges };
}

/** `src/transport/ws.ts` → `transport`, `src/clock.ts` → `clock`. */
function roomOf(file: string): string | undefined {
  return /^src\/([^/.]+)(\/|\.ts$)/.exec(file)?.[1];
}

function breaksRule({ from, to }: Edge): boolean {
  if (to === "deno.json") return roomOf(from) !== "commands";
  if (/^(tests|scripts)\//.test(to)) return true;
  const room = roomOf(from);
  const target = roomOf(to);
  if (target === "commands") return room !== "commands" && from !== "main.ts";
  if (room === undefined || target === undefined || room === "commands" || room === target) return false;
  const allowed = [...MAY_IMPORT[room] ?? [], ...EVERYONE];
  return !allowed.some((place) => place === target || `src/${place}` === to);
}

Deno.test("every import keeps to the map of the house", async () => {
  const { files, edges } = await readGraph();
  assert.ok(files.includes("src/transport/ws.ts"), "the graph reaches commands that are loaded on use");
  assert.deepEqual(edges.filter(breaksRule).map(({ from, to }) => `${from} → ${to}`), []);
});

Deno.test("every room of src has a place on the map", async () => {
  const { files } = await readGraph();
  const rooms = new Set(files.map(roomOf).filter((room) => room !== undefined && room !== "commands"));
  assert.deepEqual([...rooms].filter((room) => !Object.hasOwn(MAY_IMPORT, room!)), []);
});

Deno.test("the map refuses what it should", () => {
  assert.ok(breaksRule({ from: "src/transport/ws.ts", to: "src/wire/msgpack.ts" }));
  assert.ok(breaksRule({ from: "src/policy/remote.ts", to: "src/transport/tcp.ts" }));
  assert.ok(breaksRule({ from: "src/serving/service.ts", to: "src/commands/mod.ts" }));
  assert.ok(breaksRule({ from: "src/clock.ts", to: "tests/support/fake_clock.ts" }));
  assert.ok(!breaksRule({ from: "src/policy/remote.ts", to: "src/transport/transport.ts" }));
});

Deno.test("the clock, the console, the exit and the engines have one door each", async () => {
  const { files } = await readGraph();
  const found: string[] = [];
  for (const file of files.filter((file) => file.endsWith(".ts"))) {
    const text = await Deno.readTextFile(new URL(file, ROOT));
    const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
    for (const { pattern, files: door } of DOORS) {
      if (pattern.test(code) && !door.test(file)) found.push(`${file} uses ${pattern}`);
    }
  }
  assert.deepEqual(found, []);
});
