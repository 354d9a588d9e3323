import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import { PolicyError, TransportError } from "../../src/errors.ts";
import { NullPolicy } from "../../src/policy/null.ts";
import { type RemoteOptions, RemotePolicy } from "../../src/policy/remote.ts";
import { ROBOTS } from "../../src/robot/mod.ts";
import type { PolicyService } from "../../src/serving/service.ts";
import { persist } from "../../src/transport/dial.ts";
import { connectLocal } from "../../src/transport/local.ts";
import { listenTcp, tcp } from "../../src/transport/tcp.ts";
import type { Connection, ConnectOptions, Listener, Service } from "../../src/transport/transport.ts";
import type { Bytes, Policy } from "../../src/types.ts";
import { decode, type Encodable, Encoder, type Value } from "../../src/wire/msgpack.ts";
import { float64Array } from "../../src/wire/ndarray.ts";
import { isPadding } from "../../src/wire/padding.ts";
import { encodeInfo } from "../../src/wire/reply.ts";
import { eventually, within } from "../support/eventually.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { testPolicy } from "../support/policy_contract.ts";
import { tinyObservation, TinyPolicy, tinyService, tinySimulation } from "../support/tiny.ts";

const { aloha } = ROBOTS;
const endless = new AbortController().signal;
const observation = (seed: number) => tinyObservation(aloha, seed);
const stateOf = (seed: number) => observation(seed).state[0];

const connectOptions: ConnectOptions = { clock: systemClock, connectMs: 5000, maxMessageBytes: 1_000_000 };

function remote(connect: RemoteOptions["connect"], options: Partial<RemoteOptions> = {}): RemotePolicy {
  return new RemotePolicy({
    name: "the test's server",
    profile: aloha,
    clock: systemClock,
    connect,
    connectMs: 5000,
    requestMs: 5000,
    dialect: "openpi",
    timing: false,
    foreign: false,
    warm: false,
    ...options,
  });
}

/** A client of a service in this process. */
const local = (service: Service, options: Partial<RemoteOptions> = {}) =>
  remote((_, signal) => connectLocal(service, { ...connectOptions, signal }), options);

function listen(service: Service, port = 0): Listener {
  const limits = { maxMessageBytes: 4_000_000, maxConnections: 8, messageMs: 5000, idleMs: 60_000 };
  return listenTcp(service, { hostname: "127.0.0.1", port, clock: systemClock, limits });
}

/** A client of a tcp portal, which tries again as long as it may. */
function overTcp(port: number, options: Partial<RemoteOptions> = {}, onRetry?: (error: Error) => void): RemotePolicy {
  const url = new URL(`tcp://127.0.0.1:${port}`);
  return remote((limitMs, signal) => {
    const again = onRetry === undefined ? {} : { onRetry };
    const connect = () => tcp.connect(url, { ...connectOptions, signal });
    return persist(connect, { clock: systemClock, signal, limitMs, ...again });
  }, options);
}

/** A started service with a policy that does what a test says. */
function serve(): { policy: TinyPolicy; service: PolicyService } {
  const policy = new TinyPolicy();
  const service = tinyService(policy);
  service.start();
  return { policy, service };
}

/** A service in front of a null policy, whose first inference is slow where that is asked for. */
function serveNull({ slow }: { slow: boolean }): PolicyService {
  let drawn = 0;
  const random = () => drawn++ === 0 && slow ? 0.999 : 0;
  const { actionHorizon, actionDim } = aloha;
  const delay = { delayMs: 30_000, jitterMs: 30_000, busy: false };
  const service = tinyService(new NullPolicy({ actionHorizon, actionDim, clock: systemClock, random, ...delay }));
  service.start();
  return service;
}

/** Lets something go together with a policy. */
function alongWith(policy: Policy, letGo: () => Promise<void>): Policy {
  const dispose = policy[Symbol.asyncDispose].bind(policy);
  policy[Symbol.asyncDispose] = async () => {
    await dispose();
    await letGo();
  };
  return policy;
}

testPolicy("RemotePolicy in one process", aloha, (options) => {
  return Promise.resolve(local(serveNull(options), { requestMs: 60_000 }));
});

for (const dialect of ["robodal", "openpi"] as const) {
  testPolicy(`RemotePolicy over tcp in ${dialect}'s dialect`, aloha, (options) => {
    const listener = listen(serveNull(options));
    const policy = overTcp(listener.port, { requestMs: 60_000, warm: true, timing: true, dialect });
    return Promise.resolve(alongWith(policy, () => listener.close(0)));
  });
}

