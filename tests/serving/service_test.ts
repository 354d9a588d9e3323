import assert from "node:assert/strict";
import type { Clock } from "../../src/clock.ts";
import { PolicyError, TransportError, WireError } from "../../src/errors.ts";
import { ROBOTS } from "../../src/robot/mod.ts";
import { seededRandom } from "../../src/random.ts";
import type { PolicyService, ServiceOptions } from "../../src/serving/service.ts";
import type { Caller, Reply, Session } from "../../src/transport/transport.ts";
import type { Bytes } from "../../src/types.ts";
import { decode, Encoder, type Value } from "../../src/wire/msgpack.ts";
import { makePadding, PROBE } from "../../src/wire/padding.ts";
import { decodeInfo, decodeReply } from "../../src/wire/reply.ts";
import { type Dialect, encodeInfoRequest, encodeRequest } from "../../src/wire/request.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { tinyBytes, tinyObservation, TinyPolicy, tinyService } from "../support/tiny.ts";

const { aloha } = ROBOTS;
const caller: Caller = { transport: "tcp", remote: "192.0.2.1:5000" };

/** A started service and what is behind it. */
function setUp(options: Partial<ServiceOptions> = {}) {
  const clock = new FakeClock();
  const policy = new TinyPolicy();
  const service = tinyService(policy, { clock, ...options });
  service.start();
  return { clock, policy, service };
}

function request(seed: number, { prompt, timing = false, dialect = "openpi" }: {
  prompt?: string;
  timing?: boolean;
  dialect?: Dialect;
} = {}): Bytes {
  const observation = tinyObservation(aloha, seed, prompt === undefined ? {} : { prompt });
  return encodeRequest(new Encoder(), observation, aloha, dialect, timing);
}

const stateOf = (seed: number) => tinyObservation(aloha, seed).state[0];
const infoRequest = () => encodeInfoRequest(new Encoder());
const fieldOf = ({ bytes }: Reply, key: string) => (decode(bytes) as ReadonlyMap<string, Value>).get(key);

/** The code of a failure, which its bytes and its `error` must both say; `ok` where it is none. */
function codeOf(reply: Reply): string {
  if (reply.error === undefined) return "ok";
  const error = fieldOf(reply, "error") as ReadonlyMap<string, Value>;
  assert.deepEqual([error.get("code"), error.get("message")], [reply.error.code, reply.error.message]);
  return reply.error.code;
}

const metricsOf = (service: PolicyService, token?: string) => {
  const { status, body } = service.page("/metrics", { ...caller, ...(token === undefined ? {} : { token }) })!;
  assert.equal(status, 200);
  return body.split("\n");
};
/** The value of one sample. */
const metric = (service: PolicyService, name: string) =>
  metricsOf(service).find((line) => line.startsWith(`${name} `))?.split(" ")[1];

Deno.test("PolicyService answers each dialect in its own", async () => {
  const { service } = setUp();
  const session = service.open(caller);
  for (const dialect of ["robodal", "openpi"] as const) {
    const { bytes } = await session.handle(request(3, { dialect }), 0);
    const keys = [...(decode(bytes) as ReadonlyMap<string, Value>).keys()];
    assert.equal(keys[0], dialect === "robodal" ? "action" : "actions");
    const { actions, actionHorizon } = decodeReply(bytes, 14).chunk;
    assert.deepEqual([actionHorizon, actions.length, actions[0]], [3, 42, stateOf(3)]);
  }
});

Deno.test("PolicyService lets in only callers with its token, and says what was wrong", () => {
  const { service } = setUp({ token: "s3cret" });
  assert.throws(() => service.open(caller), {
    name: "PolicyError",
    code: "unauthorized",
    message: /no token was given/,
  });
  assert.throws(() => service.open({ ...caller, token: "S3cret" }), {
    code: "unauthorized",
    message: /token is wrong/,
  });
  service.open({ ...caller, token: "s3cret" }).close();
});

Deno.test("PolicyService refuses another version of the protocol, and takes a caller that says none", () => {
  const { service } = setUp();
  assert.throws(() => service.open({ ...caller, version: 2 }), { name: "PolicyError", code: "protocol_mismatch" });
  service.open({ ...caller, version: 1 }).close();
  service.open(caller).close();
});

Deno.test("PolicyService admits so many sessions, and another one when one is closed", () => {
  const { service } = setUp({ maxSessions: 2 });
  const [first] = [service.open(caller), service.open(caller)];
  assert.throws(() => service.open(caller), { name: "PolicyError", code: "busy", message: /2 sessions/ });
  first!.close();
  first!.close();
  service.open(caller);
  assert.throws(() => service.open(caller), { code: "busy" });
});

