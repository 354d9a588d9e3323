/**
 * `pi0 record`: episodes as videos, alone and side by side at wall-clock time, and where the time of a request goes as
 * a chart.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import { makeFolder } from "../report/file.ts";
import { type BenchResults, writeResults } from "../report/results.ts";
import { openEnvironment } from "../sim/mod.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { EvalPool } from "./eval_pool.ts";
import { findWays, LOCAL, type Way } from "./eval_ways.ts";
import { drawLatency, measureLatency, observationsOf } from "./record_latency.ts";
import { playLive } from "./record_live.ts";
import { checkLiveOptions, RECORD_OPTIONS, type RecordOptions, videoSizeOf } from "./record_options.ts";
import { type NamedEpisode, readSource } from "./record_source.ts";
import { titleOf, trackOf } from "./record_track.ts";
import { recordComparison, recordVideo, type StagedTrack } from "./record_video.ts";
import { checkCamera, checkScene, sceneFolderOf, USUAL_SCENE } from "./scenes.ts";
import { createProgress, type Progress } from "./terminal.ts";

/** File systems take names of 255 bytes. */
const MAX_NAME_LETTERS = 120;

export const record = defineCommand({
  name: "record",
  summary: "make videos of episodes, near and far side by side, and a chart of latencies",
  description:
    "Plays the same episode in real time on each way: with the policy beside the world, and behind every --url or " +
    "transport. Then it draws them, and measures the same ways with a short bench.\n\n" +
    "--out gets videos/local_LABEL.mp4 and videos/remote_LABEL_TRANSPORT.mp4; videos/comparison_….mp4, side by side at " +
    "wall-clock time, where a robot that waits for its answer stands still; charts/latency_breakdown.png and .svg, with " +
    "the samples in .json; and episodes/….json with every step, for --from.\n\n" +
    "--from shows what was played or measured before, and needs no policy: episodes become videos, results of pi0 " +
    "bench the chart.\n\n" +
    "The policy options are for the policy that runs here.",
  options: RECORD_OPTIONS,
  examples: [
    {
      command: "pi0 record",
      text: "The model that comes with pi0, here and through every transport of a server on this machine.",
    },
    {
      command: "pi0 record --url ws://gpu-box:8000 --transport all --skip-local --label h100",
      text: "A far policy: one video for each transport, and all side by side.",
    },
    {
      command: "pi0 record --from cube/episode.json --from results.json --camera top --out pictures",
      text: "The video of an episode of pi0 sim, and the chart of a pi0 bench.",
    },
  ],
  async run(options, context) {
    const size = videoSizeOf(options.size);
    const shared = { size, camera: options.camera, framesPerSecond: options.fps };
    const progress = createProgress(context.terminal, context.clock, options);
    await using stack = new AsyncDisposableStack();
    stack.defer(() => progress.end());
    const made = options.from.length > 0 ? await readSaved(options) : await makeLive(options, context, progress, stack);
    const files = [...made.files];
    const tracks = await stageAll(made.episodes, options, context, stack);
    if (options.from.length > 0) await makeFolder(options.out, { overwrite: options.force });
    const draw = (name: string) => {
      const path = `${options.out}/videos/${name}.mp4`;
      files.push(path);
      progress.start(1, `${name}.mp4`);
      let started = false;
      const onFrame = (frame: number, frames: number) => {
        if (!started) progress.start(frames, `${name}.mp4`);
        started = true;
        progress.advance(frame);
      };
      return { ...shared, path, clock: context.clock, signal: context.signal, onFrame };
    };
    if (tracks.length > 0) await makeFolder(`${options.out}/videos`, { overwrite: true });
    for (const [i, { name }] of made.episodes.entries()) await recordVideo(tracks[i]!, draw(name));
    if (tracks.length > 1) {
      const name = `comparison_${made.compared}`.slice(0, MAX_NAME_LETTERS);
      await recordComparison(titleOf(made.episodes.map(({ episode }) => episode)), tracks, draw(name));
    }
    if (made.results !== undefined) {
      const charts = `${options.out}/charts`;
      await makeFolder(charts, { overwrite: true });
      progress.start(1, "chart");
      files.push(...await drawLatency(made.results, `${charts}/latency_breakdown`));
      if (options.from.length === 0) {
        await writeResults(`${charts}/latency_breakdown.json`, made.results);
        files.push(`${charts}/latency_breakdown.json`);
      }
    }
    progress.end();
    report(made, files, options, context);
    return made.episodes.some(({ error }) => error !== undefined) ? 1 : 0;
  },
});

interface Made {
  readonly episodes: readonly NamedEpisode[];
  /** What tells the comparison from others, for its file's name. */
  readonly compared: string;
  readonly results?: BenchResults;
  readonly warnings: readonly string[];
  /** What is written already. */
  readonly files: readonly string[];
}

/** @throws {UsageError} where two files would be one in the results. */
async function readSaved({ from }: RecordOptions): Promise<Made> {
  const sources = await Promise.all(from.map(readSource));
  const benches = sources.flatMap((source) => source.kind === "bench" ? [source.results] : []);
  const episodes = sources.flatMap((source) => source.kind === "episode" ? [source] : []);
  if (benches.length > 1) {
    throw new UsageError(
      "Cannot draw two benches into one chart: give one results.json, or measure with --transport all",
    );
  }
  const names = episodes.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new UsageError(`Cannot make two videos of the name ${twice}: rename one of the files`);
  }
  return {
    episodes,
    compared: names.join("_vs_"),
    files: [],
    warnings: [],
    ...(benches[0] === undefined ? {} : { results: benches[0] }),
  };
}

