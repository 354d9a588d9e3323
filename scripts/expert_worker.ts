/** Plays one task with the expert for `expert.ts`; answers each seed with what came of it. */

import { systemClock } from "../src/clock.ts";
import { playEpisode } from "../src/rollout/episode.ts";
import { ExpertPolicy } from "../src/sim/expert.ts";
import { openEnvironment } from "../src/sim/mod.ts";
import { builtinScene } from "../src/sim/scenes/builtin.ts";
import type { ExpertAnswer, ExpertJob } from "./expert.ts";

/** A Worker's own side of its channel; the library for pages does not know it. */
const channel = self as unknown as {
  onmessage: (event: MessageEvent<ExpertJob>) => void;
  postMessage(answer: ExpertAnswer): void;
};

channel.onmessage = async ({ data: { task, scene, sceneFolder, seeds } }) => {
  await using policy = new ExpertPolicy(builtinScene("transfer_cube"));
  using environment = await openEnvironment({ task, scene, sceneFolder, maxSteps: 400, observed: [] });
  const { signal } = new AbortController();
  for (const seed of seeds) {
    const { success, firstStepOfReward, error } = await playEpisode({
      environment,
      policy,
      seed,
      replanSteps: 10,
      stopAtSuccess: false,
      clock: systemClock,
      signal,
    });
    channel.postMessage({ seed, success, firstStepOfReward, error });
  }
};
