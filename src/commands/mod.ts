/**
 * The subcommands, as a table, and the way from what was typed to an exit code.
 *
 * A command's file is loaded when the command is used, so that `pi0 --help` starts at once.
 *
 * @module
 */

import program from "../../deno.json" with { type: "json" };
import type { Clock } from "../clock.ts";
import { UsageError } from "../errors.ts";
import type { Command } from "./command.ts";
import { commandHelp, type CommandSummary, programHelp } from "./help.ts";
import { nearest, parseOptions } from "./options.ts";
import type { Terminal } from "./terminal.ts";

interface Entry extends CommandSummary {
  load(): Promise<Command>;
}

export const COMMANDS = {
  serve: {
    summary: "put a policy behind HTTP, WebSocket, TCP and QUIC at once",
    example: { command: "pi0 serve", text: "Serve the model that comes with pi0, on this machine." },
    load: async () => (await import("./serve.ts")).serve as unknown as Command,
  },
  bench: {
    summary: "measure what each transport costs to reach a policy",
    example: {
      command: "pi0 bench --url http://127.0.0.1:8000 --transport all",
      text: "Compare every way of reaching that server.",
    },
    load: async () => (await import("./bench.ts")).bench as unknown as Command,
  },
  link: {
    summary: "probe the way to a server, and say which transport to use",
    load: async () => (await import("./link.ts")).link as unknown as Command,
  },
  sim: {
    summary: "play an episode in simulation and write its pictures and numbers",
    example: { command: "pi0 sim --out sim", text: "Watch the scripted expert give a cube from hand to hand." },
    load: async () => (await import("./sim.ts")).sim as unknown as Command,
  },
  "sim render": {
    summary: "draw given joint states",
    load: async () => (await import("./sim_render.ts")).simRender as unknown as Command,
  },
  eval: {
    summary: "measure how often a policy succeeds, near or far, and what latency costs",
    example: {
      command: "pi0 eval --mode compare",
      text: "Evaluate the model that comes with pi0, here and through every transport of a server.",
    },
    load: async () => (await import("./eval.ts")).evaluate as unknown as Command,
  },
  record: {
    summary: "make videos of episodes, near and far side by side, and a chart of latencies",
    example: {
      command: "pi0 record",
      text: "See the model that comes with pi0 here and through every transport of a server, side by side.",
    },
    load: async () => (await import("./record.ts")).record as unknown as Command,
  },
  infer: {
    summary: "answer one observation without a server",
    load: async () => (await import("./infer.ts")).infer as unknown as Command,
  },
  export: {
    summary: "make a model folder from a checkpoint",
    example: {
      command: "pi0 export model.safetensors ./pi0_aloha_sim --config pi0_aloha_sim --tokenizer tokenizer.model",
      text: "Make a model folder, to serve with --policy ./pi0_aloha_sim.",
    },
    load: async () => (await import("./export.ts")).exportCommand as unknown as Command,
  },
  inspect: {
    summary: "say what is in a model folder",
    load: async () => (await import("./inspect.ts")).inspect as unknown as Command,
  },
  assets: {
    summary: "install the official gym-aloha scene for the simulator",
    load: async () => (await import("./assets.ts")).assets as unknown as Command,
  },
} satisfies Record<string, Entry>;

export const VERSION = program.version;

/** What the program is started with. */
export interface World {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly env: (name: string) => string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Runs what was typed.
 *
 * @returns the exit code.
 * @throws {UsageError} where what was typed makes no sense.
 */
export async function runProgram(argv: readonly string[], world: World): Promise<number> {
  const { terminal } = world;
  const words = wordsOfCommand(argv);
  const name = argv.length === 0 ? undefined : argv.slice(0, words).join(" ");
  const rest = argv.slice(words);
  if (name === undefined) {
    terminal.stderr(programHelp(COMMANDS, VERSION));
    return 2;
  }
  if (name === "--help" || name === "-h" || name === "help") {
    terminal.stdout(programHelp(COMMANDS, VERSION));
    return 0;
  }
  if (name === "--version" || name === "-V") {
    terminal.stdout(`pi0 ${VERSION} (Deno ${Deno.version.deno}, V8 ${Deno.version.v8})\n`);
    return 0;
  }
  if (!Object.hasOwn(COMMANDS, name)) {
    const kind = name.startsWith("-") ? "option" : "command";
    const similar = nearest(name.replace(/^-+/, ""), [...Object.keys(COMMANDS), "--help", "--version"]);
    const hint = similar === undefined ? "" : `did you mean ${similar}? `;
    throw new UsageError(`Unknown ${kind} ${name}: ${hint}(see pi0 --help)`);
  }
  const entry: Entry = COMMANDS[name as keyof typeof COMMANDS];
  const command = await entry.load();
  const options = parseOptions(command.options, rest, { command: name, env: world.env });
  if (options.help) {
    terminal.stdout(commandHelp(command));
    return 0;
  }
  return await command.run(options, { ...world, version: VERSION, argv: rest });
}

/** How many words of what was typed name the command: two where they are one of two words, or nearly so. */
function wordsOfCommand([first, second]: readonly string[]): 1 | 2 {
  if (first === undefined || second === undefined || second.startsWith("-")) return 1;
  const candidates = Object.keys(COMMANDS).filter((name) => name.startsWith(`${first} `));
  return nearest(`${first} ${second}`, candidates) === undefined ? 1 : 2;
}
