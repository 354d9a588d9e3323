/**
 * `pi0 eval`, in this process: what was typed, what is played, what is written, and going on after a stop.
 */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { Ajv2020 } from "ajv";
import type { EvaluationResults } from "../../src/report/evaluation.ts";
import schema from "../../src/report/evaluation.schema.json" with { type: "json" };
import { TRANSPORT_NAMES } from "../../src/transport/mod.ts";
import type { Outcome } from "../support/program.ts";
import { deadUrl, inFolder, namesIn, runHere, serveTiny } from "../support/program_here.ts";
import { TinyPolicy } from "../support/tiny.ts";

const run: typeof runHere = (argv, around) => runHere(["eval", ...argv], around);

const readResults = async (path: string) => JSON.parse(await Deno.readTextFile(path)) as EvaluationResults;

/** Who acts where it is all the same: nothing has to be drawn for it. */
const EXPERT = ["--policy", "expert"];

/** Options of episodes that do not take long. */
const SHORT = ["--max-steps", "25", "-n", "2", "--workers", "1", "--no-warm"];

const MISTYPED: readonly [argv: string, message: RegExp][] = [
  ["--mode remote", /^pi0: Cannot evaluate without a server: give --url, for example --url ws:\/\/127/],
  ["--mode local --url ws://h:1", /Cannot use --url with --mode local/],
  ["--transport ws", /Cannot use --transport with --mode local/],
  ["--url h:8000", /Cannot use --url h:8000: write a URL such as ws:\/\/127\.0\.0\.1:8000, or NAME=URL/],
  ["--url ws://h:1 --policy null", /Cannot choose the policy of a far server/],
  ["--url ws://h:1 --action-dim 3", /Cannot choose the policy of a far server/],
  ["--pace real --delay-ms 0", /Cannot use --delay-ms with --pace real/],
  ["--pace real --sweep-delay 0,100", /Cannot use --sweep-delay with --pace real/],
  ["--delay-ms 1 --sweep-delay 0,100", /Cannot use --sweep-delay with --delay-ms/],
  ["--sweep-delay 0,now", /Cannot use --sweep-delay 0,now: write different numbers/],
  ["--observe top", /Cannot use --observe top: aloha sends cam_high, cam_low, /],
  ["--observe cam_low", /add --observe cam_high/],
  ["--min-success 90", /Cannot use --min-success "90".*a number from 0 to 1/],
  ["--scene-dir .", /Cannot use --scene-dir with --scene builtin/],
  ["--policy nul", /did you mean null\?/],
  ["--openpi", /Missing option --url/],
  ["--while-waiting go", /one of hold, continue/],
];

for (const [argv, message] of MISTYPED) {
  Deno.test(`pi0 eval ${argv} is refused`, async () => {
    const { code, stdout, stderr } = await run(argv.split(" "));
    assert.match(stderr, message);
    assert.deepEqual([code, stdout, stderr.trim().split("\n").length], [2, "", 1]);
  });
}

Deno.test("pi0 eval compares the expert beside the world with every transport, and gets the same episodes", async () => {
  await inFolder(async (folder) => {
    const out = `${folder}/results.json`;
    const { code, stdout, stderr } = await run(["--mode", "compare", ...EXPERT, ...SHORT, "--out", out]);
    assert.equal(code, 0, stderr);
    const results = await readResults(out);
    const validate = new Ajv2020({ strict: true, strictRequired: true, allowUnionTypes: true }).compile(schema);
    assert.ok(validate(results), JSON.stringify(validate.errors));
    const modes = ["local", ...TRANSPORT_NAMES];
    assert.deepEqual(results.modes.map(({ mode, policy }) => [mode, policy]), modes.map((mode) => [mode, "expert"]));
    assert.deepEqual(
      results.episodes.map(({ mode, seed }) => [mode, seed]),
      modes.flatMap((mode) => [3653403230, 2735729614].map((seed) => [mode, seed])),
    );
    assert.deepEqual(
      results.comparisons.map(({ pairs, identical }) => [pairs, identical]),
      TRANSPORT_NAMES.map(() => [2, 2]),
    );
    assert.ok(results.episodes.every(({ inferenceMs }) => inferenceMs.length === 3), "steps 0, 10 and 20");
    assert.equal(new Set(results.episodes.map(({ trajectory }) => trajectory)).size, 2, "one per seed");
    for (const mode of modes) assert.match(stdout, new RegExp(`^${mode} +0/2 `, "m"));
    assert.ok(!existsSync(`${out}.partial.jsonl`));
  });
});

