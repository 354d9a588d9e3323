import assert from "node:assert/strict";
import { TransportError } from "../../src/errors.ts";
import { type Client, type Measured, type Plan, runRounds, type Target } from "../../src/measure/rounds.ts";
import { closedLoop } from "../../src/measure/schedule.ts";
import { seededRandom } from "../../src/random.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** Targets that answer at once and write down what happens to them. */
class World {
  readonly clock = new FakeClock();
  readonly log: string[] = [];
  readonly asked: number[] = [];
  open = 0;

  target(transport: string, fail: Partial<Record<"connect" | "ask" | "ping", Error>> = {}): Target {
    const step = (name: "connect" | "ask" | "ping") => {
      this.log.push(`${transport} ${name}`);
      this.clock.stall(1);
      return fail[name] === undefined ? Promise.resolve() : Promise.reject(fail[name]);
    };
    return {
      transport,
      url: `${transport}://test`,
      open: (): Client => {
        this.open++;
        return {
          connect: () => step("connect"),
          ping: () => step("ping"),
          ask: async (index) => {
            this.asked.push(index);
            const startedMs = this.clock.now();
            await step("ask");
            return { startedMs, finishedMs: this.clock.now(), timing: {} };
          },
          [Symbol.asyncDispose]: () => {
            this.open--;
            return Promise.resolve();
          },
        };
      },
    };
  }

  async run(targets: readonly Target[], plan: Partial<Plan> = {}): Promise<Measured[]> {
    return await Array.fromAsync(runRounds({
      targets,
      rounds: 2,
      count: 5,
      warmUp: 1,
      pings: 2,
      concurrency: 1,
      schedule: closedLoop,
      clock: this.clock,
      random: seededRandom(1),
      signal: new AbortController().signal,
      startMs: 0,
      ...plan,
    }));
  }
}

const samplesOf = (measured: readonly Measured[], transport: string) =>
  measured.filter((one) => one.event === "sample" && one.transport === transport);

Deno.test("runRounds() splits the requests over the rounds without losing any", async () => {
  const world = new World();
  const measured = await world.run([world.target("a"), world.target("b")]);
  for (const name of ["a", "b"]) {
    const samples = samplesOf(measured, name);
    assert.equal(samples.length, 5);
    assert.deepEqual(samples.map(({ round }) => round), [0, 0, 1, 1, 1]);
  }
});

Deno.test("runRounds() measures neither the first request nor the warm-up, and says how many it threw away", async () => {
  const world = new World();
  const measured = await world.run([world.target("a")], { rounds: 1, warmUp: 3 });
  assert.equal(world.log.filter((line) => line === "a ask").length, 1 + 3 + 5);
  const [connect] = measured;
  assert.equal(connect?.event, "connect");
  assert.deepEqual(connect, {
    event: "connect",
    transport: "a",
    round: 0,
    worker: 0,
    startedMs: 0,
    connectMs: 1,
    firstRequestMs: 1,
    discarded: 3,
  });
});

Deno.test("runRounds() closes its connections at the end of each turn", async () => {
  const world = new World();
  const targets = ["a", "b"].map((name) => {
    const target = world.target(name);
    return {
      ...target,
      open: (worker: number) => {
        assert.equal(world.open, worker, "connections of an earlier turn stand");
        return target.open(worker);
      },
    };
  });
  await world.run(targets, { rounds: 3, concurrency: 2 });
  assert.equal(world.open, 0);
});

Deno.test("runRounds() never asks twice with the same number", async () => {
  const world = new World();
  await world.run([world.target("a"), world.target("b")], { concurrency: 2 });
  assert.equal(new Set(world.asked).size, world.asked.length);
});