Deno.test("PolicyService takes requests after start() and before drain(), and information and padding always", async () => {
  const policy = new TinyPolicy();
  const service = tinyService(policy);
  const session = service.open(caller);
  const ask = async () => [
    codeOf(await session.handle(request(1), 0)),
    decodeInfo((await session.handle(infoRequest(), 0)).bytes).ready,
    (await session.handle(PROBE, 0)).bytes.length,
  ];
  assert.deepEqual(await ask(), ["not_ready", false, 0]);
  service.start();
  assert.deepEqual(await ask(), ["ok", true, 0]);
  service.drain();
  assert.deepEqual(await ask(), ["draining", false, 0]);
  assert.equal(policy.asked.length, 1);
});

Deno.test("PolicyService answers what it took before drain()", async () => {
  const { clock, policy, service } = setUp();
  policy.holds = 1;
  const answer = service.open(caller).handle(request(1), 0);
  await clock.advance(1);
  service.drain();
  policy.asked[0]!.answer();
  assert.equal(codeOf(await answer), "ok");
});

Deno.test("PolicyService gives its default prompt to observations without one", async () => {
  const { policy, service } = setUp({ defaultPrompt: "fold the towel" });
  const session = service.open(caller);
  await session.handle(request(1), 0);
  await session.handle(request(1, { prompt: "Transfer cube" }), 0);
  await session.handle(request(1, { prompt: "" }), 0);
  assert.deepEqual(policy.asked.map(({ observation }) => observation.prompt), ["fold the towel", "Transfer cube", ""]);
});

Deno.test("PolicyService invents no prompt where it has no default", async () => {
  const { policy, service } = setUp();
  await service.open(caller).handle(request(1), 0);
  assert.ok(!("prompt" in policy.asked[0]!.observation));
});

Deno.test("PolicyService answers padding of any length with nothing, but on openpi's paths with an error", async () => {
  const { policy, service } = setUp();
  const own = service.open(caller);
  const openpi = service.open({ ...caller, openpi: true });
  for (const length of [8, 1000, 100_000]) {
    assert.deepEqual(await own.handle(makePadding(length), 0), { bytes: new Uint8Array(0) });
    assert.equal(codeOf(await openpi.handle(makePadding(length), 0)), "malformed");
  }
  assert.equal(policy.asked.length, 0);
});

Deno.test("PolicyService greets callers of openpi's protocol with the policy's metadata, and nobody else", async () => {
  const { service } = setUp();
  const greeting = await service.open({ ...caller, openpi: true }).greet!();
  assert.deepEqual(decodeInfo(greeting), { reset_pose: [0, -1.5, 1.5] });
  assert.equal(service.open(caller).greet, undefined);
});

Deno.test("PolicyService greets when it is ready and not before, and gives up on callers who leave", async () => {
  const service = tinyService(new TinyPolicy());
  const patient = service.open({ ...caller, openpi: true });
  const leaving = service.open({ ...caller, openpi: true });
  let greeted = 0;
  const greeting = patient.greet!().then(() => greeted++);
  const refused = assert.rejects(leaving.greet!(), { name: "PolicyError", code: "superseded" });
  leaving.close();
  await refused;
  await assert.rejects(leaving.greet!(), { name: "PolicyError" });
  assert.equal(greeted, 0);
  service.start();
  await greeting;
  assert.equal(greeted, 1);
});

Deno.test("PolicyService says what it is, to a request and on its page alike", async () => {
  const { service } = setUp({ defaultPrompt: "fold the towel" });
  service.portals = { tcp: "tcp://127.0.0.1:8765" };
  const { bytes } = await service.open(caller).handle(infoRequest(), 0);
  const info = decodeInfo(bytes);
  assert.deepEqual(info, {
    protocol: 1,
    version: "1.2.3",
    ready: true,
    portals: { tcp: "tcp://127.0.0.1:8765" },
    policy: "tiny",
    robot: "aloha",
    cameras: ["cam_high", "cam_low", "cam_left_wrist", "cam_right_wrist"],
    stateDim: 14,
    actionHorizon: 3,
    actionDim: 14,
    controlHz: 50,
    defaultPrompt: "fold the towel",
    checkpointHash: "c0".repeat(32),
    looks: true,
    maxMessageBytes: 1_000_000,
    zeroRttConnections: 0,
    metadata: { reset_pose: [0, -1.5, 1.5] },
    model: null,
  });
  const { status, type, body } = service.page("/info", caller)!;
  assert.deepEqual([status, type], [200, "application/json"]);
  assert.deepEqual(JSON.parse(body), info);
});

