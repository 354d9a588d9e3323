import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import { NullPolicy } from "../../src/policy/null.ts";
import { withoutSimulation } from "../../src/policy/without_simulation.ts";
import { ROBOTS } from "../../src/robot/mod.ts";
import type { Policy } from "../../src/types.ts";
import { testPolicy } from "../support/policy_contract.ts";
import { tinyObservation, TinyPolicy, tinySimulation } from "../support/tiny.ts";

const { aloha } = ROBOTS;
const still = new AbortController().signal;
const seen = tinyObservation(aloha, 1, { prompt: "transfer the cube" });
const observation = { ...seen, simulation: tinySimulation(1) };

testPolicy("a policy without simulation", aloha, ({ slow }) => {
  let drawn = 0;
  const random = () => drawn++ === 0 && slow ? 0.999 : 0;
  const { actionHorizon, actionDim } = aloha;
  const delay = { delayMs: 30_000, jitterMs: 30_000, busy: false };
  const inside = new NullPolicy({ actionHorizon, actionDim, clock: systemClock, random, ...delay });
  return Promise.resolve(withoutSimulation(inside));
});

Deno.test("withoutSimulation() keeps the truth from the policy, and nothing else", async () => {
  const inside = new TinyPolicy();
  const policy = withoutSimulation(inside);
  await policy.infer(observation, still);
  await policy.infer(seen, still);
  for (const asked of inside.asked) {
    assert.deepEqual(asked.observation, seen);
    assert.ok(!("simulation" in asked.observation), "not even as undefined");
    assert.equal(asked.signal, still);
  }
  assert.deepEqual(observation.simulation, tinySimulation(1), "the caller's observation is left as it was");
});

Deno.test("withoutSimulation() gives back what the policy answers, and its failures", async () => {
  const inside = new TinyPolicy();
  const policy = withoutSimulation(inside);
  assert.deepEqual(await policy.infer(observation, still), await inside.infer(seen, still));
  inside.holds = 1;
  const failing = policy.infer(observation, still);
  inside.asked.at(-1)!.fail(new Error("out of memory"));
  await assert.rejects(failing, /out of memory/);
});

Deno.test("withoutSimulation() says of itself what the policy says at that moment, and lets go of it", async () => {
  const inside = new TinyPolicy();
  let warmUps = 0;
  inside.warmUp = () => Promise.resolve(void warmUps++);
  const policy = withoutSimulation(inside);
  const about = ({ name, actionHorizon, actionDim, checkpointHash, metadata, looks = true }: Policy) => {
    return { name, actionHorizon, actionDim, checkpointHash, metadata, looks };
  };
  assert.deepEqual(about(policy), about(inside));
  // A far policy learns its shape while it warms up.
  Object.assign(inside, {
    actionHorizon: 7,
    actionDim: 5,
    checkpointHash: null,
    metadata: { late: true },
    looks: false,
  });
  await policy.warmUp(still);
  assert.deepEqual(about(policy), about(inside));
  assert.equal(policy.actionHorizon, 7);
  assert.equal(warmUps, 1);
  await policy[Symbol.asyncDispose]();
  assert.equal(inside.disposed, 1);
});
