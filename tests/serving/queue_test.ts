import assert from "node:assert/strict";
import { PolicyError, WireError } from "../../src/errors.ts";
import { ROBOTS } from "../../src/robot/mod.ts";
import { type Inference, InferenceQueue } from "../../src/serving/queue.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { tinyObservation, TinyPolicy } from "../support/tiny.ts";

/** A queue in front of a policy that holds everything back until told. */
function setUp({ capacity = 8, holds = Infinity } = {}) {
  const clock = new FakeClock();
  const policy = new TinyPolicy();
  policy.holds = holds;
  const queue = new InferenceQueue(policy, capacity, clock);
  const endless = new AbortController().signal;
  /** Submits observation `seed` of a client. */
  const submit = (client: string, seed: number, signal = endless) =>
    queue.submit(client, tinyObservation(ROBOTS.aloha, seed), signal);
  return { clock, policy, queue, submit };
}

/** Lets everything happen that waits for nothing. */
const settle = (clock: FakeClock) => clock.advance(0);

/** What became of a promise so far. */
function watch(promise: Promise<unknown>): { outcome: "pending" | "answered" | { code?: string; message: string } } {
  const seen: ReturnType<typeof watch> = { outcome: "pending" };
  promise.then(() => seen.outcome = "answered", (error) => seen.outcome = error);
  return seen;
}

const firstNumber = ({ chunk }: Inference) => chunk.actions[0];
const stateOf = (seed: number) => tinyObservation(ROBOTS.aloha, seed).state[0];

Deno.test("InferenceQueue answers in the order in which clients asked, one at a time", async () => {
  const { clock, policy, queue, submit } = setUp();
  const answers = Promise.all(["a", "b", "c"].map((client, i) => submit(client, i)));
  for (let i = 0; i < 3; i++) {
    await settle(clock);
    assert.equal(policy.asked.length, i + 1);
    assert.equal(queue.depth, 2 - i);
    policy.asked[i]!.answer();
  }
  assert.deepEqual((await answers).map(firstNumber), [0, 1, 2].map(stateOf));
  assert.deepEqual(policy.asked.map(({ observation }) => observation.state[0]), [0, 1, 2].map(stateOf));
  assert.equal(policy.mostRunning, 1);
});

Deno.test("InferenceQueue tells how long a request waited and how long the policy took", async () => {
  const { clock, policy, submit } = setUp();
  const first = submit("a", 1);
  await clock.advance(10);
  const second = submit("b", 2);
  await clock.advance(20);
  policy.asked[0]!.answer();
  await clock.advance(5);
  policy.asked[1]!.answer();
  const { queueMs, policyMs } = await first;
  assert.deepEqual([queueMs, policyMs], [0, 30]);
  const later = await second;
  assert.deepEqual([later.queueMs, later.policyMs], [20, 5]);
});

Deno.test("InferenceQueue lets a client's newest observation wait, in the place of the older one", async () => {
  const { clock, policy, queue, submit } = setUp();
  const running = submit("a", 0);
  const older = watch(submit("b", 1));
  const other = submit("c", 2);
  const newer = submit("b", 3);
  await settle(clock);
  assert.ok(older.outcome instanceof PolicyError);
  assert.equal(older.outcome.code, "superseded");
  assert.equal(queue.depth, 2);
  policy.holds = 0;
  policy.asked[0]!.answer();
  await Promise.all([running, other, newer]);
  assert.deepEqual(policy.asked.map(({ observation }) => observation.state[0]), [0, 3, 2].map(stateOf));
});

Deno.test("InferenceQueue does not take the inference that runs for one that waits", async () => {
  const { clock, policy, submit } = setUp();
  const running = submit("a", 0);
  const next = submit("a", 1);
  await settle(clock);
  policy.holds = 0;
  policy.asked[0]!.answer();
  assert.deepEqual([firstNumber(await running), firstNumber(await next)], [0, 1].map(stateOf));
});

Deno.test("InferenceQueue is busy when as many wait as may, except for a client that waits already", async () => {
  const { clock, policy, queue, submit } = setUp({ capacity: 2 });
  const kept = [submit("a", 0), submit("b", 1)];
  const replaced = watch(submit("c", 2));
  const refused = watch(submit("d", 3));
  await settle(clock);
  assert.ok(refused.outcome instanceof PolicyError);
  assert.equal(refused.outcome.code, "busy");
  assert.match(refused.outcome.message, /2 requests wait/);
  kept.push(submit("c", 4));
  await settle(clock);
  assert.ok(replaced.outcome instanceof PolicyError);
  assert.equal(queue.depth, 2);
  policy.holds = 0;
  policy.asked[0]!.answer();
  assert.deepEqual((await Promise.all(kept)).map(firstNumber), [0, 1, 4].map(stateOf));
});

Deno.test("InferenceQueue forgets a request that is aborted while it waits", async () => {
  const { clock, policy, queue, submit } = setUp();
  const controller = new AbortController();
  const kept = [submit("a", 0)];
  const gone = watch(submit("b", 1, controller.signal));
  kept.push(submit("c", 2));
  const reason = new Error("gone");
  controller.abort(reason);
  await settle(clock);
  assert.equal(gone.outcome, reason);
  assert.equal(queue.depth, 1);
  policy.holds = 0;
  policy.asked[0]!.answer();
  await Promise.all(kept);
  assert.deepEqual(policy.asked.map(({ observation }) => observation.state[0]), [0, 2].map(stateOf));
});

