/**
 * Turns {@linkcode LoadOptions} into ONNX Runtime's session options.
 *
 * @module
 */

import { OrtError } from "../errors.ts";
import { type Api, StatusError } from "./api.ts";
import { RECORD_ASSIGNMENT } from "./assignment.ts";
import { encodeText, encodeTexts } from "./native.ts";
import { type CudaProvider, type LoadOptions, OPTIMIZATION_LEVELS, type ProviderOptions } from "./options.ts";

/**
 * Makes session options; the caller releases them.
 *
 * @throws {OrtError} provider_unavailable
 * @throws {StatusError} for an entry that ONNX Runtime does not take.
 */
export function makeSessionOptions(api: Api, options: LoadOptions): Deno.PointerValue {
  const { functions } = api;
  const made = api.make((cell) => functions.CreateSessionOptions(cell));
  try {
    if (options.threads !== undefined) api.check(functions.SetIntraOpNumThreads(made, options.threads));
    const level = OPTIMIZATION_LEVELS[options.optimization ?? "all"];
    api.check(functions.SetSessionGraphOptimizationLevel(made, level));
    for (const [key, value] of Object.entries(listEntries(api, options))) {
      api.check(functions.AddSessionConfigEntry(made, encodeText(key), encodeText(value)));
    }
    appendProvider(api, made, options);
    return made;
  } catch (error) {
    functions.ReleaseSessionOptions(made);
    throw error;
  }
}

/** The session configuration, our own entries first. */
function listEntries(api: Api, options: LoadOptions): Record<string, string> {
  const entries: Record<string, string> = {};
  if (options.spinning === false) entries["session.intra_op.allow_spinning"] = "0";
  if (options.prepacking === false) entries["session.disable_prepacking"] = "1";
  if (options.initializersFolder !== undefined) {
    entries["session.model_external_initializers_file_folder_path"] = options.initializersFolder;
  }
  if (api.has("SessionGetEpGraphAssignmentInfo")) entries[RECORD_ASSIGNMENT] = "1";
  // A node that quietly runs on the processor costs a copy each way, and no graph can be captured.
  if (options.provider.name === "cuda") entries["session.disable_cpu_ep_fallback"] = "1";
  return { ...entries, ...options.config };
}

/**
 * The other layout, NHWC, is for convolutions, which no policy's graph has; with it ONNX Runtime 1.30 also leaves WebGPU's
 * nodes out of its report of who got which.
 */
const WEBGPU_OPTIONS: ProviderOptions = { preferredLayout: "NCHW" };

function appendProvider(api: Api, made: Deno.PointerValue, { provider }: LoadOptions): void {
  try {
    if (provider.name === "webgpu") appendByName(api, made, "WebGPU", { ...WEBGPU_OPTIONS, ...provider.options });
    if (provider.name === "cuda") appendCuda(api, made, provider);
  } catch (cause) {
    if (!(cause instanceof StatusError)) throw cause;
    throw new OrtError("provider_unavailable", `Cannot use ${provider.name}: ${cause.message}`, { cause });
  }
}

function appendByName(api: Api, made: Deno.PointerValue, name: string, options: ProviderOptions): void {
  const keys = encodeTexts(Object.keys(options));
  const values = encodeTexts(Object.values(options));
  const count = BigInt(Object.keys(options).length);
  api.check(api.functions.SessionOptionsAppendExecutionProvider(made, encodeText(name), keys, values, count));
}

function appendCuda(api: Api, made: Deno.PointerValue, { device = 0, graph, options }: CudaProvider): void {
  const { functions } = api;
  const all = { device_id: String(device), enable_cuda_graph: graph ? "1" : "0", ...options };
  const cuda = api.make((cell) => functions.CreateCUDAProviderOptions(cell));
  try {
    const count = BigInt(Object.keys(all).length);
    const keys = encodeTexts(Object.keys(all));
    const values = encodeTexts(Object.values(all));
    api.check(functions.UpdateCUDAProviderOptions(cuda, keys, values, count));
    api.check(functions.SessionOptionsAppendExecutionProvider_CUDA_V2(made, cuda));
  } finally {
    functions.ReleaseCUDAProviderOptions(cuda);
  }
}