Deno.test("runRounds() gives every target its turn in every round, in an order that the seed decides", async () => {
  const orders = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    const order = async () => {
      const world = new World();
      const targets = ["a", "b", "c"].map((name) => world.target(name));
      await world.run(targets, { rounds: 2, random: seededRandom(seed) });
      return world.log.filter((line) => line.endsWith("connect")).map((line) => line[0]).join("");
    };
    const first = await order();
    assert.equal(await order(), first, "the same seed gives the same order");
    assert.equal([...first.slice(0, 3)].sort().join(""), "abc");
    assert.equal([...first.slice(3)].sort().join(""), "abc");
    orders.add(first);
  }
  assert.ok(orders.size > 5, "seeds give different orders");
});

Deno.test("runRounds() reports a target that cannot be reached and goes on with the others", async () => {
  const world = new World();
  const dead = world.target("dead", { connect: new TransportError("unreachable", "nobody there") });
  const measured = await world.run([dead, world.target("a")], { rounds: 1 });
  const failed = measured.find((one) => one.transport === "dead");
  assert.equal(failed?.event === "connect" && failed.error?.code, "unreachable");
  assert.equal(samplesOf(measured, "dead").length, 0);
  assert.equal(samplesOf(measured, "a").length, 5);
  assert.equal(world.open, 0, "every connection was let go of");
});

Deno.test("runRounds() ends a target's turn when its server is gone for good", async () => {
  const world = new World();
  let asked = 0;
  const target = world.target("a");
  const dying: Target = {
    ...target,
    open: (worker) => {
      const client = target.open(worker);
      const gone = () => Promise.reject(new TransportError("unreachable", "gone"));
      return { ...client, ask: (...rest) => ++asked > 3 ? gone() : client.ask(...rest) };
    },
  };
  const measured = await world.run([dying], { rounds: 1, count: 100 });
  assert.deepEqual(samplesOf(measured, "a").map((one) => one.error?.code), [undefined, "unreachable"]);
});

Deno.test("runRounds() pings as often as planned, and not again after a failure", async () => {
  const world = new World();
  const measured = await world.run([world.target("a")], { rounds: 1, pings: 4 });
  const pings = measured.filter((one) => one.event === "ping");
  assert.deepEqual(pings.map(({ sentMs, receivedMs }) => receivedMs! - sentMs), [1, 1, 1, 1]);
  const broken = new World();
  const failing = broken.target("a", { ping: new Error("no") });
  const after = await broken.run([failing], { rounds: 1, pings: 4 });
  assert.equal(after.filter((one) => one.event === "ping").length, 1);
});

Deno.test("runRounds() ends without an error when it is stopped, and lets go of its connections", async () => {
  const world = new World();
  const stop = new AbortController();
  const measured: Measured[] = [];
  const plan = { rounds: 5, count: 100, warmUp: 0, pings: 0, concurrency: 2, schedule: closedLoop, startMs: 0 };
  const parts = { clock: world.clock, random: seededRandom(1), signal: stop.signal };
  for await (const one of runRounds({ ...plan, ...parts, targets: [world.target("a")] })) {
    measured.push(one);
    if (measured.length === 10) stop.abort();
  }
  assert.ok(measured.length >= 10 && measured.length < 20);
  assert.equal(world.open, 0);
});

Deno.test("runRounds() keeps whether a connection was granted 0-RTT, as it is after the first answer", async () => {
  const world = new World();
  const plain = world.target("tcp");
  const target: Target = {
    ...world.target("quic"),
    open: (worker) => {
      const client = plain.open(worker);
      let zeroRtt: boolean | undefined;
      const ask: Client["ask"] = (index, signal) => {
        zeroRtt = true;
        return client.ask(index, signal);
      };
      return Object.defineProperty({ ...client, ask }, "zeroRtt", { get: () => zeroRtt });
    },
  };
  const connects = (await world.run([target, plain])).filter(({ event }) => event === "connect");
  for (const connect of connects) {
    assert.equal("zeroRtt" in connect ? connect.zeroRtt : undefined, connect.transport === "quic" ? true : undefined);
  }
});
