import assert from "node:assert/strict";
import { sleep } from "../../src/clock.ts";
import { PolicyError, SimulationError, TransportError, WireError } from "../../src/errors.ts";
import { ReplayPolicy } from "../../src/policy/replay.ts";
import { type EpisodeOptions, playEpisode } from "../../src/rollout/episode.ts";
import type { ActionChunk, Observation, Policy, Travel } from "../../src/types.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakeEnvironment } from "../support/fake_environment.ts";
import { TinyPolicy } from "../support/tiny.ts";

/** Plans four rows: the step at which it was asked, and the row's own number. */
class Planner implements Policy {
  readonly name = "planner";
  readonly actionHorizon = 4;
  readonly actionDim: number = 2;
  readonly checkpointHash = null;
  readonly metadata = {};
  readonly asked: Observation[] = [];
  /** Throws this instead of the answer to inference number so and so, counted from 0. */
  fails: { readonly at: number; readonly error: Error } | undefined;

  warmUp(): Promise<void> {
    return Promise.resolve();
  }

  async infer(observation: Observation, signal: AbortSignal): Promise<ActionChunk> {
    signal.throwIfAborted();
    this.asked.push(observation);
    await Promise.resolve();
    if (this.fails?.at === this.asked.length - 1) throw this.fails.error;
    const { actionHorizon, actionDim } = this;
    const { step } = observation.simulation!;
    const actions = Float64Array.from({ length: 8 }, (_, i) => i % 2 === 0 ? step : Math.floor(i / 2));
    return { actions, actionHorizon, actionDim, timing: {} };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

function play(options: Partial<EpisodeOptions> = {}) {
  return playEpisode({
    environment: new FakeEnvironment(),
    policy: new Planner(),
    seed: 3,
    replanSteps: 10,
    stopAtSuccess: false,
    clock: new FakeClock(),
    signal: new AbortController().signal,
    ...options,
  });
}

Deno.test("playEpisode() writes down what was done and what came of it, from the reset on", async () => {
  const environment = new FakeEnvironment({ maxSteps: 2, rewards: [0, 2] });
  assert.deepEqual(await play({ environment, replanSteps: 1 }), {
    task: "fake_task",
    scene: "nowhere",
    seed: 3,
    prompt: "add things up",
    policy: "planner",
    controlHz: 50,
    replanSteps: 1,
    whileWaiting: "hold",
    pace: { kind: "fast", delayMs: 0 },
    durationMs: 0,
    start: { agent_pos: [3, -3], qpos: [3, -3, 0], qvel: [0, 0] },
    requests: [0, 1].map((step) => ({
      step,
      observeMs: 0,
      askedMs: 0,
      answeredMs: 0,
      delaySteps: 0,
      arrivalStep: step,
      timing: {},
      rows: 4,
      executedRows: 1,
      staleRows: 0,
      heldSteps: 0,
      exhaustedSteps: 0,
    })),
    steps: [
      { action: [0, 0], agent_pos: [3, -3], qpos: [3, -3, 1], qvel: [0, 0], reward: 0, request: 0, row: 0 },
      { action: [1, 0], agent_pos: [4, -3], qpos: [4, -3, 2], qvel: [1, 0], reward: 2, request: 1, row: 0 },
    ],
    maxReward: 2,
    success: false,
    firstStepOfReward: { 1: 2, 2: 2, 3: null, 4: null },
  });
  assert.deepEqual(environment.resets, [3]);
});

Deno.test("playEpisode() executes so many rows of a chunk, then asks again; at most the whole chunk", async () => {
  const chunks: [replanSteps: number, observed: number[], actions: number[][]][] = [
    [1, [0, 1, 2, 3, 4], [[0, 0], [1, 0], [2, 0], [3, 0], [4, 0]]],
    [2, [0, 2, 4], [[0, 0], [0, 1], [2, 0], [2, 1], [4, 0]]],
    [4, [0, 4], [[0, 0], [0, 1], [0, 2], [0, 3], [4, 0]]],
    [1000, [0, 4], [[0, 0], [0, 1], [0, 2], [0, 3], [4, 0]]],
  ];
  for (const [replanSteps, observed, actions] of chunks) {
    const environment = new FakeEnvironment({ maxSteps: 5 });
    const { steps } = await play({ environment, replanSteps });
    assert.deepEqual(environment.observed, observed, "pictures are taken only for the policy");
    assert.deepEqual(steps.map(({ action }) => action), actions);
  }
});

Deno.test("playEpisode() hands the policy the observation with the truth about the simulation", async () => {
  const policy = new Planner();
  await play({ policy, environment: new FakeEnvironment({ maxSteps: 5 }) });
  assert.deepEqual(policy.asked.map(({ simulation }) => simulation!.step), [0, 4]);
  assert.deepEqual(Object.keys(policy.asked[0]!), ["images", "state", "prompt", "simulation", "seed"]);
});

Deno.test("playEpisode() asks with a seed for noise that follows from the episode's and the step", async () => {
  const policy = new Planner();
  await play({ policy, environment: new FakeEnvironment({ maxSteps: 5 }), seed: 2 ** 32 - 3 });
  assert.deepEqual(policy.asked.map(({ seed }) => seed), [2 ** 32 - 3, 1]);
});

Deno.test("playEpisode() has the object pushed once, before the step it is told, and writes that down", async () => {
  const environment = new FakeEnvironment({ maxSteps: 5 });
  const { pushAt } = await play({ environment, pushAt: 2 });
  assert.deepEqual([environment.pushed, pushAt], [[2], 2]);
  const alone = new FakeEnvironment({ maxSteps: 5 });
  assert.ok(!("pushAt" in await play({ environment: alone })));
  assert.deepEqual(alone.pushed, []);
});

Deno.test("playEpisode() goes on after a success, unless it shall stop there", async () => {
  const rewards = [1, 3, 4, 0, 4, 2];
  const environment = new FakeEnvironment({ maxSteps: 6, rewards });
  const whole = await play({ environment });
  assert.deepEqual([whole.steps.length, whole.success, whole.maxReward], [6, true, 4]);
  assert.deepEqual(whole.steps.map(({ reward }) => reward), rewards);
  // A stage that was skipped is reached together with the next one.
  assert.deepEqual(whole.firstStepOfReward, { 1: 1, 2: 2, 3: 2, 4: 3 });
  const stopped = await play({ environment, stopAtSuccess: true });
  assert.deepEqual(stopped.steps, whole.steps.slice(0, 3));
  assert.equal(stopped.success, true);
});

Deno.test("playEpisode() without a reward has no stage, and no success", async () => {
  const { maxReward, success, firstStepOfReward } = await play();
  assert.deepEqual([maxReward, success], [0, false]);
  assert.deepEqual(firstStepOfReward, { 1: null, 2: null, 3: null, 4: null });
});

Deno.test("playEpisode() tells of the reset and of every step, and waits for who is told", async () => {
  const environment = new FakeEnvironment({ maxSteps: 3 });
  const told: [number, number][] = [];
  await play({
    environment,
    onStep: async (step) => {
      for (let i = 0; i < 5; i++) await Promise.resolve();
      told.push([step, environment.stepCount]);
    },
  });
  assert.deepEqual(told, [[0, 0], [1, 1], [2, 2], [3, 3]]);
});

Deno.test("playEpisode() ends with what happened so far where the physics breaks down", async () => {
  const environment = new FakeEnvironment({ maxSteps: 9, rewards: [1, 4], breaksAt: 4 });
  const { steps, error, success, maxReward } = await play({ environment });
  assert.deepEqual(steps.map(({ qpos }) => qpos[2]), [1, 2, 3]);
  assert.equal(error, "The numbers have run out");
  assert.deepEqual([success, maxReward], [true, 4], "what was reached before counts");
});

const FAILURES = [
  new PolicyError("policy_failed", "The model is out of memory"),
  new TransportError("deadline", "ws://far did not answer within 30000 ms"),
  new WireError("truncated", { found: "3 bytes" }),
  new SimulationError("The far world broke down"),
];

for (const error of FAILURES) {
  Deno.test(`playEpisode() ends with what happened so far where the policy fails with a ${error.name}`, async () => {
    const policy = new Planner();
    policy.fails = { at: 1, error };
    const episode = await play({ policy, environment: new FakeEnvironment({ maxSteps: 9 }) });
    assert.equal(episode.steps.length, 4);
    assert.deepEqual([episode.error, episode.errorName], [error.message, error.name]);
    assert.equal(episode.requests.length, 2);
    assert.ok(!("answeredMs" in episode.requests[1]!), "nothing was answered");
    assert.equal(episode.success, false);
  });
}

Deno.test("playEpisode() without a failure says nothing of one", async () => {
  assert.ok(!("error" in await play()));
});

Deno.test("playEpisode() throws what nobody foresaw, of the policy and of who is told", async () => {
  const policy = new Planner();
  policy.fails = { at: 0, error: new TypeError("undefined is not a function") };
  await assert.rejects(play({ policy }), TypeError);
  const onStep = (step: number) => {
    if (step === 2) throw new Error("The disk is full");
  };
  await assert.rejects(play({ onStep }), /The disk is full/);
});

Deno.test("playEpisode() refuses a policy of another robot before anything moves", async () => {
  const environment = new FakeEnvironment();
  await assert.rejects(play({ environment, policy: new TinyPolicy() }), {
    name: "RangeError",
    message: "Cannot execute actions of 14 numbers: fake_task takes 2; use a policy of that robot",
  });
  assert.equal(environment.stepCount, 0);
});

Deno.test("playEpisode() stops before the next step when it is told to, with the reason", async () => {
  const environment = new FakeEnvironment({ maxSteps: 100 });
  const stop = new AbortController();
  const reason = new Error("Stopped by SIGINT");
  const onStep = (step: number) => step === 2 ? stop.abort(reason) : undefined;
  await assert.rejects(play({ environment, signal: stop.signal, onStep }), reason);
  assert.equal(environment.stepCount, 2);
  // Also while the policy thinks: its reason is no failure of the policy.
  await assert.rejects(play({ signal: AbortSignal.abort(reason) }), reason);
});

Deno.test("an episode that is replayed happens again, whatever rows are executed at once", async () => {
  const environment = new FakeEnvironment({ maxSteps: 7, rewards: [0, 1, 2, 2, 4] });
  const first = await play({ environment, replanSteps: 3 });
  const policy = new ReplayPolicy("replay:x", first.steps.map(({ action }) => action));
  for (const replanSteps of [1, 3, 50]) {
    const { start, steps } = await play({ environment, policy, replanSteps });
    const felt = steps.map(({ action, qpos, reward }) => ({ action, qpos, reward }));
    assert.deepEqual(start, first.start);
    assert.deepEqual(felt, first.steps.map(({ action, qpos, reward }) => ({ action, qpos, reward })));
  }
});

Deno.test("playEpisode() begins anew each time", async () => {
  const environment = new FakeEnvironment();
  const first = await play({ environment });
  assert.deepEqual(await play({ environment }), first);
  assert.notDeepEqual((await play({ environment, seed: 4 })).start, first.start);
});

const actionsOf = ({ steps }: { steps: readonly { action: readonly number[] }[] }) => steps.map(({ action }) => action);

Deno.test("playEpisode() with a delay holds the start pose, then the last action, while the world goes on", async () => {
  const environment = new FakeEnvironment({ maxSteps: 8 });
  const episode = await play({ environment, replanSteps: 2, pace: { kind: "fast", delayMs: 30 } });
  // The seed is 3, and the start pose [3, −3].
  assert.deepEqual(actionsOf(episode), [[3, -3], [3, -3], [0, 0], [0, 1], [0, 1], [0, 1], [4, 0], [4, 1]]);
  assert.deepEqual(environment.observed, [0, 4]);
  assert.deepEqual(episode.steps.map(({ held, request, row }) => held ?? `${request}:${row}`), [
    "waiting",
    "waiting",
    "0:0",
    "0:1",
    "waiting",
    "waiting",
    "1:0",
    "1:1",
  ]);
  assert.deepEqual(
    episode.requests.map(({ step, delaySteps, arrivalStep, heldSteps, executedRows, staleRows }) => ({
      step,
      delaySteps,
      arrivalStep,
      heldSteps,
      executedRows,
      staleRows,
    })),
    [0, 4].map((step) => ({
      step,
      delaySteps: 2,
      arrivalStep: step + 2,
      heldSteps: 2,
      executedRows: 2,
      staleRows: 0,
    })),
  );
});

Deno.test("playEpisode() that continues drops stale rows, and counts what it held because a chunk had ended", async () => {
  const environment = new FakeEnvironment({ maxSteps: 10 });
  const pace = { kind: "fast", delayMs: 60 } as const;
  const episode = await play({ environment, replanSteps: 2, whileWaiting: "continue", pace });
  assert.deepEqual(episode.steps.map(({ held, request, row }) => held ?? `${request}:${row}`), [
    "waiting",
    "waiting",
    "waiting",
    "0:0",
    "0:1",
    "0:2",
    "0:3",
    "exhausted",
    "1:3",
    "exhausted",
  ]);
  assert.deepEqual(actionsOf(episode).slice(6), [[0, 3], [0, 3], [5, 3], [5, 3]]);
  assert.deepEqual(
    episode.requests.map(({ step, staleRows, executedRows, heldSteps, exhaustedSteps }) => [
      step,
      staleRows,
      executedRows,
      heldSteps,
      exhaustedSteps,
    ]),
    [[0, 0, 4, 3, 0], [5, 3, 1, 0, 1], [9, 0, 0, 0, 1]],
  );
  assert.ok(!("arrivalStep" in episode.requests[2]!), "the episode ended before the answer was due");
});

/** Takes so long for each answer, by the clock. */
class SlowPlanner extends Planner {
  readonly #clock: FakeClock;
  readonly #delaysMs: readonly number[];

  constructor(clock: FakeClock, delaysMs: readonly number[]) {
    super();
    this.#clock = clock;
    this.#delaysMs = delaysMs;
  }

  override async infer(observation: Observation, signal: AbortSignal): Promise<ActionChunk> {
    await sleep(this.#clock, this.#delaysMs[this.asked.length]!, signal);
    return await super.infer(observation, signal);
  }
}

/** Lets fake time pass until a promise settles. */
async function elapse<T>(clock: FakeClock, promise: Promise<T>): Promise<T> {
  let settled = false;
  promise.then(() => settled = true, () => settled = true);
  while (!settled) await clock.advance(1);
  return await promise;
}

Deno.test("playEpisode() in real pace steps 50 times a second, also while an answer is on its way", async () => {
  const clock = new FakeClock();
  const policy = new SlowPlanner(clock, [30, 5, 41]);
  const environment = new FakeEnvironment({ maxSteps: 9 });
  const episode = await elapse(clock, play({ environment, policy, clock, replanSteps: 2, pace: { kind: "real" } }));
  assert.deepEqual(episode.steps.map(({ atMs }) => atMs), [0, 20, 40, 60, 80, 100, 120, 140, 160]);
  assert.deepEqual(episode.requests.map(({ step, delaySteps }) => [step, delaySteps]), [[0, 2], [4, 1], [
    7,
    undefined,
  ]]);
  assert.deepEqual(episode.requests.map(({ askedMs, answeredMs }) => [askedMs, answeredMs]), [
    [0, 30],
    [80, 85],
    [140, 181],
  ]);
  assert.deepEqual([episode.missedDeadlines, episode.pace], [0, { kind: "real" }]);
});

Deno.test("playEpisode() in real pace charges a policy that blocks the thread for the time it takes", async () => {
  const clock = new FakeClock();
  const policy = new Planner();
  const { infer } = policy;
  policy.infer = (observation, signal) => {
    clock.stall(50);
    return infer.call(policy, observation, signal);
  };
  const environment = new FakeEnvironment({ maxSteps: 5 });
  const episode = await elapse(clock, play({ environment, policy, clock, pace: { kind: "real" } }));
  assert.equal(episode.requests[0]!.delaySteps, 3);
  assert.ok(episode.missedDeadlines! > 0, "the world was late, and says so");
});

Deno.test("playEpisode() leaves pictures undrawn for a policy that does not look", async () => {
  for (const looks of [undefined, true, false]) {
    const policy = Object.assign(new Planner(), looks === undefined ? {} : { looks });
    const environment = new FakeEnvironment({ maxSteps: 5 });
    await play({ environment, policy });
    assert.deepEqual(environment.drawn, looks === false ? [] : [0, 4]);
  }
});

Deno.test("playEpisode() keeps what the way to a far policy took, and what its server tells later", async () => {
  const way = { encodeMs: 1, roundTripMs: 9, decodeMs: 2, bytesOut: 150_000, bytesIn: 3000 };
  const policy = new Planner();
  const { infer } = policy;
  policy.infer = async (observation, signal) => {
    const n = policy.asked.length;
    const travel: Travel = { ...way, previous: { residenceMs: 5 + n, encodeMs: 0.5 + n } };
    return { ...await infer.call(policy, observation, signal), timing: { infer: 4 }, travel };
  };
  const { requests } = await play({ policy, replanSteps: 2, environment: new FakeEnvironment({ maxSteps: 6 }) });
  assert.deepEqual(requests.map(({ travel }) => travel), [
    { ...way, residenceMs: 6 },
    { ...way, residenceMs: 7 },
    way,
  ]);
  assert.deepEqual(requests.map(({ timing }) => timing), [
    { infer: 4, encode: 1.5 },
    { infer: 4, encode: 2.5 },
    { infer: 4 },
  ]);
});

Deno.test("playEpisode() does not charge anybody for the time that pictures take to draw", async () => {
  const clock = new FakeClock();
  const policy = new SlowPlanner(clock, [30, 30]);
  const environment = new FakeEnvironment({ maxSteps: 6 });
  const { observe } = environment;
  environment.observe = (options) => {
    clock.stall(200);
    return observe.call(environment, options);
  };
  const episode = await elapse(clock, play({ environment, policy, clock, replanSteps: 2, pace: { kind: "real" } }));
  assert.deepEqual(episode.steps.map(({ atMs }) => atMs), [0, 20, 40, 60, 80, 100]);
  assert.deepEqual(episode.requests.map(({ observeMs, delaySteps }) => [observeMs, delaySteps]), [[200, 2], [
    200,
    undefined,
  ]]);
  assert.equal(episode.missedDeadlines, 0);
  assert.equal(clock.now(), 400 + 110, "the clock itself has gone on, until the last answer was here");
});
