import assert from "node:assert/strict";
import { commandHelp, programHelp } from "../../src/commands/help.ts";
import { COMMON_OPTIONS, type OptionTable } from "../../src/commands/options.ts";

const OPTIONS = {
  checkpoint: { kind: "positional", required: true, help: "What to measure" },
  folder: { kind: "positional", metavar: "DIR", help: "Where the results go" },
  url: { kind: "url", env: "PI0_URL", help: "Server to measure" },
  transport: {
    kind: "choice",
    choices: ["http", "ws"],
    multiple: true,
    default: ["http", "ws"],
    help: "How bytes travel",
  },
  requests: { kind: "integer", short: "n", min: 1, max: 64, default: 8, help: "Requests to send" },
  token: { kind: "string", conflicts: ["open"], group: "Security", help: "Secret of the server" },
  open: { kind: "flag", requires: ["url", "requests"], group: "Security", help: "Ask for no token" },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

Deno.test("commandHelp() derives the whole page from the description and its table", () => {
  const text = commandHelp({
    name: "bench",
    summary: "what a transport costs",
    description: "Sends requests and measures the answers.\n\nRaw samples are kept.",
    options: OPTIONS,
    examples: [{ command: "pi0 bench tiny --requests 4", text: "Send four requests." }],
  });
  assert.equal(
    text,
    `pi0 bench: what a transport costs

Usage: pi0 bench CHECKPOINT [DIR] [options]

Sends requests and measures the answers.

Raw samples are kept.

Arguments:
  CHECKPOINT  What to measure
  DIR         Where the results go

Options:
      --url URL         Server to measure (a URL such as ws://127.0.0.1:8000; environment: PI0_URL)
      --transport NAME  How bytes travel (one of http, ws; can be repeated; default: http, ws)
  -n, --requests N      Requests to send (a whole number from 1 to 64; default: 8)

Security:
      --token TEXT  Secret of the server (not with --open)
      --open        Ask for no token (needs --url, --requests)

Common options:
      --json   Print the result as JSON on stdout
  -q, --quiet  Print results and errors only
  -h, --help   Show this page

Examples:
  pi0 bench tiny --requests 4
      Send four requests.

Exit codes: 0 success, 1 failure, 2 wrong command line
`,
  );
});

Deno.test("commandHelp() keeps to 100 columns and loses no word", () => {
  const words = Array.from({ length: 60 }, (_, index) => `word${index}`).join(" ");
  const text = commandHelp({
    name: "bench",
    summary: words,
    description: words,
    options: {
      delay: { kind: "string", help: words },
      "a-very-long-name-of-an-option": { kind: "string", help: words },
    },
    examples: [{ command: "pi0 bench", text: words }],
  });
  const lengths = text.split("\n").map((line) => line.length);
  assert(Math.max(...lengths) <= 100);
  assert(Math.max(...lengths) > 90);
  assert.equal(text.match(/word37\b/g)?.length, 5);
  assert.equal(text.match(/ +$/m), null);
});

Deno.test("commandHelp() explains an entry too wide for its column on the next line", () => {
  const options: OptionTable = {
    port: { kind: "port", help: "Where to listen" },
    "observation-cameras": { kind: "string", metavar: "NAME,NAME,NAME", help: "What to see" },
  };
  const text = commandHelp({ name: "serve", summary: "serve", description: "", options, examples: [] });
  const rule = "(a port from 0 to 65535, or off)";
  assert(text.includes(
    `Options:
      --port PORT  Where to listen ${rule}
      --observation-cameras NAME,NAME,NAME
                   What to see

Exit codes`,
  ));
});

Deno.test("programHelp() lists every command, the examples that commands bring, and the way on", () => {
  const commands = {
    serve: {
      summary: "a policy behind every transport at once",
      example: { command: "pi0 serve --policy null", text: "Serve a policy that does nothing." },
    },
    bench: { summary: "what each transport costs" },
  };
  assert.equal(
    programHelp(commands, "1.2.3"),
    `pi0 1.2.3: serves, benches and evaluates the robot policies π₀ and π₀.₅

Usage: pi0 COMMAND [options]

Commands:
  serve  a policy behind every transport at once
  bench  what each transport costs

Examples:
  pi0 serve --policy null
      Serve a policy that does nothing.

Read more: pi0 COMMAND --help explains one command; README.md explains the program.

Exit codes: 0 success, 1 failure, 2 wrong command line
`,
  );
});
