import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import { parseOptions } from "../../src/commands/options.ts";
import { createPolicy, POLICY_OPTIONS, type PolicyParts } from "../../src/commands/policies.ts";
import { NullPolicy } from "../../src/policy/null.ts";
import { ROBOTS } from "../../src/robot/mod.ts";
import { listenTcp } from "../../src/transport/tcp.ts";
import type { Caller, Service } from "../../src/transport/transport.ts";
import type { Observation, Policy } from "../../src/types.ts";
import { Encoder } from "../../src/wire/msgpack.ts";
import { decodeReply } from "../../src/wire/reply.ts";
import { encodeRequest } from "../../src/wire/request.ts";
import { within } from "../support/eventually.ts";
import { testPolicy } from "../support/policy_contract.ts";
import { tinyObservation, TinyPolicy, tinyService, tinySimulation } from "../support/tiny.ts";

const { aloha, droid } = ROBOTS;
const endless = new AbortController().signal;
const caller: Caller = { transport: "tcp", remote: "192.0.2.1:5000" };
const observation = { ...tinyObservation(aloha, 1), simulation: { ...tinySimulation(1), step: 2 } };

/** Makes the policy that these words ask for. */
function create(argv: readonly string[], parts: Partial<PolicyParts> = {}): Promise<Policy> {
  const options = parseOptions(POLICY_OPTIONS, argv, { command: "test", env: () => undefined });
  assert.ok(!options.help);
  return createPolicy({
    profile: aloha,
    clock: systemClock,
    options,
    upstream: { token: undefined, trust: undefined, openpi: false, warm: false },
    onRetry: (error) => assert.fail(error),
    env: () => undefined,
    progress: { start: () => {}, advance: () => {}, end: () => {} },
    log: () => {},
    ...parts,
  });
}

/** Writes a recording whose row i is full of i, and lets it go afterwards. */
async function withRecording(work: (path: string) => Promise<void>, columns = 14): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".json" });
  try {
    const steps = Array.from({ length: 5 }, (_, i) => ({ action: Array<number>(columns).fill(i) }));
    await Deno.writeTextFile(path, JSON.stringify({ steps }));
    await work(path);
  } finally {
    await Deno.remove(path);
  }
}

/** What null policies are asked from now on. */
function watchNull(): Disposable & { readonly seen: Observation[] } {
  const seen: Observation[] = [];
  const { infer } = NullPolicy.prototype;
  NullPolicy.prototype.infer = function (observation, signal) {
    seen.push(observation);
    return infer.call(this, observation, signal);
  };
  return { seen, [Symbol.dispose]: () => void (NullPolicy.prototype.infer = infer) };
}

/** Asks a service with the policy behind it, by a message from far away. @returns the first number of each row. */
async function askService(policy: Policy, observation: Observation): Promise<number[]> {
  const service = tinyService(policy, { clock: systemClock });
  service.start();
  const session = service.open(caller);
  const reply = await session.handle(encodeRequest(new Encoder(), observation, aloha, "openpi", false), 0);
  if (reply.error !== undefined) throw new Error(reply.error.message);
  const { actions, actionHorizon, actionDim } = decodeReply(reply.bytes, 14).chunk;
  return Array.from({ length: actionHorizon }, (_, i) => actions[i * actionDim]!);
}

Deno.test("the null policy never sees the truth about a simulation, here or behind a service", async () => {
  using watched = watchNull();
  await using policy = await create(["--policy", "null"]);
  const { simulation: _, ...seen } = observation;
  await policy.infer(observation, endless);
  await askService(policy, observation);
  assert.equal(watched.seen.length, 2);
  for (const one of watched.seen) assert.ok(!("simulation" in one));
  assert.deepEqual(watched.seen[0], seen);
  assert.deepEqual([policy.name, policy.actionHorizon, policy.actionDim], ["null", 50, 14]);
});

