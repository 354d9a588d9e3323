/**
 * The whole chain with a trained model: exported by this program, run by its graph, seeing what its renderer draws of
 * what its physics does; beside the world and through every transport.
 */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import type { EvaluationResults } from "../../src/report/evaluation.ts";
import { TRANSPORT_NAMES } from "../../src/transport/mod.ts";
import { hasMini, MINI_CONFIG, MINI_FOLDER } from "../support/golden_model.ts";
import { inFolder, runHere } from "../support/program_here.ts";
import { SCENE_FOLDER } from "../support/scenes.ts";

Deno.test({
  name: "pi0 eval --mode compare plays the same successful episode with the trained π₀ on every way " +
    "(needs PI0_SHARED)",
  ignore: !hasMini || !existsSync(SCENE_FOLDER),
  fn: () =>
    inFolder(async (folder) => {
      const model = `${folder}/mini`;
      const from = ["--config", MINI_CONFIG, "--norm-stats", `${MINI_FOLDER}/tiny_pi0.norm_stats.json`];
      const exported = await runHere(["export", `${MINI_FOLDER}/tiny_pi0.safetensors`, model, ...from]);
      assert.equal(exported.code, 0, exported.stderr);
      const played = await runHere([
        ...["eval", "--mode", "compare", "--policy", model, "-n", "1", "--json"],
        ...["--scene", "gym-aloha", "--scene-dir", SCENE_FOLDER],
      ]);
      assert.equal(played.code, 0, played.stderr);
      const { summaries, comparisons, episodes } = JSON.parse(played.stdout) as EvaluationResults;
      assert.deepEqual(
        summaries.map(({ mode, successes, errors }) => ({ mode, successes, errors })),
        ["local", ...TRANSPORT_NAMES].map((mode) => ({ mode, successes: 1, errors: 0 })),
      );
      assert.equal(new Set(episodes.map(({ trajectory }) => trajectory)).size, 1, "the same to the bit");
      assert.deepEqual(comparisons.map(({ identical }) => identical), TRANSPORT_NAMES.map(() => 1));
    }),
});
