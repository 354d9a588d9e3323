/**
 * What was measured, sorted by target as it comes.
 *
 * @module
 */

import type { Measured, Target } from "./rounds.ts";
import type { ConnectSample, LatencySample, PingSample } from "./sample.ts";
import type { TransportRun } from "./statistics.ts";

export interface Gathered {
  /** One run per target, in the order of the targets; they fill as measurements are added. */
  readonly runs: readonly TransportRun[];
  /** @throws {RangeError} for a transport that is no target. */
  add(measured: Measured): void;
}

/** @param periodMs time between two sends; absent in a closed loop. */
export function gather(targets: readonly Pick<Target, "transport" | "url">[], periodMs?: number): Gathered {
  const runs = targets.map(({ transport, url }) => ({
    transport,
    url,
    ...(periodMs === undefined ? {} : { periodMs }),
    connects: [] as ConnectSample[],
    pings: [] as PingSample[],
    samples: [] as LatencySample[],
  }));
  return {
    runs,
    add(measured) {
      const run = runs.find(({ transport }) => transport === measured.transport);
      if (run === undefined) throw new RangeError(`Cannot gather "${measured.transport}": it is no target`);
      const { event, ...rest } = measured;
      if (event === "connect") run.connects.push(rest as ConnectSample);
      else if (event === "ping") run.pings.push(rest as PingSample);
      else run.samples.push(rest as LatencySample);
    },
  };
}
