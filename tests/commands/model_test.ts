/**
 * Models as a user has them: exported, inspected, asked without a server and with one.
 */

import assert from "node:assert/strict";
import { systemClock } from "../../src/clock.ts";
import { openRuntime } from "../../src/ort/mod.ts";
import { openModelFolder } from "../../src/pi0/model_folder_open.ts";
import { loadPolicy } from "../../src/policy/pi0_load.ts";
import { seededRandom } from "../../src/random.ts";
import { ROBOTS } from "../../src/robot/mod.ts";
import { connectLocal } from "../../src/transport/local.ts";
import { TRANSPORT_NAMES, transportOf, TRANSPORTS } from "../../src/transport/mod.ts";
import type { Connection, Transport } from "../../src/transport/transport.ts";
import type { Bytes, Observation } from "../../src/types.ts";
import { decode, Encoder, type ValueMap } from "../../src/wire/msgpack.ts";
import { NdArray } from "../../src/wire/ndarray.ts";
import { type Dialect, encodeRequest } from "../../src/wire/request.ts";
import { goldenAnswer, goldenCases, goldenFolders, goldenObservation, withFolder } from "../support/exported_model.ts";
import { hasMini, MINI_CONFIG, MINI_FOLDER } from "../support/golden_model.ts";
import { largestDifference, readFloat32 } from "../support/golden_openpi.ts";
import { type Outcome, runProgram, startServer } from "../support/program.ts";
import { tinyObservation, tinyService } from "../support/tiny.ts";

const FIXTURES = `${import.meta.dirname}/../fixtures`;
const TOKENIZER = `${FIXTURES}/pi0/tokenizer/tokenizer.model`;
/** What the kept case's camera shows. */
const PICTURE = `${FIXTURES}/pi0_graph/pi0_tiny/cases/case0.model_base_0_rgb.png`;
const { folders } = goldenFolders("pi0_tiny")[0]!;
const golden = (await goldenCases(folders))[0]!;
const { aloha } = ROBOTS;

/** Random weights must not end up in the cache of whoever runs the tests. */
const inFolder = (folder: string) => ({ env: { XDG_CACHE_HOME: folder, DENO_DIR, NO_COLOR: "1" } });
/** Where Deno keeps its packages, which it would look for in the other cache. */
const DENO_DIR = Deno.env.get("DENO_DIR") ??
  `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/deno`;

/** `pi0 export` of the kept π₀ into `folder/model`. */
async function exportTiny(folder: string, ...more: string[]): Promise<Outcome> {
  const settings = `${folder}/settings.json`;
  await Deno.writeTextFile(settings, JSON.stringify(golden.policy));
  const given = (flag: string, ...words: string[]) => more.includes(flag) ? [] : [flag, ...words];
  return await runProgram([
    "export",
    `${folders.model}/model.safetensors`,
    `${folder}/model`,
    ...given("--config", `${folders.model}/config.json`),
    ...given("--policy-settings", settings),
    ...given("--tokenizer", TOKENIZER),
    ...given("--norm-stats", folders.policy),
    ...more,
  ], inFolder(folder));
}

function assertRefused({ code, stdout, stderr }: Outcome, pattern: RegExp): void {
  assert.match(stderr, pattern);
  assert.notEqual(code, 0);
  assert.equal(stdout, "");
  assert.equal(stderr.trim().split("\n").length, 1, `an error is one line: ${stderr}`);
}

/** The actions of a reply, as the bytes that travelled. */
function actionBytes(reply: Bytes): Uint8Array {
  const map = decode(reply) as ValueMap;
  const actions = map.get("actions") ?? map.get("action");
  assert.ok(actions !== undefined, `no actions in ${Deno.inspect(map)}`);
  return actions instanceof NdArray ? actions.data : actions as Uint8Array;
}

const DIALECTS = ["openpi", "robodal"] as const satisfies Dialect[];
const endless = new AbortController().signal;
const CONNECTING = { clock: systemClock, connectMs: 10_000, maxMessageBytes: 1 << 24, signal: endless, client: "test" };

