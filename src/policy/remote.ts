/**
 * A policy on the far side of a connection: what bench, eval and robots use to reach a server.
 *
 * It connects when it must, again after a loss, and never takes a late reply for a new request: a request that is cut
 * short takes its connection with it.
 *
 * @module
 */

import { type Clock, withDeadline } from "../clock.ts";
import { PolicyError, TransportError, WireError } from "../errors.ts";
import type { RobotProfile } from "../robot/profile.ts";
import type { Connection } from "../transport/transport.ts";
import type { ActionChunk, Metadata, Observation, Policy } from "../types.ts";
import { Encoder } from "../wire/msgpack.ts";
import { makePadding, PROBE } from "../wire/padding.ts";
import { decodeInfo, decodeReply, type Previous } from "../wire/reply.ts";
import { type Dialect, encodeInfoRequest, encodeRequest } from "../wire/request.ts";

/**
 * Linux' BBR sends 150 KB within little more than a round trip once about 8 MB have gone out in bulk. Pieces double up to
 * half of that: at 80 ms, pieces of 2 MB leave the pace at 7 ms per request, pieces of 4 MB at half.
 */
const WARM_UP_BYTES = 7.5 * 1024 * 1024;
const WARM_UP_FIRST_BYTES = 256 * 1024;
const WARM_UP_LARGEST_BYTES = 4 * 1024 * 1024;
/**
 * On a slow link 8 MB take too long: no padding is begun that would not end within so many round trips, as long as the
 * one before it took. TCP needs 20 of them, QUIC 15 (measured at 80 and 200 ms), and the last piece is foreseen longer
 * than it takes. Short round trips leave a link of 10 Mbit/s no time, so that there is a least time, too.
 */
const WARM_UP_ROUND_TRIPS = 25;
const WARM_UP_LEAST_MS = 1500;
const WARM_UP_MOST_MS = 5000;

export interface RemoteOptions {
  /** How the far side is called in messages; its URL. */
  readonly name: string;
  readonly profile: RobotProfile;
  readonly clock: Clock;
  /** Opens a connection, trying again for `limitMs`. */
  readonly connect: (limitMs: number, signal: AbortSignal) => Promise<Connection>;
  /** For a connection to stand. */
  readonly connectMs: number;
  /** For a request, a lost connection's replacement included. */
  readonly requestMs: number;
  readonly dialect: Dialect;
  /** Ask for the server's stages. */
  readonly timing: boolean;
  /** The far side is a server of openpi's protocol that is not ours: nothing but inference is sent to it. */
  readonly foreign: boolean;
  /**
   * Open the connection's window after connecting. Never done to a foreign server, nor inside a request with a limit
   * below 6 s, which finds its connection lost.
   */
  readonly warm: boolean;
}

/** One request and its reply, with the moments in between by this side's clock, in ms. */
export interface Exchange {
  readonly chunk: ActionChunk;
  /** What the server measured of the request before this one on the same connection. */
  readonly previous: Previous;
  readonly startedMs: number;
  /** The message is encoded, and handed to the connection. */
  readonly sentMs: number;
  /** The reply is here. */
  readonly receivedMs: number;
  /** The reply is decoded. */
  readonly finishedMs: number;
  /** On the wire, framing included. */
  readonly bytesOut: number;
  readonly bytesIn: number;
}

export class RemotePolicy implements Policy {
  readonly name: string;
  readonly #options: RemoteOptions;
  readonly #encoder = new Encoder();
  #connection: Connection | undefined;
  #busy = false;
  actionHorizon: number;
  actionDim: number;
  checkpointHash: string | null = null;
  metadata: Metadata = {};
  /** Until the server says that its policy does not, it looks. */
  looks = true;

  constructor(options: RemoteOptions) {
    this.#options = options;
    this.name = options.name;
    // What the robot's usual policy has, until the server says better.
    this.actionHorizon = options.profile.actionHorizon;
    this.actionDim = options.profile.actionDim;
  }

  /** A connection stands, as far as this side knows. */
  get connected(): boolean {
    return this.#connection !== undefined && !this.#connection.closed;
  }

  /** Whether the connection's first request travelled as 0-RTT data; see {@linkcode Connection.zeroRtt}. */
  get zeroRtt(): boolean | undefined {
    return this.#connection?.zeroRtt;
  }

