import assert from "node:assert/strict";
import { checkPi0Config, parsePi0Config, PI0_CONFIGS } from "../../src/pi0/config.ts";
import { formatPi0Config } from "../../src/pi0/config_json.ts";
import { countParameters } from "../../src/pi0/model.ts";
import { formatPolicySettings } from "../../src/pi0/model_folder_export.ts";
import { NAMED_CONFIGS, type NamedConfig } from "../../src/pi0/named_configs.ts";
import { readPolicySettings } from "../../src/pi0/policy_settings.ts";

Deno.test("every named configuration and its settings come back from JSON as they were", () => {
  for (const [name, { config, policy }] of Object.entries<NamedConfig>(NAMED_CONFIGS)) {
    checkPi0Config(config);
    assert.deepEqual(parsePi0Config(JSON.parse(JSON.stringify(formatPi0Config(config)))), config, name);
    if (policy === null) continue;
    assert.deepEqual(readPolicySettings(formatPolicySettings(policy), name), policy);
  }
});

Deno.test("countParameters() counts what openpi's released models have", () => {
  assert.equal(countParameters(PI0_CONFIGS.pi0), 3_238_048_528);
  assert.equal(countParameters(PI0_CONFIGS.pi05), 3_353_433_872);
});
