import assert from "node:assert/strict";
import { readSource } from "../../src/commands/record_source.ts";
import { answeredSample, benchResults } from "../support/bench_results.ts";

const STEP = { action: [0], agent_pos: [0], qpos: [0], qvel: [0], reward: 0 };
const EPISODE = {
  schema: "pi0.episode/1",
  task: "transfer_cube",
  scene: "builtin",
  seed: 7,
  policy: "expert",
  controlHz: 50,
  pace: { kind: "fast", delayMs: 0 },
  durationMs: 20,
  start: { agent_pos: [0], qpos: [0], qvel: [0] },
  requests: [],
  steps: [STEP],
};
const REAL = { pace: { kind: "real" }, steps: [{ ...STEP, atMs: 0 }] };

async function inFile<T>(name: string, text: string, work: (path: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/${name}`;
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(path, text);
    return await work(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const read = (name: string, value: unknown) => inFile(name, JSON.stringify(value), readSource);

Deno.test("readSource() names an episode after its file, or its folder where the file says nothing", async () => {
  for (
    const [file, name, mode] of [
      ["cube/episode.json", "cube", "cube"],
      ["remote_h100_ws.json", "remote_h100_ws", "remote_h100_ws"],
      ["ws_transfer_cube_300ms_000_7.json", "ws_transfer_cube_300ms_000_7", "ws"],
    ] as const
  ) {
    const source = await read(file, EPISODE);
    assert.equal(source.kind, "episode");
    if (source.kind === "episode") assert.deepEqual([source.name, source.mode], [name, mode]);
  }
});

Deno.test("readSource() reads results of a bench", async () => {
  const results = benchResults({ ws: [answeredSample({ transport: "ws", index: 0, roundTripMs: 10 })] });
  assert.deepEqual(await read("results.json", results), {
    kind: "bench",
    results: JSON.parse(JSON.stringify(results)),
  });
});

const BROKEN: readonly [value: unknown, message: RegExp][] = [
  [[1], /does not say what it is; expected an episode of pi0 sim/],
  [{ schema: "pi0.eval/1" }, /it is pi0\.eval\/1; expected/],
  [{ schema: "pi0.bench/1" }, /no summaries and samples/],
  [{ ...EPISODE, task: "dance" }, /no task of transfer_cube, insertion/],
  [{ ...EPISODE, scene: "moon" }, /no scene of builtin, gym-aloha/],
  [{ ...EPISODE, seed: "7" }, /no seed or policy/],
  [{ ...EPISODE, controlHz: 0 }, /no controlHz/],
  [{ ...EPISODE, pace: {} }, /no pace/],
  [{ ...EPISODE, start: {} }, /its start has no joint positions/],
  [{ ...EPISODE, steps: [] }, /no steps/],
  [{ ...EPISODE, steps: [STEP, { ...STEP, qpos: [null] }] }, /step 1 has no joint positions/],
  [{ ...EPISODE, requests: undefined }, /no requests/],
  [{ ...EPISODE, pace: { kind: "real" } }, /step 0 of a run in real pace does not say when it was/],
  [{ ...EPISODE, ...REAL, requests: [{}] }, /its requests do not say when they were/],
];

for (const [value, message] of BROKEN) {
  Deno.test(`readSource() refuses a file: ${message.source.replaceAll("\\", "")}`, async () => {
    await assert.rejects(read("x.json", value), (error: Error) => {
      assert.match(error.message, /^Cannot use --from ".*x\.json": /);
      assert.match(error.message, message);
      return true;
    });
  });
}

Deno.test("readSource() says where there is no file, and where there is no JSON", async () => {
  await assert.rejects(readSource("/nowhere/x.json"), /there is no such file/);
  await assert.rejects(inFile("x.json", "{", readSource), /it is no JSON/);
});
