/**
 * The transports over a long link: two network namespaces with an emulator between them, which needs root, cc and
 * iproute2, and is found at PI0_WAN or in PI0_SHARED/tools/wan.
 *
 * @module
 */

import type { TransportSummary } from "../src/measure/statistics.ts";
import { SOURCE } from "../tests/support/program.ts";

export const ROUND_TRIP_MS = 80;

/** Path of the emulator, or why it cannot be used. */
export async function findWan(): Promise<{ path: string } | { reason: string }> {
  const path = Deno.env.get("PI0_WAN") ?? `${Deno.env.get("PI0_SHARED") ?? "../shared"}/tools/wan/wan`;
  if (!await Deno.stat(path).then(({ isFile }) => isFile, () => false)) return { reason: `no emulator at ${path}` };
  return Deno.uid() === 0 ? { path } : { reason: "network namespaces need root" };
}

/** Measures every transport with one congestion control on both hosts. */
export async function measureWan(path: string, congestion: string): Promise<TransportSummary[]> {
  const out = await Deno.makeTempFile({ suffix: ".json" });
  const quote = (words: readonly string[]) => words.map((word) => `'${word}'`).join(" ");
  const serve = quote([...SOURCE, "serve", "--host", "10.9.0.2", "--no-auth", "--quiet"]);
  const where = ["--url", "http://10.9.0.2:8000", "--transport", "all"];
  const bench = quote([...SOURCE, "bench", ...where, "-n", "100", "--rounds", "5", "--quiet", "--out", out]);
  const { success, stderr } = await new Deno.Command(path, {
    args: ["--rtt", String(ROUND_TRIP_MS), "--cc", congestion, serve, bench],
    stdout: "null",
    stderr: "piped",
    signal: AbortSignal.timeout(300_000),
  }).output();
  if (!success) throw new Error(`The emulator failed: ${new TextDecoder().decode(stderr).trim()}`);
  return JSON.parse(await Deno.readTextFile(out)).summaries;
}
