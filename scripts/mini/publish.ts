/**
 * Puts trained weights into the program: `src/pi0/mini/mini.safetensors`, and the manifest beside it.
 *
 *     deno run -A scripts/mini/publish.ts FOLDER        FOLDER is what train.py wrote
 *
 * @module
 */

import { createHash } from "node:crypto";

const [folder] = Deno.args;
if (folder === undefined) throw new Error("Cannot publish: give the folder that train.py wrote");
const target = new URL("../../src/pi0/mini/", import.meta.url);
const readJson = async (path: string | URL) => JSON.parse(await Deno.readTextFile(path));

const weights = await Deno.readFile(`${folder}/mini.safetensors`);
const { policy, prompts, ...config } = await readJson(new URL("config.json", import.meta.url));
const { norm_stats } = await readJson(`${folder}/norm_stats.json`);
const { settings, recipe, versions, machine, parameters, data, losses, validation } = await readJson(
  `${folder}/training.json`,
);
const manifest = {
  format: "pi0 mini",
  config,
  policy,
  prompts,
  norm_stats,
  weights: {
    path: "mini.safetensors",
    bytes: weights.length,
    sha256: createHash("sha256").update(weights).digest("hex"),
  },
  training: {
    seed: settings.seed,
    // No two of these share a start: see scripts/mini/README.md.
    seeds: {
      demonstrations: "from 10,000,000",
      validation: "from 20,000,000",
      choice: "pi0 eval --seed 777",
      evaluation: "pi0 eval --seed 2026",
    },
    steps: losses.at(-1).step,
    batch: settings.batch,
    recipe,
    versions,
    machine,
    parameters,
    data,
    last_losses: losses.at(-1),
    last_validation: validation.at(-1),
  },
};
await Deno.mkdir(target, { recursive: true });
await Deno.writeFile(new URL("mini.safetensors", target), weights);
await Deno.writeTextFile(new URL("manifest.json", target), JSON.stringify(manifest, null, 2) + "\n");
await new Deno.Command(Deno.execPath(), {
  args: ["fmt", "--quiet", new URL("manifest.json", target).pathname],
}).output();
