/**
 * The whole chain with a trained model: run by this program's graph, seeing what its renderer draws of what its physics
 * does; beside the world and through every transport.
 */

import assert from "node:assert/strict";
import type { EvaluationResults } from "../../src/report/evaluation.ts";
import { TRANSPORT_NAMES } from "../../src/transport/mod.ts";
import { runHere } from "../support/program_here.ts";

Deno.test("pi0 eval --mode compare plays the same successful episode with mini on every way", async () => {
  const played = await runHere(["eval", "--mode", "compare", "--seed", "1", "-n", "1", "--json"]);
  assert.equal(played.code, 0, played.stderr);
  const { summaries, comparisons, episodes } = JSON.parse(played.stdout) as EvaluationResults;
  assert.deepEqual(
    summaries.map(({ mode, successes, errors }) => ({ mode, successes, errors })),
    ["local", ...TRANSPORT_NAMES].map((mode) => ({ mode, successes: 1, errors: 0 })),
  );
  assert.equal(new Set(episodes.map(({ trajectory }) => trajectory)).size, 1, "the same to the bit");
  assert.deepEqual(comparisons.map(({ identical }) => identical), TRANSPORT_NAMES.map(() => 1));
});
