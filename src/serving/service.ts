/**
 * A policy as a service: messages in, messages out, for whatever transport carries them. It knows identities, limits,
 * the queue and the numbers; it knows no protocol.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { PolicyError, TransportError, WireError } from "../errors.ts";
import type { RobotProfile } from "../robot/profile.ts";
import {
  type Caller,
  type Page,
  PROTOCOL_VERSION,
  type Reply,
  type Service,
  type Session,
} from "../transport/transport.ts";
import type { Bytes, CutPrompt, Metadata, Policy, Timing, TimingStage } from "../types.ts";
import { Encoder } from "../wire/msgpack.ts";
import { EMPTY, isPadding } from "../wire/padding.ts";
import { encodeFailure, encodeInfo, encodeReply, type Previous } from "../wire/reply.ts";
import { decodeRequest, type Request } from "../wire/request.ts";
import { mayEnter } from "./access.ts";
import { type Histogram, Metrics } from "./metrics.ts";
import { InferenceQueue } from "./queue.ts";

export interface ServiceOptions {
  readonly policy: Policy;
  readonly profile: RobotProfile;
  readonly clock: Clock;
  /** How many requests may wait. */
  readonly queueCapacity: number;
  /** How many sessions may stand at once. */
  readonly maxSessions: number;
  /** Longest request that the portals let through; told to clients. */
  readonly maxMessageBytes: number;
  readonly token?: string;
  /** Given to observations without a prompt. */
  readonly defaultPrompt?: string;
  /** Version of the program. */
  readonly version: string;
  /** Told once of each camera whose pictures are ignored. */
  readonly onIgnoredCamera?: (name: string) => void;
  /** Told once, of the first prompt that is too long for the policy. */
  readonly onCutPrompt?: (cut: CutPrompt) => void;
  /** Memory of the process in bytes, for the metrics. */
  readonly residentBytes: () => number;
}

/** Where a server stands between its start and its end. */
type Phase = "starting" | "ready" | "draining";

