/**
 * What was typed, without what nobody else may read.
 *
 * @module
 */

/** The words of a command line as a file may keep them: without the one after `--token`. */
export function withoutSecrets(argv: readonly string[]): string[] {
  return argv.map((word, i) => argv[i - 1] === "--token" ? "…" : word.replace(/^(--token=).*/s, "$1…"));
}
