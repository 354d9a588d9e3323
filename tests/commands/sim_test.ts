/**
 * `pi0 sim` and `pi0 sim render`, in this process: what was typed, what is written, and what is said.
 */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { systemClock } from "../../src/clock.ts";
import { parseOptions } from "../../src/commands/options.ts";
import { sim } from "../../src/commands/sim.ts";
import { simRender } from "../../src/commands/sim_render.ts";
import { PolicyError } from "../../src/errors.ts";
import { decodePng } from "../../src/image.ts";
import type { Episode } from "../../src/rollout/episode.ts";
import type { Image } from "../../src/types.ts";
import { runProgram as runChild, SOURCE, startServer } from "../support/program.ts";
import { deadUrl, inFolder, namesIn, runHere as run, serveTiny } from "../support/program_here.ts";
import { SCENE_FOLDER } from "../support/scenes.ts";
import { TinyPolicy } from "../support/tiny.ts";

const readImage = async (path: string): Promise<Image> => decodePng(await Deno.readFile(path));

const readEpisode = async (folder: string) =>
  JSON.parse(await Deno.readTextFile(`${folder}/episode.json`)) as Episode & { versions: Record<string, string> };

/** What was done and what came of it, whichever request the actions are from. */
const happened = ({ steps }: Episode) => steps.map(({ request: _, row: __, ...step }) => step);

/** Options of an episode that does not take long. */
const SHORT = ["--max-steps", "20", "--every", "10", "--size", "160x120"];

/** Both arms where every episode begins, and the cube on the table. */
const ARM = [0, -0.96, 1.16, 0, -0.3, 0, 0.02239, -0.02239];
const POSE = [...ARM, ...ARM, 0.1, 0.5, 0.05, 1, 0, 0, 0];

// What was typed.

const MISTYPED: readonly [argv: string, message: RegExp][] = [
  ["sim --size 640", /^pi0: Cannot use --size 640: write width x height from 16 to 4096, such as 640x480$/],
  ["sim --size 640x480x3", /Cannot use --size 640x480x3/],
  ["sim --size 0x0", /Cannot use --size 0x0/],
  ["sim --size 15x480", /Cannot use --size 15x480/],
  ["sim --size 640x4097", /Cannot use --size 640x4097/],
  ["sim --size 640×480", /Cannot use --size 640×480/],
  ["sim --size=-640x480", /Cannot use --size -640x480/],
  ["sim --size 1e3x480", /Cannot use --size 1e3x480/],
  ["sim render --size 9x9 --qpos x.json --out x.png", /Cannot use --size 9x9/],
  ["sim --task transfer", /Cannot use --task "transfer".*did you mean transfer_cube\?/],
  ["sim --scene gym_aloha", /Cannot use --scene "gym_aloha".*did you mean gym-aloha\?/],
  ["sim --scene-dir .", /^pi0: Cannot use --scene-dir with --scene builtin: it needs no files; add --scene gym-aloha$/],
  ["sim render --scene-dir . --qpos x.json --out x.png", /Cannot use --scene-dir with --scene builtin/],
  ["sim --seed=-1", /Cannot use --seed "-1".*a whole number from 0 to 4294967295/],
  ["sim --seed 4294967296", /Cannot use --seed/],
  ["sim --seed 1.5", /Cannot use --seed/],
  ["sim --max-steps 0", /Cannot use --max-steps "0"/],
  ["sim --every 0", /Cannot use --every "0"/],
  ["sim --replan-steps 0", /Cannot use --replan-steps "0"/],
  ["sim --policy nul", /Cannot use --policy nul: .*did you mean null\?/],
  ["sim --policy replay:", /write replay:FILE/],
  ["sim --null-delay-ms 5", /Cannot use --null-delay-ms with --policy expert/],
  ["sim --openpi", /Cannot use --openpi with --policy expert/],
  ["sim render --out x.png", /^pi0: Missing option --qpos FILE for pi0 sim render \(see pi0 sim render --help\)$/],
  ["sim render --qpos x.json", /^pi0: Missing option --out PNG for pi0 sim render \(see pi0 sim render --help\)$/],
  ["sim render --seed 3", /Unknown option --seed for pi0 sim render/],
  ["sim rendr", /^pi0: Unknown command sim rendr: did you mean sim render\? \(see pi0 --help\)$/],
  ["sim rendr --help", /did you mean sim render\?/],
  ["sim play", /^pi0: Unexpected argument "play" for pi0 sim: leave it out \(see pi0 sim --help\)$/],
  ["sim render pose.json", /Unexpected argument "pose.json" for pi0 sim render/],
  ["simm", /Unknown command simm: did you mean sim\?/],
];

