import assert from "node:assert/strict";
import {
  COMMON_OPTIONS,
  nearest,
  type OptionTable,
  type OptionValues,
  type ParsedOptions,
  parseOptions,
} from "../../src/commands/options.ts";
import { UsageError } from "../../src/errors.ts";

const TABLE = {
  url: { kind: "url", env: "PI0_URL", help: "Server to measure" },
  transport: { kind: "choice", choices: ["http", "ws", "tcp", "quic"], default: "ws", help: "How bytes travel" },
  port: { kind: "port", short: "p", default: 8000, help: "Port to listen on" },
  requests: { kind: "integer", min: 1, max: 1000, default: 100, help: "Requests to send" },
  "null-delay-ms": { kind: "number", min: 0, help: "Time that the null policy waits" },
  offset: { kind: "number", help: "Added to every action" },
  seed: { kind: "integer", multiple: true, help: "Seeds to run" },
  out: { kind: "string", short: "o", metavar: "FILE", help: "Where the results go" },
  token: { kind: "string", env: "PI0_TOKEN", conflicts: ["insecure"], help: "Secret of the server" },
  insecure: { kind: "flag", help: "Verify nothing" },
  "tls-cert": { kind: "string", requires: ["tls-key"], help: "Certificate" },
  "tls-key": { kind: "string", help: "Key of the certificate" },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;

function parse(argv: string[], variables: Record<string, string> = {}): ParsedOptions<typeof TABLE> {
  return parseOptions(TABLE, argv, { command: "bench", env: (name) => variables[name] });
}

function values(argv: string[], variables: Record<string, string> = {}) {
  const options = parse(argv, variables);
  assert(!options.help);
  return options;
}

/** Asserts the whole message, less the hint that every message ends with. */
function refuses(argv: string[], message: string, variables: Record<string, string> = {}): void {
  assert.throws(() => parse(argv, variables), (error) => {
    assert(error instanceof UsageError);
    assert.equal(error.message, `${message} (see pi0 bench --help)`);
    return true;
  });
}

Deno.test("parseOptions() types each value after its entry in the table", () => {
  type Values = OptionValues<typeof TABLE>;
  const checked: [
    Same<Values["url"], string | undefined>,
    Same<Values["transport"], "http" | "ws" | "tcp" | "quic">,
    Same<Values["port"], number | "off">,
    Same<Values["requests"], number>,
    Same<Values["nullDelayMs"], number | undefined>,
    Same<Values["seed"], readonly number[]>,
    Same<Values["insecure"], boolean>,
  ] = [true, true, true, true, true, true, true];
  assert.equal(checked.length, 7);
});

Deno.test("parseOptions() fills defaults, false for flags, empty lists and undefined", () => {
  assert.deepEqual(parse([]), {
    url: undefined,
    transport: "ws",
    port: 8000,
    requests: 100,
    nullDelayMs: undefined,
    offset: undefined,
    seed: [],
    out: undefined,
    token: undefined,
    insecure: false,
    tlsCert: undefined,
    tlsKey: undefined,
    json: false,
    quiet: false,
    help: false,
  });
});

Deno.test("parseOptions() reads long names, letters, joined letters and both ways to write a value", () => {
  const options = values([
    "--url=quic://h:1",
    "--transport",
    "tcp",
    "-qp",
    "0",
    "-oresult.json",
    "--null-delay-ms=2.5",
  ]);
  assert.equal(options.url, "quic://h:1");
  assert.equal(options.transport, "tcp");
  assert.equal(options.quiet, true);
  assert.equal(options.port, 0);
  assert.equal(options.out, "result.json");
  assert.equal(options.nullDelayMs, 2.5);
});

Deno.test("parseOptions() reads negative numbers written with an equals sign", () => {
  assert.equal(values(["--offset=-1"]).offset, -1);
  assert.equal(values(["--offset=-.5e1"]).offset, -5);
  assert.deepEqual(values(["--seed=-3"]).seed, [-3]);
});

Deno.test("parseOptions() takes a single dash as a value", () => {
  assert.equal(values(["--out", "-"]).out, "-");
});

Deno.test("parseOptions() keeps the values of a repeatable option in their order", () => {
  assert.deepEqual(values(["--seed", "2", "--quiet", "--seed=1"]).seed, [2, 1]);
});

Deno.test("parseOptions() reads a port or the word off", () => {
  assert.equal(values(["--port", "65535"]).port, 65535);
  assert.equal(values(["--port", "off"]).port, "off");
  const rule = "write a port from 0 to 65535, or off";
  refuses(["--port", "65536"], `Cannot use --port "65536" for pi0 bench: ${rule}`);
  refuses(["--port=-1"], `Cannot use --port "-1" for pi0 bench: ${rule}`);
  refuses(["-p", "80a"], `Cannot use -p "80a" for pi0 bench: ${rule}`);
});

Deno.test("parseOptions() refuses an unknown option and names the nearest one", () => {
  refuses(["--prot", "9"], "Unknown option --prot for pi0 bench: did you mean --port?");
  refuses(["--prot=9"], "Unknown option --prot for pi0 bench: did you mean --port?");
  refuses(["--null"], "Unknown option --null for pi0 bench: did you mean --null-delay-ms?");
});

Deno.test("parseOptions() suggests nothing for an option that resembles none", () => {
  refuses(["--frobnicate"], "Unknown option --frobnicate for pi0 bench: no such option");
  refuses(["--constructor"], "Unknown option --constructor for pi0 bench: no such option");
  refuses(["--__proto__"], "Unknown option --__proto__ for pi0 bench: no such option");
  refuses(["-x"], "Unknown option -x for pi0 bench: no such option");
});

Deno.test("parseOptions() recognises a long name after a single dash", () => {
  refuses(["-transport", "ws"], "Unknown option -t for pi0 bench: did you mean --transport?");
});

Deno.test("parseOptions() knows a negation only where the table declares it", () => {
  refuses(["--no-quiet"], "Unknown option --no-quiet for pi0 bench: no such option");
  const table = { "no-warm": { kind: "flag", help: "Skip the warm-up" } } as const satisfies OptionTable;
  const context = { command: "bench", env: () => undefined };
  assert.deepEqual(parseOptions(table, ["--no-warm"], context), { noWarm: true, help: false });
});

Deno.test("parseOptions() reads a flag that may have a word, and no other word", () => {
  const table = { gpu: { kind: "flag", values: ["auto"], help: "Use one" } } as const satisfies OptionTable;
  const read = (...argv: string[]) => parseOptions(table, argv, { command: "serve", env: () => undefined });
  assert.deepEqual(read(), { gpu: false, help: false });
  assert.deepEqual(read("--gpu"), { gpu: true, help: false });
  assert.deepEqual(read("--gpu=auto"), { gpu: "auto", help: false });
  assert.throws(() => read("--gpu=maybe"), /Cannot use --gpu=maybe for pi0 serve: write --gpu or --gpu=auto/);
  assert.throws(() => read("--gpu", "auto"), /Unexpected argument "auto"/);
});

Deno.test("parseOptions() refuses a missing or an empty value", () => {
  refuses(["--out"], "Missing value of --out for pi0 bench: write --out FILE");
  refuses(["-p"], "Missing value of -p for pi0 bench: write -p PORT");
  refuses(["--out="], "Empty value of --out for pi0 bench: write --out FILE");
  refuses(["--out", " "], "Empty value of --out for pi0 bench: write --out FILE");
});

Deno.test("parseOptions() refuses to take an option for a value", () => {
  refuses(
    ["--out", "--json"],
    'Missing value of --out for pi0 bench: "--json" looks like an option; write --out=--json if it is the value',
  );
  refuses(
    ["--offset", "-1"],
    'Missing value of --offset for pi0 bench: "-1" looks like an option; write --offset=-1 if it is the value',
  );
  assert.equal(values(["--out=--json"]).out, "--json");
});

Deno.test("parseOptions() refuses an equals sign after a letter", () => {
  refuses(["-o=x"], "Cannot use -o=x for pi0 bench: write --out=x");
});

Deno.test("parseOptions() refuses a value for a flag", () => {
  refuses(["--json=yes"], 'Unexpected value "yes" of --json for pi0 bench: --json takes no value');
  refuses(["--help=yes"], 'Unexpected value "yes" of --help for pi0 bench: --help takes no value');
});

Deno.test("parseOptions() refuses a repeated option under either of its names", () => {
  refuses(["--port", "1", "--port", "2"], "Repeated option --port for pi0 bench: give it once");
  refuses(["--quiet", "-q"], "Repeated option -q for pi0 bench: give it once");
});

Deno.test("parseOptions() refuses what is no whole number in the range", () => {
  const rule = "for pi0 bench: write a whole number from 1 to 1000";
  for (const text of ["ten", "1.5", "1e2", "0x10", "1_0", "0", "1001", "Infinity", "5 "]) {
    refuses([`--requests=${text}`], `Cannot use --requests "${text}" ${rule}`);
  }
  assert.equal(values(["--requests=1"]).requests, 1);
  assert.equal(values(["--requests=1000"]).requests, 1000);
  refuses(["--seed=9007199254740993"], 'Cannot use --seed "9007199254740993" for pi0 bench: write a whole number');
});

Deno.test("parseOptions() refuses what is no number in the range", () => {
  for (const text of ["fast", "NaN", "Infinity", "1e999", "-0.1", "0x10", "1,5"]) {
    const message = `Cannot use --null-delay-ms "${text}" for pi0 bench: write a number of at least 0`;
    refuses([`--null-delay-ms=${text}`], message);
  }
});

Deno.test("parseOptions() refuses what is not among the choices and suggests the nearest", () => {
  const rule = "for pi0 bench: write one of http, ws, tcp, quic";
  refuses(["--transport", "tpc"], `Cannot use --transport "tpc" ${rule}; did you mean tcp?`);
  refuses(["--transport", "carrier"], `Cannot use --transport "carrier" ${rule}`);
});

Deno.test("parseOptions() refuses a URL without scheme or host", () => {
  for (const text of ["localhost:8000", "ws:8000", "ws://", "//host", "host"]) {
    const message = `Cannot use --url "${text}" for pi0 bench: write a URL such as ws://127.0.0.1:8000`;
    refuses(["--url", text], message);
  }
});

Deno.test("parseOptions() fills a missing option from the environment and prefers what was typed", () => {
  const variables = { PI0_URL: "ws://far:8000" };
  assert.equal(values([], variables).url, "ws://far:8000");
  assert.equal(values(["--url", "ws://near:8000"], variables).url, "ws://near:8000");
});

Deno.test("parseOptions() holds variables to the rules of their options and names them", () => {
  const rule = "write a URL such as ws://127.0.0.1:8000";
  refuses([], `Cannot use PI0_URL "far" for pi0 bench: ${rule}`, { PI0_URL: "far" });
  refuses([], "Empty variable PI0_TOKEN for pi0 bench: unset it or give it a value", { PI0_TOKEN: "" });
  assert.equal(values([], { PI0_TOKEN: "-secret" }).token, "-secret");
});

Deno.test("parseOptions() refuses a conflicting pair, whichever comes first and wherever it comes from", () => {
  const remedy = "for pi0 bench: give only one of them";
  refuses(["--token", "t", "--insecure"], `Cannot use --token with --insecure ${remedy}`);
  refuses(["--insecure", "--token", "t"], `Cannot use --token with --insecure ${remedy}`);
  refuses(["--insecure"], `Cannot use PI0_TOKEN with --insecure ${remedy}`, { PI0_TOKEN: "t" });
});

Deno.test("parseOptions() refuses an option without the one that it requires", () => {
  refuses(["--tls-cert", "c.pem"], "Missing option --tls-key for pi0 bench: --tls-cert needs it");
  assert.equal(values(["--tls-cert", "c.pem", "--tls-key", "k.pem"]).tlsKey, "k.pem");
});

Deno.test("parseOptions() counts a default as what another option requires", () => {
  const table = {
    chart: { kind: "flag", requires: ["out"], help: "Draw a chart" },
    out: { kind: "string", default: "results", help: "Folder" },
  } as const satisfies OptionTable;
  const options = parseOptions(table, ["--chart"], { command: "bench", env: () => undefined });
  assert.deepEqual(options, { chart: true, out: "results", help: false });
});

Deno.test("parseOptions() lets --help win over missing, wrong and contradictory values", () => {
  for (
    const argv of [
      ["--help"],
      ["-h"],
      ["--out", "--help"],
      ["--help", "--out"],
      ["--port", "x", "-h"],
      ["--token", "t", "--insecure", "--help"],
      ["--help", "--help"],
      ["stray", "--help"],
    ]
  ) {
    assert.deepEqual(parse(argv, { PI0_URL: "" }), { help: true });
  }
});

Deno.test("parseOptions() does not let --help hide a misspelled option", () => {
  refuses(["--help", "--prot", "9"], "Unknown option --prot for pi0 bench: did you mean --port?");
});

Deno.test("parseOptions() refuses arguments that the table does not declare", () => {
  refuses(["stray"], 'Unexpected argument "stray" for pi0 bench: leave it out');
  refuses(["--", "--json"], 'Unexpected argument "--json" for pi0 bench: leave it out');
});

Deno.test("parseOptions() reads declared positionals in the order of the table", () => {
  const table = {
    checkpoint: { kind: "positional", required: true, help: "What to load" },
    folder: { kind: "positional", help: "Where to put it" },
  } as const satisfies OptionTable;
  const context = { command: "pull", env: () => undefined };
  const options = parseOptions(table, ["pi0_base", "there"], context);
  assert(!options.help);
  const checkpoint: string = options.checkpoint;
  const checked: Same<typeof options.folder, string | undefined> = true;
  assert.deepEqual([checkpoint, options.folder, checked], ["pi0_base", "there", true]);
  assert.deepEqual(parseOptions(table, ["a"], context), { checkpoint: "a", folder: undefined, help: false });
  const hint = "(see pi0 pull --help)";
  assert.throws(() => parseOptions(table, [], context), {
    name: "UsageError",
    message: `Missing CHECKPOINT for pi0 pull: give it as argument ${hint}`,
  });
  assert.throws(() => parseOptions(table, ["a", ""], context), {
    message: `Empty FOLDER for pi0 pull: give it a value ${hint}`,
  });
  assert.throws(() => parseOptions(table, ["--folder", "b"], context), {
    message: `Unknown option --folder for pi0 pull: no such option ${hint}`,
  });
});

Deno.test("parseOptions() rejects a table that contradicts itself", () => {
  const tables: [OptionTable, RegExp][] = [
    [{ a: { kind: "flag", help: "", conflicts: ["b"] } }, /"a" refers to no option "b"/],
    [{ a: { kind: "flag", help: "", requires: ["b"] } }, /"a" refers to no option "b"/],
    [{ a: { kind: "flag", help: "", short: "q" }, ...COMMON_OPTIONS }, /"quiet" has the letter "q" of another/],
    [{ a: { kind: "integer", help: "", min: 1, default: 0 } }, /"a" has the default "0"/],
    [{ a: { kind: "choice", help: "", choices: ["x"], multiple: true, default: ["y"] } }, /"a" has the default "y"/],
  ];
  for (const [table, message] of tables) {
    assert.throws(() => parseOptions(table, [], { command: "bench", env: () => undefined }), {
      name: "TypeError",
      message,
    });
  }
});

Deno.test("nearest() counts a swap of neighbours as one edit", () => {
  assert.equal(nearest("tpc", ["http", "ws", "tcp"]), "tcp");
});

Deno.test("nearest() allows two edits, and no more than half of the word", () => {
  assert.equal(nearest("benhc1", ["serve", "bench"]), "bench");
  assert.equal(nearest("bnhc12", ["serve", "bench"]), undefined);
  assert.equal(nearest("abc", ["xyc"]), undefined);
  assert.equal(nearest("x", ["y"]), undefined);
});

Deno.test("nearest() knows beginnings and ignores letter case", () => {
  assert.equal(nearest("trans", ["token", "transport"]), "transport");
  assert.equal(nearest("JSON", ["quiet", "json"]), "json");
});

Deno.test("nearest() prefers the closest candidate and returns undefined for an empty word", () => {
  assert.equal(nearest("evals", ["eval2x", "eval"]), "eval");
  assert.equal(nearest("", ["eval"]), undefined);
});
