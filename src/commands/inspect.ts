/**
 * `pi0 inspect`: what is in a model folder.
 *
 * @module
 */

import { parsePi0Config } from "../pi0/config.ts";
import { countParameters } from "../pi0/model.ts";
import { listFiles, readManifest, verifyFolder } from "../pi0/model_folder.ts";
import { openModelFolder } from "../pi0/model_folder_open.ts";
import { SafetensorsFile } from "../checkpoint/safetensors.ts";
import { pathOf } from "../pi0/file_record.ts";
import { defineCommand } from "./command.ts";
import { COMMON_OPTIONS, type OptionTable } from "./options.ts";
import { createProgress } from "./terminal.ts";

const OPTIONS = {
  "folder": { kind: "positional", required: true, help: "The model folder" },
  "verify": { kind: "flag", help: "Read every file, the weights too, and compare it with its SHA-256" },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

export const inspect = defineCommand({
  name: "inspect",
  summary: "say what is in a model folder",
  description: "Opens the folder as pi0 serve does, without loading the model, and describes it.",
  options: OPTIONS,
  examples: [
    { command: "pi0 inspect ./pi0_aloha_sim", text: "Sizes, cameras, horizon, tokenizer, norm stats." },
    { command: "pi0 inspect ./pi0_aloha_sim --verify", text: "And whether it is still what was exported." },
  ],
  async run({ folder, verify, json, quiet }, { terminal, clock }) {
    const manifest = await readManifest(folder);
    if (verify) {
      const progress = createProgress(terminal, clock, { quiet });
      try {
        progress.start(100, "reading");
        const onBytes = (done: number, total: number) => progress.advance(Math.floor(100 * done / total));
        await verifyFolder(folder, manifest, { whole: true, onBytes });
      } finally {
        progress.end();
      }
    }
    await using model = await openModelFolder(folder);
    const config = parsePi0Config(manifest.config);
    const { policy, normStats, prompts } = model.pipeline;
    const parameters = countParameters(config);
    const { weights, provenance } = manifest;
    const tensors = await countTypes(pathOf(folder, weights.derived));
    if (json) {
      const { weights: _, ...rest } = { ...manifest, parameters, tensors };
      terminal.stdout(JSON.stringify({ ...rest, weights, verified: verify }, null, 2) + "\n");
      return 0;
    }
    const rows: [string, string][] = [
      ["model", `${config.family === "pi0" ? "π₀" : "π₀.₅"}, ${count(parameters)} parameters`],
      ["vision", shape(config.vision, `${config.vision.patchPx}-pixel patches, ${config.vision.tokens} per picture`)],
      ["prefix", shape({ ...config.prefix, ...heads(config) }, `${count(config.vocabularySize)} tokens known`)],
      ["expert", shape({ ...config.expert, ...heads(config) }, "")],
      ["actions", `${config.actionHorizon} rows of ${config.actionDim}, of which ${policy.robot} executes its own`],
      ["pictures", `${config.imageWidthPx} × ${config.imageHeightPx}: ${config.cameraSlots.join(", ")}`],
      [
        "variants",
        model.variants.map(({ cameras, flowSteps }) => `${cameras} cameras × ${flowSteps} steps`).join(", "),
      ],
      ["precision", `${manifest.precision}${manifest.byteType === null ? "" : ` (${manifest.byteType})`}`],
      ["weights", `${size(weights.derived.bytes)} in ${weights.derived.path} (${tensors})`],
      ...(weights.checkpoint === null
        ? []
        : [["", `and ${size(weights.checkpoint.bytes)} in ${weights.checkpoint.path}`] as [string, string]]),
      ["robot", policy.robot + (policy.adaptToPi ? `, in PI's space (${policy.gripperConstants} grippers)` : "")],
      [
        "norm stats",
        normStats === null ? "none" : `${normStats.state.mean.length} numbers, ${policy.normalization}` +
          `${normStats.state.quantiles === null ? "" : ", quantiles present"}, asset ${policy.assetId ?? "not named"}`,
      ],
      ["relative", policy.deltaActionDims === null ? "no: absolute actions" : JSON.stringify(policy.deltaActionDims)],
      ["tokenizer", prompts.kind === "tokenizer" ? prompts.tokenizer.description : "none: a table of prompts"],
      ...(prompts.kind === "table" ? [["prompts", [...prompts.prompts.keys()].join("; ")] as [string, string]] : []),
      [
        "prompt",
        `${config.promptSlots} slots${policy.discreteStateInput ? ", the state is in it" : ""}; default: ` +
        (policy.defaultPrompt ?? "none"),
      ],
      ["scenes", policy.scenes.join(", ") || "none named"],
      ["time", manifest.timeEmbedding === null ? "computed" : `given vectors (${manifest.timeEmbedding.path})`],
      ["probes", manifest.probes ? "yes" : "no"],
      ["made from", `${provenance.checkpoint.path} (${size(provenance.checkpoint.bytes)}) by ${provenance.program}`],
      ["SHA-256", provenance.checkpoint.sha256],
      [
        "files",
        `${listFiles(manifest).length}, ${verify ? "all as exported" : "sizes as exported (--verify reads them)"}`,
      ],
    ];
    terminal.stdout(rows.map(([key, value]) => `${key.padEnd(12)}${value}\n`).join(""));
    return 0;
  },
});

function heads({ depth, heads, headDim }: { depth: number; heads: number; headDim: number }) {
  return { depth, heads, headDim };
}

function shape(
  part: { width: number; depth: number; mlpWidth: number; heads: number; headDim: number },
  more: string,
): string {
  const { width, depth, mlpWidth, heads, headDim } = part;
  return `${depth} layers, width ${width}, MLP ${mlpWidth}, ${heads} heads of ${headDim}${more && `; ${more}`}`;
}

/** `F32 × 52, U8 × 40`. */
async function countTypes(path: string): Promise<string> {
  using file = await SafetensorsFile.open(path);
  const byType = Map.groupBy(file.tensors.values(), ({ type }) => type);
  return [...byType].map(([type, tensors]) => `${type} × ${tensors.length}`).join(", ");
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

function size(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
