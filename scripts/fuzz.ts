/**
 * Sends the running portals what no client should send, and looks whether they stand it.
 *
 *     deno run -A scripts/fuzz.ts [--frames 100000] [--seed 0] [--transport ws]
 *
 * A frame is either a message that means nothing in a frame that is whole, on a connection that is kept; or a piece of
 * a conversation that is broken itself (mutated, cut off, joined to another, noise), on a connection of its own. Each
 * must be answered or end its connection. After each batch a real client must get its actions, no connection and no
 * session may be left, and no promise may have been rejected unheard. The same seed sends the same frames, the masks of
 * WebSocket apart.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { sleep, systemClock, withDeadline } from "../src/clock.ts";
import { NullPolicy } from "../src/policy/null.ts";
import { seededRandom } from "../src/random.ts";
import { ROBOTS } from "../src/robot/mod.ts";
import { PolicyService } from "../src/serving/service.ts";
import { makeIdentity } from "../src/transport/certificate.ts";
import { type Portal, PORTALS, TRANSPORT_NAMES, type TransportName, TRANSPORTS, urlOf } from "../src/transport/mod.ts";
import { ByteStream, concatenate, type Socket } from "../src/transport/stream.ts";
import type { Identity, Listener, Transport } from "../src/transport/transport.ts";
import type { Bytes, Observation } from "../src/types.ts";
import { Encoder } from "../src/wire/msgpack.ts";
import { makePadding, PROBE } from "../src/wire/padding.ts";
import { decodeReply } from "../src/wire/reply.ts";
import { encodeInfoRequest, encodeRequest } from "../src/wire/request.ts";
import { tinyImage, tinyObservation } from "../tests/support/tiny.ts";
import { PEERS } from "./fuzz_peers.ts";

/** What takes longer is taken for a hang. */
const HANG_MS = 5000;
const BATCH_FRAMES = 500;
/** Small, because a frame that only claims to be as long makes the server set the memory aside. */
const MAX_MESSAGE_BYTES = 1 << 20;
/** Of this many frames one breaks its framing, and needs a connection of its own. */
const FRAMES_PER_BROKEN = 4;
const PROFILE = ROBOTS.aloha;

export interface FuzzOptions {
  readonly transport: TransportName;
  readonly frames: number;
  readonly seed: number;
  /** Is told after each batch. */
  readonly onBatch?: (frames: number) => void;
}

/** What became of the frames. */
export interface FuzzResult {
  /** Frames that got a reply. */
  readonly answered: number;
  /** Frames that ended their connection. */
  readonly closed: number;
  /** Connections that were opened for them. */
  readonly connections: number;
}

/**
 * Opens the portal of a transport, and sends it so many frames.
 *
 * @throws what a frame broke, naming the frame: the first hang, lost session, refused client or unheard rejection.
 */
