/**
 * Declared options → strict reading of what was typed → typed plain values, or a {@linkcode UsageError}.
 *
 * A command writes its options once, as a table. Parsing, the type of the result and the help page derive from it.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { UsageError } from "../errors.ts";

/** What every entry of a table says. */
interface Described {
  /** One line for the help page. */
  readonly help: string;
  /** Headline of the help page under which the option stands; "Options" where absent. */
  readonly group?: string;
}

interface Named extends Described {
  /** One letter: `o` for `-o`. */
  readonly short?: string;
  /** Options that cannot be given together with this one. One side says it. */
  readonly conflicts?: readonly string[];
  /** Options without which this one makes no sense. */
  readonly requires?: readonly string[];
}

/** `T` is the type of one value. A repeatable option gives a list, empty where nobody filled it. */
type Valued<T> =
  & Named
  & {
    /** The word that stands for the value on the help page. */
    readonly metavar?: string;
    /** Environment variable that is read where the option is not typed. */
    readonly env?: string;
  }
  & (
    | { readonly multiple?: false; readonly default?: T }
    | { readonly multiple: true; readonly default?: readonly T[] }
  );

/**
 * True when typed, else false. A negation (`no-warm`) is a flag of its own. With `values` it may also be typed as
 * `--gpu=auto`, and is that word then.
 */
type Flag = Named & { readonly kind: "flag"; readonly values?: readonly string[] };

/** A value without a name. The order of the table is the order on the command line. */
type Positional = Described & { readonly kind: "positional"; readonly metavar?: string; readonly required?: boolean };

type ValuedOption =
  | (Valued<string> & { readonly kind: "string" })
  | (Valued<string> & { readonly kind: "url" })
  | (Valued<string> & { readonly kind: "choice"; readonly choices: readonly string[] })
  | (Valued<number> & { readonly kind: "integer" | "number"; readonly min?: number; readonly max?: number })
  | (Valued<number | "off"> & { readonly kind: "port" });

/** One entry of an {@linkcode OptionTable}. */
export type OptionSpec = Flag | Positional | ValuedOption;

/** Options by kebab-case name; written `as const satisfies OptionTable`, so that types can be read from it. */
export type OptionTable = Readonly<Record<string, OptionSpec>>;

type CamelCase<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

type OneValue<O> = O extends { kind: "integer" | "number" } ? number
  : O extends { kind: "port" } ? number | "off"
  : O extends { kind: "choice"; choices: readonly (infer Choice)[] } ? Choice
  : string;

type ValueOf<O> = O extends { kind: "flag"; values: readonly (infer Value)[] } ? boolean | Value
  : O extends { kind: "flag" } ? boolean
  : O extends { multiple: true } ? readonly OneValue<O>[]
  : O extends { default: unknown } | { required: true } ? OneValue<O>
  : OneValue<O> | undefined;

/** The values of a table: camelCase names, and `undefined` only where an option has no default. */
export type OptionValues<Table extends OptionTable> = {
  readonly [Name in keyof Table & string as CamelCase<Name>]: ValueOf<Table[Name]>;
};

/** Either a wish for the help page, or all values. */
export type ParsedOptions<Table extends OptionTable> =
  | { readonly help: true }
  | (OptionValues<Table> & { readonly help: false });

/** What every command understands. Each command spreads it into its own table, last. */
export const COMMON_OPTIONS = {
  json: { kind: "flag", group: "Common options", help: "Print the result as JSON on stdout" },
  quiet: { kind: "flag", short: "q", group: "Common options", help: "Print results and errors only" },
  help: { kind: "flag", short: "h", group: "Common options", help: "Show this page" },
} as const satisfies OptionTable;

/** Where the command line comes from. */
export interface OptionContext {
  /** Name of the command, for messages: `bench`. */
  readonly command: string;
  /** Reads an environment variable. */
  readonly env: (name: string) => string | undefined;
}

/** A value as text, and what the user called it: `--port`, `-p` or `PI0_PORT`. */
interface Given {
  readonly label: string;
  readonly text: string;
}

/**
 * Reads the arguments after the command's name.
 *
 * `--help` wins over values that are missing, wrong or contradictory, not over names that do not exist.
 * An option filled by the environment counts as given where options conflict or require each other.
 *
 * @throws {UsageError} for everything that the table does not declare.
 * @throws {TypeError} where the table contradicts itself.
 */
