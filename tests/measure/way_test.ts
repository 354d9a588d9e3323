import assert from "node:assert/strict";
import { TransportError } from "../../src/errors.ts";
import { measureWay, type Probe } from "../../src/measure/way.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** Connections whose steps take given times; the n-th request of a connection takes `askMs[n]`, the last one for ever. */
class World {
  readonly clock = new FakeClock();
  opened = 0;
  standing = 0;
  failAt: number | undefined;
  #asked = 0;

  open(): Probe {
    this.opened++;
    this.standing++;
    let warm = false;
    let asked = 0;
    const pass = (ms: number) => {
      this.clock.stall(ms);
      return Promise.resolve();
    };
    return {
      zeroRtt: this.opened > 1,
      connect: () => pass(80),
      openWindow: () => {
        warm = true;
        return pass(1200);
      },
      ask: () => {
        if (this.#asked++ === this.failAt) {
          return Promise.reject(new TransportError("disconnected", "The cable is cut"));
        }
        return pass(warm ? 82 + asked++ : [320, 160][asked++] ?? 90);
      },
      [Symbol.asyncDispose]: () => {
        this.standing--;
        return Promise.resolve();
      },
    };
  }

  measure() {
    const { clock } = this;
    const what = { transport: "tcp", url: "tcp://test", encrypted: false };
    const signal = new AbortController().signal;
    return measureWay({ ...what, open: () => this.open(), coldCount: 3, warmCount: 4, clock, signal });
  }
}

Deno.test("measureWay() tells a new connection's first request from later ones, and both from those after a warm-up", async () => {
  const world = new World();
  assert.deepEqual(await world.measure(), {
    transport: "tcp",
    url: "tcp://test",
    encrypted: false,
    connectMs: 80,
    coldFirstMs: 320,
    coldNextMs: 90,
    warmUpMs: 1200,
    zeroRtt: true,
    warmFirstMs: 82,
    steadyMs: 84.5,
    steadyMeanMs: 84.5,
  });
  assert.deepEqual([world.opened, world.standing], [2, 0]);
});

Deno.test("measureWay() keeps what it knew when something failed, and closes the connection", async () => {
  const world = new World();
  world.failAt = 1;
  const way = await world.measure();
  assert.equal(way.coldFirstMs, 320);
  assert.equal(way.coldNextMs, undefined);
  assert.deepEqual(way.error, { code: "disconnected", message: "The cable is cut", timedOut: false });
  assert.deepEqual([world.opened, world.standing], [1, 0]);
});