Deno.test("pi0 eval plays the same episodes with any number of threads", async () => {
  const played = async (workers: string) => {
    const argv = [
      "--task",
      "insertion",
      "--task",
      "transfer_cube",
      "--sweep-delay",
      "0,100",
      "--while-waiting",
      "continue",
    ];
    const { stdout } = await run([...EXPERT, ...argv, "--max-steps", "25", "-n", "3", "--workers", workers, "--json"]);
    const { episodes } = JSON.parse(stdout) as EvaluationResults;
    return episodes.map(({ inferenceMs: _, ...rest }) => rest);
  };
  const alone = await played("1");
  assert.equal(alone.length, 2 * 2 * 3);
  assert.deepEqual(await played("3"), alone);
  assert.ok(alone.some(({ staleRows }) => staleRows > 0), "what was dropped is counted");
});

Deno.test("pi0 eval --records writes episodes that can be replayed", async () => {
  await inFolder(async (folder) => {
    const records = `${folder}/records`;
    const first = await run([...EXPERT, ...SHORT, "--delay-ms", "40", "--records", records, "--json"]);
    assert.equal(first.code, 0, first.stderr);
    const names = await namesIn(records);
    assert.deepEqual(names, [
      "local_transfer_cube_40ms_000_3653403230.json",
      "local_transfer_cube_40ms_001_2735729614.json",
    ]);
    const record = JSON.parse(await Deno.readTextFile(`${records}/${names[0]}`));
    assert.equal(record.schema, "pi0.episode/1");
    assert.deepEqual([record.steps.length, record.steps[0].held], [25, "waiting"]);
    assert.deepEqual(
      record.requests.map(({ step, delaySteps }: Record<string, unknown>) => [step, delaySteps]),
      [[0, 2], [12, 2], [24, undefined]],
    );
    const again = await run([...SHORT, "-q", "--policy", `replay:${records}/${names[0]}`, "--json"]);
    const trajectory = ({ stdout }: Outcome) => (JSON.parse(stdout) as EvaluationResults).episodes[0]!.trajectory;
    assert.equal(trajectory(again), trajectory(first));
    const refused = await run([...EXPERT, ...SHORT, "--records", records]);
    assert.match(refused.stderr, /it holds files already; choose another folder, or type --force/);
  });
});