export function parseOptions<const Table extends OptionTable>(
  table: Table,
  argv: readonly string[],
  { command, env }: OptionContext,
): ParsedOptions<Table> {
  checkTable(table);
  const refuse = (what: string, remedy: string) =>
    new UsageError(`${what} for pi0 ${command}: ${remedy} (see pi0 ${command} --help)`);
  const tokens = tokenize(table, argv);
  const typed = tokens.filter((token) => token.kind === "option");

  for (const token of typed) {
    if (optionNamed(table, token.name) !== undefined) continue;
    // `-port` arrives as the letters p, o, r and t: only the whole argument can be recognised.
    const word = argv[token.index]!.replace(/^-+/, "").replace(/=.*$/s, "");
    const similar = nearest(word, optionNames(table));
    const remedy = similar === undefined ? "no such option" : `did you mean --${similar}?`;
    throw refuse(`Unknown option ${token.rawName}`, remedy);
  }
  const asksForHelp = typed.some((token) =>
    (token.name === "help" && token.value === undefined) ||
    (token.inlineValue === false && (token.value === "--help" || token.value === "-h"))
  );
  if (Object.hasOwn(table, "help") && asksForHelp) return { help: true };

  const given = new Map<string, Given[]>();
  for (const { name, rawName, value, inlineValue } of typed) {
    const option = optionNamed(table, name)!;
    const earlier = given.get(name) ?? [];
    if (option.kind === "flag") {
      if (value !== undefined && !option.values?.includes(value)) {
        if (option.values !== undefined) {
          const forms = [rawName, ...option.values.map((word) => `${rawName}=${word}`)].join(" or ");
          throw refuse(`Cannot use ${rawName}=${value}`, `write ${forms}`);
        }
        throw refuse(`Unexpected value ${JSON.stringify(value)} of ${rawName}`, `${rawName} takes no value`);
      }
    } else {
      const example = `write ${rawName} ${metavar(name, option)}`;
      if (value === undefined) throw refuse(`Missing value of ${rawName}`, example);
      if (value.trim() === "") throw refuse(`Empty value of ${rawName}`, example);
      if (inlineValue === false && /^-./s.test(value)) {
        const remedy = `${JSON.stringify(value)} looks like an option; write --${name}=${value} if it is the value`;
        throw refuse(`Missing value of ${rawName}`, remedy);
      }
      // parseArgs reads `-o=x` as the value "=x", which nobody means.
      if (inlineValue === true && !rawName.startsWith("--") && value.startsWith("=")) {
        throw refuse(`Cannot use ${rawName}${value}`, `write --${name}${value}`);
      }
    }
    if (earlier.length > 0 && !("multiple" in option && option.multiple)) {
      throw refuse(`Repeated option ${rawName}`, "give it once");
    }
    given.set(name, [...earlier, { label: rawName, text: value ?? "" }]);
  }

  const words = tokens.filter((token) => token.kind === "positional").map((token) => token.value);
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries<OptionSpec>(table)) {
    if (option.kind === "positional") {
      const word = words.shift();
      if (word?.trim() === "") throw refuse(`Empty ${metavar(name, option)}`, "give it a value");
      if (word === undefined && option.required) {
        throw refuse(`Missing ${metavar(name, option)}`, "give it as argument");
      }
      values[camelCase(name)] = word;
    } else if (option.kind === "flag") {
      values[camelCase(name)] = given.has(name) && (given.get(name)![0]!.text || true);
    } else {
      const variable = given.has(name) || option.env === undefined ? undefined : env(option.env);
      if (variable !== undefined) {
        // An empty PI0_TOKEN is a lost secret, and must not pass for "no token wanted".
        if (variable.trim() === "") throw refuse(`Empty variable ${option.env}`, "unset it or give it a value");
        given.set(name, [{ label: option.env!, text: variable }]);
      }
      const read = given.get(name)?.map(({ label, text }) => {
        const value = readValue(option, text);
        if (value !== undefined) return value;
        const similar = option.kind === "choice" ? nearest(text, option.choices) : undefined;
        const hint = similar === undefined ? "" : `; did you mean ${similar}?`;
        throw refuse(`Cannot use ${label} ${JSON.stringify(text)}`, `write ${valueRule(option)}${hint}`);
      });
      values[camelCase(name)] = option.multiple ? read ?? option.default ?? [] : read?.[0] ?? option.default;
    }
  }
  if (words.length > 0) throw refuse(`Unexpected argument ${JSON.stringify(words[0])}`, "leave it out");

  const label = (name: string) => given.get(name)?.[0]?.label;
  for (const name of given.keys()) {
    const option = optionNamed(table, name)!;
    const rival = option.conflicts?.find((other) => given.has(other));
    if (rival !== undefined) throw refuse(`Cannot use ${label(name)} with ${label(rival)}`, "give only one of them");
    const absent = option.requires?.find((other) => !given.has(other) && !hasDefault(table[other]));
    if (absent !== undefined) throw refuse(`Missing option --${absent}`, `${label(name)} needs it`);
  }
  return { ...values, help: false } as ParsedOptions<Table>;
}