/** Plays and measures; what is played is written at once. */
async function makeLive(
  options: RecordOptions,
  context: CommandContext,
  progress: Progress,
  stack: AsyncDisposableStack,
): Promise<Made> {
  checkLiveOptions(options);
  const { env, signal, version } = context;
  const { task, seed, out } = options;
  const scene = options.scene ?? USUAL_SCENE;
  const sceneFolder = sceneFolderOf({ scene, sceneDir: options.sceneDir }, env);
  const world = { task, scene, sceneFolder, maxSteps: options.maxSteps, observed: options.observe };
  // Before anything is played: a wrong camera shall not cost minutes.
  using environment = await openEnvironment(world);
  checkCamera(options.camera, environment.cameras);
  const found = await findWays({ ...options, mode: "compare" }, context);
  stack.use(found);
  const ways = options.skipLocal ? found.ways.filter(({ mode }) => mode !== LOCAL) : found.ways;
  const kept = `${out}/episodes`;
  const records = `${out}/.playing-${crypto.randomUUID()}`;
  const { url: _, transport: __, ...plain } = options;
  using pool = new EvalPool({
    ways,
    options: plain,
    scene,
    sceneFolder,
    observed: options.observe,
    maxSteps: options.maxSteps,
    replanSteps: options.replanSteps,
    whileWaiting: options.whileWaiting,
    ...(options.pushAt === undefined ? {} : { pushAt: options.pushAt }),
    records,
    version,
  }, 1);
  progress.start(ways.length, "play");
  const facts = await pool.open(signal);
  const warnings = checkScene(options.scene, facts);
  // Not before: what is refused until here leaves no folder that would be in the way of the next try.
  await makeFolder(out, { overwrite: options.force });
  await makeFolder(kept, { overwrite: true });
  await Deno.mkdir(records);
  stack.defer(() => Deno.remove(records, { recursive: true }));
  const label = options.label ?? labelOf(ways, facts.map(({ policy }) => policy));
  const onPlayed = (played: number, mode: string) => progress.advance(played, mode);
  const parts = { pool, ways, task, seed, records, kept, label, showLabel: options.label !== undefined };
  const episodes = await playLive({ ...parts, signal, onPlayed });
  progress.end();
  const observations = observationsOf(environment, episodes[0]!.episode);
  progress.start(1, "bench");
  let total = 0;
  const results = await measureLatency(ways, observations, options, context, (done, all, transport) => {
    if (total !== all) progress.start(total = all, "bench");
    progress.advance(done, transport);
  });
  progress.end();
  const compared = [label, ...ways.map(({ mode }) => mode)].join("_");
  return { episodes, compared, results, warnings, files: episodes.map(({ name }) => `${kept}/${name}.json`) };
}

/** The policy's name, as far as it can be part of a file's name. */
function labelOf(ways: readonly Way[], policies: readonly string[]): string {
  const served = ways.map(({ server }) => server?.policy).find((policy) => typeof policy === "string");
  const near = ways.findIndex(({ url }) => url === undefined);
  const name = (near >= 0 ? policies[near] : served) ?? "policy";
  return name.replace(/[^\w.-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40) || "policy";
}

/** One world for each task and scene; all steps are counted towards the longest episode. */
async function stageAll(
  episodes: readonly NamedEpisode[],
  { camera, sceneDir }: RecordOptions,
  { env }: CommandContext,
  stack: AsyncDisposableStack,
): Promise<StagedTrack[]> {
  const maxSteps = Math.max(...episodes.map(({ episode }) => episode.steps.length));
  const stages = new Map<string, Awaited<ReturnType<typeof openEnvironment>>>();
  const tracks: StagedTrack[] = [];
  for (const { mode, episode } of episodes) {
    const { task, scene } = episode;
    const key = `${task} ${scene}`;
    let stage = stages.get(key);
    if (stage === undefined) {
      const sceneFolder = sceneFolderOf({ scene, sceneDir }, env);
      stage = stack.use(await openEnvironment({ task, scene, sceneFolder, maxSteps: 1, observed: [] }));
      stages.set(key, stage);
      checkCamera(camera, stage.cameras);
    }
    // A pose of another task is refused before anything is written.
    stage.pose(episode.start.qpos);
    tracks.push({ track: trackOf(episode, mode, maxSteps), stage });
  }
  return tracks;
}

function report(
  { episodes, results, warnings }: Made,
  files: readonly string[],
  options: RecordOptions,
  context: CommandContext,
) {
  const { terminal } = context;
  if (options.json) {
    const played = episodes.map(({ name, episode: { task, seed, steps, requests }, error, ...rest }) => ({
      name,
      mode: rest.mode,
      task,
      seed,
      steps: steps.length,
      requests: requests.length,
      reward: Math.max(0, ...steps.map(({ reward }) => reward)),
      ...(error === undefined ? {} : { error }),
    }));
    terminal.stdout(`${JSON.stringify({ out: options.out, files, episodes: played, warnings })}\n`);
    return;
  }
  for (const warning of warnings) terminal.stderr(`pi0: ${warning}\n`);
  for (const { mode, episode, error } of episodes) {
    const reward = Math.max(0, ...episode.steps.map((step) => step.reward));
    const { steps, requests } = episode;
    const held = steps.filter((step) => step.held !== undefined).length;
    terminal.stdout(
      `${mode}: ${steps.length} steps, ${requests.length} requests, best reward ${reward}, ` +
        `waited for ${(held / episode.controlHz).toFixed(2)} s\n`,
    );
    if (error !== undefined) terminal.stderr(`pi0: ${mode}: the episode broke off: ${error}\n`);
  }
  for (const { transport, count, errors } of results?.summaries ?? []) {
    if (count === 0 && errors > 0) terminal.stderr(`pi0: ${transport}: no request of the bench was answered\n`);
  }
  for (const file of files) terminal.stdout(`${file}\n`);
}