Deno.test("pi0 eval goes on where Ctrl-C stopped it, and repeats nothing", async () => {
  await inFolder(async (folder) => {
    const out = `${folder}/results.json`;
    const command = [...EXPERT, "--max-steps", "200", "-n", "6", "--workers", "1", "--out", out];
    const stop = new AbortController();
    const journal = `${out}.partial.jsonl`;
    const lines = () => existsSync(journal) ? Deno.readTextFileSync(journal).trimEnd().split("\n") : [];
    // Whoever looks at the progress sees how many episodes are on disk.
    const onStderr = () => lines().length >= 3 ? stop.abort(new Error("Stopped by SIGINT")) : undefined;
    const stopped = await run(command, { signal: stop.signal, onStderr });
    assert.equal(stopped.code, 1, stopped.stderr);
    assert.match(stopped.stderr, /interrupted.*the same command goes on from there/);
    assert.match(stopped.stdout, /^local +0\/\d /m, "what was played until then is shown");
    assert.ok(!existsSync(out), "no results that look whole");
    const kept = lines();
    const played = kept.length - 1;
    assert.ok(played >= 2 && played < 6, `${played} episodes`);
    // A kill in the middle of a line leaves a half of it.
    await Deno.writeTextFile(journal, '{"event":"episode","mo', { append: true });

    const other = await run([...EXPERT, "--max-steps", "200", "-n", "6", "--seed", "1", "--out", out]);
    assert.equal(other.code, 1);
    assert.match(
      other.stderr,
      /it was left by another evaluation \(pi0 eval --policy expert --max-steps 200 .*--force/,
    );

    const resumed = await run(command);
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stderr, new RegExp(`${played} of 6 episodes are played already`));
    const results = await readResults(out);
    assert.deepEqual(results.episodes.map(({ index }) => index), [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(
      results.episodes.slice(0, played),
      kept.slice(1).map((line) => {
        const { event: _, ...outcome } = JSON.parse(line);
        return outcome;
      }),
      "the very same, times included",
    );
    assert.equal(results.startedAt, JSON.parse(kept[0]!).startedAt);
    assert.ok(!existsSync(journal));

    const again = await run(command);
    assert.deepEqual([again.code, again.stdout], [1, ""]);
    assert.match(again.stderr, /it is there already; choose another file, or type --force/);
    assert.equal((await run([...command, "--force", "-n", "1"])).code, 2, "a flag given twice");
  });
});

Deno.test("pi0 eval exits with 1 below --min-success, and says which line it was", async () => {
  const { code, stderr } = await run([...EXPERT, ...SHORT, "-q", "--min-success", "0.5"]);
  assert.equal(code, 1);
  assert.match(stderr, /local in transfer_cube succeeds in 0\.0 %, below --min-success 0\.5/);
  assert.equal((await run([...EXPERT, ...SHORT, "--min-success", "0"])).code, 0);
});

Deno.test("pi0 eval --push-at puts the cube elsewhere in every episode, and says so", async () => {
  const pushed = await run([...EXPERT, ...SHORT, "--push-at", "5"]);
  assert.match(pushed.stdout, /, 10 rows of each chunk, pushed away at step 5\n/);
  const [one, other] = await Promise.all(
    [[], ["--push-at", "5"]].map(async (push) => {
      const { episodes } = JSON.parse(
        (await run([...EXPERT, ...SHORT, ...push, "--json"])).stdout,
      ) as EvaluationResults;
      return episodes.map(({ trajectory }) => trajectory);
    }),
  );
  one!.forEach((trajectory, i) => assert.notEqual(trajectory, other![i]));
});

Deno.test("pi0 eval shows how many have succeeded while it plays", async () => {
  const seen: string[] = [];
  const { code } = await run([...EXPERT, "-n", "3", "--workers", "1"], { onStderr: (text) => seen.push(text) });
  assert.equal(code, 0);
  assert.match(seen.join(""), /eval \[#+-*\] [123]\/3 100\.0 % succeed; local, seed \d+/);
});

Deno.test("pi0 eval of a policy that was trained on other pictures wants --scene typed, and says so", async () => {
  const policy = Object.assign(new TinyPolicy(), { looks: false, metadata: { scenes: ["gym-aloha"] } });
  await using server = serveTiny(policy);
  const unasked = await run(["--url", server.url, ...SHORT]);
  assert.equal(unasked.code, 2);
  assert.match(
    unasked.stderr,
    /in the scene builtin unasked: it was trained on pictures of gym-aloha; add --scene gym-aloha/,
  );
  assert.equal(policy.asked.length, 0, "nothing was played");
  const typed = await run(["--url", server.url, ...SHORT, "--scene", "builtin", "--json"]);
  assert.equal(typed.code, 0, typed.stderr);
  assert.match(
    (JSON.parse(typed.stdout) as EvaluationResults).warnings.join(),
    /tcp: .*trained on pictures of gym-aloha/,
  );
  const fitting = Object.assign(new TinyPolicy(), { looks: false, metadata: { scenes: ["gym-aloha", "builtin"] } });
  await using other = serveTiny(fitting);
  assert.equal((await run(["--url", other.url, ...SHORT])).code, 0);
});

Deno.test("pi0 eval draws pictures for a policy that looks, and black ones for one that does not", async () => {
  for (const looks of [true, false]) {
    const policy = Object.assign(new TinyPolicy(), { looks });
    await using server = serveTiny(policy);
    const { code, stderr } = await run(["--url", server.url, "--max-steps", "5", "-n", "1"]);
    assert.equal(code, 0, stderr);
    const { images } = policy.asked[0]!.observation;
    assert.deepEqual([images.cam_high!.width, images.cam_high!.height], [224, 224]);
    assert.equal(images.cam_high!.data.some((value) => value > 0), looks);
  }
});

Deno.test("pi0 eval counts an episode in which the policy fails, and exits with 1", async () => {
  const policy = new TinyPolicy();
  policy.infer = () => Promise.reject(new Error("out of memory"));
  await using server = serveTiny(policy);
  const { code, stdout, stderr } = await run(["--url", `box=${server.url}`, ...SHORT]);
  assert.equal(code, 1);
  assert.match(stdout, /errors\nbox +0\/2 .* 2\n/);
  assert.match(stderr, /^pi0: box: an episode broke off: .*out of memory/m);
});

for (const mode of ["local", "compare"]) {
  Deno.test(`pi0 eval --mode ${mode} says at once that the server behind its policy is not there`, async () => {
    const { code, stdout, stderr } = await run([...SHORT, "--mode", mode, "--policy", deadUrl()]);
    assert.match(stderr, /^pi0: Cannot connect to tcp:\/\/[^\n]*nobody is listening[^\n]*\n$/);
    assert.deepEqual([code, stdout], [1, ""]);
  });
}

Deno.test("pi0 eval stops where a server is lost, and what was played is kept", async () => {
  await inFolder(async (folder) => {
    const policy = new TinyPolicy();
    await using server = serveTiny(policy);
    const { infer } = policy;
    policy.infer = (observation, signal) => {
      // Chunks of three rows: the second episode begins with the tenth request.
      if (policy.asked.length === 12) server.close();
      return infer.call(policy, observation, signal);
    };
    const out = `${folder}/results.json`;
    const { code, stderr } = await run(["--url", server.url, ...SHORT, "--timeout-ms", "500", "--out", out]);
    assert.equal(code, 1);
    assert.match(stderr, /^pi0: Cannot go on with tcp: .*\(1 of 2 episodes are played, and the same command goes on/m);
    assert.equal((await Deno.readTextFile(`${out}.partial.jsonl`)).trimEnd().split("\n").length, 2);
  });
});

Deno.test("pi0 eval in real pace counts what was really waited for", async () => {
  const argv = ["--policy", "null", "--null-delay-ms", "30", "--pace", "real", "--max-steps", "15", "-n", "1"];
  const { code, stdout } = await run([...argv, "--json"]);
  assert.equal(code, 0);
  const { episodes: [episode], summaries: [summary] } = JSON.parse(stdout) as EvaluationResults;
  assert.ok(!("delayMs" in episode!));
  assert.ok(episode!.heldSteps >= 4, "two requests of at least two steps each");
  assert.ok(episode!.worldMs >= 14 * 20);
  assert.ok("missedDeadlines" in summary!);
});

Deno.test("pi0 eval names modes apart, or asks for names", async () => {
  await using server = serveTiny(Object.assign(new TinyPolicy(), { looks: false }));
  const { url } = server;
  const twice = await run(["--url", url, "--url", url, ...SHORT]);
  assert.deepEqual([twice.code, twice.stdout], [2, ""]);
  assert.match(twice.stderr, /Cannot call two modes tcp: name the servers with --url NAME=URL/);
  const named = await run(["--url", `near=${url}`, "--url", `far=${url}`, ...SHORT]);
  assert.equal(named.code, 0, named.stderr);
  assert.match(named.stdout, /^near and far +2 /m);
  const different = await run(["--mode", "compare", "--url", url, ...EXPERT, ...SHORT]);
  assert.match(different.stdout, /may be the policy and not the way \(local: expert, tcp: tiny \(c0c0c0c0\)\)/);
});