  /**
   * Opens the connection, without warming it up.
   *
   * @param limitMs how long to try again where nobody answers; 0 tries once.
   * @throws {TransportError} unreachable, deadline, refused, not_speaking. @throws {PolicyError} unauthorized, busy.
   */
  async open(signal: AbortSignal, limitMs = this.#options.connectMs): Promise<void> {
    await this.#open(limitMs, signal);
  }

  async #open(limitMs: number, signal: AbortSignal): Promise<Connection> {
    if (this.#connection !== undefined && !this.#connection.closed) return this.#connection;
    const connection = await this.#options.connect(limitMs, signal);
    this.#connection = connection;
    if (connection.greeting !== undefined) this.metadata = decodeInfo(connection.greeting);
    return connection;
  }

  /**
   * Sends padding, so that the connection's window is open when the first observation comes. Needs an open connection.
   *
   * @param mostMs how long it may take, as far as that can be foreseen; on a short or a slow link it takes less.
   * @throws {TransportError} not_speaking, where the far side is no pi0 server.
   */
  async openWindow(signal: AbortSignal, mostMs = WARM_UP_MOST_MS): Promise<void> {
    const { clock, connectMs, requestMs } = this.#options;
    const askedMs = clock.now();
    const { maxMessageBytes } = await this.fetchInfo(signal);
    const beganMs = clock.now();
    const usualMs = Math.max(WARM_UP_LEAST_MS, WARM_UP_ROUND_TRIPS * (beganMs - askedMs));
    const limitMs = Math.min(usualMs, WARM_UP_MOST_MS, mostMs);
    const largestBytes = Math.min(WARM_UP_LARGEST_BYTES, Number(maxMessageBytes ?? WARM_UP_FIRST_BYTES));
    const { warmUpBytes = WARM_UP_BYTES } = this.#require();
    // A link that turns out slow needs time for the piece that was begun: being late would end the connection.
    const pieceMs = Math.max(requestMs, connectMs + limitMs);
    let lengthBytes = Math.min(WARM_UP_FIRST_BYTES, largestBytes);
    let foreseenMs = 0;
    for (let sentBytes = 0; sentBytes < warmUpBytes && clock.now() - beganMs + foreseenMs <= limitMs;) {
      const startedMs = clock.now();
      await this.#within(pieceMs, signal, (within) => this.#pad(lengthBytes, within));
      sentBytes += lengthBytes;
      const nextBytes = Math.min(2 * lengthBytes, largestBytes);
      foreseenMs = (clock.now() - startedMs) * nextBytes / lengthBytes;
      lengthBytes = nextBytes;
    }
  }