/** A request's bytes; robodal has room for one camera. */
function requestIn(dialect: Dialect, observation: Observation): Bytes {
  const sent = dialect === "openpi"
    ? observation
    : { ...observation, images: { cam_high: observation.images["cam_high"]! } };
  return encodeRequest(new Encoder(), sent, aloha, dialect, true).slice();
}

/** A connection to one of a server's portals. */
async function connect(portal: string, { openpi = false, client = "test" } = {}): Promise<Connection> {
  const { name, url } = transportOf(new URL(portal), openpi);
  const transport: Transport = TRANSPORTS[name];
  const trust = url.protocol.startsWith("quic") ? { trust: { kind: "insecure" } as const } : {};
  return await transport.connect(url, { ...CONNECTING, client, openpi, ...trust });
}

Deno.test("pi0 export, inspect, infer and serve give the same bytes, which are openpi's, on every transport", () =>
  withFolder(async (folder) => {
    const exported = await exportTiny(folder, "--probes", "--time-embedding", `${folders.model}/time_embedding.bin`);
    assert.equal(exported.code, 0, exported.stderr);
    const model = `${folder}/model`;

    const inspected = await runProgram(["inspect", model, "--verify"]);
    assert.match(inspected.stdout, /319,616 parameters/);
    assert.match(inspected.stdout, /scenes +none named/);
    assert.match(inspected.stdout, /1 camera × 10 steps, 2 cameras × 10 steps, 3 cameras × 10 steps/);
    assert.match(inspected.stdout, /SentencePiece, 1280 pieces/);
    const { provenance, tokenizer } = JSON.parse((await runProgram(["inspect", model, "--json"])).stdout);
    assert.equal(provenance.checkpoint.path, "model.safetensors");
    assert.match(tokenizer.sha256, /^[0-9a-f]{64}$/);

    // Its manifest names no scene, so it is not taken into any unasked.
    const unasked = await runProgram(["eval", "--policy", model, "-n", "1"]);
    assert.match(unasked.stderr, /Cannot play .* in the scene builtin unasked: .* no scene that its manifest names/);
    assert.equal(unasked.code, 2);

    const observation = await goldenObservation(folders, golden);
    const expected = await goldenAnswer(folders, golden);
    await using server = await startServer(["--policy", model, "--threads", "1"]);
    const info = server.ready as unknown as { robot: string; model: Record<string, unknown>; checkpointHash: string };
    assert.equal(info.robot, "aloha");
    assert.equal(info.checkpointHash, provenance.checkpoint.sha256);
    assert.deepEqual(
      [info.model["provider"], info.model["precision"], info.model["cameras"], info.model["flowSteps"]],
      ["cpu", "fp32", [1, 2, 3], [10]],
    );
    const answers = new Map<Dialect, Uint8Array>();
    for (const dialect of DIALECTS) {
      const message = requestIn(dialect, observation);
      await Deno.writeFile(`${folder}/request`, message);
      const flags = ["--observation", `${folder}/request`, "--out", `${folder}/reply`, "--probes", `${folder}/probes`];
      const { code, stderr } = await runProgram(["infer", model, ...flags, "--threads", "1"]);
      assert.equal(code, 0, stderr);
      const own = actionBytes(await Deno.readFile(`${folder}/reply`));
      const numbers = dialect === "openpi"
        ? new Float64Array(own.slice().buffer)
        : new Float32Array(own.slice().buffer);
      assert.ok(largestDifference(numbers, expected.robotActions) <= 1e-3);
      answers.set(dialect, own);
      const steps = await readFloat32(`${folder}/probes/x_after_step.bin`);
      assert.ok(largestDifference(steps, expected.xAfterStep) <= 5e-5);

      const ways = [...Object.values(server.portals).map((url) => ({ url, openpi: false })), {
        url: server.portals["ws"]!.replace(/\/ws$/, ""),
        openpi: true,
      }];
      assert.deepEqual(Object.keys(server.portals).sort(), [...TRANSPORT_NAMES].sort());
      for (const { url, openpi } of dialect === "openpi" ? ways : ways.slice(0, -1)) {
        await using connection = await connect(url, { openpi });
        const reply = await connection.request(message, endless);
        assert.deepEqual(actionBytes(reply), own, `${url}, ${dialect}`);
        const timing = (decode(reply) as ValueMap).get("timing") as ValueMap;
        for (const stage of ["queue", "preprocess", "infer", "postprocess"]) {
          assert.equal(typeof timing.get(stage), "number", stage);
        }
      }
    }
    assert.equal(await server.stop(), 0);

    // And without a network, as pi0 bench --mode local and pi0 eval --mode local ask.
    await using opened = await openModelFolder(model);
    await using policy = await loadPolicy(opened, {
      runtime: await openRuntime(),
      provider: "cpu",
      threads: 1,
      clock: systemClock,
    });
    const service = tinyService(policy, { clock: systemClock, maxMessageBytes: 1 << 24 });
    service.start();
    await using connection = await connectLocal(service, CONNECTING);
    for (const [dialect, own] of answers) {
      const reply = await connection.request(requestIn(dialect, observation), endless);
      assert.deepEqual(actionBytes(reply), own, `local, ${dialect}`);
    }
  }));

