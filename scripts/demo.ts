/**
 * The whole story on one machine: a server, a bench of every transport to it, a closed-loop evaluation of the model that
 * comes with pi0 through the best one, a video of an episode, and a chart.
 *
 *     deno task demo [FOLDER]
 *
 * The results are in FOLDER, by default demo-DATE-TIME.
 *
 * @module
 */

import { SOURCE, startServer } from "../tests/support/program.ts";

const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));

/** Ctrl-C reaches the whole group: the command that runs ends by itself, and no other is started. */
let stopped = false;
Deno.addSignalListener("SIGINT", () => stopped = true);

/** A command that failed, or Ctrl-C: the demo ends with its exit code. */
class DemoEnd extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`The demo ends with code ${code}`);
    this.code = code;
  }
}

async function pi0(...args: string[]): Promise<void> {
  const [command, ...words] = SOURCE;
  print(`\n$ pi0 ${args.join(" ")}`);
  const { code } = await new Deno.Command(command, { args: [...words, ...args] }).spawn().status;
  if (code !== 0 || stopped) throw new DemoEnd(code === 0 ? 1 : code);
}

/** The transport with the lowest median, and where it leads. */
async function fastestOf(results: string): Promise<string> {
  const { summaries } = JSON.parse(await Deno.readTextFile(results)) as {
    summaries: { transport: string; latencyMs?: { p50Ms: number } }[];
  };
  const ranked = summaries.toSorted((a, b) => (a.latencyMs?.p50Ms ?? Infinity) - (b.latencyMs?.p50Ms ?? Infinity));
  return ranked[0]!.transport;
}

async function story(out: string): Promise<void> {
  await Deno.mkdir(out);
  const results = `${out}/bench.json`;
  {
    await using server = await startServer(["--null-delay-ms", "26"]);
    print("A server with a policy that takes 26 ms, as π₀ does on a good GPU; what does each way to it cost?");
    await pi0("bench", "--url", server.portals.http!, "--transport", "all", "-n", "100", "--out", results);
    await server.stop();
  }
  const transport = await fastestOf(results);
  {
    await using server = await startServer(["--policy", "mini"]);
    print(
      "\nA server with the π₀ that comes with pi0, which sees the cube only in pictures: does the robot succeed through " +
        `${transport}, with answers after 100 ms?`,
    );
    const episodes = ["-n", "4", "--delay-ms", "100", "--while-waiting", "continue"];
    const way = ["--url", server.portals.http!, "--transport", transport];
    await pi0("eval", ...way, ...episodes, "--out", `${out}/eval.json`, "--records", `${out}/episodes`);
    await server.stop();
  }
  const [first] = (await Array.fromAsync(Deno.readDir(`${out}/episodes`))).map(({ name }) => name).sort();
  print("\nOne of these episodes as a video, and the bench as a chart:");
  await pi0("record", "--from", `${out}/episodes/${first!}`, "--from", results, "--out", `${out}/record`);
  print(`\nEverything is in ${out}: look at record/videos and record/charts`);
}

/** `demo-20261121-093000` */
function defaultFolder(): string {
  const [date, time] = new Date().toISOString().split("T");
  return `demo-${date!.replaceAll("-", "")}-${time!.slice(0, 8).replaceAll(":", "")}`;
}

try {
  await story(Deno.args[0] ?? defaultFolder());
} catch (error) {
  if (error instanceof DemoEnd) Deno.exitCode = error.code;
  else if (error instanceof Deno.errors.AlreadyExists) {
    print(`The folder ${Deno.args[0] ?? ""} is there already: give another one`);
    Deno.exitCode = 1;
  } else throw error;
}
