import assert from "node:assert/strict";
import { Ajv2020 } from "ajv";
import type { ConnectSample, LatencySample, PingSample } from "../../src/measure/sample.ts";
import { summarizeTransport, type Summary, type TransportSummary } from "../../src/measure/statistics.ts";
import { type BenchResults, RESULTS_SCHEMA, writeResults } from "../../src/report/results.ts";
import schema from "../../src/report/results.schema.json" with { type: "json" };

const validate = new Ajv2020({ strict: true, strictRequired: true, allowUnionTypes: true }).compile(schema);

const error = { code: "deadline", message: "No reply within 50 ms", timedOut: true };

// Typed as Required, so that a new field fails here until the schema has it, too.
const sample: Required<LatencySample> = {
  transport: "tcp",
  round: 0,
  index: 0,
  worker: 0,
  scheduledMs: 0,
  startedMs: 0.5,
  sentMs: 1,
  receivedMs: 9,
  finishedMs: 10,
  bytesOut: 150_784,
  bytesIn: 2_800,
  timing: { queue: 0.1, decode: 0.2, preprocess: 0.3, infer: 4, postprocess: 0.1, encode: 0.1 },
  residenceMs: 5,
  previous: { encodeMs: 0.1, residenceMs: 5 },
  error,
};
const ping: Required<PingSample> = { transport: "tcp", round: 0, worker: 0, sentMs: 1, receivedMs: 2, error };
const connect: Required<ConnectSample> = {
  transport: "tcp",
  round: 0,
  worker: 0,
  startedMs: 0,
  connectMs: 4,
  windowWarmUpMs: 30,
  firstRequestMs: 50,
  zeroRtt: true,
  discarded: 3,
  error,
};
const summary: Required<Summary> = {
  count: 10_000,
  minMs: 1,
  meanMs: 2,
  intervalMs: [1.9, 2.1],
  p50Ms: 2,
  p90Ms: 3,
  p95Ms: 3,
  p99Ms: 3,
  p999Ms: 3,
  maxMs: 4,
};
const transportSummary: Required<TransportSummary> = {
  transport: "tcp",
  url: "tcp://127.0.0.1:9",
  count: 10_000,
  discarded: 3,
  connectMs: summary,
  zeroRttConnects: 1,
  warmUpMs: 30,
  firstRequestMs: summary,
  latencyMs: summary,
  serviceMs: summary,
  rttFloorMs: 1,
  pingP50Ms: 1.5,
  overheadMs: -0.1,
  decomposition: {
    clientEncodeMs: 0.1,
    networkMs: 1,
    queueMs: 0,
    decodeMs: 0.1,
    preprocessMs: 0.1,
    inferMs: 4,
    postprocessMs: 0.1,
    serverEncodeMs: 0.1,
    clientDecodeMs: 0.1,
  },
  hz: 5,
  bytesOut: 150_784,
  bytesIn: 2_800.5,
  errors: 1,
  timeouts: 1,
  errorCodes: { deadline: 1 },
  periodMs: 200,
  late: 1,
  missed: 2,
};
const full: BenchResults = {
  schema: RESULTS_SCHEMA,
  startedAt: "2026-01-02T03:04:05.678Z",
  command: ["bench", "--url", "tcp://127.0.0.1:9"],
  seed: 1,
  options: { transports: ["tcp"], hz: 5, tls: false },
  environment: { deno: "2.9.6", cores: 8 },
  server: { policy: "null", action_horizon: 50 },
  summaries: [transportSummary],
  warnings: [{ code: "few_samples", transport: "tcp", message: "measure more" }],
  samples: [sample],
  pings: [ping],
  connects: [connect],
  interrupted: false,
};

/** As a reader of the file sees it. */
function problems(results: unknown): string[] {
  validate(JSON.parse(JSON.stringify(results)));
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

Deno.test("results with every field there is fit the published schema", () => {
  assert.deepEqual(problems(full), []);
});

Deno.test("results of a run that was stopped early fit the published schema", () => {
  const { residenceMs: _r, previous: _p, error: _e, ...answered } = sample;
  const run = { transport: "tcp", url: "tcp://127.0.0.1:9", connects: [], pings: [] };
  const summaries = [
    summarizeTransport({ ...run, samples: [] }),
    summarizeTransport({ ...run, samples: [answered, { ...answered, index: 1 }] }),
  ];
  assert.deepEqual(problems({ ...full, server: null, summaries, warnings: [], samples: [], interrupted: true }), []);
});

Deno.test("the schema refuses unknown keys, missing stamps and another version", () => {
  const { finishedMs: _, ...unfinished } = sample;
  assert.deepEqual(problems({ ...full, samples: [unfinished] }), [
    "/samples/0 must have required property 'finishedMs'",
  ]);
  assert.deepEqual(problems({ ...full, pings: [{ ...ping, sent_ms: 1 }] }), [
    "/pings/0 must NOT have additional properties",
  ]);
  assert.deepEqual(problems({ ...full, schema: "pi0.bench/2" }), ["/schema must be equal to constant"]);
});

Deno.test("the schema spells every key in camelCase", () => {
  const keys: string[] = [];
  JSON.stringify(schema, (_, value) => {
    if (value?.properties !== undefined) keys.push(...Object.keys(value.properties));
    return value;
  });
  assert.ok(keys.length > 50);
  assert.deepEqual(keys.filter((key) => !/^[a-z][a-zA-Z0-9]*$/.test(key)), []);
});

Deno.test("writeResults() replaces the file and leaves nothing else behind", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/bench.json`;
    await Deno.writeTextFile(path, "old");
    await writeResults(path, full);
    assert.deepEqual(JSON.parse(await Deno.readTextFile(path)), full);
    assert.deepEqual((await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name), ["bench.json"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("writeResults() names the path it cannot write and removes its temporary file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/taken`);
    for (const path of [`${folder}/missing/bench.json`, `${folder}/taken`]) {
      await assert.rejects(
        writeResults(path, full),
        (error: Error) => error.message.startsWith(`Cannot write results to "${path}": `) && error.cause !== undefined,
      );
    }
    assert.deepEqual((await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name), ["taken"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
