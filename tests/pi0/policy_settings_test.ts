import assert from "node:assert/strict";
import { readPolicySettings } from "../../src/pi0/policy_settings.ts";
import { GOLDEN_SETS, readJson } from "../support/golden_openpi.ts";

const aloha = {
  robot: "aloha",
  asset_id: "trossen",
  normalization: "quantile",
  adapt_to_pi: true,
  delta_action_dims: [6, -1, 6, -1],
  discrete_state_input: true,
  default_prompt: "Transfer cube",
};

Deno.test("readPolicySettings() reads openpi's settings, with the current gripper constants", () => {
  assert.deepEqual(readPolicySettings(aloha, "x"), {
    robot: "aloha",
    assetId: "trossen",
    normalization: "quantile",
    adaptToPi: true,
    gripperConstants: "current",
    deltaActionDims: [6, -1, 6, -1],
    discreteStateInput: true,
    defaultPrompt: "Transfer cube",
    scenes: [],
  });
  assert.deepEqual(readPolicySettings({ ...aloha, scenes: ["gym-aloha"] }, "x").scenes, ["gym-aloha"]);
  assert.equal(readPolicySettings({ ...aloha, gripper_constants: "original" }, "x").gripperConstants, "original");
});

Deno.test("readPolicySettings() takes null for what may be absent", () => {
  const least = { robot: "droid", normalization: "zscore", discrete_state_input: false };
  assert.deepEqual(readPolicySettings(least, "x"), {
    robot: "droid",
    assetId: null,
    normalization: "zscore",
    adaptToPi: null,
    gripperConstants: "current",
    deltaActionDims: null,
    discreteStateInput: false,
    defaultPrompt: null,
    scenes: [],
  });
});

const REFUSED: readonly [string, unknown, RegExp][] = [
  ["a list", [aloha], /Cannot read policy settings in a\.json: they are no JSON object/],
  ["an unknown key", { ...aloha, adapt_to_p: 1 }, /"adapt_to_p" is no setting; the settings are robot, asset_id/],
  ["an unknown robot", { ...aloha, robot: "toString" }, /"robot" is "toString", and must be "aloha" or "droid"/],
  ["no normalisation", { ...aloha, normalization: undefined }, /"normalization" is missing/],
  ["an unknown gripper", { ...aloha, gripper_constants: "new" }, /must be "current" or "original"/],
  ["an aloha that leaves its space open", { ...aloha, adapt_to_pi: null }, /must be true or false for aloha/],
  ["a droid in a space that it has not", { ...aloha, robot: "droid" }, /"adapt_to_pi" is true, .* null for droid/],
  ["more relative dims than actions", { ...aloha, delta_action_dims: [6, -9] }, /at most 14 actions of aloha/],
  ["a fraction of a dim", { ...aloha, delta_action_dims: [0.5] }, /whole numbers/],
  ["text for a choice", { ...aloha, discrete_state_input: "yes" }, /"discrete_state_input" is "yes"/],
  ["one scene that is no list", { ...aloha, scenes: "builtin" }, /"scenes" is "builtin", and must be a list of names/],
  ["a number for a prompt", { ...aloha, default_prompt: 3 }, /"default_prompt" is 3, and must be text or null/],
];

for (const [what, value, message] of REFUSED) {
  Deno.test(`readPolicySettings() refuses ${what}`, () => {
    assert.throws(() => readPolicySettings(value, "a.json"), message);
  });
}

for (const { name, folder, isMissing } of GOLDEN_SETS) {
  Deno.test({
    name: `readPolicySettings() reads the settings of every golden case (${name})`,
    ignore: isMissing,
    async fn() {
      for (const model of ["pi0", "pi05"]) {
        const { cases } = await readJson<{ cases: { policy: Record<string, unknown> }[] }>(
          `${folder}/${model}_tiny/cases.json`,
        );
        for (const { policy } of cases) {
          const settings = readPolicySettings(policy, model);
          assert.deepEqual([settings.robot, settings.deltaActionDims], [policy.robot, policy.delta_action_dims]);
        }
      }
    },
  });
}
