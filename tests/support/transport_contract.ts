/**
 * What every transport keeps, as one list of cases. Real sockets on loopback, and the machine's clock.
 *
 * @module
 */

import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import { PolicyError, TransportError, WireError } from "../../src/errors.ts";
import { fingerprintOf, makeIdentity } from "../../src/transport/certificate.ts";
import { connectLocal } from "../../src/transport/local.ts";
import {
  type Portal,
  PORTALS,
  TRANSPORT_NAMES,
  type TransportName,
  TRANSPORTS,
  urlOf,
} from "../../src/transport/mod.ts";
import type {
  Connection,
  ConnectOptions,
  Listener,
  ListenLimits,
  Transport,
  Trust,
} from "../../src/transport/transport.ts";
import { closeIdleEndpoints } from "../../src/transport/quic.ts";
import type { Bytes } from "../../src/types.ts";
import { EchoService } from "./echo_service.ts";
import { eventually, within } from "./eventually.ts";

type Options = Partial<ConnectOptions>;

/** A service and the way to it. */
interface World extends AsyncDisposable {
  readonly service: EchoService;
  /** Absent where nothing listens. */
  readonly listener: Listener | undefined;
  connect(options?: Options): Promise<Connection>;
}

/** A transport that is held to the contract. */
export interface Subject {
  readonly name: string;
  /** Absent where there are no addresses. */
  readonly transport?: TransportName;
  /** Over TLS, where the transport also works without. */
  readonly secure?: boolean;
  start(limits?: Partial<ListenLimits>): World;
  /** Why a case has no meaning here, by the case's name. */
  readonly skips: Readonly<Record<string, string>>;
}

const CONNECT: ConnectOptions = { clock: systemClock, connectMs: 5000, maxMessageBytes: 16_000_000 };
const LIMITS: ListenLimits = { maxMessageBytes: 16_000_000, maxConnections: 64, messageMs: 5000, idleMs: 5000 };

const IDENTITY = await makeIdentity({ names: ["127.0.0.1"] });
const TRUST: Trust = { kind: "pin", sha256: fingerprintOf(IDENTITY.certPem) };
const ROOTS: Trust = { kind: "roots", pem: IDENTITY.certPem };

/** Transports that are always encrypted. */
const ENCRYPTED: readonly TransportName[] = ["quic", "quic-tcp"];

/** Transports that are encrypted where the server has a certificate. */
export const TLS_TRANSPORTS = TRANSPORT_NAMES.filter((name) => !ENCRYPTED.includes(name));

/** A transport of the table, on a listener of its own. */
export function networkSubject(name: TransportName, skips: Record<string, string> = {}, secure = false): Subject {
  const transport: Transport = TRANSPORTS[name];
  const portal = (Object.values(PORTALS) as Portal[]).find(({ serves }) => serves.includes(name))!;
  return {
    name: secure ? `${name} over TLS` : name,
    transport: name,
    secure,
    skips,
    start(limits) {
      const service = new EchoService();
      const where = { hostname: "127.0.0.1", port: 0, clock: systemClock };
      const identity = secure || ENCRYPTED.includes(name) ? { identity: IDENTITY } : {};
      const trust = secure ? { trust: ROOTS } : ENCRYPTED.includes(name) ? { trust: TRUST } : {};
      const listener = portal.listen(service, { ...where, ...identity, limits: { ...LIMITS, ...limits } });
      const url = new URL(urlOf(name, listener.hostname, listener.port, secure));
      return {
        service,
        listener,
        connect: (options) => within(`connect to ${url}`, transport.connect(url, { ...CONNECT, ...trust, ...options })),
        async [Symbol.asyncDispose]() {
          await listener.close(0);
          await eventually("all connections end", () => listener.connections === 0);
        },
      };
    },
  };
}

/** A client and a service in one process. */
export function localSubject(skips: Record<string, string>): Subject {
  return {
    name: "local",
    skips,
    start() {
      const service = new EchoService();
      return {
        service,
        listener: undefined,
        connect: async (options) => await connectLocal(service, { ...CONNECT, ...options }),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    },
  };
}

/** Asks within the safety net. */
function ask(connection: Connection, message: Bytes, signal?: AbortSignal): Promise<Bytes> {
  return within(`reply to ${message.length} bytes`, connection.request(message, signal));
}

/** Bytes that tell by themselves which message they are of. */
function pattern(length: number, seed = 0): Bytes {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8) + seed * 7) & 0xff);
}

