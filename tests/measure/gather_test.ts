import assert from "node:assert/strict";
import { gather } from "../../src/measure/gather.ts";

const TARGETS = [{ transport: "tcp", url: "tcp://a" }, { transport: "ws", url: "ws://a" }];

Deno.test("gather() sorts what was measured by target and by kind", () => {
  const { runs, add } = gather(TARGETS, 20);
  const label = { transport: "ws", round: 0, worker: 0 };
  add({ event: "connect", ...label, startedMs: 0, connectMs: 1, discarded: 0 });
  add({ event: "ping", ...label, sentMs: 1, receivedMs: 2 });
  add({ event: "sample", ...label, index: 0, scheduledMs: 2, startedMs: 2, finishedMs: 3, timing: {} });
  assert.deepEqual(runs, [
    { transport: "tcp", url: "tcp://a", periodMs: 20, connects: [], pings: [], samples: [] },
    {
      transport: "ws",
      url: "ws://a",
      periodMs: 20,
      connects: [{ ...label, startedMs: 0, connectMs: 1, discarded: 0 }],
      pings: [{ ...label, sentMs: 1, receivedMs: 2 }],
      samples: [{ ...label, index: 0, scheduledMs: 2, startedMs: 2, finishedMs: 3, timing: {} }],
    },
  ]);
});

Deno.test("gather() refuses what belongs to no target", () => {
  const ping = { event: "ping", transport: "quic", round: 0, worker: 0, sentMs: 1 } as const;
  assert.throws(() => gather(TARGETS).add(ping), /Cannot gather "quic"/);
});