/** A far side that is written down in a test, and what it was sent. */
class ScriptedConnection implements Connection {
  readonly messages: Bytes[] = [];
  readonly #answer: (message: Bytes) => Encodable | Bytes;
  readonly greeting?: Bytes;
  pings = 0;
  bytesOut = 0;
  bytesIn = 0;
  closed = false;

  /** @param answer bytes are a reply as they are, anything else is encoded. */
  constructor(answer: (message: Bytes) => Encodable | Bytes, greeting?: Encodable) {
    this.#answer = answer;
    if (greeting !== undefined) this.greeting = new Encoder().encode(greeting);
  }

  request(message: Bytes): Promise<Bytes> {
    this.messages.push(message.slice());
    const answer = this.#answer(message);
    return Promise.resolve(answer instanceof Uint8Array ? answer : new Encoder().encode(answer));
  }

  ping(): Promise<void> {
    this.pings++;
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

const scripted = (connection: Connection, options: Partial<RemoteOptions> = {}) =>
  remote(() => Promise.resolve(connection), options);

/** Answers one row of actions, whatever was asked. */
const answerActions = () => ({ actions: float64Array(new Float64Array(14), [1, 14]) });
const isInfoRequest = (message: Bytes) =>
  !isPadding(message) && (decode(message) as ReadonlyMap<string, Value>).has("info");

// Connections that come and go.

Deno.test("RemotePolicy connects again after the server was closed and opened again on the same port", async () => {
  const { policy, service } = serve();
  const first = listen(service);
  await using client = overTcp(first.port);
  assert.equal(client.connected, false);
  const ask = async (seed: number) => (await within("an answer", client.infer(observation(seed), endless))).actions[0];
  assert.equal(await ask(1), stateOf(1));
  assert.equal(client.connected, true);
  await first.close(0);
  await eventually("the client notices that the server is gone", () => !client.connected);
  const second = listen(service, first.port);
  assert.equal(await ask(2), stateOf(2));
  assert.equal(await ask(3), stateOf(3));
  assert.equal(policy.asked.length, 3);
  await client[Symbol.asyncDispose]();
  await second.close(0);
});

Deno.test("RemotePolicy waits within a request's limit for a server that comes back", async () => {
  const { service } = serve();
  const gone = listen(service);
  await gone.close(0);
  let back: Listener | undefined;
  await using client = overTcp(gone.port, {}, (error) => {
    assert.ok(error instanceof TransportError && error.code === "unreachable");
    back ??= listen(service, gone.port);
  });
  const { actions } = await within("the answer", client.infer(observation(1), endless));
  assert.equal(actions[0], stateOf(1));
  await client[Symbol.asyncDispose]();
  await back!.close(0);
});

Deno.test("RemotePolicy says unreachable where nobody answers and it may not try again", async () => {
  const closed = listen(serve().service);
  await closed.close(0);
  await using client = overTcp(closed.port);
  await assert.rejects(client.open(endless, 0), { name: "TransportError", code: "unreachable" });
});

Deno.test("RemotePolicy gives up at its limit, and never takes the late reply for the next one's", async () => {
  const { policy, service } = serve();
  policy.holds = 1;
  const listener = listen(service);
  const clock = new FakeClock();
  await using client = overTcp(listener.port, { clock, requestMs: 100 });
  const late = assert.rejects(client.infer(observation(1), endless), {
    name: "TransportError",
    code: "deadline",
    message: "the test's server did not answer within 100 ms",
  });
  await eventually("the policy is asked", () => policy.asked.length === 1);
  await clock.advance(99);
  assert.ok(client.connected);
  await clock.advance(1);
  await late;
  assert.ok(!client.connected);
  policy.asked[0]!.answer();
  const { actions } = await within("the next answer", client.infer(observation(2), endless));
  assert.equal(actions[0], stateOf(2));
  assert.equal(clock.pending, 0);
  await client[Symbol.asyncDispose]();
  await listener.close(0);
});

Deno.test("RemotePolicy keeps its connection from request to request, and closes it when disposed of", async () => {
  const { service } = serve();
  const listener = listen(service);
  const client = overTcp(listener.port);
  for (const seed of [1, 2, 3]) await client.infer(observation(seed), endless);
  assert.equal(listener.connections, 1);
  assert.match(service.page("/metrics", { transport: "http", remote: "" })!.body, /connections_total\{.*\} 1\n/);
  await client[Symbol.asyncDispose]();
  assert.ok(!client.connected);
  await eventually("the server notices", () => listener.connections === 0);
  await listener.close(0);
});

// Requests and replies.

Deno.test("RemotePolicy refuses to ask twice at once, and answers the first all the same", async () => {
  const { policy, service } = serve();
  policy.holds = 1;
  await using client = local(service);
  const first = client.infer(observation(1), endless);
  await assert.rejects(client.infer(observation(2), endless), /Cannot ask twice at once/);
  await eventually("the policy is asked", () => policy.asked.length === 1);
  policy.asked[0]!.answer();
  assert.equal((await first).actions[0], stateOf(1));
  assert.equal((await client.infer(observation(3), endless)).actions[0], stateOf(3));
});

Deno.test("RemotePolicy tells when what happened, how many bytes went, and what the server measured", async () => {
  const { policy, service } = serve();
  policy.timing = { infer: 7 };
  const listener = listen(service);
  await using client = overTcp(listener.port, { timing: true, dialect: "robodal" });
  const exchanges = [];
  for (const seed of [1, 2]) exchanges.push(await within("an answer", client.ask(observation(seed), endless)));
  for (const { startedMs, sentMs, receivedMs, finishedMs } of exchanges) {
    assert.ok(startedMs <= sentMs && sentMs <= receivedMs && receivedMs <= finishedMs);
  }
  const [first, second] = exchanges;
  assert.deepEqual(Object.keys(first!.chunk.timing), ["queue", "decode", "infer"]);
  assert.equal(first!.chunk.timing.infer, 7);
  assert.deepEqual(first!.previous, {});
  assert.deepEqual(Object.keys(second!.previous), ["encodeMs", "residenceMs"]);
  // Only the first request carries the introduction, {"pi0":1}, in a frame of its own.
  assert.equal(first!.bytesOut, second!.bytesOut + 4 + '{"pi0":1}'.length);
  assert.ok(second!.bytesOut > 60 + 56 && second!.bytesIn > 3 * 14 * 4);
  await client[Symbol.asyncDispose]();
  await listener.close(0);
});

Deno.test("RemotePolicy does not ask for the server's stages unless it should", async () => {
  for (const timing of [false, true]) {
    const connection = new ScriptedConnection(answerActions);
    await scripted(connection, { timing }).infer(observation(1), endless);
    assert.equal((decode(connection.messages[0]!) as ReadonlyMap<string, Value>).has("timing"), timing);
  }
});

Deno.test("RemotePolicy throws the server's failures with their codes", async () => {
  const cases: [code: string, message: RegExp, prepare: (service: PolicyService, policy: TinyPolicy) => void][] = [
    ["not_ready", /warming up/, () => {}],
    ["draining", /stopping/, (service) => service.drain()],
    ["policy_failed", /out of memory/, (service, policy) => {
      service.start();
      policy.infer = () => Promise.reject(new Error("out of memory"));
    }],
  ];
  for (const [code, message, prepare] of cases) {
    const policy = new TinyPolicy();
    const service = tinyService(policy);
    prepare(service, policy);
    const listener = listen(service);
    await using client = overTcp(listener.port);
    await assert.rejects(within("an answer", client.infer(observation(1), endless)), {
      name: "PolicyError",
      code,
      message,
    });
    assert.ok(client.connected, "a failure is an answer, and keeps the connection");
    await client[Symbol.asyncDispose]();
    await listener.close(0);
  }
});

Deno.test("RemotePolicy throws what it was refused for: no token, or too many sessions", async () => {
  for (const [code, options] of [["unauthorized", { token: "s3cret" }], ["busy", { maxSessions: 0 }]] as const) {
    const listener = listen(tinyService(new TinyPolicy(), options));
    await using client = overTcp(listener.port);
    await assert.rejects(within("an answer", client.infer(observation(1), endless)), { name: "PolicyError", code });
    await client[Symbol.asyncDispose]();
    await listener.close(0);
  }
});

Deno.test("RemotePolicy throws as rejected what the server could not read, with the server's words", async () => {
  const { service } = serve();
  await using client = local(service, { profile: ROBOTS.droid });
  const wrong = client.infer(tinyObservation(ROBOTS.droid, 1), endless);
  await assert.rejects(wrong, { name: "PolicyError", code: "rejected", message: /observation\/exterior_image_1_left/ });
});

// What the far side is.

Deno.test("RemotePolicy learns from the server what the policy is", async () => {
  const { policy, service } = serve();
  await using client = local(service);
  assert.deepEqual([client.actionHorizon, client.actionDim, client.checkpointHash], [50, 14, null]);
  const info = await client.fetchInfo(endless);
  assert.deepEqual([info.protocol, info.policy, info.robot], [1, "tiny", "aloha"]);
  await client.warmUp(endless);
  assert.deepEqual([client.actionHorizon, client.actionDim, client.checkpointHash], [3, 14, policy.checkpointHash]);
  assert.deepEqual(client.metadata, policy.metadata);
});

Deno.test("RemotePolicy learns from the server whether the policy looks at pictures", async () => {
  for (const looks of [undefined, true, false]) {
    const info = { protocol: 1, ...(looks === undefined ? {} : { looks }) };
    const client = scripted(new ScriptedConnection(() => ({ info })));
    await client.warmUp(endless);
    assert.equal(client.looks, looks !== false);
  }
});

Deno.test("RemotePolicy.infer() tells what the way took", async () => {
  const { service } = serve();
  await using client = local(service, { timing: true });
  const { travel } = await client.infer(observation(1), endless);
  assert.ok(travel!.bytesOut > 0 && travel!.bytesIn > 0);
  for (const ms of [travel!.encodeMs, travel!.roundTripMs, travel!.decodeMs]) assert.ok(ms >= 0);
  assert.deepEqual(travel!.previous, {}, "there was none");
  const { travel: later } = await client.infer(observation(1), endless);
  assert.deepEqual(Object.keys(later!.previous).toSorted(), ["encodeMs", "residenceMs"]);
});

Deno.test("RemotePolicy takes rows and columns from the server's information, not from the robot", async () => {
  const client = scripted(new ScriptedConnection(() => ({ info: { protocol: 1, actionHorizon: 7, actionDim: 5 } })));
  await client.warmUp(endless);
  assert.deepEqual([client.actionHorizon, client.actionDim], [7, 5]);
});

Deno.test("RemotePolicy takes the metadata of openpi's server from its greeting", async () => {
  const connection = new ScriptedConnection(answerActions, { reset_pose: [1, 2] });
  const client = scripted(connection, { foreign: true });
  await client.open(endless);
  assert.deepEqual(client.metadata, { reset_pose: [1, 2] });
});

Deno.test("RemotePolicy sends a server that is not pi0's nothing but observations without any extra", async () => {
  const connection = new ScriptedConnection(answerActions, {});
  const client = scripted(connection, { foreign: true, warm: true, timing: true });
  await client.warmUp(endless);
  await client.probe(endless);
  await client.infer(observation(1), endless);
  connection.closed = true;
  // After a loss the new connection is not warmed up either.
  await client.infer(observation(2), endless);
  assert.equal(connection.pings, 1);
  assert.equal(connection.messages.length, 2);
  for (const message of connection.messages) {
    assert.deepEqual([...(decode(message) as ReadonlyMap<string, Value>).keys()], ["state", "images"]);
  }
});

for (const dialect of ["robodal", "openpi"] as const) {
  Deno.test(`RemotePolicy tells a pi0 server the truth about a simulation in ${dialect}'s dialect`, async () => {
    const { policy, service } = serve();
    await using client = local(service, { dialect });
    const simulation = tinySimulation(3);
    await client.infer({ ...observation(1), simulation }, endless);
    await client.infer(observation(2), endless);
    assert.deepEqual(policy.asked[0]!.observation.simulation, simulation);
    assert.ok(!("simulation" in policy.asked[1]!.observation));
  });

  Deno.test(`RemotePolicy never tells it a server that is not pi0's in ${dialect}'s dialect`, async () => {
    const connection = new ScriptedConnection(answerActions, {});
    const client = scripted(connection, { foreign: true, dialect });
    const simulated = { ...observation(1), simulation: tinySimulation(3), seed: 7 };
    await client.infer(simulated, endless);
    await client.infer(observation(1), endless);
    const [first, second] = connection.messages;
    assert.deepEqual(first, second);
    assert.deepEqual(simulated.simulation, tinySimulation(3), "the caller keeps it");
  });
}

/** The lengths of the padding that is sent to a pi0 server with this limit. */
Deno.test("RemotePolicy does not blame the observation for a reply that makes no sense", async () => {
  const policy = scripted({
    request: () => Promise.resolve(Uint8Array.of(0xc1)),
    closed: false,
    bytesIn: 0,
    bytesOut: 0,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
  await assert.rejects(
    policy.infer(observation(1), endless),
    (error) => error instanceof PolicyError && error.code === "policy_failed" && /makes no sense/.test(error.message),
  );
});

async function paddingFor(maxMessageBytes: number): Promise<number[]> {
  const info = { protocol: 1, maxMessageBytes };
  const connection = new ScriptedConnection((message) =>
    isInfoRequest(message) ? encodeInfo(new Encoder(), info) : new Uint8Array(0)
  );
  await scripted(connection, { warm: true }).warmUp(endless);
  return connection.messages.filter((message) => isPadding(message)).map((message) => message.length);
}

Deno.test("RemotePolicy opens the window with some 8 MB of padding, in pieces that double", async () => {
  const lengths = await paddingFor(64 * 2 ** 20);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  assert.ok(total >= 7 * 2 ** 20 && total <= 12 * 2 ** 20, `${total} bytes`);
  assert.equal(lengths[0], 256 * 1024);
  lengths.slice(1).forEach((length, i) => assert.ok(length === 2 * lengths[i]! || length === Math.max(...lengths)));
});

Deno.test("RemotePolicy sends no padding that is longer than the server takes, but as much altogether", async () => {
  const lengths = await paddingFor(300_000);
  assert.equal(Math.max(...lengths), 300_000);
  assert.ok(lengths.reduce((sum, length) => sum + length, 0) >= 7 * 2 ** 20);
  assert.equal(Math.max(...await paddingFor(1000)), 1000);
});

/** How many pieces of padding are sent where information takes a round trip, and padding what `padMs` says. */
async function countPadding(
  roundTripMs: number,
  padMs: (lengthBytes: number) => number,
  options: { requestMs?: number; mostMs?: number } = {},
): Promise<{ count: number; tookMs: number }> {
  const clock = new FakeClock();
  const connection = new ScriptedConnection((message) => {
    const isPad = isPadding(message);
    clock.stall(isPad ? padMs(message.length) : roundTripMs);
    return isPad ? new Uint8Array(0) : encodeInfo(new Encoder(), { protocol: 1, maxMessageBytes: 4 * 2 ** 20 });
  });
  const { mostMs, ...limits } = options;
  await scripted(connection, { clock, ...limits }).openWindow(endless, mostMs);
  return {
    count: connection.messages.filter((message) => isPadding(message)).length,
    tookMs: clock.now() - roundTripMs,
  };
}

Deno.test("RemotePolicy begins no padding on a slow link that would not end within 1.5 s", async () => {
  const bytesPerMs = 10_000 / 8;
  const { count, tookMs } = await countPadding(20, (lengthBytes) => lengthBytes / bytesPerMs);
  assert.equal(count, 3);
  assert.ok(tookMs <= 1500, `${tookMs} ms`);
});

Deno.test("RemotePolicy opens the whole window where the round trip is long, which takes more than 1.5 s", async () => {
  // Slow start over 200 ms, as measured.
  const sendMs = (lengthBytes: number) => lengthBytes > 2 ** 20 ? 450 : 1000;
  const { count, tookMs } = await countPadding(200, sendMs);
  assert.deepEqual({ count, tookMs }, { count: 5, tookMs: 3900 });
});

Deno.test("RemotePolicy takes 5 s at most for the window, however long the round trip, or less where told so", async () => {
  const sendMs = () => 1000;
  assert.deepEqual(await countPadding(2000, sendMs), { count: 4, tookMs: 4000 });
  assert.deepEqual(await countPadding(2000, sendMs, { mostMs: 1500 }), { count: 1, tookMs: 1000 });
});

Deno.test("RemotePolicy gives a piece of padding as long as a request, and connecting and the warm-up at least", async () => {
  for (const { requestMs, limitMs } of [{ requestMs: 10_000, limitMs: 10_000 }, { requestMs: 50, limitMs: 6500 }]) {
    const clock = new FakeClock();
    const silent = new ScriptedConnection(() => encodeInfo(new Encoder(), { protocol: 1 }));
    const answer = silent.request.bind(silent);
    silent.request = (message) => isPadding(message) ? new Promise(() => {}) : answer(message);
    let ended = false;
    const opening = scripted(silent, { clock, requestMs, connectMs: 5000 }).openWindow(endless);
    const late = assert.rejects(opening, { name: "TransportError", code: "deadline" }).finally(() => ended = true);
    await clock.advance(limitMs - 1);
    assert.equal(ended, false);
    await clock.advance(1);
    await late;
  }
});

const STRANGERS: { name: string; answer: (message: Bytes) => Encodable | Bytes }[] = [
  { name: "that echoes", answer: (message) => message.slice() },
  { name: "that answers with text", answer: () => new TextEncoder().encode("Traceback (most recent call last):") },
  { name: "that answers with actions", answer: answerActions },
  { name: "that says nothing", answer: () => new Uint8Array(0) },
  { name: "with errors of its own", answer: () => ({ error: { code: "E42", message: "no such key: images" } }) },
  { name: "with information of its own", answer: () => ({ info: { name: "other" } }) },
];

for (const { name, answer } of STRANGERS) {
  Deno.test(`RemotePolicy finds out with one tiny message that a server ${name} is not pi0's`, async () => {
    const connection = new ScriptedConnection(answer);
    const client = scripted(connection, { warm: true });
    await client.open(endless);
    await assert.rejects(client.openWindow(endless), { name: "TransportError", code: "not_speaking" });
    assert.equal(connection.messages.length, 1);
    assert.ok(connection.messages[0]!.length < 20, `${connection.messages[0]!.length} bytes`);
  });
}

Deno.test("RemotePolicy asks a server for information that refuses, and throws what it says", async () => {
  const refusal = { error: { code: "unauthorized", message: "Not allowed in" } };
  const client = scripted(new ScriptedConnection(() => refusal));
  await assert.rejects(client.fetchInfo(endless), (error) => {
    return error instanceof PolicyError && error.code === "unauthorized";
  });
});

Deno.test("RemotePolicy probes with the smallest padding, and needs a connection for it", async () => {
  const connection = new ScriptedConnection(() => new Uint8Array(0));
  const client = scripted(connection);
  await assert.rejects(client.probe(endless), { name: "TransportError", code: "disconnected" });
  await client.open(endless);
  await client.probe(endless);
  assert.deepEqual(connection.messages.map((message) => message.length), [8]);
});

Deno.test("RemotePolicy opens the window again on the connection that replaces a lost one", async () => {
  const { service } = serve();
  const connections: ScriptedConnection[] = [];
  const answering = await connectLocal(service, connectOptions);
  const client = remote(() => {
    const connection = new ScriptedConnection(() => new Uint8Array(0));
    const request = connection.request.bind(connection);
    connection.request = async (message) => {
      await request(message);
      return await answering.request(message);
    };
    connections.push(connection);
    return Promise.resolve(connection);
  }, { warm: true, requestMs: 10_000 });
  const paddingOf = (i: number) => connections[i]!.messages.filter((message) => isPadding(message)).length;
  await client.open(endless);
  await client.infer(observation(1), endless);
  assert.equal(paddingOf(0), 0, "the first window is opened when somebody asks for it");
  connections[0]!.closed = true;
  assert.equal((await client.infer(observation(2), endless)).actions[0], stateOf(2));
  assert.ok(paddingOf(1) > 0);
});

Deno.test("RemotePolicy recovers within a short deadline: the request goes before the warm-up of a new connection", async () => {
  // A link on which padding takes longer than a request may.
  const open = (): Connection => {
    let closed = false;
    return {
      bytesOut: 0,
      bytesIn: 0,
      get closed() {
        return closed;
      },
      request(message, signal) {
        const encoder = new Encoder();
        if (isInfoRequest(message)) return Promise.resolve(encodeInfo(encoder, { protocol: 1, maxMessageBytes: 1e6 }));
        if (!isPadding(message)) return Promise.resolve(encoder.encode(answerActions()));
        return new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
      },
      [Symbol.asyncDispose]() {
        closed = true;
        return Promise.resolve();
      },
    };
  };
  const opened: Connection[] = [];
  const connect = () => {
    const connection = open();
    opened.push(connection);
    return Promise.resolve(connection);
  };
  await using client = remote(connect, { warm: true, requestMs: 50 });
  await client.ask(observation(1), endless);
  await opened[0]![Symbol.asyncDispose]();
  await client.ask(observation(2), endless);
  assert.equal(opened.length, 2);
});
