/**
 * Help pages as text. Everything on a page comes from the tables that parsing uses, so that the two cannot differ.
 *
 * @module
 */
import { metavar, type OptionSpec, type OptionTable, valueRule } from "./options.ts";

/** One way to use a command. */
export interface Example {
  /** What to type, from `pi0` on. */
  readonly command: string;
  /** What it does, in one sentence. */
  readonly text: string;
}

/** What a command says about itself. */
export interface CommandDescription {
  /** As typed: `bench`. */
  readonly name: string;
  /** What it does, in one line without a full stop. */
  readonly summary: string;
  /** What a user needs to know before the options; empty lines separate paragraphs. */
  readonly description: string;
  readonly options: OptionTable;
  readonly examples: readonly Example[];
}

/** One line of the program's own page. */
export interface CommandSummary {
  /** What the command does, in one line without a full stop. */
  readonly summary: string;
  /** Shown on the program's page where present. */
  readonly example?: Example;
}

/** What the program's exit codes mean, in the order in which help pages list them. */
export const EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [0, "success"],
  [1, "failure"],
  [2, "wrong command line"],
];

const PAGE_COLUMNS = 100;

/** Longest entry that still has its explanation on the same line. */
const LONGEST_ENTRY_COLUMNS = 34;

/** The page of `pi0 <name> --help`, at most 100 columns wide where words allow it, with a line break at the end. */
export function commandHelp({ name, summary, description, options, examples }: CommandDescription): string {
  const entries = Object.entries(options);
  const positionals = entries.filter(([, option]) => option.kind === "positional");
  const named = entries.filter(([, option]) => option.kind !== "positional");
  const groups = Map.groupBy(named, ([, option]) => option.group ?? "Options");
  const usage = ["pi0", name, ...positionals.map(([word, option]) => positionalUsage(word, option)), "[options]"];
  return page([
    wrap(`pi0 ${name}: ${summary}`, 0),
    `Usage: ${usage.join(" ")}`,
    ...description.trim().split(/\n\s*\n/).filter((paragraph) => paragraph !== "").map((text) => wrap(text, 0)),
    ...section("Arguments", positionals.map(([word, option]) => [entryOf(word, option), option.help])),
    ...[...groups].flatMap(([title, members]) =>
      section(title, members.map(([word, option]) => [entryOf(word, option), explain(option)]))
    ),
    ...exampleSection(examples),
    exitCodeLine(),
  ]);
}

/** The page of `pi0 --help`, at most 100 columns wide where words allow it, with a line break at the end. */
export function programHelp(commands: Readonly<Record<string, CommandSummary>>, version: string): string {
  const entries = Object.entries(commands);
  return page([
    wrap(`pi0 ${version}: serves, benches and evaluates the robot policies π₀ and π₀.₅`, 0),
    "Usage: pi0 COMMAND [options]",
    ...section("Commands", entries.map(([name, { summary }]) => [name, summary])),
    ...exampleSection(entries.flatMap(([, { example }]) => example === undefined ? [] : [example])),
    wrap("Read more: pi0 COMMAND --help explains one command; README.md explains the program.", 0),
    exitCodeLine(),
  ]);
}

function page(blocks: readonly string[]): string {
  return `${blocks.join("\n\n")}\n`;
}

function positionalUsage(name: string, option: OptionSpec): string {
  const word = entryOf(name, option);
  return option.kind === "positional" && option.required ? word : `[${word}]`;
}

/** The left column: `-o, --out FILE`. */
function entryOf(name: string, option: OptionSpec): string {
  if (option.kind === "positional") return metavar(name, option);
  const letter = option.short === undefined ? "    " : `-${option.short}, `;
  if (option.kind === "flag") return `${letter}--${name}${option.values ? `[=${option.values.join("|")}]` : ""}`;
  return `${letter}--${name} ${metavar(name, option)}`;
}

/** The right column: the help line and every fact that the table declares. */
function explain(option: OptionSpec): string {
  if (option.kind === "positional") return option.help;
  const facts: string[] = [];
  if (option.kind !== "flag") {
    if (option.kind !== "string") facts.push(valueRule(option));
    if (option.multiple) facts.push("can be repeated");
    if (option.default !== undefined) facts.push(`default: ${[option.default].flat().join(", ")}`);
    if (option.env !== undefined) facts.push(`environment: ${option.env}`);
  }
  if (option.requires !== undefined) facts.push(`needs ${flagList(option.requires)}`);
  if (option.conflicts !== undefined) facts.push(`not with ${flagList(option.conflicts)}`);
  return facts.length === 0 ? option.help : `${option.help} (${facts.join("; ")})`;
}

function flagList(names: readonly string[]): string {
  return names.map((name) => `--${name}`).join(", ");
}

/** A headline over two columns; nothing at all where there are no rows. */
function section(title: string, rows: readonly (readonly [entry: string, text: string])[]): string[] {
  if (rows.length === 0) return [];
  const short = rows.map(([entry]) => entry.length).filter((length) => length <= LONGEST_ENTRY_COLUMNS);
  const column = 2 + Math.max(0, ...short) + 2;
  const lines = rows.map(([entry, text]) => {
    const explanation = wrap(text, column);
    const left = `  ${entry}`;
    return left.length + 2 > column ? `${left}\n${explanation}` : `${left.padEnd(column)}${explanation.slice(column)}`;
  });
  return [`${title}:\n${lines.join("\n")}`];
}

function exampleSection(examples: readonly Example[]): string[] {
  if (examples.length === 0) return [];
  return [`Examples:\n${examples.map(({ command, text }) => `  ${command}\n${wrap(text, 6)}`).join("\n")}`];
}

function exitCodeLine(): string {
  return wrap(`Exit codes: ${EXIT_CODES.map(([code, meaning]) => `${code} ${meaning}`).join(", ")}`, 0);
}

/** Breaks text between words so that lines fit the page; each line begins with `indent` spaces. */
function wrap(text: string, indent: number): string {
  const margin = " ".repeat(indent);
  const lines: string[] = [];
  let line = "";
  for (const word of text.trim().split(/\s+/)) {
    if (line !== "" && indent + line.length + 1 + word.length > PAGE_COLUMNS) {
      lines.push(margin + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, margin + line].join("\n");
}
