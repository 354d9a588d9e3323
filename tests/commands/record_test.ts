/**
 * `pi0 record`, in this process: what was typed, what is played and drawn, and what is left where it fails.
 */

import assert from "node:assert/strict";
import { answeredSample, benchResults } from "../support/bench_results.ts";
import { checkMp4 } from "../support/mp4_structure.ts";
import { deadUrl, inFolder, namesIn, runHere as run, serveTiny } from "../support/program_here.ts";
import { TinyPolicy } from "../support/tiny.ts";

/** All files below a folder, sorted. */
async function filesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) found.push(...(await filesIn(`${folder}/${name}`)).map((file) => `${name}/${file}`));
    else found.push(name);
  }
  return found.sort();
}

const SMALL = ["--size", "64x48", "--fps", "10"];
const LIVE = ["record", "--policy", "expert", "--max-steps", "6", "--transport", "tcp", "--no-warm", ...SMALL];

Deno.test("pi0 record plays here and through a server, and draws each, both, and the chart", async () => {
  await inFolder(async (folder) => {
    const out = `${folder}/out`;
    const { code, stdout, stderr } = await run([...LIVE, "--label", "lab", "--out", out, "--json"]);
    assert.equal(code, 0, stderr);
    const result = JSON.parse(stdout);
    const files = [
      "charts/latency_breakdown.json",
      "charts/latency_breakdown.png",
      "charts/latency_breakdown.svg",
      "episodes/local_lab.json",
      "episodes/remote_lab_tcp.json",
      "videos/comparison_lab_local_tcp.mp4",
      "videos/local_lab.mp4",
      "videos/remote_lab_tcp.mp4",
    ];
    assert.deepEqual(await filesIn(out), files);
    assert.deepEqual(result.files.toSorted(), files.map((file) => `${out}/${file}`));
    assert.deepEqual(
      result.episodes.map(({ mode, steps }: { mode: string; steps: number }) => [mode, steps]),
      [["local · lab", 6], ["remote · lab · tcp", 6]],
    );
    const local = checkMp4(await Deno.readFile(`${out}/videos/local_lab.mp4`));
    assert.deepEqual([local.widthPx, local.heightPx], [64, 48]);
    // Six steps are 0.12 s and more, and the end stays for 1.5 s.
    assert.ok(local.frames >= 17);
    const bench = JSON.parse(await Deno.readTextFile(`${out}/charts/latency_breakdown.json`));
    const counts = bench.summaries.map(({ transport, count }: { transport: string; count: number }) => [
      transport,
      count,
    ]);
    // The expert is asked with what it needs to know: it answers all.
    assert.deepEqual(counts, [["tcp", 100]]);
    assert.match(await Deno.readTextFile(`${out}/charts/latency_breakdown.svg`), /n = 100/);

    const again = await run([...LIVE, "--out", out]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /it holds files already; choose another folder, or type --force/);

    const saved = ["--from", `${out}/episodes/local_lab.json`, "--from", `${out}/episodes/remote_lab_tcp.json`];
    const redrawn = await run(["record", ...saved, ...SMALL, "--out", `${folder}/again`]);
    assert.equal(redrawn.code, 0, redrawn.stderr);
    assert.deepEqual(await filesIn(`${folder}/again`), [
      "videos/comparison_local_lab_vs_remote_lab_tcp.mp4",
      "videos/local_lab.mp4",
      "videos/remote_lab_tcp.mp4",
    ]);
    assert.deepEqual(
      await Deno.readFile(`${folder}/again/videos/comparison_local_lab_vs_remote_lab_tcp.mp4`).then(
        (file) => checkMp4(file).frames,
      ),
      checkMp4(await Deno.readFile(`${out}/videos/comparison_lab_local_tcp.mp4`)).frames,
    );
  });
});

Deno.test("pi0 record --skip-local plays through the server only, and compares nothing with nothing", async () => {
  await inFolder(async (folder) => {
    const { code, stderr } = await run([...LIVE, "--skip-local", "--out", `${folder}/out`]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      (await filesIn(`${folder}/out`)).filter((file) => file.endsWith(".mp4")),
      ["videos/remote_expert_tcp.mp4"],
    );
  });
});

Deno.test("pi0 record --from takes an episode of pi0 sim and results of pi0 bench", async () => {
  await inFolder(async (folder) => {
    const sim = ["sim", "--max-steps", "4", "--every", "100", "--size", "64x48", "--out", `${folder}/cube`, "-q"];
    assert.equal((await run(sim)).code, 0);
    const sample = answeredSample({ transport: "ws", index: 0, roundTripMs: 10 });
    await Deno.writeTextFile(`${folder}/bench.json`, JSON.stringify(benchResults({ ws: [sample] })));
    const from = ["--from", `${folder}/cube/episode.json`, "--from", `${folder}/bench.json`];
    const { code, stdout, stderr } = await run(["record", ...from, ...SMALL, "--out", `${folder}/out`]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^cube: 4 steps, 1 requests?, best reward 0, waited for 0\.00 s\n/);
    assert.deepEqual(await filesIn(`${folder}/out`), [
      "charts/latency_breakdown.png",
      "charts/latency_breakdown.svg",
      "videos/cube.mp4",
    ]);
    const twice = await run(["record", ...from.slice(0, 2), ...from.slice(0, 2), "--out", `${folder}/two`]);
    assert.equal(twice.code, 2);
    assert.match(twice.stderr, /Cannot make two videos of the name cube: rename one of the files/);
    const charts = await run(["record", ...from.slice(2), ...from.slice(2), "--out", `${folder}/two`]);
    assert.match(charts.stderr, /Cannot draw two benches into one chart/);
  });
});

