/**
 * pi0-mini: the small π₀ inside the program, trained for both tasks of gym-aloha. What it can do and how it was made is
 * told in mini/CARD.md.
 *
 * @module
 */
import { SafetensorsFile } from "../checkpoint/safetensors.ts";
import { openWeights } from "./checkpoint_weights.ts";
import { parsePi0Config } from "./config.ts";
import { deriveWeights } from "./derive.ts";
import { sha256 } from "./file_record.ts";
import { buildPi0Graph } from "./graph.ts";
import MINI_MANIFEST from "./mini/manifest.json" with { type: "json" };
import type { Pi0Model } from "./model.ts";
import { readNormStats } from "./normalize.ts";
import { readPolicySettings } from "./policy_settings.ts";
import { makePipeline } from "./preprocess.ts";
import type { ByteType } from "./quantize.ts";
import { foldTime } from "./time.ts";
import type { Fusion, Precision } from "./weights.ts";

export { MINI_MANIFEST };

const NAME = "mini";
const WEIGHTS = new URL("./mini/mini.safetensors", import.meta.url);

/** As `pi0 export` fuses, so that both give the same actions to the bit. */
const FUSION: Fusion = { attention: true, gate: false };

export interface MiniOptions {
  readonly precision: Precision;
  /** For int8. */
  readonly byteType: ByteType;
  /** Whether its graphs give the intermediate values, too. */
  readonly probes: boolean;
}

/**
 * Opens the model. Its weights stay in memory (7 MB as float32) and go into the graphs, so that nothing is written and
 * a start takes tenths of a second.
 *
 * @throws {Error} where the weights are not those of its manifest.
 */
export async function openMini({ precision, byteType, probes }: MiniOptions): Promise<Pi0Model> {
  const bytes = await Deno.readFile(WEIGHTS);
  const hash = sha256(bytes);
  if (hash !== MINI_MANIFEST.weights.sha256) {
    throw new Error(
      `Cannot open ${NAME}: the SHA-256 of its weights is ${hash}, not its manifest's; install pi0 again`,
    );
  }
  using checkpoint = await SafetensorsFile.fromBytes(NAME, bytes);
  const config = parsePi0Config(MINI_MANIFEST.config);
  const pipeline = makePipeline({
    policy: readPolicySettings(MINI_MANIFEST.policy, NAME),
    normStats: readNormStats(JSON.stringify({ norm_stats: MINI_MANIFEST.norm_stats }), NAME),
    prompts: { kind: "table", prompts: new Map(Object.entries(MINI_MANIFEST.prompts)) },
    model: config,
  });
  const derivation = deriveWeights(config, checkpoint, { precision, fusion: FUSION, refer: false, byteType });
  const derived = await SafetensorsFile.fromBytes(NAME, await collect(derivation.chunks(), derivation.bytes));
  const weights = await openWeights(config, precision, FUSION, { derived: { file: derived, location: null } });
  return {
    name: NAME,
    config,
    pipeline,
    weights,
    byteType: precision === "int8" ? byteType : null,
    checkpointHash: hash,
    // Without the part of the prefix's last block that nothing reads, which openpi's models have.
    parameters: MINI_MANIFEST.training.parameters,
    probes,
    variants: [{ cameras: config.cameraSlots.length, flowSteps: config.flowSteps }],
    folder: null,
    weightFiles: {},
    async graph({ cameras, flowSteps }) {
      const time = await foldTime(weights, flowSteps);
      return { bytes: buildPi0Graph(weights, { cameras, time, probes }) };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function collect(chunks: AsyncIterable<Uint8Array>, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const all = new Uint8Array(length);
  let filled = 0;
  for await (const chunk of chunks) {
    all.set(chunk, filled);
    filled += chunk.length;
  }
  return all;
}
