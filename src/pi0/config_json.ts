/**
 * A model's configuration as JSON with openpi's names: the way back from {@linkcode parsePi0Config}.
 *
 * @module
 */
import type { Pi0Config } from "./config.ts";

/** What {@linkcode parsePi0Config} reads into an equal configuration. */
export function formatPi0Config(config: Pi0Config): Record<string, unknown> {
  const { vision, prefix, expert, depth, heads, kvHeads, headDim } = config;
  const attention = { depth, num_heads: heads, num_kv_heads: kvHeads, head_dim: headDim };
  return {
    model_type: config.family,
    pi05: config.family === "pi05",
    action_dim: config.actionDim,
    action_horizon: config.actionHorizon,
    max_token_len: config.promptSlots,
    num_steps: config.flowSteps,
    image_resolution: [config.imageHeightPx, config.imageWidthPx],
    image_keys: config.cameraSlots,
    vision: {
      width: vision.width,
      depth: vision.depth,
      mlp_dim: vision.mlpWidth,
      num_heads: vision.heads,
      head_dim: vision.headDim,
      patch_size: vision.patchPx,
      tokens: vision.tokens,
      output_width: prefix.width,
    },
    paligemma: { width: prefix.width, mlp_dim: prefix.mlpWidth, vocab_size: config.vocabularySize, ...attention },
    action_expert: { width: expert.width, mlp_dim: expert.mlpWidth, ...attention },
    time_embedding: {
      width: expert.width,
      min_period: config.timePeriods.shortest,
      max_period: config.timePeriods.longest,
    },
    rope_base: config.ropeBase,
    norm_eps: config.normEpsilon,
  };
}
