/**
 * What every policy must do, wherever it computes.
 *
 * @module
 */

import assert from "node:assert/strict";
import { sleep, systemClock } from "../../src/clock.ts";
import type { RobotProfile } from "../../src/robot/profile.ts";
import type { Observation, Policy } from "../../src/types.ts";
import { within } from "./eventually.ts";
import { tinyObservation, tinySimulation } from "./tiny.ts";

/**
 * Registers the tests.
 *
 * @param name of the policy, for the tests' names.
 * @param open makes one that is not warmed up yet; what it needs around it goes when it is disposed of. With `slow`, its first inference takes longer than any test waits, and later ones do not.
 * @param neverSlow says why the policy cannot be made slow, where that is so: what needs it is skipped.
 */
export function testPolicy(
  name: string,
  profile: RobotProfile,
  open: (options: { slow: boolean }) => Promise<Policy>,
  { neverSlow }: { readonly neverSlow?: string } = {},
): void {
  for (const { sentence, slow = false, check } of CONTRACT) {
    const ignore = slow && neverSlow !== undefined;
    Deno.test({
      name: `${name} ${sentence}${ignore ? ` (skipped: ${neverSlow})` : ""}`,
      ignore,
      async fn() {
        await using policy = await open({ slow });
        await check(policy, profile);
      },
    });
  }
}

interface Case {
  readonly sentence: string;
  readonly slow?: boolean;
  readonly check: (policy: Policy, profile: RobotProfile) => Promise<void>;
}

const endless = new AbortController().signal;

/** In a simulated world, for the policies that act nowhere else. */
const observationOf = (profile: RobotProfile, seed: number): Observation => ({
  ...tinyObservation(profile, seed, { prompt: "fold the towel" }),
  simulation: tinySimulation(seed),
});

const infer = (policy: Policy, observation: Observation, signal = endless) =>
  within("an inference", policy.infer(observation, signal));

const CONTRACT: readonly Case[] = [
  {
    sentence: "predicts actionHorizon × actionDim finite numbers once it is warm",
    async check(policy, profile) {
      await within("the warm-up", policy.warmUp(endless));
      for (const seed of [1, 2, 3]) {
        const chunk = await infer(policy, observationOf(profile, seed));
        assert.deepEqual([chunk.actionHorizon, chunk.actionDim], [policy.actionHorizon, policy.actionDim]);
        assert.ok(chunk.actions instanceof Float64Array);
        assert.equal(chunk.actions.length, policy.actionHorizon * policy.actionDim);
        assert.ok(chunk.actions.every(Number.isFinite));
      }
      assert.equal(policy.actionDim, profile.actionDim);
    },
  },
  {
    sentence: "tells only times that it measured, in milliseconds from 0",
    async check(policy, profile) {
      await policy.warmUp(endless);
      const { timing } = await infer(policy, observationOf(profile, 1));
      for (const [stage, milliseconds] of Object.entries(timing)) {
        assert.ok(Number.isFinite(milliseconds) && milliseconds >= 0, `${stage} took ${milliseconds} ms`);
      }
    },
  },
  {
    sentence: "says of itself what plain values can say",
    async check(policy) {
      await policy.warmUp(endless);
      assert.ok(policy.name.length > 0);
      assert.deepEqual(JSON.parse(JSON.stringify(policy.metadata)), policy.metadata);
      assert.match(policy.checkpointHash ?? "0".repeat(64), /^[0-9a-f]{64}$/);
    },
  },
  {
    sentence: "leaves the observation as it was",
    async check(policy, profile) {
      await policy.warmUp(endless);
      const observation = observationOf(profile, 4);
      await infer(policy, observation);
      assert.deepEqual(observation, observationOf(profile, 4));
    },
  },
  {
    sentence: "gives chunks that later inferences leave alone",
    async check(policy, profile) {
      await policy.warmUp(endless);
      const first = await infer(policy, observationOf(profile, 5));
      const copy = first.actions.slice();
      await infer(policy, observationOf(profile, 6));
      assert.deepEqual(first.actions, copy);
    },
  },
  {
    sentence: "rejects with the reason of a signal that was aborted before",
    async check(policy, profile) {
      await policy.warmUp(endless);
      const reason = new Error("too late");
      await assert.rejects(infer(policy, observationOf(profile, 7), AbortSignal.abort(reason)), reason);
    },
  },
  {
    sentence: "rejects at once when it is aborted, and infers again afterwards",
    slow: true,
    async check(policy, profile) {
      await policy.warmUp(endless);
      const controller = new AbortController();
      const reason = new Error("the robot has moved on");
      const rejected = assert.rejects(infer(policy, observationOf(profile, 8), controller.signal), reason);
      await sleep(systemClock, 20);
      controller.abort(reason);
      await rejected;
      const { actions } = await infer(policy, observationOf(profile, 9));
      assert.equal(actions.length, policy.actionHorizon * policy.actionDim);
    },
  },
  {
    sentence: "can be disposed of twice, also when it was never used",
    async check(policy) {
      await policy[Symbol.asyncDispose]();
      await policy[Symbol.asyncDispose]();
    },
  },
];
