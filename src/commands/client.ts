/**
 * A policy that is far away, as a connection that is measured.
 *
 * @module
 */

import type { Client } from "../measure/rounds.ts";
import type { RemotePolicy } from "../policy/remote.ts";
import type { Observation } from "../types.ts";

/** @param warm open the connection's window after connecting. */
export function measuredClient(
  policy: RemotePolicy,
  observations: readonly Observation[],
  { warm }: { readonly warm: boolean },
): Client {
  return {
    connect: (signal) => policy.open(signal),
    ...(warm ? { openWindow: (signal: AbortSignal) => policy.openWindow(signal) } : {}),
    get zeroRtt() {
      return policy.zeroRtt;
    },
    ping: (signal) => policy.probe(signal),
    async ask(index, signal) {
      const { chunk, ...exchange } = await policy.ask(observations[index % observations.length]!, signal);
      return { ...exchange, timing: chunk.timing };
    },
    [Symbol.asyncDispose]: () => policy[Symbol.asyncDispose](),
  };
}
