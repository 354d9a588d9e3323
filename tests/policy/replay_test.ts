import assert from "node:assert/strict";
import { readRecording, ReplayPolicy } from "../../src/policy/replay.ts";
import { ROBOTS } from "../../src/robot/mod.ts";
import { testPolicy } from "../support/policy_contract.ts";
import { tinyObservation, tinySimulation } from "../support/tiny.ts";

const { aloha } = ROBOTS;
const still = new AbortController().signal;

/** Rows that say where they stand: row 3 is 3, 3.5. */
const rowsOf = (count: number) => Array.from({ length: count }, (_, i) => [i, i + 0.5]);

const observe = (step: number) => ({
  ...tinyObservation(aloha, 1),
  simulation: { ...tinySimulation(1), step },
});

testPolicy("the replay policy", aloha, () => {
  const rows = Array.from({ length: 20 }, (_, i) => Array<number>(14).fill(i / 10));
  return Promise.resolve(new ReplayPolicy("replay:episode.json", rows));
}, { neverSlow: "a recording answers at once" });

/** The row that each row of the chunk repeats. */
async function rowsAt(policy: ReplayPolicy, step: number): Promise<number[]> {
  const { actions, actionHorizon, actionDim } = await policy.infer(observe(step), still);
  assert.deepEqual([actionHorizon, actionDim, actions.length], [50, 2, 100]);
  const firsts = Array.from({ length: 50 }, (_, i) => actions[2 * i]!);
  firsts.forEach((first, i) => assert.equal(actions[2 * i + 1], first + 0.5));
  return firsts;
}

Deno.test("the replay policy gives 50 rows from the episode's present step on", async () => {
  const policy = new ReplayPolicy("replay:x", rowsOf(400));
  assert.deepEqual(await rowsAt(policy, 0), Array.from({ length: 50 }, (_, i) => i));
  assert.deepEqual(await rowsAt(policy, 37), Array.from({ length: 50 }, (_, i) => 37 + i));
  // The step decides, not what was asked before.
  assert.deepEqual(await rowsAt(policy, 0), Array.from({ length: 50 }, (_, i) => i));
  assert.deepEqual(policy.metadata, { recordedSteps: 400 });
});

Deno.test("the replay policy repeats the last row after the end", async () => {
  const policy = new ReplayPolicy("replay:x", rowsOf(3));
  assert.deepEqual(await rowsAt(policy, 1), [1, ...Array(49).fill(2)]);
  assert.deepEqual(await rowsAt(policy, 2), Array(50).fill(2));
  assert.deepEqual(await rowsAt(policy, 100_000), Array(50).fill(2));
});

Deno.test("the replay policy gives no actions outside of simulated worlds", async () => {
  const answer = new ReplayPolicy("replay:x", rowsOf(3)).infer(tinyObservation(aloha, 1), still);
  await assert.rejects(answer, { name: "PolicyError", code: "policy_failed", message: /does not tell its step/ });
});

/** Reads a file with this text. */
async function readText(text: string | Uint8Array): Promise<ReplayPolicy> {
  const path = await Deno.makeTempFile();
  try {
    await (typeof text === "string" ? Deno.writeTextFile(path, text) : Deno.writeFile(path, text));
    return await readRecording(path, 2);
  } catch (error) {
    assert.ok(error instanceof Error);
    assert.ok(error.message.startsWith(`Cannot replay "${path}": `), error.message);
    throw new Error(error.message.replace(path, "FILE"), { cause: error.cause });
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("readRecording() takes the actions of an episode to the last bit, and nothing else of it", async () => {
  const rows = [[0.1 + 0.2, -1e-300], [Math.PI, 5e-324], [1, 2]];
  const steps = rows.map((action) => ({ action, qpos: [9], reward: 4 }));
  const policy = await readText(JSON.stringify({ schema: "pi0.episode/1", seed: 3, steps }));
  assert.match(policy.name, /^replay:/);
  assert.deepEqual([policy.actionDim, policy.checkpointHash], [2, null]);
  const { actions } = await policy.infer(observe(0), still);
  assert.deepEqual([...actions.subarray(0, 6)], rows.flat());
});

const REFUSED: readonly [name: string, text: string | Uint8Array, message: RegExp][] = [
  ["an empty file", "", /: it is no JSON \(expected an episode\.json of pi0 sim\)$/],
  ["a picture", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0xff), /: it is no JSON/],
  ["a file that was cut off", '{"steps": [{"action": [1, 2]}', /: it is no JSON/],
  ["null", "null", /: it has no steps \(expected an episode\.json of pi0 sim\)$/],
  ["a bare list of actions", "[[1, 2]]", /: it has no steps/],
  ["an object of another kind", '{"samples": []}', /: it has no steps/],
  ["steps that are no list", '{"steps": {"0": {"action": [1, 2]}}}', /: it has no steps/],
  ["no step at all", '{"steps": []}', /: it has no steps/],
  ["a step without an action", '{"steps": [{"action": [1, 2]}, {"qpos": [1, 2]}]}', /: step 1 has no action of 2/],
  ["a step that is null", '{"steps": [null]}', /: step 0 has no action of 2 numbers$/],
  ["an action of another robot", '{"steps": [{"action": [1, 2, 3]}]}', /: step 0 has no action of 2/],
  ["an action with text in it", '{"steps": [{"action": [1, "2"]}]}', /: step 0 has no action of 2/],
  ["an action that was not finite when it was written", '{"steps": [{"action": [1, null]}]}', /: step 0 has no action/],
  ["an action beyond all numbers", '{"steps": [{"action": [1, 1e999]}]}', /: step 0 has no action of 2/],
];

for (const [name, text, message] of REFUSED) {
  Deno.test(`readRecording() refuses ${name}, and names the file`, async () => {
    await assert.rejects(readText(text), message);
  });
}

Deno.test("readRecording() says whether a file is not there or cannot be read", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await assert.rejects(readRecording(`${folder}/none.json`, 2), {
      message: `Cannot replay "${folder}/none.json": there is no such file`,
    });
    await assert.rejects(readRecording(folder, 2), (error: Error) => {
      return error.message === `Cannot replay "${folder}": it cannot be read` && error.cause instanceof Error;
    });
  } finally {
    await Deno.remove(folder);
  }
});