Deno.test("PolicyService answers any message, and any failure says its code twice", async () => {
  const { service } = setUp();
  const session = service.open(caller);
  const random = seededRandom(4);
  const valid = request(1);
  for (let i = 0; i < 500; i++) {
    const message = i % 2 === 0 ? tinyBytes(i, 40) : valid.slice();
    message[Math.floor(message.length * random())]! ^= 1 << Math.floor(8 * random());
    codeOf(await session.handle(message, 0));
  }
  assert.equal(codeOf(await session.handle(new Uint8Array(0), 0)), "truncated");
});

Deno.test("PolicyService reports a policy that throws as policy_failed, without its stack", async () => {
  const { clock, policy, service } = setUp();
  policy.holds = 1;
  const answer = service.open(caller).handle(request(1), 0);
  await clock.advance(0);
  policy.asked[0]!.fail(new Error("out of memory"));
  const reply = await answer;
  assert.equal(codeOf(reply), "policy_failed");
  assert.equal(reply.error!.message, "The policy failed: out of memory");
  assert.ok(!new TextDecoder().decode(reply.bytes).includes("service_test.ts"));
});

Deno.test("PolicyService rejects what is no message with the error's code", () => {
  const { service } = setUp();
  const session = service.open(caller);
  const errors: [Error, string][] = [
    [new WireError("too_large", { found: "9 bytes" }), "too_large"],
    [new PolicyError("unauthorized", "No"), "unauthorized"],
    [new TransportError("deadline", "Too slow"), "deadline"],
    [new Error("Something else"), "policy_failed"],
  ];
  for (const [error, code] of errors) {
    assert.equal(codeOf(session.reject(error)), code);
    assert.equal(codeOf(service.reject(error, caller)), code);
    assert.equal(metric(service, `pi0_requests_total{transport="tcp",code="${code}"}`), "2");
  }
});

/** Time that passes by 1 ms whenever somebody looks. */
function tickingClock(): Clock {
  let now = 0;
  return { now: () => ++now, after: () => () => {} };
}

/** Handles a message and says that its reply went out 20 ms after it came in. */
async function exchange(session: Session, message: Bytes, residenceMs = 20): Promise<Reply> {
  const reply = await session.handle(message, 1000);
  session.sent(1000 + residenceMs, message.length, reply.bytes.length);
  return reply;
}

Deno.test("PolicyService tells the stages it measured and those the policy measured", async () => {
  const { policy, service } = setUp({ clock: tickingClock() });
  policy.timing = { preprocess: 4, infer: 5, postprocess: 6 };
  const { bytes } = await exchange(service.open(caller), request(1, { timing: true }));
  assert.deepEqual(decodeReply(bytes, 14).chunk.timing, {
    queue: 1,
    decode: 1,
    preprocess: 4,
    infer: 5,
    postprocess: 6,
  });
});

Deno.test("PolicyService tells the times of a reply with the next one, and only those of inference", async () => {
  const { policy, service } = setUp({ clock: tickingClock() });
  const session = service.open(caller);
  const previous = async (residenceMs: number) =>
    decodeReply((await exchange(session, request(1, { timing: true }), residenceMs)).bytes, 14).previous;
  assert.deepEqual(await previous(20), {});
  assert.deepEqual(await previous(30), { encodeMs: 1, residenceMs: 20 });
  for (const message of [PROBE, infoRequest(), Uint8Array.of(0xc1)]) await exchange(session, message, 99);
  policy.holds = 1;
  const failing = session.handle(request(1), 1000);
  policy.asked.at(-1)!.fail(new Error("broken"));
  const { bytes } = await failing;
  session.sent(1099, 10, bytes.length);
  assert.deepEqual(await previous(40), { encodeMs: 1, residenceMs: 30 });
  assert.deepEqual(await previous(50), { encodeMs: 1, residenceMs: 40 });
});

Deno.test("PolicyService gives openpi's clients the residence of the reply before as prev_total_ms", async () => {
  const { service } = setUp();
  const session = service.open({ ...caller, openpi: true });
  const total = async (residenceMs: number) => {
    const timing = fieldOf(await exchange(session, request(1), residenceMs), "server_timing");
    return (timing as ReadonlyMap<string, Value>).get("prev_total_ms");
  };
  assert.deepEqual([await total(20), await total(30), await total(40)], [undefined, 20, 30]);
});

Deno.test("PolicyService keeps the times of one session from another", async () => {
  const { service } = setUp();
  await exchange(service.open(caller), request(1, { timing: true }));
  const other = await exchange(service.open(caller), request(1, { timing: true }));
  assert.deepEqual(decodeReply(other.bytes, 14).previous, {});
});

