/**
 * The order in which several transports are measured: round after round, in each round every transport once, in random
 * order, so that a machine or a network that gets slower meets all of them alike.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { runLoad } from "./load.ts";
import { type Attempt, type ConnectSample, describeError, type LatencySample, type PingSample } from "./sample.ts";
import type { Schedule } from "./schedule.ts";

/** One connection that is measured. */
export interface Client extends AsyncDisposable {
  connect(signal: AbortSignal): Promise<void>;
  /** Opens the congestion window; absent where that was not asked for. */
  openWindow?(signal: AbortSignal): Promise<void>;
  /** See {@linkcode ConnectSample.zeroRtt}; known after the first answer. */
  readonly zeroRtt?: boolean | undefined;
  /** The smallest message there and back; absent where there is none. */
  ping?(signal: AbortSignal): Promise<void>;
  /** Asks with the observation of that number. */
  ask(index: number, signal: AbortSignal): Promise<Attempt>;
}

/** One way of reaching the server. */
export interface Target {
  /** Name of the transport. */
  readonly transport: string;
  readonly url: string;
  /** A connection that is not connected yet. */
  open(worker: number): Client;
}

export interface Plan {
  readonly targets: readonly Target[];
  readonly rounds: number;
  /** Measured requests per target, over all rounds and connections. */
  readonly count: number;
  /** Requests after the first that are thrown away, per connection and round. */
  readonly warmUp: number;
  /** Probes of the round trip, per round. */
  readonly pings: number;
  readonly concurrency: number;
  readonly schedule: (count: number) => Schedule;
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** The zero of all stamps. */
  readonly startMs: number;
}

/** What was measured, as it comes. */
export type Measured =
  | ({ readonly event: "connect" } & ConnectSample)
  | ({ readonly event: "ping" } & PingSample)
  | ({ readonly event: "sample" } & LatencySample);

/** Measures until everything is done or the signal is aborted; then it ends without an error. */
export async function* runRounds(plan: Plan): AsyncGenerator<Measured, void, void> {
  let asked = 0;
  for (let round = 0; round < plan.rounds && !plan.signal.aborted; round++) {
    const share = Math.floor(plan.count * (round + 1) / plan.rounds) - Math.floor(plan.count * round / plan.rounds);
    for (const target of shuffle(plan.targets, plan.random)) {
      if (plan.signal.aborted) return;
      yield* runTurn(plan, target, round, share, () => asked++);
    }
  }
}

function shuffle<T>(values: readonly T[], random: () => number): T[] {
  const shuffled = [...values];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  return shuffled;
}

/** One target's part of one round, on fresh connections. */
async function* runTurn(
  plan: Plan,
  target: Target,
  round: number,
  count: number,
  nextIndex: () => number,
): AsyncGenerator<Measured, void, void> {
  const { clock, signal, startMs, concurrency } = plan;
  const { transport } = target;
  const clients = Array.from({ length: concurrency }, (_, worker) => target.open(worker));
  try {
    for (const [worker, client] of clients.entries()) {
      const connect = await makeReady(plan, client, nextIndex);
      if (signal.aborted) return;
      yield { event: "connect", transport, round, worker, ...connect };
      if (connect.error !== undefined) return;
    }
    for (let i = 0; i < plan.pings && clients[0]!.ping !== undefined; i++) {
      const sentMs = clock.now();
      const label = { event: "ping", transport, round, worker: 0, sentMs: sentMs - startMs } as const;
      try {
        await clients[0]!.ping(signal);
        yield { ...label, receivedMs: clock.now() - startMs };
      } catch (error) {
        if (signal.aborted) return;
        yield { ...label, error: describeError(error) };
        break;
      }
    }
    const ask = (worker: number, _: number, signal: AbortSignal) => clients[worker]!.ask(nextIndex(), signal);
    const schedule = plan.schedule(count);
    const load = { transport, round, schedule, concurrency, ask, clock, signal, startMs };
    for await (const sample of runLoad(load)) {
      yield { event: "sample", ...sample };
      // A whole time limit of trying was not enough: the rest of this turn would only repeat that.
      if (sample.error?.code === "unreachable") return;
    }
  } finally {
    for (const client of clients) await client[Symbol.asyncDispose]();
  }
}

/** Connects, opens the window where wanted, asks once (timed), and warms up. */
async function makeReady(
  { clock, signal, startMs, warmUp }: Plan,
  client: Client,
  nextIndex: () => number,
): Promise<Omit<ConnectSample, "transport" | "round" | "worker">> {
  const beganMs = clock.now();
  const known: { connectMs?: number; windowWarmUpMs?: number; firstRequestMs?: number } = {};
  let discarded = 0;
  const startedMs = beganMs - startMs;
  try {
    await client.connect(signal);
    known.connectMs = clock.now() - beganMs;
    if (client.openWindow !== undefined) {
      const openedMs = clock.now();
      await client.openWindow(signal);
      known.windowWarmUpMs = clock.now() - openedMs;
    }
    const first = await client.ask(nextIndex(), signal);
    known.firstRequestMs = first.finishedMs - first.startedMs;
    for (; discarded < warmUp; discarded++) await client.ask(nextIndex(), signal);
    const { zeroRtt } = client;
    return { startedMs, ...known, ...(zeroRtt === undefined ? {} : { zeroRtt }), discarded };
  } catch (error) {
    return { startedMs, ...known, discarded, error: describeError(error) };
  }
}