Deno.test("a recording behind a service goes by the step that the far side tells", () =>
  withRecording(async (path) => {
    await using policy = await create(["--policy", `replay:${path}`]);
    assert.equal(policy.name, `replay:${path}`);
    assert.deepEqual((await askService(policy, observation)).slice(0, 4), [2, 3, 4, 4]);
    await assert.rejects(askService(policy, tinyObservation(aloha, 1)), /in simulated worlds only/);
  }));

Deno.test("a policy behind a URL gets the truth about a simulation, for the server there to judge", async () => {
  const inside = new TinyPolicy();
  const service: Service & { start(): void } = tinyService(inside, { clock: systemClock });
  service.start();
  const limits = { maxMessageBytes: 4_000_000, maxConnections: 8, messageMs: 5000, idleMs: 60_000 };
  const listener = listenTcp(service, { hostname: "127.0.0.1", port: 0, clock: systemClock, limits });
  const policy = await create(["--policy", `tcp://127.0.0.1:${listener.port}`]);
  await within("an answer", policy.infer(observation, endless));
  assert.deepEqual(inside.asked[0]!.observation.simulation, observation.simulation);
  await policy[Symbol.asyncDispose]();
  await listener.close(0);
});

testPolicy("the expert policy", aloha, () => create(["--policy", "expert"]), {
  neverSlow: "it thinks in one piece, and nobody can interrupt it",
});

const REFUSED: readonly [argv: string[], message: RegExp, parts?: Partial<PolicyParts>][] = [
  [
    ["nul"],
    /^Cannot use --policy nul: policies are mini, null, expert, replay:FILE, random:NAME, a URL, a model folder \(did you mean null\?\)$/,
  ],
  [["exprt"], /\(did you mean expert\?\)$/],
  [["replya:sim/episode.json"], /\(did you mean replay:FILE\?\)$/],
  [["replay"], /\(did you mean replay:FILE\?\)$/],
  // How the table calls it is nothing that can be typed.
  [["remote"], /policies are mini, null, expert, replay:FILE, random:NAME, a URL, a model folder$/],
  [["gpu-box:8000"], /policies are mini, null, expert, replay:FILE, random:NAME, a URL, a model folder$/],
  [["replay:"], /^Cannot use --policy replay: without a file: write replay:FILE$/],
  [
    ["expert", "--null-delay-ms", "5"],
    /^Cannot use --null-delay-ms with --policy expert: it belongs to --policy null$/,
  ],
  [["replay:x.json", "--action-dim", "3"], /^Cannot use --action-dim with --policy replay:x\.json/],
  [["expert"], /^Cannot use --policy expert with --robot droid: it acts for aloha$/, { profile: droid }],
  [["replay:x.json"], /^Cannot use --policy replay:x\.json with --robot droid/, { profile: droid }],
  [["expert"], /^Cannot use --openpi with --policy expert: it belongs to a --policy URL$/, {
    upstream: { token: undefined, trust: undefined, openpi: true, warm: true },
  }],
  [["replay:x.json"], /^Cannot use --openpi with --policy replay/, {
    upstream: { token: undefined, trust: undefined, openpi: true, warm: true },
  }],
];

for (const [[policy, ...more], message, parts] of REFUSED) {
  const where = parts?.profile !== undefined ? " for a droid" : parts !== undefined ? " with --openpi" : "";
  Deno.test(`createPolicy() refuses ${[policy, ...more].join(" ")}${where}`, async () => {
    await assert.rejects(create(["--policy", policy!, ...more], parts), { name: "UsageError", message });
  });
}

Deno.test("a recording that does not fit is a failure, not a slip of the command line", async () => {
  await assert.rejects(create(["--policy", "replay:/nowhere/x.json"]), {
    name: "Error",
    message: 'Cannot replay "/nowhere/x.json": there is no such file',
  });
  await withRecording(async (path) => {
    await assert.rejects(create(["--policy", `replay:${path}`]), {
      name: "Error",
      message: `Cannot replay "${path}": step 0 has no action of 14 numbers`,
    });
  }, 7);
});