for (const [argv, message] of MISTYPED) {
  Deno.test(`pi0 ${argv} is refused in one line, with exit code 2`, async () => {
    const { code, stdout, stderr } = await run(argv.split(" "));
    assert.match(stderr.trimEnd(), message);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.equal(stderr.trimEnd().split("\n").length, 1);
  });
}

for (const command of [["sim"], ["sim", "render"]]) {
  Deno.test(`pi0 ${command.join(" ")} --help explains the command`, async () => {
    const { code, stdout, stderr } = await run([...command, "--help"]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.ok(stdout.startsWith(`pi0 ${command.join(" ")}: `));
    assert.match(stdout, /\nExamples:\n/);
    assert.ok(!stdout.includes("undefined"));
    for (const name of ["transfer_cube", "insertion", "builtin", "gym-aloha", "640x480"]) {
      assert.ok(stdout.includes(name), name);
    }
    // As nobody has a page of their own for what was typed after it.
    assert.equal((await run([...command, "--size", "0x0", "-h"])).stdout, stdout);
  });
}

Deno.test("pi0 --help lists the commands of the simulator", async () => {
  const { stdout } = await run(["--help"]);
  assert.match(stdout, /\n {2}sim {2,}play an episode/);
  assert.match(stdout, /\n {2}sim render {2,}draw given joint states/);
});

for (const command of [sim, simRender]) {
  Deno.test(`every example of pi0 ${command.name} can be typed`, () => {
    for (const { command: typed } of command.examples) {
      const words = typed.split(" ");
      const name = `pi0 ${command.name}`.split(" ");
      assert.deepEqual(words.slice(0, name.length), name);
      const argv = words.slice(name.length);
      parseOptions<typeof command.options>(command.options, argv, { command: command.name, env: () => undefined });
    }
  });
}

// What goes wrong.

Deno.test("pi0 sim refuses a camera that the scene does not have, names those it has, and writes nothing", () =>
  inFolder(async (folder) => {
    const { code, stderr } = await run(["sim", "--camera", "topp", "--out", `${folder}/out`]);
    assert.match(stderr, /^pi0: Cannot use --camera topp: the scene has .*\btop\b.*\bleft_wrist\b/);
    assert.equal(code, 2);
    assert.deepEqual(await namesIn(folder), []);
  }));

Deno.test("pi0 sim refuses an observed camera that the scene does not have, and names those it has", () =>
  inFolder(async (folder) => {
    const { code, stderr } = await run(["sim", "--observe", "cam_hihg", "--out", `${folder}/out`]);
    assert.match(stderr, /^pi0: Cannot observe with the camera cam_hihg: there are cam_high, .*angle/);
    assert.notEqual(code, 0);
    assert.deepEqual(await namesIn(folder), []);
  }));

Deno.test("pi0 sim leaves a folder alone that holds files already, unless --force is typed", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/episode.json`, "mine");
    const args = ["sim", "--max-steps", "1", "--size", "16x16", "--policy", "null", "--out", folder];
    const refused = await run(args);
    assert.deepEqual([refused.code, refused.stdout], [1, ""]);
    assert.equal(
      refused.stderr,
      `pi0: Cannot write to the folder "${folder}": it holds files already; choose another folder, or type --force\n`,
    );
    assert.deepEqual(await namesIn(folder), ["episode.json"]);
    assert.equal(await Deno.readTextFile(`${folder}/episode.json`), "mine");
    assert.equal((await run([...args, "--force"])).code, 0);
    assert.equal((await readEpisode(folder)).steps.length, 1);
  }));

Deno.test("pi0 sim refuses the place of a file for its folder", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "mine");
    const { code, stderr } = await run(["sim", "--policy", "null", "--force", "--out", `${folder}/file`]);
    assert.equal(stderr, `pi0: Cannot write to the folder "${folder}/file": a file of that name is in the way\n`);
    assert.equal(code, 1);
  }));

Deno.test("pi0 sim with the official scene says how to get it, where it is not installed", async () => {
  const { code, stderr } = await run(["sim", "--scene", "gym-aloha"]);
  assert.match(stderr, /^pi0: .*\/nowhere\/gym-aloha.*pi0 assets install/);
  assert.deepEqual([code, stderr.trimEnd().split("\n").length], [1, 1]);
});

Deno.test("pi0 sim with the official scene says which folder lacks its files", () =>
  inFolder(async (folder) => {
    const { code, stderr } = await run(["sim", "--scene", "gym-aloha", "--scene-dir", folder]);
    assert.ok(stderr.includes(`Cannot use the gym-aloha scene in ${folder}: none of its 17 files is there`), stderr);
    assert.deepEqual([code, stderr.trimEnd().split("\n").length], [1, 1]);
  }));

Deno.test("pi0 sim says in one line why a recording cannot be replayed", () =>
  inFolder(async (folder) => {
    const path = `${folder}/episode.json`;
    const refuse = async (why: string) => {
      const { code, stdout, stderr } = await run(["sim", "--policy", `replay:${path}`, "--out", `${folder}/out`]);
      assert.equal(stderr, `pi0: Cannot replay "${path}": ${why}\n`);
      assert.deepEqual([code, stdout], [1, ""]);
    };
    await refuse("there is no such file");
    await Deno.writeTextFile(path, '{"steps": [');
    await refuse("it is no JSON (expected an episode.json of pi0 sim)");
    await Deno.writeTextFile(path, JSON.stringify({ steps: [{ action: [1, 2] }] }));
    await refuse("step 0 has no action of 14 numbers");
    assert.deepEqual(await namesIn(folder), ["episode.json"]);
  }));

const POSES: readonly [name: string, text: string, why: RegExp][] = [
  ["no JSON", "[1, 2", /: it is no JSON$/],
  ["an empty file", "", /: it is no JSON$/],
  ["a number", "3", /: expected one array of joint positions, or an array of such arrays$/],
  ["an object", '{"qpos": [1]}', /: expected one array/],
  ["an empty array", "[]", /: expected one array/],
  ["an array with text", '[1, "2"]', /: expected one array/],
  ["an array with nil", "[1, null]", /: expected one array/],
  ["states of which one is empty", "[[1], []]", /: expected one array/],
  ["numbers beside states", "[[1], 2]", /: expected one array/],
  ["a number beyond all", "[1e999]", /: expected one array/],
];

for (const [name, text, why] of POSES) {
  Deno.test(`pi0 sim render refuses ${name}, names the file and draws nothing`, () =>
    inFolder(async (folder) => {
      const path = `${folder}/pose.json`;
      await Deno.writeTextFile(path, text);
      const { code, stdout, stderr } = await run(["sim", "render", "--qpos", path, "--out", `${folder}/pose.png`]);
      assert.ok(stderr.startsWith(`pi0: Cannot draw "${path}": `), stderr);
      assert.match(stderr.trimEnd(), why);
      assert.deepEqual([code, stdout], [1, ""]);
      assert.deepEqual(await namesIn(folder), ["pose.json"]);
    }));
}

Deno.test("pi0 sim render says that there is no such file, and that a folder cannot be read", () =>
  inFolder(async (folder) => {
    const draw = async (path: string) => (await run(["sim", "render", "--qpos", path, "--out", "x.png"])).stderr;
    assert.equal(await draw(`${folder}/none`), `pi0: Cannot draw "${folder}/none": there is no such file\n`);
    assert.equal(await draw(folder), `pi0: Cannot draw "${folder}": it cannot be read\n`);
  }));

Deno.test("pi0 sim render refuses a state of another length, with the layout that it should have", () =>
  inFolder(async (folder) => {
    const path = `${folder}/pose.json`;
    await Deno.writeTextFile(path, JSON.stringify(POSE.slice(1)));
    const { code, stderr } = await run(["sim", "render", "--qpos", path, "--out", `${folder}/pose.png`]);
    assert.match(
      stderr,
      /Cannot pose transfer_cube with 22 numbers: it has 23 \(16 joints, then 7 numbers per object\)/,
    );
    assert.equal(code, 1);
    await Deno.writeTextFile(path, JSON.stringify(POSE));
    const insertion = await run([
      "sim",
      "render",
      "--task",
      "insertion",
      "--qpos",
      path,
      "--out",
      `${folder}/pose.png`,
    ]);
    assert.match(insertion.stderr, /Cannot pose insertion with 23 numbers: it has 30/);
    const camera = await run(["sim", "render", "--camera", "tp", "--qpos", path, "--out", `${folder}/pose.png`]);
    assert.match(camera.stderr, /Cannot use --camera tp: the scene has .*top/);
    assert.equal(camera.code, 2);
    assert.deepEqual(await namesIn(folder), ["pose.json"]);
    const away = await run(["sim", "render", "--qpos", path, "--size", "16x16", "--out", `${folder}/none/pose.png`]);
    assert.equal(
      away.stderr,
      `pi0: Cannot write the picture to "${folder}/none/pose.png": its folder does not exist\n`,
    );
    assert.equal(away.code, 1);
  }));

// What is written.

Deno.test("pi0 sim writes frames, a contact sheet and the episode, and tells the result as JSON", () =>
  inFolder(async (folder) => {
    const out = `${folder}/a/b`;
    const cameras = ["--camera", "angle", "--camera", "left_wrist"];
    const { code, stdout, stderr } = await run(["sim", ...SHORT, ...cameras, "--seed", "3", "--out", out, "--json"]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.deepEqual(JSON.parse(stdout), {
      task: "transfer_cube",
      scene: "builtin",
      seed: 3,
      policy: "expert",
      steps: 20,
      maxReward: 0,
      success: false,
      firstStepOfReward: { 1: null, 2: null, 3: null, 4: null },
      pictures: 6,
      out,
    });
    const frames = ["angle", "left_wrist"].flatMap((camera) =>
      ["00", "10", "20"].map((step) => `${camera}_${step}.png`)
    );
    assert.deepEqual(await namesIn(out), [...frames, "contact_sheet.png", "episode.json"].toSorted());
    const seen = new Set<string>();
    for (const name of frames) {
      const { width, height, data } = await readImage(`${out}/${name}`);
      assert.deepEqual([width, height], [160, 120], name);
      assert.ok(new Set(data).size > 20, `${name} shows something`);
      seen.add(data.join());
    }
    assert.equal(seen.size, 6, "each camera and each step looks different");
    const sheet = await readImage(`${out}/contact_sheet.png`);
    // Each camera has a row of three: 256 × 192, with 4 pixels around each.
    assert.deepEqual([sheet.width, sheet.height], [3 * 260 + 4, 2 * 196 + 4]);
  }));

Deno.test({
  name: "pi0 sim plays in the official scene, and a recording of it in the builtin one (needs PI0_SHARED)",
  ignore: !existsSync(SCENE_FOLDER),
  fn: () =>
    inFolder(async (folder) => {
      const [official, builtin] = [`${folder}/official`, `${folder}/builtin`];
      const scene = ["--scene", "gym-aloha", "--scene-dir", SCENE_FOLDER];
      const { code, stdout } = await run(["sim", ...SHORT, ...scene, "--out", official, "--json"]);
      assert.deepEqual([code, JSON.parse(stdout).scene], [0, "gym-aloha"]);
      const replay = ["--policy", `replay:${official}/episode.json`];
      assert.equal((await run(["sim", ...SHORT, ...replay, "--out", builtin])).code, 0);
      const [one, other] = [await readEpisode(official), await readEpisode(builtin)];
      assert.deepEqual(other.start, one.start);
      for (const [i, { qpos }] of one.steps.entries()) {
        qpos.forEach((value, joint) => assert.ok(Math.abs(value - other.steps[i]!.qpos[joint]!) < 1e-6, `step ${i}`));
      }
    }),
});

Deno.test("episode.json holds every step whole, one in a line", () =>
  inFolder(async (folder) => {
    await run(["sim", ...SHORT, "--task", "insertion", "--replan-steps", "7", "--out", folder, "--json"]);
    const text = await Deno.readTextFile(`${folder}/episode.json`);
    const { steps, start, requests, versions, durationMs, ...about } = await readEpisode(folder);
    assert.deepEqual(about, {
      schema: "pi0.episode/1",
      task: "insertion",
      scene: "builtin",
      seed: 0,
      prompt: "Insert peg",
      policy: "expert",
      controlHz: 50,
      replanSteps: 7,
      whileWaiting: "hold",
      pace: { kind: "fast", delayMs: 0 },
      maxReward: 0,
      success: false,
      firstStepOfReward: { 1: null, 2: null, 3: null, 4: null },
    });
    assert.deepEqual(Object.keys(versions), ["pi0", "deno", "physics"]);
    assert.match(versions.physics!, /^MuJoCo \d+\.\d+\.\d+$/);
    assert.deepEqual(Object.keys(start), ["agent_pos", "qpos", "qvel"]);
    assert.ok(durationMs > 0);
    assert.deepEqual(requests.map(({ step, executedRows }) => [step, executedRows]), [[0, 7], [7, 7], [14, 6]]);
    for (const request of requests) assert.ok(text.includes(`\n  ${JSON.stringify(request)}`));
    assert.equal(steps.length, 20);
    for (const [i, step] of steps.entries()) {
      assert.deepEqual([step.request, step.row], [Math.floor(i / 7), i % 7]);
      assert.deepEqual(Object.keys(step), ["action", "agent_pos", "qpos", "qvel", "reward", "request", "row"]);
      const lengths = [step.action, step.agent_pos, step.qpos, step.qvel].map(({ length }) => length);
      assert.deepEqual(lengths, [14, 14, 30, 28]);
      assert.ok(text.includes(`\n  ${JSON.stringify(step)}`));
    }
  }));

Deno.test("pi0 sim without --json says in words how it went", () =>
  inFolder(async (folder) => {
    const args = ["sim", "--max-steps", "2", "--size", "16x16", "--policy", "null", "--out", folder];
    const { code, stdout, stderr } = await run(args);
    assert.equal(
      stdout,
      "transfer_cube (builtin scene, seed 0) with null: no success in 2 steps, best reward 0\n" +
        `1 picture, contact_sheet.png and episode.json are in ${folder}\n`,
    );
    assert.deepEqual([code, stderr], [0, ""]);
  }));

Deno.test("the expert succeeds with --stop-at-success, which ends the episode there", () =>
  inFolder(async (folder) => {
    const args = ["--stop-at-success", "--observe", "cam_high", "--every", "400", "--size", "16x16"];
    const { stdout } = await run(["sim", "--seed", "5", "--replan-steps", "50", ...args, "--out", folder, "--json"]);
    const { success, maxReward, steps, firstStepOfReward } = JSON.parse(stdout);
    assert.deepEqual([success, maxReward, firstStepOfReward[4]], [true, 4, steps]);
    assert.ok(steps > 200 && steps < 400, `${steps} steps`);
    assert.equal((await readEpisode(folder)).steps.at(-1)!.reward, 4);
  }));

Deno.test("a replayed episode is the same, number by number and pixel by pixel", () =>
  inFolder(async (folder) => {
    const [first, again] = [`${folder}/first`, `${folder}/again`];
    await run(["sim", ...SHORT, "--seed", "9", "--out", first, "--json"]);
    const replay = ["--policy", `replay:${first}/episode.json`, "--replan-steps", "3"];
    const { stdout, code } = await run(["sim", ...SHORT, "--seed", "9", ...replay, "--out", again, "--json"]);
    assert.deepEqual([code, JSON.parse(stdout).policy], [0, `replay:${first}/episode.json`]);
    const [one, other] = [await readEpisode(first), await readEpisode(again)];
    assert.deepEqual(other.start, one.start);
    assert.deepEqual(happened(other), happened(one));
    assert.notDeepEqual(one.steps[0]!.qpos, one.steps[19]!.qpos, "something moves");
    for (const name of (await namesIn(first)).filter((name) => name.endsWith(".png"))) {
      assert.deepEqual(await Deno.readFile(`${again}/${name}`), await Deno.readFile(`${first}/${name}`), name);
    }
  }));

Deno.test("pi0 sim render draws what pi0 sim saw in that state", () =>
  inFolder(async (folder) => {
    const seen = `${folder}/seen`;
    await run(["sim", ...SHORT, "--camera", "top", "--out", seen, "--json"]);
    const { start, steps } = await readEpisode(seen);
    const states = [start.qpos, steps[9]!.qpos, steps[19]!.qpos];
    await Deno.writeTextFile(`${folder}/states.json`, JSON.stringify(states));
    const args = ["--qpos", `${folder}/states.json`, "--camera", "top", "--size", "160x120"];
    const { code, stdout } = await run(["sim", "render", ...args, "--out", `${folder}/pose.png`, "--json"]);
    const written = ["000", "001", "002"].map((number) => `${folder}/pose_${number}.png`);
    assert.deepEqual([code, JSON.parse(stdout)], [0, {
      task: "transfer_cube",
      scene: "builtin",
      camera: "top",
      widthPx: 160,
      heightPx: 120,
      written,
    }]);
    for (const [i, step] of ["00", "10", "20"].entries()) {
      assert.deepEqual(await readImage(written[i]!), await readImage(`${seen}/top_${step}.png`), `step ${step}`);
    }
  }));

Deno.test("pi0 sim render writes one state to the very file that was named, and says so", () =>
  inFolder(async (folder) => {
    const path = `${folder}/pose.json`;
    await Deno.writeTextFile(path, JSON.stringify(POSE));
    const args = ["sim", "render", "--qpos", path, "--size", "32x24", "--out"];
    const { code, stdout, stderr } = await run([...args, `${folder}/pose.png`]);
    assert.deepEqual([code, stdout, stderr], [0, "", `pi0: wrote ${folder}/pose.png\n`]);
    assert.equal((await run([...args, `${folder}/quiet.png`, "--quiet"])).stderr, "");
    const { width, height } = await readImage(`${folder}/pose.png`);
    assert.deepEqual([width, height], [32, 24]);
    assert.deepEqual(await namesIn(folder), ["pose.json", "pose.png", "quiet.png"]);
  }));

Deno.test("pi0 sim render reads states from standard input", () =>
  inFolder(async (folder) => {
    const [command, ...words] = SOURCE;
    const out = `${folder}/pose.png`;
    const args = [...words, "sim", "render", "--qpos", "-", "--size", "32x24", "--out", out];
    const child = new Deno.Command(command, { args, stdin: "piped", stderr: "piped" }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(JSON.stringify(POSE)));
    await writer.close();
    const { code, stderr } = await child.output();
    assert.deepEqual([code, new TextDecoder().decode(stderr)], [0, `pi0: wrote ${out}\n`]);
    assert.equal((await readImage(out)).width, 32);
  }));

// Policies far away, and episodes that do not come to their end.

Deno.test("the expert behind a server acts as the one here, to the last bit", () =>
  inFolder(async (folder) => {
    const [here, there] = [`${folder}/here`, `${folder}/there`];
    const args = ["sim", ...SHORT, "--task", "insertion", "--seed", "4"];
    assert.equal((await run([...args, "--out", here])).code, 0);
    await using server = await startServer(["--policy", "expert"]);
    assert.equal(server.ready.policy, "expert");
    const far = await runChild([...args, "--policy", server.portals.ws!, "--out", there, "--json"]);
    assert.deepEqual([far.code, far.stderr], [0, ""]);
    assert.equal(JSON.parse(far.stdout).policy, server.portals.ws);
    const [one, other] = [await readEpisode(here), await readEpisode(there)];
    assert.deepEqual(other.start, one.start);
    assert.deepEqual(other.steps, one.steps);
    assert.equal(await server.stop(), 0);
  }));

Deno.test("pi0 sim says at once and in one line that a server is not there, and writes nothing", () =>
  inFolder(async (folder) => {
    const { code, stdout, stderr } = await run(["sim", "--policy", deadUrl(), "--out", `${folder}/out`]);
    assert.match(stderr, /^pi0: Cannot connect to tcp:\/\/[^\n]*nobody is listening[^\n]*\n$/);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.deepEqual(await namesIn(folder), []);
  }));

Deno.test("an episode that breaks off is written down as far as it went, with exit code 1", () =>
  inFolder(async (folder) => {
    const policy = new TinyPolicy();
    const infer = policy.infer.bind(policy);
    policy.infer = (observation, signal) =>
      policy.asked.length < 2
        ? infer(observation, signal)
        : Promise.reject(new PolicyError("policy_failed", "The model is out of memory"));
    await using server = serveTiny(policy);
    const far = ["--policy", server.url, "--size", "16x16", "--every", "2"];
    const { code, stdout, stderr } = await run(["sim", ...far, "--out", folder, "--json"]);
    // Its chunks have three rows.
    assert.deepEqual([code, JSON.parse(stdout).steps], [1, 6]);
    assert.match(JSON.parse(stdout).error, /The model is out of memory/);
    assert.match(stderr, /^pi0: The episode broke off: .*The model is out of memory/);
    const { steps, error } = await readEpisode(folder);
    assert.equal(steps.length, 6);
    assert.equal(error, JSON.parse(stdout).error);
    const frames = ["000", "002", "004", "006"].map((step) => `angle_${step}.png`);
    assert.deepEqual(await namesIn(folder), [...frames, "contact_sheet.png", "episode.json"]);
  }));

Deno.test("Ctrl-C ends an episode although nothing in it waits, and what was played is written down", () =>
  inFolder(async (folder) => {
    const stop = new AbortController();
    const args = ["--max-steps", "5000", "--every", "100000", "--replan-steps", "50", "--size", "16x16"];
    let begun = false;
    const { code, stdout, stderr } = await run(["sim", ...args, "--policy", "expert", "--out", folder], {
      signal: stop.signal,
      onStderr: (text) => {
        // The progress line's first count; what the first picture waits for is over by then.
        if (begun || !/ [1-9]\d*\/5000/.test(text)) return;
        begun = true;
        // As the runtime does with a signal: when the program next lets it.
        systemClock.after(0, () => stop.abort(new Error("Stopped by SIGINT")));
      },
    });
    assert.equal(code, 1);
    assert.match(stderr, /pi0: Stopped by SIGINT\n$/);
    const { steps, error } = await readEpisode(folder);
    assert.ok(steps.length > 0 && steps.length < 5000, `${steps.length} steps`);
    assert.equal(error, "Stopped by SIGINT");
    assert.match(stdout, new RegExp(`no success in ${steps.length} steps`));
    assert.deepEqual(await namesIn(folder), ["angle_0000.png", "contact_sheet.png", "episode.json"]);
  }));

Deno.test("Ctrl-C ends an episode that waits for a far policy, and what was played is written down", () =>
  inFolder(async (folder) => {
    const stop = new AbortController();
    const policy = new TinyPolicy();
    const infer = policy.infer.bind(policy);
    policy.infer = (observation, signal) => {
      // The third request is never answered.
      if (policy.asked.length === 2) {
        policy.holds = 1;
        systemClock.after(0, () => stop.abort(new Error("Stopped by SIGINT")));
      }
      return infer(observation, signal);
    };
    await using server = serveTiny(policy);
    const args = ["sim", "--policy", server.url, "--size", "16x16", "--out", folder, "--json"];
    const { code, stdout, stderr } = await run(args, { signal: stop.signal });
    assert.deepEqual([code, stderr], [1, "pi0: Stopped by SIGINT\n"]);
    const { steps, requests, error } = await readEpisode(folder);
    // Its chunks have three rows.
    assert.deepEqual([steps.length, requests.length, error], [6, 3, "Stopped by SIGINT"]);
    const shown = JSON.parse(stdout);
    assert.deepEqual([shown.steps, shown.error], [6, "Stopped by SIGINT"]);
    assert.deepEqual(await namesIn(folder), ["angle_000.png", "contact_sheet.png", "episode.json"]);
  }));

Deno.test("Ctrl-C before an episode begins leaves nothing behind", () =>
  inFolder(async (folder) => {
    const args = ["sim", "--policy", "null", "--size", "16x16", "--out", `${folder}/out`];
    const { code, stdout, stderr } = await run(args, { signal: AbortSignal.abort(new Error("Stopped by SIGINT")) });
    assert.deepEqual([code, stdout, stderr], [1, "", "pi0: Stopped by SIGINT\n"]);
    assert.deepEqual(await namesIn(folder), []);
  }));
