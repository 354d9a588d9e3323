import assert from "node:assert/strict";
import type { Summary, TransportSummary } from "../../src/measure/statistics.ts";
import { breakdownTable, formatNumber, latencyTable, zeroRttNotes } from "../../src/report/table.ts";

function times(p50Ms: number, fields: Partial<Summary> = {}): Summary {
  return { count: 200, minMs: p50Ms, meanMs: p50Ms, p50Ms, p90Ms: p50Ms, p95Ms: p50Ms, maxMs: p50Ms, ...fields };
}

const tcp: TransportSummary = {
  transport: "tcp",
  url: "tcp://127.0.0.1:9",
  count: 200,
  discarded: 5,
  connectMs: times(4.8),
  firstRequestMs: times(0.62),
  latencyMs: {
    count: 200,
    minMs: 0.051,
    meanMs: 0.102,
    intervalMs: [0.09, 0.114],
    p50Ms: 0.089,
    p90Ms: 0.1204,
    p95Ms: 0.2,
    p99Ms: 0.4,
    maxMs: 1.234,
  },
  rttFloorMs: 0.03,
  overheadMs: 0.05,
  decomposition: {
    clientEncodeMs: 0.005,
    networkMs: 0.04,
    queueMs: 0.001,
    decodeMs: 0.002,
    preprocessMs: 0.003,
    inferMs: 0.009,
    postprocessMs: 0.004,
    serverEncodeMs: 0.006,
    clientDecodeMs: 0.01,
  },
  hz: 9523.81,
  bytesOut: 150_784,
  bytesIn: 2_800,
  errors: 0,
  timeouts: 0,
  errorCodes: {},
};

/** Nothing answered. */
const http: TransportSummary = {
  transport: "http",
  url: "http://127.0.0.1:9",
  count: 0,
  discarded: 0,
  decomposition: {},
  errors: 12,
  timeouts: 2,
  errorCodes: { unreachable: 12 },
};

Deno.test("formatNumber() has three digits below 100, none beyond the thousandth, fewer decimals above", () => {
  const numbers = [0.089, 0.1234, 1.234, 12.34, 123.45, 1234.56, 12345.67, 0];
  assert.deepEqual(numbers.map(formatNumber), ["0.089", "0.123", "1.23", "12.3", "123.5", "1234.6", "12346", "0.000"]);
  assert.equal(formatNumber(undefined), "-");
  assert.equal(formatNumber(-1.234), "-1.23");
});

Deno.test("formatNumber() keeps its digits where rounding carries", () => {
  assert.deepEqual([0.99949, 0.9996, 9.996, 99.96, 9999.96].map(formatNumber), [
    "0.999",
    "1.00",
    "10.0",
    "100.0",
    "10000",
  ]);
});

Deno.test("latencyTable() aligns right, shows what is absent as - and marks the fastest median", () => {
  const slower = { ...tcp, transport: "ws", latencyMs: times(0.11) };
  assert.equal(
    latencyTable([slower, tcp, http], { color: false }),
    `Response time in ms, each request sent when the last was answered; ± half the 95 % interval; * lowest p50
transport    n  connect  first    min         mean ±     p50    p90    p95    p99    max      Hz  errors  timeouts
ws         200     4.80  0.620  0.110          0.110  0.110   0.110  0.110      -  0.110  9523.8       0         0
tcp        200     4.80  0.620  0.051  0.102 ± 0.012  0.089*  0.120  0.200  0.400   1.23  9523.8       0         0
http         0        -      -      -              -      -       -      -      -      -       -      12         2
`,
  );
});

Deno.test("latencyTable() of a paced run says so and counts what was late", () => {
  const text = latencyTable([{ ...tcp, periodMs: 200, late: 3, missed: 4 }], { color: false });
  const [title, header, row] = text.split("\n");
  assert.match(title!, /from when each request was due/);
  assert.match(header!, /errors +timeouts +late +missed$/);
  assert.match(row!, / 0 +0 +3 +4$/);
});

Deno.test("breakdownTable() shows every part, their sum, the floor and the bytes", () => {
  assert.equal(
    breakdownTable([tcp, http], { color: false }),
    `Median of each part in ms (medians add up only roughly); above floor = request less RTT floor less infer
           client           server  server     pre-           post-  server  client           RTT  above   bytes  bytes
transport  encode  network   queue  decode  process  infer  process  encode  decode  = sum  floor  floor      up   down
tcp         0.005    0.040   0.001   0.002    0.003  0.009    0.004   0.006   0.010  0.080  0.030  0.050  150784   2800
http            -        -       -       -        -      -        -       -       -      -      -      -       -      -
`,
  );
});

Deno.test("breakdownTable() gives no sum where the network is unknown", () => {
  const { networkMs: _, ...decomposition } = tcp.decomposition;
  const row = breakdownTable([{ ...tcp, decomposition }], { color: false }).split("\n")[3]!;
  assert.deepEqual(row.split(/ +/).slice(1), [
    ...["0.005", "-", "0.001", "0.002", "0.003", "0.009", "0.004", "0.006", "0.010"],
    ...["-", "0.030", "0.050", "150784", "2800"],
  ]);
});

Deno.test("tables stay within 120 columns when every number is long", () => {
  const slow = times(10_000, { intervalMs: [9000, 11_000], p99Ms: 10_000 });
  const parts = Object.fromEntries(Object.keys(tcp.decomposition).map((part) => [part, 1234.5]));
  const summary: TransportSummary = {
    ...tcp,
    transport: "quic-tcp",
    count: 100_000,
    connectMs: slow,
    firstRequestMs: slow,
    latencyMs: slow,
    decomposition: parts,
    rttFloorMs: 1234.5,
    overheadMs: -1234.5,
    bytesOut: 1_200_000,
    bytesIn: 1_200_000,
    errors: 100_000,
    periodMs: 20,
    late: 100_000,
    missed: 100_000,
  };
  for (const table of [latencyTable, breakdownTable]) {
    for (const line of table([summary], { color: false }).split("\n")) assert.ok(line.length <= 120, line);
  }
});

Deno.test("tables have escape sequences only with color, and the same text either way", () => {
  for (const table of [latencyTable, breakdownTable]) {
    const plain = table([tcp, http], { color: false });
    const colored = table([tcp, http], { color: true });
    assert.ok(!plain.includes("\x1b"));
    assert.notEqual(colored, plain);
    // deno-lint-ignore no-control-regex -- escape sequences are what is looked for
    assert.equal(colored.replaceAll(/\x1b\[[0-9]+m/g, ""), plain);
  }
});

Deno.test("zeroRttNotes() names the transports whose connections were granted 0-RTT, and says nothing of the others", () => {
  const quic = { ...tcp, transport: "quic", zeroRttConnects: 4, connectMs: times(0.2, { count: 5 }) };
  assert.equal(
    zeroRttNotes([tcp, quic]),
    "quic: 4 of 5 connections by 0-RTT: their first request travelled with the handshake\n",
  );
});