Deno.test("pi0 serve gives the same bytes for the same noise, a hundred times, one by one and from eight connections", () =>
  withFolder(async (folder) => {
    await using server = await startServer(["--policy", "random:tiny", "--threads", "1"], inFolder(folder));
    const random = seededRandom(1);
    const noise = Float32Array.from({ length: 50 * 32 }, () => 4 * random() - 2);
    const observation = { ...tinyObservation(aloha, 1), noise, noiseShape: [50, 32] };
    const messages = DIALECTS.map((dialect) => requestIn(dialect, observation));
    const other = requestIn("openpi", { ...observation, noise: noise.map((value) => -value) });
    const ask = async (connection: Connection, message: Bytes) =>
      actionBytes(await connection.request(message, endless)).slice();

    await using first = await connect(server.portals["tcp"]!);
    const expected = [await ask(first, messages[0]!), await ask(first, messages[1]!)];
    assert.notDeepEqual(await ask(first, other), expected[0]);
    for (let run = 0; run < 50; run++) assert.deepEqual(await ask(first, messages[run % 2]!), expected[run % 2]);

    const names = ["http", "ws", "tcp", "http", "ws", "tcp", "ws", "tcp"];
    await Promise.all(names.map(async (name, i) => {
      await using connection = await connect(server.portals[name]!, { client: `robot ${i}` });
      for (let run = 0; run < 7; run++) {
        const found = await ask(connection, messages[(i + run) % 2]!);
        assert.deepEqual(found, expected[(i + run) % 2], `${name}, run ${run}`);
      }
    }));
  }));

Deno.test("a prompt that is too long is cut, and pi0 infer and pi0 serve say so", () =>
  withFolder(async (folder) => {
    const prompt = "fold the towel twice ".repeat(4);
    const flags = ["--camera", `cam_high=${PICTURE}`, "--state", new Array(14).fill(0).join(), "--prompt", prompt];
    const { code, stderr } = await runProgram(["infer", "random:tiny", ...flags], inFolder(folder));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /the prompt has 85 tokens, and the model reads 48: its end is cut off/);

    await using server = await startServer(["--policy", "random:tiny"], inFolder(folder));
    await using connection = await connect(server.portals["tcp"]!);
    await connection.request(requestIn("openpi", { ...tinyObservation(aloha, 1), prompt }), endless);
    const metrics = await (await fetch(new URL("/metrics", server.portals["http"]))).text();
    assert.match(metrics, /^pi0_cut_prompts_total 1$/m);
  }));