export class PolicyService implements Service {
  readonly #options: ServiceOptions;
  readonly #metrics = new Metrics();
  readonly #queue: InferenceQueue;
  readonly #startedMs: number;
  readonly #started = Promise.withResolvers<void>();
  #phase: Phase = "starting";
  #sessions = 0;
  #serial = 0;
  #zeroRttConnections = 0;
  readonly #ignoredCameras = new Set<string>();
  /** Where the portals are, once they are open. */
  portals: Readonly<Record<string, string>> = {};
  /** The certificate of the portals that have one, for `/info`. */
  tls: { readonly sha256: string } | undefined;
  /** What decides how fast the host's TCP sends, where it tells, for `/info`. */
  tcpCongestionControl: string | undefined;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#queue = new InferenceQueue(options.policy, options.queueCapacity, options.clock);
    this.#startedMs = options.clock.now();
  }

  /** The policy has warmed up: requests are taken from now on. */
  start(): void {
    this.#phase = "ready";
    this.#started.resolve();
  }

  /** Takes no more requests; those that were taken are answered as long as their connections stand. */
  drain(): void {
    this.#phase = "draining";
  }

  open(caller: Caller): Session {
    this.#admit(caller);
    if (this.#sessions >= this.#options.maxSessions) {
      throw new PolicyError("busy", `The server has ${this.#sessions} sessions, its limit: close some, or try later`);
    }
    this.#sessions++;
    const { transport } = caller;
    const standing = this.#metrics.series("sessions", { transport });
    standing.add(1);
    this.#metrics.series("connections_total", { transport }).add(1);
    if (caller.zeroRtt !== undefined) {
      this.#metrics.series("zero_rtt_connections_total", { transport }).add(caller.zeroRtt ? 1 : 0);
      if (caller.zeroRtt) this.#zeroRttConnections++;
    }
    return new PolicySession(caller, `session ${this.#serial++}`, {
      ...this.#options,
      queue: this.#queue,
      metrics: this.#metrics,
      info: () => this.info(),
      phase: () => this.#phase,
      started: this.#started.promise,
      onIgnored: (camera) => this.#countIgnored(camera),
      onCut: (cut) => this.#countCut(cut),
      onClose: () => {
        this.#sessions--;
        standing.add(-1);
      },
    });
  }

  #countIgnored(camera: string): void {
    this.#metrics.series("ignored_pictures_total", { camera }).add(1);
    if (this.#ignoredCameras.has(camera)) return;
    this.#ignoredCameras.add(camera);
    this.#options.onIgnoredCamera?.(camera);
  }

  #countCut(cut: CutPrompt): void {
    const counter = this.#metrics.series("cut_prompts_total");
    counter.add(1);
    if (counter.value === 1) this.#options.onCutPrompt?.(cut);
  }

  reject(error: Error, caller: Caller): Reply {
    return failure(new Encoder(), error, caller, this.#metrics);
  }

  page(path: string, caller: Caller): Page | undefined {
    const plain = "text/plain; charset=utf-8";
    if (path === "/healthz") return { status: 200, type: plain, body: "OK\n" };
    if (path === "/readyz") {
      const status = this.#phase === "ready" ? 200 : 503;
      return { status, type: plain, body: `${this.#phase}\n` };
    }
    if (path !== "/metrics" && path !== "/info") return undefined;
    if (!mayEnter(this.#options.token, caller.token)) {
      return { status: 401, type: plain, body: `${unauthorized(caller).message}\n` };
    }
    if (path === "/info") return { status: 200, type: "application/json", body: JSON.stringify(this.info()) + "\n" };
    return { status: 200, type: "text/plain; version=0.0.4; charset=utf-8", body: this.#formatMetrics() };
  }

  /** What the server says of itself, at `/info` and to an info request. */
  info(): Metadata {
    const { policy, profile, version, defaultPrompt, maxMessageBytes } = this.#options;
    return {
      protocol: PROTOCOL_VERSION,
      version,
      ready: this.#phase === "ready",
      portals: this.portals,
      ...(this.tls === undefined ? {} : { tls: this.tls }),
      ...(this.tcpCongestionControl === undefined ? {} : { tcpCongestionControl: this.tcpCongestionControl }),
      policy: policy.name,
      robot: profile.name,
      cameras: profile.cameras.map((camera) => camera.name),
      stateDim: profile.stateDim,
      actionHorizon: policy.actionHorizon,
      actionDim: policy.actionDim,
      controlHz: profile.controlHz,
      defaultPrompt: defaultPrompt ?? policy.model?.["defaultPrompt"] ?? null,
      checkpointHash: policy.checkpointHash,
      looks: policy.looks ?? true,
      maxMessageBytes,
      zeroRttConnections: this.#zeroRttConnections,
      metadata: policy.metadata,
      model: policy.model ?? null,
    };
  }

  #admit(caller: Caller): void {
    if (!mayEnter(this.#options.token, caller.token)) throw unauthorized(caller);
    if (caller.version !== undefined && caller.version !== PROTOCOL_VERSION) {
      const message = `The client speaks version ${caller.version} of pi0's protocol, this server version ` +
        `${PROTOCOL_VERSION}: use the same release of pi0 on both`;
      throw new PolicyError("protocol_mismatch", message);
    }
  }

  #formatMetrics(): string {
    const { clock, residentBytes } = this.#options;
    this.#metrics.series("queue_depth").set(this.#queue.depth);
    this.#metrics.series("ready").set(this.#phase === "ready" ? 1 : 0);
    this.#metrics.series("uptime_seconds").set((clock.now() - this.#startedMs) / 1000);
    this.#metrics.series("resident_bytes").set(residentBytes());
    return this.#metrics.format();
  }
}

function unauthorized(caller: Caller): PolicyError {
  const found = caller.token === undefined ? "no token was given" : "the token is wrong";
  return new PolicyError("unauthorized", `Not allowed in: ${found}`);
}

/** Makes an answer of an error, and counts it. */
function failure(encoder: Encoder, error: Error, caller: Caller, metrics: Metrics): Reply {
  const code = error instanceof WireError || error instanceof PolicyError || error instanceof TransportError
    ? error.code
    : "policy_failed";
  metrics.series("requests_total", { transport: caller.transport, code }).add(1);
  return { bytes: encodeFailure(encoder, code, error), error: { code, message: error.message } };
}

interface SessionParts extends ServiceOptions {
  readonly queue: InferenceQueue;
  readonly metrics: Metrics;
  readonly info: () => Metadata;
  readonly phase: () => Phase;
  readonly started: Promise<void>;
  readonly onIgnored: (camera: string) => void;
  readonly onCut: (cut: CutPrompt) => void;
  readonly onClose: () => void;
}

const STAGES = ["queue", "decode", "preprocess", "infer", "postprocess", "encode"] as const satisfies TimingStage[];

/** What a session counts with. */
function countersOf(metrics: Metrics, transport: string) {
  const stages = STAGES.map((stage) => [stage, metrics.histogram("stage_seconds", { transport, stage })] as const);
  return {
    answered: metrics.series("requests_total", { transport, code: "ok" }),
    received: metrics.series("bytes_received_total", { transport }),
    sent: metrics.series("bytes_sent_total", { transport }),
    residence: metrics.histogram("residence_seconds", { transport }),
    stages: Object.fromEntries(stages) as Record<TimingStage, Histogram>,
  };
}

class PolicySession implements Session {
  readonly #caller: Caller;
  readonly #client: string;
  readonly #parts: SessionParts;
  readonly #encoder = new Encoder();
  readonly #gone = new AbortController();
  readonly #counters: ReturnType<typeof countersOf>;
  readonly greet?: () => Promise<Bytes>;
  #receivedMs = 0;
  #encodeMs: number | undefined;
  #previous: Previous = {};

  constructor(caller: Caller, name: string, parts: SessionParts) {
    this.#caller = caller;
    // Names that callers choose and names made here must not meet; an empty one is none.
    this.#client = caller.client ? `client ${caller.client}` : name;
    this.#parts = parts;
    this.#counters = countersOf(parts.metrics, caller.transport);
    // openpi's server does not listen before it is ready, and its clients take the metadata for the sign of that.
    if (caller.openpi) this.greet = () => this.#greetWhenStarted();
  }

  async handle(message: Bytes, receivedMs: number): Promise<Reply> {
    this.#receivedMs = receivedMs;
    this.#encodeMs = undefined;
    try {
      // On openpi's paths nothing but openpi's protocol has a meaning.
      if (!this.#caller.openpi && isPadding(message)) return { bytes: EMPTY };
      const { clock, profile } = this.#parts;
      const startedMs = clock.now();
      const request = decodeRequest(message, profile);
      const decodeMs = clock.now() - startedMs;
      if (request.kind === "info") return { bytes: encodeInfo(this.#encoder, this.#parts.info()) };
      const reply = await this.#infer(request, decodeMs);
      this.#counters.answered.add(1);
      return reply;
    } catch (error) {
      return failure(this.#encoder, error as Error, this.#caller, this.#parts.metrics);
    }
  }

  async #infer(request: Request & { kind: "infer" }, decodeMs: number): Promise<Reply> {
    const { clock, queue, defaultPrompt } = this.#parts;
    this.#requireReady();
    const { observation } = request;
    const complete = observation.prompt === undefined && defaultPrompt !== undefined
      ? { ...observation, prompt: defaultPrompt }
      : observation;
    const { chunk, queueMs, policyMs } = await queue.submit(this.#client, complete, this.#gone.signal);
    const timing: Timing = { ...chunk.timing, queue: queueMs, decode: decodeMs };
    this.#observeStages(timing);
    for (const camera of chunk.ignoredCameras ?? []) this.#parts.onIgnored(camera);
    if (chunk.cutPrompt !== undefined) this.#parts.onCut(chunk.cutPrompt);
    const startedMs = clock.now();
    const { dialect, timing: wanted } = request;
    const options = { dialect, timing: wanted, policyMs, previous: this.#previous };
    const bytes = encodeReply(this.#encoder, { ...chunk, timing }, options);
    this.#encodeMs = clock.now() - startedMs;
    return { bytes };
  }

  #requireReady(): void {
    const phase = this.#parts.phase();
    if (phase === "starting") throw new PolicyError("not_ready", "The server is still warming up: try again soon");
    if (phase === "draining") throw new PolicyError("draining", "The server is stopping: connect to another one");
  }

  #observeStages(timing: Timing): void {
    for (const stage of STAGES) {
      const milliseconds = timing[stage];
      if (milliseconds !== undefined) this.#counters.stages[stage].observeMs(milliseconds);
    }
  }

  async #greetWhenStarted(): Promise<Bytes> {
    const { signal } = this.#gone;
    const gone = Promise.withResolvers<never>();
    const onGone = () => gone.reject(signal.reason);
    if (signal.aborted) onGone();
    signal.addEventListener("abort", onGone, { once: true });
    try {
      await Promise.race([this.#parts.started, gone.promise]);
    } finally {
      signal.removeEventListener("abort", onGone);
    }
    return new Encoder().encode(this.#parts.policy.metadata);
  }

  reject(error: Error): Reply {
    return failure(this.#encoder, error, this.#caller, this.#parts.metrics);
  }

  sent(sentMs: number, bytesIn: number, bytesOut: number): void {
    this.#counters.received.add(bytesIn);
    this.#counters.sent.add(bytesOut);
    const encodeMs = this.#encodeMs;
    // Only inference has a previous; a probe or a failure in between does not count as one.
    if (encodeMs === undefined) return;
    const residenceMs = sentMs - this.#receivedMs;
    this.#previous = { encodeMs, residenceMs };
    this.#counters.residence.observeMs(residenceMs);
    this.#counters.stages.encode.observeMs(encodeMs);
  }

  close(): void {
    if (this.#gone.signal.aborted) return;
    this.#gone.abort(new PolicyError("superseded", "The client has gone away"));
    this.#parts.onClose();
  }
}
