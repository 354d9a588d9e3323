/**
 * `pi0 sim`: one episode, as pictures and as numbers.
 *
 * @module
 */

import { sleep } from "../clock.ts";
import { SimulationError, UsageError } from "../errors.ts";
import { encodePng } from "../image.ts";
import { contactSheet, thumbnail, type Tile } from "../report/contact_sheet.ts";
import { makeFolder, writeWhole } from "../report/file.ts";
import { ROBOTS } from "../robot/mod.ts";
import { type Episode, playEpisode } from "../rollout/episode.ts";
import { openEnvironment } from "../sim/mod.ts";
import type { Environment, PictureSize } from "../types.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { writeEpisode } from "./episode_file.ts";
import { EPISODE_OPTIONS } from "./episode_options.ts";
import { readTrust, TRUST_OPTIONS } from "./connect.ts";
import { COMMON_OPTIONS, type OptionTable, type OptionValues } from "./options.ts";
import { createPolicy, makeReady, POLICY_OPTIONS } from "./policies.ts";
import { checkCamera, SCENE_OPTIONS, sceneFolderOf, SIZE_OPTION, sizeOf } from "./scenes.ts";
import { createProgress } from "./terminal.ts";

/** Physics and the expert keep the thread to themselves: without a pause nobody hears Ctrl-C. */
const STEPS_PER_PAUSE = 10;

/** Pictures on the contact sheet: at most six rows of five for each camera. */
const SHEET_TILES = 30;
const SHEET_COLUMNS = 5;
const SHEET_TILE_PX = 256;

