/**
 * An episode as a file: for people, for `--policy replay:FILE`, and for whoever makes videos of it.
 *
 * @module
 */

import { writeWhole } from "../report/file.ts";
import type { Episode } from "../rollout/episode.ts";

/** Name and version of the shape. */
const EPISODE_SCHEMA = "pi0.episode/1";

/**
 * Writes the file whole or not at all.
 *
 * @param versions of the programs that had a part in it.
 * @throws {Error} that names the path, where it cannot be written.
 */
export async function writeEpisode(
  path: string,
  { steps, requests, ...about }: Episode,
  versions: Readonly<Record<string, string>>,
): Promise<void> {
  const facts = Object.entries({ schema: EPISODE_SCHEMA, versions, ...about });
  const head = facts.map(([name, value]) => ` ${JSON.stringify(name)}: ${JSON.stringify(value)},\n`).join("");
  const text = `{\n${head} "requests": ${linesOf(requests)},\n "steps": ${linesOf(steps)}\n}\n`;
  await writeWhole(path, text, "the episode");
}

/** One line per item: a reader finds a step, and a tool a line. */
function linesOf(items: readonly unknown[]): string {
  return items.length === 0 ? "[]" : `[\n${items.map((item) => `  ${JSON.stringify(item)}`).join(",\n")}\n ]`;
}