Deno.test("pi0 record stops at Ctrl-C and leaves no half-made file", async () => {
  await inFolder(async (folder) => {
    const stop = new AbortController();
    const onStderr = (text: string) => text.includes(".mp4") && stop.abort(new Error("Stopped by SIGINT"));
    const { code, stderr } = await run([...LIVE, "--out", `${folder}/out`], { signal: stop.signal, onStderr });
    assert.equal(code, 1);
    assert.match(stderr, /pi0: Stopped by SIGINT\n$/);
    assert.deepEqual(await filesIn(`${folder}/out`), [
      "episodes/local_expert.json",
      "episodes/remote_expert_tcp.json",
    ]);
  });
});

Deno.test("pi0 record that is stopped while it plays keeps the episodes that are whole, and nothing else", async () => {
  await inFolder(async (folder) => {
    const stop = new AbortController();
    const policy = Object.assign(new TinyPolicy(), { looks: false });
    const infer = policy.infer.bind(policy);
    policy.infer = (observation, signal) => {
      stop.abort(new Error("Stopped by SIGINT"));
      return infer(observation, signal);
    };
    await using server = serveTiny(policy);
    const argv = ["record", "--url", server.url, "--max-steps", "6", "--no-warm", ...SMALL];
    const { code, stderr } = await run([...argv, "--out", `${folder}/out`], { signal: stop.signal });
    assert.deepEqual([code, stderr], [1, "pi0: Stopped by SIGINT\n"]);
    assert.deepEqual(await namesIn(`${folder}/out`), ["episodes"]);
    assert.deepEqual(await namesIn(`${folder}/out/episodes`), ["local_mini.json"]);
  });
});

Deno.test("pi0 record of a policy that was trained on other pictures wants --scene typed, and says so", async () => {
  await inFolder(async (folder) => {
    const policy = Object.assign(new TinyPolicy(), { looks: false, metadata: { scenes: ["gym-aloha"] } });
    await using server = serveTiny(policy);
    const far = ["record", "--url", server.url, "--skip-local", "--max-steps", "6", "--no-warm", ...SMALL];
    const argv = [...far, "--out", `${folder}/out`];
    const unasked = await run(argv);
    assert.equal(unasked.code, 2);
    assert.match(
      unasked.stderr,
      /^pi0: Cannot play tcp:\/\/\S+ in the scene builtin unasked: .*pictures of gym-aloha; add --scene gym-aloha/,
    );
    assert.equal(policy.asked.length, 0, "nothing was played");
    assert.deepEqual(await namesIn(folder), [], "the same command with --scene finds no folder that is in the way");
    const typed = await run([...argv, "--scene", "builtin"]);
    assert.equal(typed.code, 0, typed.stderr);
    assert.match(typed.stderr, /^pi0: tcp: .*trained on pictures of gym-aloha, and plays in the scene builtin\n/);
  });
});

const MISTYPED: readonly [argv: string, message: RegExp][] = [
  ["--size 65x48", /Cannot use --size 65x48: videos have even numbers up to 1920, such as 640x480/],
  ["--size 2000x1000", /Cannot use --size 2000x1000/],
  ["--camera moon", /Cannot use --camera moon: the scene has /],
  ["--label a/b", /Cannot use --label a\/b: labels are letters, digits, dots, - and _/],
  ["--observe moon", /Cannot use --observe moon: aloha sends cam_high/],
  ["--from x.json --url ws://h:1", /Cannot .*--from.*--url|--url.*--from/],
  ["--from x.json --task insertion", /--from.*--task|--task.*--from/],
  ["--skip-local --url ws://h:1 --policy null", /Cannot choose the policy of a far server/],
  ["--openpi", /--openpi/],
  ["--fps 0", /--fps/],
];

for (const [argv, message] of MISTYPED) {
  Deno.test(`pi0 record ${argv} is refused with exit code 2`, async () => {
    await inFolder(async (folder) => {
      const { code, stderr } = await run(["record", ...argv.split(" "), "--out", `${folder}/out`]);
      assert.match(stderr, message);
      assert.equal(code, 2);
      assert.deepEqual(await filesIn(folder), []);
    });
  });
}

Deno.test("pi0 record says in one line that a folder cannot be written, and that a server is not there", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    const { code, stderr } = await run([...LIVE, "--out", `${folder}/file`]);
    assert.equal(code, 1);
    assert.match(stderr, /^pi0: Cannot write to the folder ".*file": a file of that name is in the way\n$/);
    const away = await run(["record", "--url", deadUrl(), "--out", `${folder}/out`]);
    assert.equal(away.code, 1);
    assert.match(away.stderr, /^pi0: Cannot connect to tcp:[^\n]*nobody is listening[^\n]*\n$/);
    assert.deepEqual(await filesIn(folder), ["file"]);
  });
});

Deno.test("pi0 record refuses a policy of another robot, and leaves nothing behind", async () => {
  await inFolder(async (folder) => {
    const argv = [...LIVE.toSpliced(2, 1, "null"), "--action-dim", "2", "--out", `${folder}/out`];
    const { code, stderr } = await run(argv);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^pi0: Cannot execute actions of 2 numbers: transfer_cube takes 14; use a policy of that robot\n$/,
    );
    assert.deepEqual(await filesIn(`${folder}/out`), []);
  });
});