  /** Measures nothing itself: one round trip of the smallest message that the far side understands. */
  async probe(signal: AbortSignal): Promise<void> {
    const { requestMs, foreign } = this.#options;
    const connection = this.#require();
    if (!foreign) return await this.pad(PROBE.length, signal);
    await this.#within(requestMs, signal, async (within) => {
      if (connection.ping !== undefined) await connection.ping(within);
      else throw new TransportError("not_speaking", `${this.name} has nothing to measure a round trip with`);
    });
  }

  /** One round trip of a message of that length, which the policy does not see. Needs an open connection. */
  async pad(lengthBytes: number, signal: AbortSignal): Promise<void> {
    await this.#within(this.#options.requestMs, signal, (within) => this.#pad(lengthBytes, within));
  }

  async #pad(lengthBytes: number, signal: AbortSignal): Promise<void> {
    const reply = await this.#require().request(makePadding(lengthBytes), signal);
    if (reply.length === 0) return;
    // A server that refuses says so in its own words.
    decodeInfo(reply);
    throw new TransportError("not_speaking", `${this.name} is no pi0 server: it answered padding with a message`);
  }

  /**
   * Asks the server what it is, over a connection that is opened where none stands.
   *
   * @throws {TransportError} not_speaking, where the far side is no pi0 server.
   */
  async fetchInfo(signal: AbortSignal): Promise<Metadata> {
    const { requestMs } = this.#options;
    return await this.#within(requestMs, signal, async (within) => {
      const connection = await this.#open(requestMs, within);
      const reply = await connection.request(encodeInfoRequest(this.#encoder), within);
      try {
        const info = decodeInfo(reply);
        if (typeof info.protocol === "number") return info;
      } catch (error) {
        if (error instanceof PolicyError && error.code !== "rejected") throw error;
      }
      throw new TransportError("not_speaking", `${this.name} is no pi0 server (for openpi's own, add --openpi)`);
    });
  }

  /** Connects, trying until it works, and learns from the server what the policy is. */
  async warmUp(signal: AbortSignal): Promise<void> {
    await this.#open(Infinity, signal);
    if (this.#options.foreign) return;
    const info = await this.fetchInfo(signal);
    if (typeof info.actionHorizon === "number") this.actionHorizon = info.actionHorizon;
    if (typeof info.actionDim === "number") this.actionDim = info.actionDim;
    if (typeof info.checkpointHash === "string") this.checkpointHash = info.checkpointHash;
    this.looks = info.looks !== false;
    const { metadata } = info;
    if (typeof metadata === "object" && metadata !== null && !Array.isArray(metadata)) {
      this.metadata = metadata as Metadata;
    }
    if (this.#options.warm) await this.openWindow(signal);
  }

  async infer(observation: Observation, signal: AbortSignal): Promise<ActionChunk> {
    const { chunk, previous, startedMs, sentMs, receivedMs, finishedMs, bytesOut, bytesIn } = await this.ask(
      observation,
      signal,
    ).catch((error) => {
      if (!(error instanceof WireError)) throw error;
      // Of a policy, a WireError says that the observation was wrong; here it was the reply.
      throw new PolicyError("policy_failed", `${this.name} answered what makes no sense: ${error.message}`, {
        cause: error,
      });
    });
    const travel = {
      encodeMs: sentMs - startedMs,
      roundTripMs: receivedMs - sentMs,
      decodeMs: finishedMs - receivedMs,
      bytesOut,
      bytesIn,
      previous,
    };
    return { ...chunk, travel };
  }

  /**
   * Infers, and tells when what happened.
   *
   * @throws {TransportError} unreachable, disconnected, deadline. @throws {PolicyError} with the server's code.
   * @throws {WireError} where the reply makes no sense. @throws the signal's reason.
   */
  async ask(observation: Observation, signal: AbortSignal): Promise<Exchange> {
    if (this.#busy) throw new Error("Cannot ask twice at once on one connection: use one RemotePolicy for each");
    this.#busy = true;
    try {
      return await this.#within(this.#options.requestMs, signal, (within) => this.#exchange(observation, within));
    } finally {
      this.#busy = false;
    }
  }

  async #exchange(observation: Observation, signal: AbortSignal): Promise<Exchange> {
    const { clock, profile, dialect, timing, requestMs, warm, foreign } = this.#options;
    const startedMs = clock.now();
    const lost = this.#connection?.closed === true;
    const connection = await this.#open(requestMs, signal);
    // A short limit would pass during the warm-up, which ends the connection, and so on for ever.
    const warmUpMs = requestMs / 4;
    if (lost && warm && !foreign && warmUpMs >= WARM_UP_LEAST_MS) await this.openWindow(signal, warmUpMs);
    const bytesOutBefore = connection.bytesOut;
    const bytesInBefore = connection.bytesIn;
    // A foreign server knows none of what pi0's own episodes add.
    const { simulation: _, seed: __, ...seen } = observation;
    const message = encodeRequest(this.#encoder, foreign ? seen : observation, profile, dialect, timing && !foreign);
    const sentMs = clock.now();
    const reply = await connection.request(message, signal);
    const receivedMs = clock.now();
    const { chunk, previous } = decodeReply(reply, this.actionDim);
    return {
      chunk,
      previous,
      startedMs,
      sentMs,
      receivedMs,
      finishedMs: clock.now(),
      bytesOut: connection.bytesOut - bytesOutBefore,
      bytesIn: connection.bytesIn - bytesInBefore,
    };
  }

  #require(): Connection {
    if (this.#connection !== undefined && !this.#connection.closed) return this.#connection;
    throw new TransportError("disconnected", `The connection to ${this.name} is closed`);
  }

  #within<T>(limitMs: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = () => new TransportError("deadline", `${this.name} did not answer within ${limitMs} ms`);
    return withDeadline(this.#options.clock, limitMs, late, work, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection?.[Symbol.asyncDispose]();
  }
}