const OPTIONS = {
  "out": { kind: "string", metavar: "DIR", default: "sim", group: "Results", help: "Folder for everything written" },
  "force": { kind: "flag", group: "Results", help: "Write into a folder that holds files already" },
  ...SCENE_OPTIONS,
  "seed": EPISODE_OPTIONS.seed,
  "max-steps": { ...EPISODE_OPTIONS["max-steps"], help: "Length of the episode, at 50 steps per second" },
  "push-at": EPISODE_OPTIONS["push-at"],
  "stop-at-success": { kind: "flag", group: "World", help: "End with the first success, as gym-aloha does" },
  "camera": {
    kind: "string",
    metavar: "NAME",
    multiple: true,
    default: ["angle"],
    group: "Pictures",
    help: "Where the pictures are taken from: top, angle, front_close, left_pillar, left_wrist, …",
  },
  "every": { kind: "integer", min: 1, max: 100_000, default: 10, group: "Pictures", help: "Steps between pictures" },
  "size": SIZE_OPTION,
  ...POLICY_OPTIONS,
  "policy": { ...POLICY_OPTIONS.policy, default: "expert" },
  "replan-steps": { ...EPISODE_OPTIONS["replan-steps"], group: "Policy" },
  "observe": {
    ...EPISODE_OPTIONS.observe,
    group: "Policy",
    help: "What the policy sees, 224 × 224: cam_high (the top camera), cam_left_wrist, cam_right_wrist, angle, …",
  },
  "token": { kind: "string", env: "PI0_TOKEN", group: "Policy", help: "Token of the server at the --policy URL" },
  "openpi": { kind: "flag", group: "Policy", help: "The --policy URL is a server of openpi's own protocol" },
  ...TRUST_OPTIONS,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

type SimOptions = OptionValues<typeof OPTIONS>;

export const sim = defineCommand({
  name: "sim",
  summary: "play an episode in simulation and write its pictures and numbers",
  description:
    "Two arms at a table, in MuJoCo, step for step as in gym-aloha. In transfer_cube the right hand gives a cube to the " +
    "left one; in insertion a peg goes into a socket. The reward counts the stages up to 4, success.\n\n" +
    "--out gets frames (CAMERA_STEP.png), contact_sheet.png and episode.json: for each step the action, agent_pos " +
    "(what the robot feels), qpos, qvel and reward. --policy replay:FILE repeats the actions of such a file. " +
    "Ctrl-C keeps what was played so far.\n\n" +
    "pi0 sim render draws joint states of your own.",
  options: OPTIONS,
  examples: [
    { command: "pi0 sim", text: "Watch the scripted expert give the cube over." },
    {
      command: "pi0 sim --task insertion --seed 7 --camera angle --camera left_wrist --every 5 --out peg",
      text: "The other task, from two cameras, ten pictures per second.",
    },
    {
      command: "pi0 sim --policy ws://gpu-box:8000 --observe cam_high --observe cam_left_wrist",
      text: "Let a far policy act, which sees two cameras.",
    },
    {
      command: "pi0 sim --policy replay:sim/episode.json --seed 0 --out again",
      text: "Repeat the actions of an episode; with the same task and seed, the episode.",
    },
  ],
  async run(options, context) {
    const { clock, signal, env, terminal } = context;
    const size = sizeOf(options.size);
    const sceneFolder = sceneFolderOf(options, env);
    checkSent(options);
    const policy = await createPolicy({
      profile: ROBOTS.aloha,
      clock,
      options,
      upstream: { token: options.token, trust: await readTrust(options), openpi: options.openpi, warm: true },
      onRetry: () => undefined,
      env,
      progress: createProgress(terminal, clock, options),
      log: (line) => options.quiet ? undefined : terminal.stderr(`pi0: ${line}\n`),
    });
    await using _ = policy;
    using environment = await openEnvironment({
      task: options.task,
      scene: options.scene,
      sceneFolder,
      maxSteps: options.maxSteps,
      observed: options.observe,
    });
    for (const camera of options.camera) checkCamera(camera, environment.cameras);
    await makeReady(policy, signal);
    signal.throwIfAborted();
    const broken = breakOffAt(signal);
    await makeFolder(options.out, { overwrite: options.force });

    const pictures = new Pictures(environment, options, size);
    const progress = createProgress(terminal, clock, options);
    progress.start(options.maxSteps, "sim");
    let episode: Episode;
    try {
      episode = await playEpisode({
        environment,
        policy,
        seed: options.seed,
        replanSteps: options.replanSteps,
        ...(options.pushAt === undefined ? {} : { pushAt: options.pushAt }),
        stopAtSuccess: options.stopAtSuccess,
        clock,
        signal: broken,
        onStep: async (step) => {
          await pictures.take(step);
          progress.advance(step, `reward ${environment.reward}`);
          if (step % STEPS_PER_PAUSE === 0) await sleep(clock, 0);
        },
      });
    } finally {
      progress.end();
    }
    await pictures.writeSheet();
    const versions = { pi0: context.version, deno: Deno.version.deno, physics: environment.engine };
    await writeEpisode(`${options.out}/episode.json`, episode, versions);
    report(episode, pictures.count, options, context);
    if (episode.error === undefined) return 0;
    signal.throwIfAborted();
    throw new SimulationError(`The episode broke off: ${episode.error}`);
  },
});

/** Ctrl-C as what an episode breaks off with: what was played is kept, where the signal's own reason would lose it. */
function breakOffAt(signal: AbortSignal): AbortSignal {
  const broken = new AbortController();
  const breakOff = () => broken.abort(new SimulationError(signal.reason.message));
  signal.addEventListener("abort", breakOff, { once: true });
  return broken.signal;
}

/** @throws {UsageError} where a far policy shall see a camera that messages have no place for. */
function checkSent({ policy, observe }: SimOptions): void {
  const known = ROBOTS.aloha.cameras.map(({ name }) => name);
  const stray = observe.find((name) => !known.includes(name));
  if (stray === undefined || !policy.includes("://")) return;
  throw new UsageError(`Cannot send the camera ${stray} to ${policy}: aloha sends ${known.join(", ")}`);
}

/** Takes the pictures of an episode as it goes. */
class Pictures {
  count = 0;
  readonly #environment: Environment;
  readonly #options: SimOptions;
  readonly #size: PictureSize;
  /** The steps that the contact sheet shows of each camera: first and last, and evenly between them. */
  readonly #onSheet: ReadonlySet<number>;
  readonly #tiles = new Map<string, Tile[]>();

  constructor(environment: Environment, options: SimOptions, size: PictureSize) {
    this.#environment = environment;
    this.#options = options;
    this.#size = size;
    const last = Math.floor(options.maxSteps / options.every);
    const shown = Math.min(last, SHEET_TILES - 1);
    const nth = (i: number) => shown === 0 ? 0 : Math.round(i * last / shown);
    this.#onSheet = new Set(Array.from({ length: shown + 1 }, (_, i) => nth(i) * options.every));
  }

  async take(step: number): Promise<void> {
    const { out, camera: cameras, every, maxSteps } = this.#options;
    if (step % every !== 0) return;
    const digits = String(maxSteps).length;
    for (const camera of cameras) {
      const image = this.#environment.render(camera, this.#size);
      const name = `${camera}_${String(step).padStart(digits, "0")}.png`;
      await writeWhole(`${out}/${name}`, encodePng(image), "a picture");
      this.count++;
      if (!this.#onSheet.has(step)) continue;
      const tiles = this.#tiles.get(camera) ?? [];
      this.#tiles.set(camera, tiles);
      tiles.push({ image: thumbnail(image, SHEET_TILE_PX), number: step });
    }
  }

  async writeSheet(): Promise<void> {
    const sheet = contactSheet([...this.#tiles.values()], SHEET_COLUMNS);
    await writeWhole(`${this.#options.out}/contact_sheet.png`, encodePng(sheet), "the contact sheet");
  }
}

function report(episode: Episode, pictures: number, options: SimOptions, { terminal }: CommandContext): void {
  const { task, scene, seed, policy, steps, maxReward, success, firstStepOfReward, error } = episode;
  if (options.json) {
    const result = { task, scene, seed, policy, steps: steps.length, maxReward, success, firstStepOfReward };
    terminal.stdout(`${JSON.stringify({ ...result, pictures, out: options.out, ...(error ? { error } : {}) })}\n`);
    return;
  }
  const stages = Object.entries(firstStepOfReward).flatMap(([stage, step]) =>
    step === null ? [] : [`stage ${stage} at step ${step}`]
  );
  terminal.stdout(
    `${task} (${scene} scene, seed ${seed}) with ${policy}: ${success ? "success" : "no success"} in ${steps.length} ` +
      `steps, best reward ${maxReward}\n${stages.length === 0 ? "" : `${stages.join(", ")}\n`}` +
      `${pictures} picture${pictures === 1 ? "" : "s"}, contact_sheet.png and episode.json are in ${options.out}\n`,
  );
}