Deno.test("InferenceQueue rejects at once what is aborted while it runs, but runs the next only afterwards", async () => {
  const { clock, policy, submit } = setUp();
  const controller = new AbortController();
  const gone = watch(submit("a", 0, controller.signal));
  const next = submit("b", 1);
  await settle(clock);
  const reason = new Error("gone");
  controller.abort(reason);
  await settle(clock);
  assert.equal(gone.outcome, reason);
  assert.ok(policy.asked[0]!.signal.aborted);
  assert.equal(policy.asked.length, 1, "the next one began while the policy was still busy");
  policy.asked[0]!.answer();
  await settle(clock);
  policy.asked[1]!.answer();
  assert.equal(firstNumber(await next), stateOf(1));
  assert.equal(policy.mostRunning, 1);
});

Deno.test("InferenceQueue refuses what is aborted already, without asking the policy", async () => {
  const { clock, policy, queue, submit } = setUp({ holds: 0 });
  const reason = new Error("gone");
  await assert.rejects(submit("a", 0, AbortSignal.abort(reason)), reason);
  await settle(clock);
  assert.deepEqual([policy.asked.length, queue.depth], [0, 0]);
});

Deno.test("InferenceQueue reports what the policy threw as policy_failed, with the cause, and goes on", async () => {
  const { clock, policy, submit } = setUp({ holds: 2 });
  const broken = watch(submit("a", 0));
  const silly = watch(submit("b", 1));
  const next = submit("c", 2);
  await settle(clock);
  const cause = new TypeError("NaN in the prefix");
  policy.asked[0]!.fail(cause);
  await settle(clock);
  policy.asked[1]!.fail("out of memory");
  assert.equal(firstNumber(await next), stateOf(2));
  assert.ok(broken.outcome instanceof PolicyError);
  assert.equal(broken.outcome.code, "policy_failed");
  assert.equal(broken.outcome.cause, cause);
  assert.match(broken.outcome.message, /NaN in the prefix/);
  assert.ok(silly.outcome instanceof PolicyError);
  assert.match(silly.outcome.message, /out of memory/);
});

/** What the queue rejects with where the policy throws `error`. */
async function rejection(error: unknown) {
  const { clock, policy, submit } = setUp();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  submit("a", 0).catch(resolve);
  await settle(clock);
  policy.asked[0]!.fail(error);
  return await promise;
}

Deno.test("InferenceQueue passes on what a server behind it says, as it is", async () => {
  for (const code of ["busy", "superseded", "not_ready", "draining", "policy_failed", "undeclared_variant"] as const) {
    const error = new PolicyError(code, "The server behind this one says so");
    assert.equal(await rejection(error), error);
  }
});

Deno.test("InferenceQueue passes on that an observation does not fit the policy", async () => {
  const error = new WireError("unknown_camera", { field: "cam_low" });
  assert.equal(await rejection(error), error);
});

Deno.test("InferenceQueue keeps to itself what would look like the client's own fault", async () => {
  for (const code of ["unauthorized", "protocol_mismatch", "rejected"] as const) {
    const cause = new PolicyError(code, "The server behind this one says so");
    const error = await rejection(cause);
    assert.ok(error instanceof PolicyError);
    assert.deepEqual([error.code, error.cause], ["policy_failed", cause]);
  }
});

Deno.test("InferenceQueue survives a policy that throws before it returns a promise", async () => {
  const clock = new FakeClock();
  const policy = new TinyPolicy();
  const infer = policy.infer.bind(policy);
  let calls = 0;
  policy.infer = (observation, signal) => {
    if (calls++ === 0) throw new Error("at once");
    return infer(observation, signal);
  };
  const queue = new InferenceQueue(policy, 2, clock);
  const { signal } = new AbortController();
  await assert.rejects(queue.submit("a", tinyObservation(ROBOTS.aloha, 0), signal), { code: "policy_failed" });
  assert.equal(firstNumber(await queue.submit("a", tinyObservation(ROBOTS.aloha, 1), signal)), stateOf(1));
});

Deno.test("InferenceQueue leaves no listener on a signal, however a request ended", async () => {
  const { clock, policy, submit } = setUp({ capacity: 1, holds: 0 });
  const { signal } = new AbortController();
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  let listeners = 0;
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  for (let i = 0; i < 100; i++) await submit("a", i, signal);
  policy.holds = Infinity;
  const ends = [watch(submit("a", 0, signal)), watch(submit("b", 0, signal))];
  ends.push(watch(submit("b", 1, signal)), watch(submit("c", 0, signal)));
  await settle(clock);
  assert.ok(listeners > 0);
  policy.asked.at(-1)!.fail(new Error("broken"));
  await settle(clock);
  policy.asked.at(-1)!.answer();
  await settle(clock);
  assert.deepEqual(ends.map(({ outcome }) => typeof outcome === "string" ? outcome : outcome.code), [
    "policy_failed",
    "superseded",
    "answered",
    "busy",
  ]);
  assert.equal(listeners, 0);
});