Deno.test("pi0 bench sends the prompt that the server's model falls back on, unless told otherwise", () =>
  withFolder(async (folder) => {
    await using server = await startServer(["--policy", "random:tiny"], inFolder(folder));
    assert.equal(server.ready["defaultPrompt"], "do the task");
    const bench = async (...more: string[]) => {
      const args = ["bench", "--url", server.portals["tcp"]!, "-n", "2", "--rounds", "1", "--json", "--quiet"];
      const { code, stdout, stderr } = await runProgram([...args, ...more]);
      assert.equal(code, 0, stderr);
      const { options, samples } = JSON.parse(stdout);
      return { prompt: options.prompt, bytesOut: samples[0].bytesOut };
    };
    const [own, typed] = [await bench(), await bench("--prompt", "do it")];
    assert.deepEqual([own.prompt, typed.prompt], ["do the task", "do it"]);
    assert.equal(own.bytesOut - typed.bytesOut, "do the task".length - "do it".length);
  }));

Deno.test("pi0 infer answers from flags and from JSON as from a message", () =>
  withFolder(async (folder) => {
    assert.equal((await exportTiny(folder, "--cameras", "1")).code, 0);
    const observation = await goldenObservation(folders, golden);
    await Deno.copyFile(PICTURE, `${folder}/top.png`);
    await Deno.writeFile(`${folder}/noise.bin`, new Uint8Array(observation.noise!.buffer as ArrayBuffer));
    const state = Array.from(observation.state);
    const rows = Array.from(
      { length: 50 },
      (_, row) => Array.from(observation.noise!.subarray(32 * row, 32 * row + 32)),
    );
    await Deno.writeTextFile(
      `${folder}/request.json`,
      JSON.stringify({ images: { cam_high: "top.png" }, state, noise: rows }),
    );
    await Deno.writeFile(
      `${folder}/request`,
      encodeRequest(new Encoder(), observation, aloha, "openpi", false),
    );
    const ask = async (...flags: string[]) => {
      const { code, stdout, stderr } = await runProgram(["infer", `${folder}/model`, "--quiet", ...flags]);
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout).actions as number[][];
    };
    const expected = await ask("--observation", `${folder}/request`);
    assert.deepEqual([expected.length, expected[0]!.length], [50, 14]);
    assert.deepEqual(await ask("--observation", `${folder}/request.json`), expected);
    const flags = [
      "--camera",
      `cam_high=${folder}/top.png`,
      `--state=${state.join()}`,
      "--noise",
      `${folder}/noise.bin`,
    ];
    assert.deepEqual(await ask(...flags), expected);
    assert.notDeepEqual(await ask(...flags.slice(0, 3), "--seed", "7"), expected);
    // The golden noise of this case is a fresh server's first.
    const fresh = await ask(...flags.slice(0, 3), "--seed", "0");
    assert.ok(largestDifference(fresh.flat(), expected.flat()) < 1e-5);
  }));

Deno.test("pi0 export refuses what does not fit, in one line, and leaves nothing behind", () =>
  withFolder(async (folder) => {
    const cases: [string[], RegExp][] = [
      [["--config", `${FIXTURES}/pi0_graph/pi05_tiny/config.json`], /is it the configuration of this checkpoint\?/],
      [["--config", "pi0_aloha"], /the configuration needs/],
      [["--config", "nothing.json"], /Cannot find the configuration nothing\.json: give --config FILE, or one of pi0/],
      [["--tokenizer", `${FIXTURES}/pi0/README.md`], /as a tokenizer/],
      [["--tokenizer", "nothing.model"], /Cannot read the tokenizer nothing\.model: it is not there/],
      [["--norm-stats", FIXTURES], /Cannot find the norm stats: looked for/],
      [["--asset-id", "droid"], /Cannot find the norm stats/],
      [["--cameras", "4"], /4 cameras: the model has places for 3/],
      [["--cameras", "1,1"], /different whole numbers/],
      [["--time-embedding", TOKENIZER], /time vectors/],
      [["--policy-settings", TOKENIZER], /it is no JSON/],
    ];
    for (const [more, pattern] of cases) {
      assertRefused(await exportTiny(folder, ...more), pattern);
      const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
      assert.deepEqual(names, ["settings.json"], more.join(" "));
    }
    assertRefused(
      await runProgram(["export", `${folder}/none.safetensors`, `${folder}/model`, "--config", "pi0"]),
      /does not say for which robot; give --policy-settings/,
    );
    assertRefused(
      await runProgram([
        ...["export", `${folder}/none.safetensors`, `${folder}/model`, "--config", "pi0_aloha"],
        ...["--tokenizer", TOKENIZER, "--norm-stats", folders.policy],
      ]),
      /Cannot read the checkpoint .*none\.safetensors: it is not there/,
    );
  }));