/**
 * The candidate most like `word`: one that begins with it, or one at a Damerau–Levenshtein distance of at most 2 and of
 * at most half the word, so that short words do not resemble everything. Letter case does not count.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const sought = word.toLowerCase();
  if (sought === "") return undefined;
  const limit = Math.min(2, Math.floor(sought.length / 2));
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const known = candidate.toLowerCase();
    const edits = editDistance(sought, known);
    const distance = known.startsWith(sought) ? Math.min(1, edits) : edits <= limit ? edits : Infinity;
    if (distance < (best?.distance ?? Infinity)) best = { candidate, distance };
  }
  return best?.candidate;
}

/** The word that stands for a value on help pages and in messages: `PORT`. */
export function metavar(name: string, option: Positional | ValuedOption): string {
  if (option.metavar !== undefined) return option.metavar;
  if (option.kind === "positional") return name.toUpperCase();
  return { string: "TEXT", url: "URL", choice: "NAME", integer: "N", number: "NUMBER", port: "PORT" }[option.kind];
}

/** What an option accepts, in words that continue "write": `a whole number from 1 to 64`. */
export function valueRule(option: ValuedOption): string {
  if (option.kind === "string") return "any text";
  if (option.kind === "url") return "a URL such as ws://127.0.0.1:8000";
  if (option.kind === "choice") return `one of ${option.choices.join(", ")}`;
  if (option.kind === "port") return `a port from 0 to ${HIGHEST_PORT}, or off`;
  const noun = option.kind === "integer" ? "a whole number" : "a number";
  const { min, max } = option;
  if (min !== undefined && max !== undefined) return `${noun} from ${min} to ${max}`;
  if (min !== undefined) return `${noun} of at least ${min}`;
  return max === undefined ? noun : `${noun} of at most ${max}`;
}

/** Ports are 16-bit numbers (RFC 9293, section 3.1). */
const HIGHEST_PORT = 65_535;

/** @returns undefined where the text breaks the option's {@linkcode valueRule}. */
function readValue(option: ValuedOption, text: string): string | number | undefined {
  switch (option.kind) {
    case "string":
      return text;
    case "choice":
      return option.choices.includes(text) ? text : undefined;
    case "url":
      // URL also parses "localhost:8000", as a scheme named localhost: only `//` says that a host follows.
      return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) && URL.parse(text)?.hostname ? text : undefined;
    case "port":
      return text === "off" ? text : readNumber(text, /^\d+$/, 0, HIGHEST_PORT);
    case "integer":
      return readNumber(
        text,
        /^[+-]?\d+$/,
        option.min ?? Number.MIN_SAFE_INTEGER,
        option.max ?? Number.MAX_SAFE_INTEGER,
      );
    case "number":
      return readNumber(text, /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, option.min ?? -Infinity, option.max ?? Infinity);
  }
}

function readNumber(text: string, form: RegExp, min: number, max: number): number | undefined {
  const value = Number(text);
  return form.test(text) && Number.isFinite(value) && value >= min && value <= max ? value : undefined;
}

/**
 * The arguments in pieces. parseArgs' own strict mode stops at its first complaint and knows neither `--help` first nor
 * the name that was meant, so its rules are held by {@linkcode parseOptions}, on the pieces that parseArgs cuts.
 */
function tokenize(table: OptionTable, argv: readonly string[]) {
  const options: Record<string, { type: "boolean" | "string"; short?: string }> = {};
  for (const name of optionNames(table)) {
    const option = optionNamed(table, name)!;
    options[name] = {
      type: option.kind === "flag" ? "boolean" : "string",
      ...(option.short === undefined ? {} : { short: option.short }),
    };
  }
  return parseArgs({ args: [...argv], options, strict: false, tokens: true }).tokens;
}

function optionNames(table: OptionTable): string[] {
  return Object.keys(table).filter((name) => optionNamed(table, name) !== undefined);
}

/** Own entries only: `--constructor` is no option. */
function optionNamed(table: OptionTable, name: string): Flag | ValuedOption | undefined {
  const option = Object.hasOwn(table, name) ? table[name] : undefined;
  return option?.kind === "positional" ? undefined : option;
}

function hasDefault(option: OptionSpec | undefined): boolean {
  return option !== undefined && "default" in option;
}

/** Catches slips that types cannot see the first time a command is tried, rather than when a user needs the option. */
function checkTable(table: OptionTable): void {
  const letters = new Set<string>();
  for (const name of optionNames(table)) {
    const option = optionNamed(table, name)!;
    for (const other of [...option.conflicts ?? [], ...option.requires ?? []]) {
      if (optionNamed(table, other) === undefined) {
        throw new TypeError(`Option "${name}" refers to no option "${other}"`);
      }
    }
    if (option.short !== undefined && letters.has(option.short)) {
      throw new TypeError(`Option "${name}" has the letter "${option.short}" of another`);
    }
    if (option.short !== undefined) letters.add(option.short);
    if (option.kind === "flag" || option.default === undefined) continue;
    for (const value of [option.default].flat()) {
      if (readValue(option, String(value)) !== value) {
        throw new TypeError(`Option "${name}" has the default "${value}": expected ${valueRule(option)}`);
      }
    }
  }
}

function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replacement = last[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swap = swapped ? beforeLast[column - 2]! + 1 : Infinity;
      current.push(Math.min(last[column]! + 1, current[column - 1]! + 1, replacement, swap));
    }
    [beforeLast, last] = [last, current];
  }
  return last[b.length]!;
}
