/**
 * Configurations with a name: openpi's training configurations whose weights were released, and the bare models.
 *
 * @module
 */
import { PI0_CONFIGS, type Pi0Config } from "./config.ts";
import type { PolicySettings } from "./policy_settings.ts";

/** A model, and what it was trained to expect around it; null where that is not said. */
export interface NamedConfig {
  readonly config: Pi0Config;
  readonly policy: PolicySettings | null;
}

const { pi0, pi05, tiny } = PI0_CONFIGS;

const common = { gripperConstants: "current", deltaActionDims: null, defaultPrompt: null, scenes: [] } as const;
const zscore = { ...common, normalization: "zscore", discreteStateInput: false } as const;
const quantile = { ...common, normalization: "quantile", discreteStateInput: true } as const;
const trossen = { robot: "aloha", assetId: "trossen", adaptToPi: true } as const;
const JOINTS = [6, -1, 6, -1];
const droid = { robot: "droid", assetId: "droid", adaptToPi: null } as const;
const libero = { robot: "libero", assetId: "physical-intelligence/libero", adaptToPi: null } as const;
const aloha = { ...zscore, ...trossen, deltaActionDims: JOINTS } as const;

/** By name. The figures are those of openpi's `training/config.py`. */
export const NAMED_CONFIGS = {
  pi0: { config: pi0, policy: null },
  pi05: { config: pi05, policy: null },
  tiny: { config: tiny, policy: null },
  pi0_aloha_sim: {
    config: pi0,
    policy: {
      ...zscore,
      robot: "aloha",
      assetId: "lerobot/aloha_sim_transfer_cube_human",
      adaptToPi: true,
      defaultPrompt: "Transfer cube",
      scenes: ["gym-aloha"],
    },
  },
  pi0_aloha: { config: pi0, policy: aloha },
  pi0_aloha_towel: { config: pi0, policy: { ...aloha, defaultPrompt: "fold the towel" } },
  pi0_aloha_tupperware: {
    config: pi0,
    policy: { ...aloha, defaultPrompt: "open the tupperware and put the food on the plate" },
  },
  pi0_aloha_pen_uncap: { config: pi0, policy: { ...aloha, defaultPrompt: "uncap the pen" } },
  pi05_aloha: { config: pi05, policy: { ...quantile, ...trossen, deltaActionDims: JOINTS } },
  pi0_droid: { config: { ...pi0, actionHorizon: 10 }, policy: { ...zscore, ...droid } },
  pi05_droid: { config: { ...pi05, actionHorizon: 15 }, policy: { ...quantile, ...droid } },
  pi0_libero: { config: pi0, policy: { ...zscore, ...libero, deltaActionDims: [6, -1] } },
  // Its prompts have π₀'s form: the model does not get the state at all.
  pi05_libero: {
    config: { ...pi05, actionHorizon: 10 },
    policy: { ...quantile, ...libero, discreteStateInput: false },
  },
} as const satisfies Record<string, NamedConfig>;
