/**
 * What one way of reaching a server costs, in few requests: on a new connection, and on one that was warmed up.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { describeError, type SampleError } from "./sample.ts";
import { mean, median } from "./statistics.ts";

/** One connection to probe. */
export interface Probe extends AsyncDisposable {
  /** See the sample of a connection; known after the first answer. */
  readonly zeroRtt?: boolean | undefined;
  connect(signal: AbortSignal): Promise<void>;
  openWindow(signal: AbortSignal): Promise<void>;
  /** A request of the usual size. */
  ask(signal: AbortSignal): Promise<void>;
}

/** Times in ms. What was not measured, because something failed before it, is absent. */
export interface Way {
  readonly transport: string;
  readonly url: string;
  readonly encrypted: boolean;
  /** Until a new connection stands. */
  readonly connectMs?: number;
  /** On a new connection: its first request, and the median of those after it. */
  readonly coldFirstMs?: number;
  readonly coldNextMs?: number;
  /** The second connection was granted 0-RTT: reconnecting takes no time. */
  readonly zeroRtt?: boolean;
  /** What opening the window took. */
  readonly warmUpMs?: number;
  /** After that: the first request, the median, and the mean of all, in which losses show. */
  readonly warmFirstMs?: number;
  readonly steadyMs?: number;
  readonly steadyMeanMs?: number;
  /** Why nothing more is known. */
  readonly error?: SampleError;
}

export interface WayOptions {
  readonly transport: string;
  readonly url: string;
  readonly encrypted: boolean;
  /** A connection that is not connected yet. */
  readonly open: () => Probe;
  /** Requests after the first, cold and warm. */
  readonly coldCount: number;
  readonly warmCount: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Measures one way. Never rejects: what fails is in the result. */
export async function measureWay(options: WayOptions): Promise<Way> {
  const { transport, url, encrypted, open, coldCount, warmCount, clock, signal } = options;
  const known: { -readonly [Key in keyof Way]?: Way[Key] } = {};
  const time = async (work: (signal: AbortSignal) => Promise<void>) => {
    const startedMs = clock.now();
    await work(signal);
    return clock.now() - startedMs;
  };
  const timeAll = async (count: number, probe: Probe) => {
    const times: number[] = [];
    for (let i = 0; i < count; i++) times.push(await time((within) => probe.ask(within)));
    return times;
  };
  try {
    {
      await using cold = open();
      known.connectMs = await time((within) => cold.connect(within));
      known.coldFirstMs = await time((within) => cold.ask(within));
      known.coldNextMs = median(await timeAll(coldCount, cold));
    }
    await using warm = open();
    await warm.connect(signal);
    known.warmUpMs = await time((within) => warm.openWindow(within));
    if (warm.zeroRtt !== undefined) known.zeroRtt = warm.zeroRtt;
    known.warmFirstMs = await time((within) => warm.ask(within));
    const times = await timeAll(warmCount, warm);
    known.steadyMs = median(times);
    known.steadyMeanMs = mean(times);
  } catch (error) {
    known.error = describeError(error);
  }
  return { transport, url, encrypted, ...known };
}
