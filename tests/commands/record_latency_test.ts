import assert from "node:assert/strict";
import { observationsOf } from "../../src/commands/record_latency.ts";
import type { EpisodeRequest } from "../../src/rollout/conversation.ts";
import { FAST, playEpisode } from "../../src/rollout/episode.ts";
import type { Policy } from "../../src/types.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakeEnvironment } from "../support/fake_environment.ts";

Deno.test("observationsOf() sees again what the policy saw when it was asked", async () => {
  const environment = new FakeEnvironment({ maxSteps: 7 });
  const seen: Float64Array[] = [];
  const policy: Policy = {
    name: "counting",
    actionHorizon: 3,
    actionDim: 2,
    checkpointHash: null,
    metadata: {},
    warmUp: () => Promise.resolve(),
    infer: ({ state }) => {
      seen.push(state);
      const actions = Float64Array.of(1, 2, 3, 4, 5, 6);
      return Promise.resolve({ actions, actionHorizon: 3, actionDim: 2, timing: {} });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const episode = await playEpisode({
    environment,
    policy,
    seed: 3,
    replanSteps: 2,
    pace: FAST,
    stopAtSuccess: false,
    clock: new FakeClock(),
    signal: new AbortController().signal,
  });
  const again = observationsOf(new FakeEnvironment({ maxSteps: 7 }), episode);
  assert.deepEqual(again.map(({ simulation }) => simulation?.step), [0, 2, 4, 6]);
  assert.deepEqual(again.map(({ state }) => state), seen);
});

Deno.test("observationsOf() takes eight at most", () => {
  const requests = Array.from({ length: 20 }, (_, step) => ({ step }) as EpisodeRequest);
  const step = { action: [1, 1], agent_pos: [], qpos: [], qvel: [], reward: 0 };
  const steps = Array.from({ length: 20 }, () => step);
  const found = observationsOf(new FakeEnvironment({ maxSteps: 20 }), { seed: 0, requests, steps });
  assert.deepEqual(found.map(({ simulation }) => simulation?.step), [0, 1, 2, 3, 4, 5, 6, 7]);
});
