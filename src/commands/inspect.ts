/**
 * `pi0 inspect`: what is in a model folder, or in the model inside the program.
 *
 * @module
 */

import { MINI_MANIFEST, openMini } from "../pi0/mini.ts";
import type { Pi0Model } from "../pi0/model.ts";
import { listFiles, readManifest, verifyFolder } from "../pi0/model_folder.ts";
import { openModelFolder } from "../pi0/model_folder_open.ts";
import { SafetensorsFile } from "../checkpoint/safetensors.ts";
import { pathOf } from "../pi0/file_record.ts";
import { defineCommand } from "./command.ts";
import { MINI } from "./model_options.ts";
import { COMMON_OPTIONS, type OptionTable } from "./options.ts";
import { createProgress, type Progress } from "./terminal.ts";

const OPTIONS = {
  "model": { kind: "positional", required: true, help: "A model folder, or mini" },
  "verify": { kind: "flag", help: "Read every file, the weights too, and compare it with its SHA-256" },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

/** Lines of the summary: what, and its value. */
type Row = readonly [label: string, value: string];

export const inspect = defineCommand({
  name: "inspect",
  summary: "say what is in a model folder",
  description: "Opens the folder as pi0 serve does, without loading the model, and describes it; or mini, which is " +
    "inside the program.",
  options: OPTIONS,
  examples: [
    { command: "pi0 inspect ./pi0_aloha_sim", text: "Sizes, cameras, horizon, tokenizer, norm stats." },
    { command: "pi0 inspect ./pi0_aloha_sim --verify", text: "And whether it is still what was exported." },
  ],
  async run({ model, verify, json, quiet }, { terminal, clock }) {
    const progress = createProgress(terminal, clock, { quiet });
    const { details, rows } = model === MINI ? await inspectMini() : await inspectFolder(model, verify, progress);
    terminal.stdout(
      json
        ? JSON.stringify(details, null, 2) + "\n"
        : rows.map(([label, value]) => `${label.padEnd(12)}${value}\n`).join(""),
    );
    return 0;
  },
});

interface Inspected {
  /** For programs: the manifest, and what was counted. */
  readonly details: Record<string, unknown>;
  readonly rows: readonly Row[];
}

/** The model inside the program, whose hash is compared whenever it is opened. */
async function inspectMini(): Promise<Inspected> {
  await using model = await openMini({ precision: "float32", byteType: "U8", probes: false });
  const { weights, training } = MINI_MANIFEST;
  const frames = Object.values(training.data.training_frames).reduce((sum, each) => sum + each);
  return {
    details: { ...MINI_MANIFEST, parameters: model.parameters, verified: true },
    rows: [
      ...describe(model),
      ["weights", `${size(weights.bytes)} inside the program`],
      [
        "trained",
        `${count(training.steps)} steps of ${training.batch} out of ${count(frames)} pictures, seed ${training.seed}`,
      ],
      ["SHA-256", `${weights.sha256}, as it was made`],
    ],
  };
}

async function inspectFolder(folder: string, verify: boolean, progress: Progress): Promise<Inspected> {
  const manifest = await readManifest(folder);
  if (verify) {
    try {
      progress.start(100, "reading");
      const onBytes = (done: number, total: number) => progress.advance(Math.floor(100 * done / total));
      await verifyFolder(folder, manifest, { whole: true, onBytes });
    } finally {
      progress.end();
    }
  }
  await using model = await openModelFolder(folder);
  const { weights, provenance, precision, byteType, timeEmbedding } = manifest;
  using file = await SafetensorsFile.open(pathOf(folder, weights.derived));
  const tensors = countTypes(file);
  const { weights: _, ...rest } = { ...manifest, parameters: model.parameters, tensors };
  return {
    details: { ...rest, weights, verified: verify },
    rows: [
      ...describe(model),
      ["precision", `${precision}${byteType === null ? "" : ` (${byteType})`}`],
      ["weights", `${size(weights.derived.bytes)} in ${weights.derived.path} (${tensors})`],
      ...(weights.checkpoint === null
        ? []
        : [["", `and ${size(weights.checkpoint.bytes)} in ${weights.checkpoint.path}`] as const]),
      ["time", timeEmbedding === null ? "computed" : `given vectors (${timeEmbedding.path})`],
      ["probes", manifest.probes ? "yes" : "no"],
      ["made from", `${provenance.checkpoint.path} (${size(provenance.checkpoint.bytes)}) by ${provenance.program}`],
      ["SHA-256", provenance.checkpoint.sha256],
      [
        "files",
        `${listFiles(manifest).length}, ${verify ? "all as exported" : "sizes as exported (--verify reads them)"}`,
      ],
    ],
  };
}

/** What a model is, wherever its weights are. */
function describe({ config, parameters, pipeline, variants }: Pi0Model): Row[] {
  const { policy, normStats, prompts } = pipeline;
  return [
    ["model", `${config.family === "pi0" ? "π₀" : "π₀.₅"}, ${count(parameters)} parameters`],
    ["vision", shape(config.vision, `${config.vision.patchPx}-pixel patches, ${config.vision.tokens} per picture`)],
    ["prefix", shape({ ...config.prefix, ...heads(config) }, `${count(config.vocabularySize)} tokens known`)],
    ["expert", shape({ ...config.expert, ...heads(config) }, "")],
    ["actions", `${config.actionHorizon} rows of ${config.actionDim}, of which ${policy.robot} executes its own`],
    ["pictures", `${config.imageWidthPx} × ${config.imageHeightPx}: ${config.cameraSlots.join(", ")}`],
    [
      "variants",
      variants.map(({ cameras, flowSteps }) => `${cameras} camera${cameras === 1 ? "" : "s"} × ${flowSteps} steps`)
        .join(", "),
    ],
    ["robot", policy.robot + (policy.adaptToPi ? `, in PI's space (${policy.gripperConstants} grippers)` : "")],
    [
      "norm stats",
      normStats === null ? "none" : `${normStats.state.mean.length} numbers, ${policy.normalization}` +
        `${normStats.state.quantiles === null ? "" : ", quantiles present"}, asset ${policy.assetId ?? "not named"}`,
    ],
    ["relative", policy.deltaActionDims === null ? "no: absolute actions" : JSON.stringify(policy.deltaActionDims)],
    ["tokenizer", prompts.kind === "tokenizer" ? prompts.tokenizer.description : "none: a table of prompts"],
    ...(prompts.kind === "table" ? [["prompts", [...prompts.prompts.keys()].join("; ")] as const] : []),
    [
      "prompt",
      `${config.promptSlots} slots${policy.discreteStateInput ? ", the state is in it" : ""}; default: ` +
      (policy.defaultPrompt ?? "none"),
    ],
    ["scenes", policy.scenes.join(", ") || "none named"],
  ];
}

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
function countTypes(file: SafetensorsFile): string {
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