Deno.test("PolicyService counts requests by transport and code, sessions, connections and bytes", async () => {
  const { clock, service } = setUp();
  const session = service.open(caller);
  const other = service.open({ ...caller, transport: "ws" });
  await exchange(session, request(1));
  await exchange(session, request(2));
  await exchange(session, Uint8Array.of(0xc1));
  await exchange(other, request(3));
  other.close();
  other.close();
  await clock.advance(2500);
  const expected = {
    'pi0_requests_total{transport="tcp",code="ok"}': "2",
    'pi0_requests_total{transport="tcp",code="malformed"}': "1",
    'pi0_requests_total{transport="ws",code="ok"}': "1",
    'pi0_sessions{transport="tcp"}': "1",
    'pi0_sessions{transport="ws"}': "0",
    'pi0_connections_total{transport="ws"}': "1",
    'pi0_bytes_received_total{transport="tcp"}': String(request(1).length + request(2).length + 1),
    'pi0_residence_seconds_count{transport="tcp"}': "2",
    'pi0_residence_seconds_sum{transport="tcp"}': "0.04",
    'pi0_stage_seconds_count{transport="tcp",stage="encode"}': "2",
    'pi0_stage_seconds_count{transport="tcp",stage="queue"}': "2",
    'pi0_stage_seconds_count{transport="tcp",stage="preprocess"}': "0",
    "pi0_queue_depth": "0",
    "pi0_ready": "1",
    "pi0_uptime_seconds": "2.5",
    "pi0_resident_bytes": "4096",
  };
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, metric(service, name)])), expected);
});

Deno.test("PolicyService shows the depth of its queue while requests wait", async () => {
  const { clock, policy, service } = setUp();
  policy.holds = 1;
  const answers = [1, 2, 3].map((seed) => service.open(caller).handle(request(seed), 0));
  await clock.advance(0);
  assert.equal(metric(service, "pi0_queue_depth"), "2");
  policy.asked[0]!.answer();
  assert.deepEqual((await Promise.all(answers)).map(codeOf), ["ok", "ok", "ok"]);
  assert.equal(metric(service, "pi0_queue_depth"), "0");
});