export async function fuzz({ transport, frames, seed, onBatch }: FuzzOptions): Promise<FuzzResult> {
  const service = createService();
  const portal = (Object.values(PORTALS) as Portal[]).find(({ serves }) => serves.includes(transport))!;
  const limits = { maxMessageBytes: MAX_MESSAGE_BYTES, maxConnections: 64, messageMs: 60_000, idleMs: 60_000 };
  const identity = await makeIdentity({ names: ["127.0.0.1"] });
  const where = { hostname: "127.0.0.1", port: 0, clock: systemClock, limits };
  const listener = portal.listen(service, { ...where, ...(portal.encrypted ? { identity } : {}) });
  const attack = new Attack(transport, listener, identity, seed);
  const rejections: unknown[] = [];
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    rejections.push(event.reason);
  };
  addEventListener("unhandledrejection", onRejection);
  let frame = 0;
  try {
    while (frame < frames) {
      for (const end = Math.min(frames, frame + BATCH_FRAMES); frame < end; frame++) await attack.sendFrame();
      attack.close();
      await within("an honest client to be answered", askHonestly(transport, listener, identity));
      await within("connections and sessions to end", awaitSilence(listener, service));
      if (rejections.length > 0) throw rejections[0];
      onBatch?.(frame);
    }
  } catch (cause) {
    const what = `Frame ${frame} of seed ${seed} on ${transport}: ${attack.last}`;
    throw new Error(`${what}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  } finally {
    attack.close();
    await listener.close(0);
    removeEventListener("unhandledrejection", onRejection);
  }
  const { answered, closed, connections } = attack;
  return { answered, closed, connections };
}

function createService(): PolicyService {
  const { actionHorizon, actionDim } = PROFILE;
  const delay = { random: seededRandom(0), delayMs: 0, jitterMs: 0, busy: false };
  const service = new PolicyService({
    policy: new NullPolicy({ actionHorizon, actionDim, clock: systemClock, ...delay }),
    profile: PROFILE,
    clock: systemClock,
    queueCapacity: 16,
    maxSessions: 64,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    version: "fuzz",
    residentBytes: () => Deno.memoryUsage().rss,
  });
  service.start();
  return service;
}

/** Asks for actions as pi0's own client does, on a connection of its own. */
async function askHonestly(name: TransportName, listener: Listener, identity: Identity): Promise<void> {
  const transport: Transport = TRANSPORTS[name];
  const trust = { kind: "roots", pem: identity.certPem } as const;
  const options = { clock: systemClock, connectMs: HANG_MS, maxMessageBytes: MAX_MESSAGE_BYTES, trust };
  await using connection = await transport.connect(new URL(urlOf(name, listener.hostname, listener.port)), options);
  const observation = tinyObservation(PROFILE, 1);
  const reply = await connection.request(encodeRequest(new Encoder(), observation, PROFILE, "openpi", true));
  const { chunk } = decodeReply(reply, PROFILE.actionDim);
  if (chunk.actions[0] !== observation.state[0]) throw new Error("an honest client got wrong actions");
}

async function awaitSilence(listener: Listener, service: PolicyService): Promise<void> {
  const sessions = () => {
    const { body = "" } = service.page("/metrics", { transport: "http", remote: "here" }) ?? {};
    return [...body.matchAll(/^pi0_sessions\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  while (listener.connections > 0 || sessions() > 0) await sleep(systemClock, 1);
}

function within<T>(what: string, work: Promise<T>): Promise<T> {
  return withDeadline(systemClock, HANG_MS, () => new Error(`waited ${HANG_MS} ms for ${what}`), () => work);
}

/** The far end that means no good. */
class Attack {
  answered = 0;
  closed = 0;
  connections = 0;
  /** The last frame, for messages. */
  last = "";
  readonly #transport: TransportName;
  readonly #listener: Listener;
  readonly #identity: Identity;
  readonly #random: () => number;
  readonly #messages: readonly Bytes[];
  /** Stands between two frames that are whole. */
  #kept: ByteStream | undefined;

  constructor(transport: TransportName, listener: Listener, identity: Identity, seed: number) {
    this.#transport = transport;
    this.#listener = listener;
    this.#identity = identity;
    this.#random = seededRandom(seed);
    this.#messages = realMessages();
  }

  sendFrame(): Promise<void> {
    const isBroken = this.#below(FRAMES_PER_BROKEN) === 0 || PEERS[this.#transport].opaque;
    return isBroken ? this.#sendBroken() : this.#sendWhole();
  }

  close(): void {
    this.#kept?.close();
    this.#kept = undefined;
  }

  /** A message that means nothing, or still something, in a frame that is as it should be. */
  async #sendWhole(): Promise<void> {
    const stream = this.#kept ??= await this.#open();
    const message = this.#mutate(this.#pick(this.#messages));
    this.last = `a message of ${describe(message)}`;
    let isAnswered: boolean;
    try {
      await PEERS[this.#transport].send(stream, message);
      isAnswered = await within("a reply", PEERS[this.#transport].receive(stream));
    } catch (error) {
      if ((error as { code?: string }).code !== "disconnected") throw error;
      isAnswered = false;
    }
    if (isAnswered) this.answered++;
    else this.closed++;
    if (!isAnswered || stream.closed) this.close();
  }

  /** A piece of a conversation whose framing is broken. What was cut off ends here, so that nobody waits for the rest. */
  async #sendBroken(): Promise<void> {
    const { connection, stream } = await this.#dial();
    try {
      const opening = PEERS[this.#transport].opening(this.#below(4) === 0);
      const first = await this.#record();
      const second = await this.#record();
      // Some lose their way at once, others after the server has come to trust them.
      const bytes = this.#pick([
        () => this.#mutate(concatenate([opening, first])),
        () => concatenate([opening, this.#mutate(first)]),
        () => concatenate([opening, first, this.#mutate(second)]),
      ])();
      this.last = `a conversation of ${describe(bytes)}`;
      const before = stream.bytesIn;
      await within("the frame to be taken and the connection to end", this.#exhaust(connection, stream, bytes));
      if (stream.bytesIn > before) this.answered++;
      else this.closed++;
    } finally {
      stream.close();
    }
  }

  async #exhaust(connection: Socket, stream: ByteStream, bytes: Bytes): Promise<void> {
    try {
      const writing = stream.write(bytes).then(() => connection.closeWrite());
      // Met below: who does not read any more has ended the connection.
      writing.catch(() => undefined);
      while (await stream.ready(1)) stream.skip(stream.unread);
      await writing;
    } catch {
      // Reset by the server, which is its right.
    }
  }

  /** A whole frame as an honest client sends it. */
  async #record(): Promise<Bytes> {
    const parts: Uint8Array[] = [];
    const recorder = new ByteStream(
      {
        read: () => Promise.resolve(null),
        write: (bytes) => Promise.resolve(parts.push(bytes.slice())).then(() => bytes.length),
        closeWrite: () => Promise.resolve(),
        close: () => undefined,
      },
      systemClock,
    );
    const { asides, send } = PEERS[this.#transport];
    if (asides.length > 0 && this.#below(4) === 0) return concatenate([this.#pick(asides)]);
    await send(recorder, this.#pick(this.#messages));
    return concatenate(parts);
  }

  async #dial(): Promise<{ connection: Socket; stream: ByteStream }> {
    this.connections++;
    const connect = PEERS[this.#transport].connect ?? connectTcp;
    const connection = await within("a connection", connect(this.#listener, this.#identity));
    return { connection, stream: new ByteStream(connection, systemClock) };
  }

  async #open(): Promise<ByteStream> {
    const { stream } = await this.#dial();
    const peer = PEERS[this.#transport];
    const openpi = this.#below(4) === 0;
    const opening = peer.opening(openpi);
    if (opening.length > 0) await stream.write(opening);
    await within("the handshake", peer.opened(stream, openpi));
    return stream;
  }

  /** A whole number from 0 up to and without `end`. */
  #below(end: number): number {
    return Math.floor(end * this.#random());
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)]!;
  }

  #noise(length: number): Bytes {
    return Uint8Array.from({ length }, () => this.#below(256));
  }

  /** One to three changes. */
  #mutate(bytes: Bytes): Bytes {
    let changed = bytes.slice();
    for (let count = 1 + this.#below(3); count > 0; count--) changed = this.#change(changed);
    return changed;
  }

  #change(bytes: Bytes): Bytes {
    // Most of a message is pictures; what decides stands near its start.
    const near = this.#below(2) === 0 ? Math.min(bytes.length, 64) : bytes.length;
    const at = this.#below(near);
    const end = Math.min(bytes.length, at + 1 + this.#below(16));
    switch (this.#below(9)) {
      case 0:
        return this.#noise(this.#below(300));
      case 1:
        return bytes.slice(0, at);
      case 2: {
        const other = this.#pick(this.#messages);
        return concatenate([bytes.subarray(0, at), other.subarray(this.#below(other.length))]);
      }
      case 3:
        return concatenate([bytes.subarray(0, at), this.#noise(1 + this.#below(8)), bytes.subarray(at)]);
      case 4:
        return concatenate([bytes.subarray(0, at), bytes.subarray(end)]);
      case 5:
        return concatenate([bytes.subarray(0, end), bytes.subarray(at)]);
      case 6:
        return bytes.fill(this.#pick([0, 0x7f, 0x80, 0xff]), at, end);
      default:
        if (bytes.length > 0) bytes[at] = bytes[at]! ^ (1 << this.#below(8));
        return bytes;
    }
  }
}

async function connectTcp({ hostname, port }: Listener): Promise<Socket> {
  const connection = await Deno.connect({ hostname, port });
  connection.setNoDelay(true);
  return connection;
}

/** Messages that mean something, in both dialects, short ones more often than long ones. */
function realMessages(): Bytes[] {
  const tiny = tinyObservation(PROFILE, 1, { prompt: "transfer the cube" });
  const full: Observation = { images: { cam_high: tinyImage(2, "chw", 224, 224) }, state: tiny.state };
  const all = tinyObservation(PROFILE, 3, { allCameras: true });
  const messages: Bytes[] = [];
  for (const dialect of ["robodal", "openpi"] as const) {
    for (const observation of [tiny, tiny, all, all]) {
      for (const timing of [false, true]) {
        messages.push(encodeRequest(new Encoder(), observation, PROFILE, dialect, timing));
      }
    }
    messages.push(encodeRequest(new Encoder(), full, PROFILE, dialect, false));
  }
  return [...messages, encodeInfoRequest(new Encoder()), PROBE, makePadding(5000)];
}

/** The start of some bytes in hexadecimal. */
function describe(bytes: Uint8Array): string {
  const digits = [...bytes.subarray(0, 64)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${bytes.length} bytes (${digits}${bytes.length > 64 ? "…" : ""})`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      frames: { type: "string", default: "100000" },
      seed: { type: "string", default: "0" },
      transport: { type: "string", multiple: true, default: TRANSPORT_NAMES },
    },
  });
  const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
  const memory = () => `${Math.round(Deno.memoryUsage().rss / 1e6)} MB`;
  const frames = Number(values.frames);
  for (const transport of values.transport as TransportName[]) {
    const startedMs = systemClock.now();
    const before = memory();
    const onBatch = (done: number) => done % 10_000 === 0 && print(`${transport}: ${done} frames, ${memory()}`);
    const result = await fuzz({ transport, frames, seed: Number(values.seed), onBatch });
    const seconds = Math.round((systemClock.now() - startedMs) / 1000);
    print(
      `${transport}: stood ${frames} frames (${result.answered} answered, ${result.closed} ended their connection) on ` +
        `${result.connections} connections in ${seconds} s; memory ${before} before, ${memory()} after`,
    );
  }
}
