/**
 * The main job on one machine: starts `pi0 serve`, runs `pi0 bench` over every transport against it, stops it.
 *
 *     deno task demo [options of pi0 bench]
 *
 * @module
 */

import { SOURCE, startServer } from "../tests/support/program.ts";

await using server = await startServer(["--null-delay-ms", "5"]);
const [command, ...words] = SOURCE;
const bench = new Deno.Command(command, {
  args: [...words, "bench", "--url", server.portals.http!, "--transport", "all", ...Deno.args],
}).spawn();
// Ctrl-C reaches the whole group: bench prints what it has, and then the server is stopped here.
Deno.addSignalListener("SIGINT", () => {});
const { code } = await bench.status;
await server.stop();
Deno.exitCode = code;