Deno.test("pi0 serve refuses a model that is damaged, missing or for another robot", () =>
  withFolder(async (folder) => {
    assert.equal((await exportTiny(folder, "--cameras", "1")).code, 0);
    const model = `${folder}/model`;
    const serve = (policy: string, ...more: string[]) =>
      runProgram(["serve", "--port", "0", "--tcp-port", "off", "--policy", policy, ...more], inFolder(folder));
    assertRefused(await serve(`${folder}/other`), /Cannot open .*other as a model: it is not there/);
    assertRefused(await serve(folder), /it has no pi0\.json; make a model with pi0 export/);
    assertRefused(await serve(model, "--robot", "droid"), /Cannot use --robot droid .*its robot is aloha/);
    assertRefused(await serve(model, "--precision", "int8"), /it was exported in another one; export it again/);
    assertRefused(await serve(model, "--cameras", "4"), /4 cameras: it has places for 3/);
    assertRefused(await serve(model, "--gpu"), /Cannot use CUDA: .*--ort-lib-dir/);
    assertRefused(await serve("random:large"), /random models are random:pi0, random:pi05, random:tiny/);
    assertRefused(await serve("null", "--gpu"), /Cannot use --gpu with --policy null/);

    const weights = await Deno.readFile(`${model}/weights.safetensors`);
    weights[weights.length - 5]! ^= 1;
    await Deno.writeFile(`${model}/weights.safetensors`, weights);
    assertRefused(await serve(model), /weights\.safetensors is not as it was exported/);
    await Deno.writeFile(`${model}/weights.safetensors`, weights.subarray(0, 5000));
    assertRefused(await serve(model), /weights\.safetensors has 5000 bytes instead of/);
    await Deno.remove(`${model}/weights.safetensors`);
    assertRefused(await serve(model), /weights\.safetensors is not there/);
  }));

Deno.test("pi0 serve --gpu=auto goes on with the CPU, and says what is missing", () =>
  withFolder(async (folder) => {
    const { code, stderr } = await runProgram([
      ...["infer", "random:tiny", "--gpu=auto", "--out", `${folder}/reply`, "--state", new Array(14).fill(0).join()],
      ...["--camera", `cam_high=${PICTURE}`],
    ], inFolder(folder));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /tried cuda: .*; going on with the CPU/);
    assert.match(stderr, /: cpu, fp32, /);
  }));

Deno.test({
  name: "a model with a table of prompts needs no tokenizer, and names the prompts it knows",
  ignore: !hasMini,
  fn: () =>
    withFolder(async (folder) => {
      const model = `${folder}/mini`;
      const args = ["export", `${MINI_FOLDER}/tiny_pi0.safetensors`, model, "--config", MINI_CONFIG];
      const stats = ["--norm-stats", `${MINI_FOLDER}/tiny_pi0.norm_stats.json`];
      assertRefused(await runProgram([...args, ...stats, "--tokenizer", TOKENIZER]), /take the tokenizer's place/);
      assert.equal((await runProgram([...args, ...stats])).code, 0);
      assert.match((await runProgram(["inspect", model])).stdout, /prompts +Transfer cube/);
      const flags = ["--camera", `cam_high=${PICTURE}`];
      const state = ["--state", new Array(14).fill(0).join(), "--quiet"];
      assert.equal((await runProgram(["infer", model, ...flags, ...state])).code, 0);
      const refused = await runProgram(["infer", model, ...flags, ...state, "--prompt", "fold it"]);
      assertRefused(refused, /a prompt that this policy does not know, expected "Transfer cube"/);
      assertRefused(
        await runProgram(["infer", model, ...flags, ...state, "--probes", `${folder}/probes`]),
        /exported without them; use pi0 export --probes/,
      );
    }),
});