/** Quicker than comparing large arrays by assertion. */
function assertSame(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(actual.length, expected.length);
  const at = expected.findIndex((byte, i) => actual[i] !== byte);
  assert.equal(at, -1, `byte ${at} differs`);
}

/** What came of asking: an answer as text, or the error. */
async function outcome(asked: Promise<Bytes>): Promise<string | Error> {
  try {
    return new TextDecoder().decode(await asked);
  } catch (error) {
    return error as Error;
  }
}

const DISCONNECTED = { name: "TransportError", code: "disconnected" };

/** The cases by name. A subject's `skips` uses the same names. */
const CASES: Readonly<Record<string, (subject: Subject) => Promise<void>>> = {
  async "echoes messages of every size"(subject) {
    await using world = subject.start();
    await using connection = await world.connect();
    for (const length of [0, 1, 125, 126, 65_535, 65_536, 150_000, 1_000_000, 2, 0]) {
      const message = pattern(length);
      assertSame(await ask(connection, message), message);
    }
  },

  async "answers many requests one after the other"(subject) {
    await using world = subject.start();
    await using connection = await world.connect();
    for (let i = 0; i < 300; i++) {
      const message = pattern((i * 37) % 1000, i);
      assertSame(await ask(connection, message), message);
    }
    assert.equal(world.service.received, 300);
    assert.equal(world.service.callers.length, 1, "one session");
  },

  async "carries a reply that is larger than its request, and one that is smaller"(subject) {
    await using world = subject.start();
    await using connection = await world.connect();
    world.service.answer = ({ length }) => pattern(length < 1000 ? 300_000 : 3);
    assertSame(await ask(connection, pattern(10)), pattern(300_000));
    assertSame(await ask(connection, pattern(300_000)), pattern(3));
  },

  async "does not change the message, which may be sent again"(subject) {
    await using world = subject.start();
    await using connection = await world.connect();
    const message = pattern(1000);
    for (let i = 0; i < 2; i++) assertSame(await ask(connection, message), pattern(1000));
    assertSame(message, pattern(1000));
  },

  async "keeps two connections apart"(subject) {
    await using world = subject.start();
    await using first = await world.connect();
    await using second = await world.connect();
    const run = async (connection: Connection, seed: number) => {
      for (let i = 0; i < 100; i++) {
        const message = pattern(1 + (i * 977) % 20_000, seed + i);
        assertSame(await ask(connection, message), message);
      }
    };
    await Promise.all([run(first, 0), run(second, 1000)]);
    assert.equal(world.service.callers.length, 2);
  },

  async "answers on one connection while another one waits"(subject) {
    await using world = subject.start();
    await using first = await world.connect();
    await using second = await world.connect();
    const { promise, resolve } = Promise.withResolvers<void>();
    world.service.hold = (message) => message.length === 7 ? promise : Promise.resolve();
    const slow = ask(first, pattern(7));
    await eventually("the first message arrives", () => world.service.received === 1);
    assertSame(await ask(second, pattern(8)), pattern(8));
    resolve();
    assertSame(await slow, pattern(7));
  },

  async "tells the service who calls"(subject) {
    await using world = subject.start();
    world.service.token = "s3cret";
    await using connection = await world.connect({ token: "s3cret", client: "left-arm" });
    await ask(connection, pattern(1));
    const [caller] = world.service.callers;
    assert.equal(caller?.transport, subject.transport ?? subject.name);
    assert.equal(caller?.token, "s3cret");
    assert.equal(caller?.client, "left-arm");
    assert.ok(caller?.remote);
    assert.ok(!caller.openpi);
  },

  async "tells the service the version of its protocol"(subject) {
    await using world = subject.start();
    await using connection = await world.connect();
    await ask(connection, pattern(1));
    assert.equal(world.service.callers[0]?.version, 1);
    assert.equal(world.service.callers[0]?.token, undefined);
    assert.equal(world.service.callers[0]?.client, undefined);
  },

  async "refuses a wrong token, or none, with the code unauthorized"(subject) {
    await using world = subject.start();
    world.service.token = "s3cret";
    for (const options of [{ token: "guess" }, {}]) {
      // Where the client speaks first, the refusal is the reply to its first message.
      const asked = world.connect(options).then(async (connection) => {
        await using _ = connection;
        return (await ask(connection, pattern(1))).slice();
      });
      const refused = await outcome(asked);
      if (refused instanceof Error) {
        assert.ok(refused instanceof PolicyError, String(refused));
        assert.equal(refused.code, "unauthorized");
      } else {
        assert.match(refused, /^error unauthorized: /);
      }
    }
    assert.equal(world.service.callers.length, 0);
  },

  async "an aborted request throws the signal's reason and closes the connection"(subject) {
    await using world = subject.start();
    await using connection = await world.connect();
    const release = world.service.holdAll();
    const controller = new AbortController();
    const reason = new Error("too slow");
    const asked = ask(connection, pattern(5), controller.signal);
    const rejected = assert.rejects(asked, reason);
    await eventually("the message arrives", () => world.service.received === 1);
    controller.abort(reason);
    await rejected;
    assert.equal(connection.closed, true);
    await assert.rejects(ask(connection, pattern(6)), DISCONNECTED);
    release();
  },

  async "a signal that is aborted already leaves the connection as it is"(subject) {
    await using world = subject.start();
    await using connection = await world.connect();
    const reason = new Error("never mind");
    await assert.rejects(ask(connection, pattern(5), AbortSignal.abort(reason)), reason);
    assertSame(await ask(connection, pattern(6)), pattern(6));
    assert.equal(world.service.received, 1);
  },

  async "a late reply never answers a later request"(subject) {
    await using world = subject.start();
    await using connection = await world.connect();
    const release = world.service.holdAll();
    const controller = new AbortController();
    const asked = outcome(ask(connection, pattern(5, 1), controller.signal));
    await eventually("the message arrives", () => world.service.received === 1);
    controller.abort(new Error("too slow"));
    await asked;
    release();
    await assert.rejects(ask(connection, pattern(5, 2)), DISCONNECTED);
    await using fresh = await world.connect();
    assertSame(await ask(fresh, pattern(5, 3)), pattern(5, 3));
  },

  async "a request after the end of the connection throws disconnected"(subject) {
    await using world = subject.start();
    const connection = await world.connect();
    await connection[Symbol.asyncDispose]();
    assert.equal(connection.closed, true);
    await assert.rejects(ask(connection, pattern(1)), DISCONNECTED);
    await connection[Symbol.asyncDispose]();
  },

  async "a failure of the service is a reply, and the connection goes on"(subject) {
    await using world = subject.start();
    await using connection = await world.connect();
    const answer = world.service.answer;
    world.service.answer = () => {
      throw new PolicyError("busy", "The queue is full");
    };
    assert.equal(await outcome(ask(connection, pattern(1))), "error busy: The queue is full");
    world.service.answer = answer;
    assertSame(await ask(connection, pattern(2)), pattern(2));
  },

  async "tells the session when a client ends"(subject) {
    await using world = subject.start();
    const connection = await world.connect();
    await ask(connection, pattern(1));
    assert.equal(world.service.sessions, 1);
    await connection[Symbol.asyncDispose]();
    await eventually("the session ends", () => world.service.closed === 1);
    assert.equal(world.service.sessions, 0);
  },

  async "tells the session when a client gives a request up"(subject) {
    await using world = subject.start();
    await using connection = await world.connect();
    const release = world.service.holdAll();
    const controller = new AbortController();
    const asked = outcome(ask(connection, pattern(5), controller.signal));
    await eventually("the message arrives", () => world.service.received === 1);
    controller.abort();
    await asked;
    await eventually("the session ends while its request is held", () => world.service.closed === 1);
    release();
  },

  async "tells the session when a client ends in the middle of its request"(subject) {
    await using world = subject.start();
    const connection = await world.connect();
    const release = world.service.holdAll();
    const asked = outcome(ask(connection, pattern(5)));
    await eventually("the message arrives", () => world.service.received === 1);
    await connection[Symbol.asyncDispose]();
    await eventually("the session ends while its request is held", () => world.service.closed === 1);
    release();
    await asked;
  },

  async "tells the session how many bytes went over the wire"(subject) {
    await using world = subject.start();
    const { sent } = world.service;
    await using connection = await world.connect({ token: "s3cret", client: "left-arm" });
    world.service.answer = ({ length }) => pattern(length / 2);
    const startedMs = systemClock.now();
    for (const [i, length] of [2000, 4000, 100].entries()) {
      await ask(connection, pattern(length));
      await eventually("the session hears of its reply", () => sent.length === i + 1);
      const { bytesIn, bytesOut, sentMs } = sent[i]!;
      // Framing, or a head with the introduction.
      assert.ok(bytesIn >= length && bytesIn < length + 500, `${bytesIn} bytes for a request of ${length}`);
      assert.ok(bytesOut >= length / 2 && bytesOut < length / 2 + 500, `${bytesOut} bytes for a reply`);
      assert.ok(sentMs >= startedMs && sentMs <= systemClock.now());
    }
    const total = sent.reduce((sum, { bytesIn }) => sum + bytesIn, 0);
    assert.equal(total, connection.bytesOut, "what the server counted is what the client counted");
    assert.ok(connection.bytesIn >= 3050);
  },

  async "refuses a message above the server's limit with the code too_large"(subject) {
    await using world = subject.start({ maxMessageBytes: 10_000 });
    for (const length of [10_001, 2_000_000]) {
      await using connection = await world.connect();
      assertSame(await ask(connection, pattern(10_000)), pattern(10_000));
      const refused = await outcome(ask(connection, pattern(length)));
      // As the reply, or as the reason for which the connection was closed.
      if (refused instanceof Error) assert.ok(refused instanceof TransportError, String(refused));
      assert.match(refused instanceof Error ? refused.message : refused, /too_large.* at most 10000/);
      await eventually("the connection ends", () => connection.closed);
    }
    assert.equal(world.service.received, 2);
  },

  async "refuses a reply above the client's limit with the code too_large"(subject) {
    await using world = subject.start();
    await using connection = await world.connect({ maxMessageBytes: 10_000 });
    assertSame(await ask(connection, pattern(10_000)), pattern(10_000));
    const refused = await outcome(ask(connection, pattern(10_001)));
    assert.ok(refused instanceof WireError, String(refused));
    assert.equal(refused.code, "too_large");
    assert.equal(connection.closed, true);
  },

  async "counts the connections that stand"(subject) {
    await using world = subject.start();
    const first = await world.connect();
    const second = await world.connect();
    await ask(first, pattern(1));
    await ask(second, pattern(1));
    assert.equal(world.listener?.connections, 2);
    await first[Symbol.asyncDispose]();
    await eventually("one is left", () => world.listener?.connections === 1);
    await second[Symbol.asyncDispose]();
    await eventually("none is left", () => world.listener?.connections === 0);
    assert.equal(world.service.sessions, 0);
  },

  async "takes no more connections than its limit, and takes others when some end"(subject) {
    await using world = subject.start({ maxConnections: 2 });
    const first = await world.connect();
    await using second = await world.connect();
    await ask(first, pattern(1));
    await ask(second, pattern(1));
    const refused = world.connect().then(async (connection) => {
      await using _ = connection;
      return await ask(connection, pattern(1));
    });
    await assert.rejects(refused, DISCONNECTED);
    await first[Symbol.asyncDispose]();
    await eventually("one has ended", () => world.listener?.connections === 1);
    await using third = await world.connect();
    assertSame(await ask(third, pattern(3)), pattern(3));
  },

  async "throws disconnected at once when the server goes away in the middle of a request"(subject) {
    await using world = subject.start();
    await using connection = await world.connect();
    const release = world.service.holdAll();
    const asked = assert.rejects(ask(connection, pattern(5)), DISCONNECTED);
    await eventually("the message arrives", () => world.service.received === 1);
    await world.listener!.close(0);
    await asked;
    assert.equal(connection.closed, true);
    release();
  },

  async "a server that stops lets the request in flight finish, then closes"(subject) {
    await using world = subject.start();
    await using busy = await world.connect();
    await using idle = await world.connect();
    await ask(idle, pattern(1));
    const release = world.service.holdAll();
    const asked = ask(busy, pattern(150_000));
    await eventually("the message arrives", () => world.service.received === 2);
    const closing = world.listener!.close(60_000);
    await eventually("the idle connection ends", () => idle.closed);
    release();
    assertSame(await asked, pattern(150_000));
    await within("the listener closes", closing);
    await eventually("the connection ends", () => busy.closed);
    await assert.rejects(ask(busy, pattern(1)), DISCONNECTED);
    assert.equal(world.listener!.connections, 0);
    // A transport that can do with a ticket of an earlier connection hears of the end with its first reply only.
    const reached = world.connect({ connectMs: 300 }).then((fresh) => ask(fresh, pattern(1)));
    await assert.rejects(reached, ({ code }: TransportError) => /^(unreachable|deadline|disconnected)$/.test(code));
  },

  async "notices that the server closed an idle connection"(subject) {
    await using world = subject.start();
    await using connection = await world.connect();
    await ask(connection, pattern(1));
    assert.equal(connection.closed, false);
    await world.listener!.close(5000);
    await eventually("the client notices", () => connection.closed);
  },

  async "says unreachable where nobody listens"(subject) {
    await using world = subject.start();
    const { port } = world.listener!;
    await world.listener!.close(0);
    await assert.rejects(
      world.connect(),
      new TransportError(
        "unreachable",
        `Cannot connect to ${subject.transport}${
          subject.secure ? "s" : ""
        }://127.0.0.1:${port}: nobody is listening there (is the server running?)`,
      ),
    );
  },

  async "says unreachable where the host is unknown, naming it"(subject) {
    const transport = TRANSPORTS[subject.transport!];
    const url = new URL(urlOf(subject.transport!, "robot.invalid", 8000));
    await assert.rejects(within("the name is looked up", transport.connect(url, CONNECT)), (error: TransportError) => {
      assert.equal(error.code, "unreachable");
      assert.match(error.message, /^Cannot connect to [\w-]+:\/\/robot\.invalid:8000: unknown host \(/);
      return true;
    });
  },

  async "gives up connecting when the signal is aborted"(subject) {
    await using world = subject.start();
    const reason = new Error("never mind");
    await assert.rejects(world.connect({ signal: AbortSignal.abort(reason) }), reason);
    await eventually("nothing is left", () => world.listener!.connections === 0);
  },

  async "gives up connecting to a server that accepts and says nothing"(subject) {
    using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = silent.addr as Deno.NetAddr;
    const url = new URL(urlOf(subject.transport!, "127.0.0.1", port, subject.secure));
    const connecting = TRANSPORTS[subject.transport!].connect(url, { ...CONNECT, connectMs: 50 });
    const late = assert.rejects(within("connect", connecting), { name: "TransportError", code: "deadline" });
    using _ = await silent.accept();
    await late;
  },

  async "connects at once to a server that says nothing, since nothing is to be said before the first request"(
    subject,
  ) {
    using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = silent.addr as Deno.NetAddr;
    const url = new URL(urlOf(subject.transport!, "127.0.0.1", port, subject.secure));
    await using connection = await within("connect", TRANSPORTS[subject.transport!].connect(url, CONNECT));
    assert.equal(connection.closed, false);
    assert.equal(connection.greeting, undefined);
  },
};

/** Registers every case for a subject. */
export function testTransport(subject: Subject): void {
  for (const name of Object.keys(subject.skips)) assert.ok(name in CASES, `no case is called "${name}"`);
  for (const [name, run] of Object.entries(CASES)) {
    const reason = subject.skips[name];
    const suffix = reason === undefined ? "" : ` (skipped: ${reason})`;
    Deno.test({
      name: `${subject.name}: ${name}${suffix}`,
      ignore: reason !== undefined,
      fn: async () => {
        await run(subject);
        closeIdleEndpoints();
      },
    });
  }
}