Deno.test("PolicyService has a metrics page in which every sample belongs to a family that was declared", async () => {
  const { policy, service } = setUp();
  policy.timing = { infer: 3 };
  const session = service.open(caller);
  await exchange(session, request(1));
  await exchange(session, Uint8Array.of(0xc1));
  assert.equal(service.page("/metrics", caller)!.type, "text/plain; version=0.0.4; charset=utf-8");
  const families = new Map<string, string>();
  const seen = new Set<string>();
  let current = "";
  for (const line of metricsOf(service).slice(0, -1)) {
    const declared = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line);
    if (declared !== null) {
      current = declared[1]!;
      assert.ok(!families.has(current), `${current} is declared twice`);
      families.set(current, declared[2]!);
    }
    if (line.startsWith("#")) continue;
    const sample = /^(\w+)(\{(?:\w+="[^"\\\n]*",?)+\})? (\S+)$/.exec(line);
    assert.ok(sample !== null && Number.isFinite(Number(sample[3])), `cannot parse: ${line}`);
    const name = families.get(current) === "histogram" ? sample[1]!.replace(/_(bucket|sum|count)$/, "") : sample[1];
    assert.equal(name, current, `outside its family: ${line}`);
    assert.ok(!seen.has(line.split(" ")[0]!), `twice: ${line}`);
    seen.add(line.split(" ")[0]!);
  }
  assert.equal(families.size, 14);
});

Deno.test("PolicyService counts the pictures that a policy ignores, and tells of each camera once", async () => {
  const told: string[] = [];
  const { policy, service } = setUp({ onIgnoredCamera: (name) => told.push(name) });
  policy.ignoredCameras = ["cam_low"];
  const session = service.open(caller);
  await exchange(session, request(1));
  await exchange(session, request(2));
  assert.equal(metric(service, 'pi0_ignored_pictures_total{camera="cam_low"}'), "2");
  assert.deepEqual(told, ["cam_low"]);
});

Deno.test("PolicyService counts the prompts that a policy cut, and tells of the first", async () => {
  const told: unknown[] = [];
  const { policy, service } = setUp({ onCutPrompt: (cut) => told.push(cut) });
  const { infer } = policy;
  policy.infer = async (observation, signal) => ({
    ...await infer.call(policy, observation, signal),
    ...(observation.prompt !== undefined && { cutPrompt: { tokens: observation.prompt.length, slots: 4 } }),
  });
  const session = service.open(caller);
  await exchange(session, request(1));
  assert.equal(metric(service, "pi0_cut_prompts_total"), undefined);
  await exchange(session, request(1, { prompt: "fold it" }));
  await exchange(session, request(1, { prompt: "Transfer cube" }));
  assert.equal(metric(service, "pi0_cut_prompts_total"), "2");
  assert.deepEqual(told, [{ tokens: 7, slots: 4 }]);
});

Deno.test("PolicyService shows the prompt that its policy falls back on, unless it has one itself", () => {
  const policy = Object.assign(new TinyPolicy(), { model: { defaultPrompt: "do the task" } });
  assert.equal(tinyService(policy).info()["defaultPrompt"], "do the task");
  assert.equal(tinyService(policy, { defaultPrompt: "fold it" }).info()["defaultPrompt"], "fold it");
  assert.equal(tinyService(new TinyPolicy()).info()["defaultPrompt"], null);
});

Deno.test("PolicyService has pages for health and readiness, open to everybody", () => {
  const service = tinyService(new TinyPolicy(), { token: "s3cret" });
  const readiness = () => {
    const { status, body } = service.page("/readyz", caller)!;
    return [status, body];
  };
  const { status, body } = service.page("/healthz", caller)!;
  assert.deepEqual([status, body], [200, "OK\n"]);
  assert.deepEqual(readiness(), [503, "starting\n"]);
  service.start();
  assert.deepEqual(readiness(), [200, "ready\n"]);
  service.drain();
  assert.deepEqual(readiness(), [503, "draining\n"]);
});

Deno.test("PolicyService shows metrics and information only with the token, and no other page", () => {
  const { service } = setUp({ token: "s3cret" });
  for (const path of ["/metrics", "/info"]) {
    for (const someone of [caller, { ...caller, token: "wrong" }]) {
      const { status, body } = service.page(path, someone)!;
      assert.equal(status, 401);
      assert.ok(!body.includes("s3cret") && !body.includes("tiny"));
    }
    assert.equal(service.page(path, { ...caller, token: "s3cret" })!.status, 200);
  }
  for (const path of ["/", "/nowhere", "/metrics/", "/Info"]) assert.equal(service.page(path, caller), undefined);
});

Deno.test("PolicyService forgets what a closed session still waits for", async () => {
  const { clock, policy, service } = setUp();
  policy.holds = 1;
  const running = service.open(caller);
  const waiting = service.open(caller);
  const answers = [running.handle(request(1), 0), waiting.handle(request(2), 0)];
  await clock.advance(0);
  waiting.close();
  running.close();
  assert.deepEqual((await Promise.all(answers)).map(codeOf), ["superseded", "superseded"]);
  policy.asked[0]!.answer();
  await clock.advance(0);
  assert.equal(policy.asked.length, 1);
  assert.equal(codeOf(await running.handle(request(3), 0)), "superseded");
});

Deno.test("PolicyService replaces a client's older observation over any session, and no stranger's", async () => {
  const { clock, policy, service } = setUp();
  policy.holds = 1;
  const first = service.open(caller).handle(request(0), 0);
  const waiting = service.open({ ...caller, client: "robot 1" }).handle(request(1), 0);
  const strangers = [2, 3].map((seed) => service.open(caller).handle(request(seed), 0));
  const newer = service.open({ ...caller, transport: "ws", client: "robot 1" }).handle(request(4), 0);
  await clock.advance(0);
  policy.asked[0]!.answer();
  const codes = (await Promise.all([first, waiting, ...strangers, newer])).map(codeOf);
  assert.deepEqual(codes, ["ok", "superseded", "ok", "ok", "ok"]);
});

Deno.test("PolicyService takes no name that a client gives itself for one of those it gives out", async () => {
  const { clock, policy, service } = setUp();
  policy.holds = 1;
  const callers = [caller, caller, { ...caller, client: "session 1" }, { ...caller, client: "" }];
  const answers = callers.map((someone, seed) => service.open(someone).handle(request(seed), 0));
  await clock.advance(0);
  policy.asked[0]!.answer();
  assert.deepEqual((await Promise.all(answers)).map(codeOf), ["ok", "ok", "ok", "ok"]);
});

Deno.test("PolicyService says it is busy when the queue is full", async () => {
  const { clock, policy, service } = setUp({ queueCapacity: 1 });
  policy.holds = 1;
  const answers = [1, 2, 3].map((seed) => service.open(caller).handle(request(seed), 0));
  await clock.advance(0);
  policy.asked[0]!.answer();
  assert.deepEqual((await Promise.all(answers)).map(codeOf), ["ok", "ok", "busy"]);
});
