/**
 * The functions of ONNX Runtime's C API that this program calls: their places in the table of function pointers that
 * `OrtGetApiBase()->GetApi(version)` returns, and their signatures.
 *
 * The table only grows, so a number holds for every release from `since` on. Numbers are those of released headers
 * (`onnxruntime_c_api.h`), whose order ONNX Runtime guards with compile-time checks; never of a development version,
 * where the end of the table still moves.
 *
 * @module
 */

interface SlotFacts extends Deno.ForeignFunction {
  readonly slot: number;
  /** The API version that brought it; ONNX Runtime 1.N has version N. */
  readonly since: number;
}

/** Most functions return a status: null is success, anything else must be read and released. */
const STATUS = "pointer";

export const SLOTS = {
  GetErrorCode: { slot: 1, since: 1, parameters: ["pointer"], result: "i32" },
  GetErrorMessage: { slot: 2, since: 1, parameters: ["pointer"], result: "pointer" },
  CreateEnv: { slot: 3, since: 1, parameters: ["i32", "buffer", "buffer"], result: STATUS },
  DisableTelemetryEvents: { slot: 6, since: 1, parameters: ["pointer"], result: STATUS },
  CreateSession: { slot: 7, since: 1, parameters: ["pointer", "buffer", "pointer", "buffer"], result: STATUS },
  CreateSessionFromArray: {
    slot: 8,
    since: 1,
    parameters: ["pointer", "buffer", "usize", "pointer", "buffer"],
    result: STATUS,
  },
  Run: {
    slot: 9,
    since: 1,
    parameters: ["pointer", "pointer", "buffer", "buffer", "usize", "buffer", "usize", "buffer"],
    result: STATUS,
  },
  CreateSessionOptions: { slot: 10, since: 1, parameters: ["buffer"], result: STATUS },
  SetSessionGraphOptimizationLevel: { slot: 23, since: 1, parameters: ["pointer", "i32"], result: STATUS },
  SetIntraOpNumThreads: { slot: 24, since: 1, parameters: ["pointer", "i32"], result: STATUS },
  SessionGetInputCount: { slot: 30, since: 1, parameters: ["pointer", "buffer"], result: STATUS },
  SessionGetOutputCount: { slot: 31, since: 1, parameters: ["pointer", "buffer"], result: STATUS },
  SessionGetInputTypeInfo: { slot: 33, since: 1, parameters: ["pointer", "usize", "buffer"], result: STATUS },
  SessionGetOutputTypeInfo: { slot: 34, since: 1, parameters: ["pointer", "usize", "buffer"], result: STATUS },
  SessionGetInputName: { slot: 36, since: 1, parameters: ["pointer", "usize", "pointer", "buffer"], result: STATUS },
  SessionGetOutputName: { slot: 37, since: 1, parameters: ["pointer", "usize", "pointer", "buffer"], result: STATUS },
  CreateRunOptions: { slot: 39, since: 1, parameters: ["buffer"], result: STATUS },
  RunOptionsSetTerminate: { slot: 46, since: 1, parameters: ["pointer"], result: STATUS },
  RunOptionsUnsetTerminate: { slot: 47, since: 1, parameters: ["pointer"], result: STATUS },
  CreateTensorAsOrtValue: {
    slot: 48,
    since: 1,
    parameters: ["pointer", "buffer", "usize", "i32", "buffer"],
    result: STATUS,
  },
  CreateTensorWithDataAsOrtValue: {
    slot: 49,
    since: 1,
    parameters: ["pointer", "pointer", "usize", "buffer", "usize", "i32", "buffer"],
    result: STATUS,
  },
  GetTensorMutableData: { slot: 51, since: 1, parameters: ["pointer", "buffer"], result: STATUS },
  CastTypeInfoToTensorInfo: { slot: 55, since: 1, parameters: ["pointer", "buffer"], result: STATUS },
  GetTensorElementType: { slot: 60, since: 1, parameters: ["pointer", "buffer"], result: STATUS },
  GetDimensionsCount: { slot: 61, since: 1, parameters: ["pointer", "buffer"], result: STATUS },
  GetDimensions: { slot: 62, since: 1, parameters: ["pointer", "buffer", "usize"], result: STATUS },
  CreateMemoryInfo: { slot: 68, since: 1, parameters: ["buffer", "i32", "i32", "i32", "buffer"], result: STATUS },
  CreateCpuMemoryInfo: { slot: 69, since: 1, parameters: ["i32", "i32", "buffer"], result: STATUS },
  AllocatorFree: { slot: 76, since: 1, parameters: ["pointer", "pointer"], result: STATUS },
  GetAllocatorWithDefaultOptions: { slot: 78, since: 1, parameters: ["buffer"], result: STATUS },
  ReleaseEnv: { slot: 92, since: 1, parameters: ["pointer"], result: "void" },
  ReleaseStatus: { slot: 93, since: 1, parameters: ["pointer"], result: "void" },
  ReleaseMemoryInfo: { slot: 94, since: 1, parameters: ["pointer"], result: "void" },
  ReleaseSession: { slot: 95, since: 1, parameters: ["pointer"], result: "void" },
  ReleaseValue: { slot: 96, since: 1, parameters: ["pointer"], result: "void" },
  ReleaseRunOptions: { slot: 97, since: 1, parameters: ["pointer"], result: "void" },
  ReleaseTypeInfo: { slot: 98, since: 1, parameters: ["pointer"], result: "void" },
  ReleaseSessionOptions: { slot: 100, since: 1, parameters: ["pointer"], result: "void" },
  GetAvailableProviders: { slot: 125, since: 4, parameters: ["buffer", "buffer"], result: STATUS },
  ReleaseAvailableProviders: { slot: 126, since: 4, parameters: ["pointer", "i32"], result: STATUS },
  AddSessionConfigEntry: { slot: 130, since: 5, parameters: ["pointer", "buffer", "buffer"], result: STATUS },
  CreateAllocator: { slot: 131, since: 5, parameters: ["pointer", "pointer", "buffer"], result: STATUS },
  ReleaseAllocator: { slot: 132, since: 5, parameters: ["pointer"], result: "void" },
  RunWithBinding: { slot: 133, since: 5, parameters: ["pointer", "pointer", "pointer"], result: STATUS },
  CreateIoBinding: { slot: 134, since: 5, parameters: ["pointer", "buffer"], result: STATUS },
  ReleaseIoBinding: { slot: 135, since: 5, parameters: ["pointer"], result: "void" },
  BindInput: { slot: 136, since: 5, parameters: ["pointer", "buffer", "pointer"], result: STATUS },
  BindOutput: { slot: 137, since: 5, parameters: ["pointer", "buffer", "pointer"], result: STATUS },
  AddInitializer: { slot: 150, since: 6, parameters: ["pointer", "buffer", "pointer"], result: STATUS },
  AddRunConfigEntry: { slot: 165, since: 8, parameters: ["pointer", "buffer", "buffer"], result: STATUS },
  CreatePrepackedWeightsContainer: { slot: 166, since: 8, parameters: ["buffer"], result: STATUS },
  ReleasePrepackedWeightsContainer: { slot: 167, since: 8, parameters: ["pointer"], result: "void" },
  CreateSessionWithPrepackedWeightsContainer: {
    slot: 168,
    since: 8,
    parameters: ["pointer", "buffer", "pointer", "pointer", "buffer"],
    result: STATUS,
  },
  CreateSessionFromArrayWithPrepackedWeightsContainer: {
    slot: 169,
    since: 8,
    parameters: ["pointer", "buffer", "usize", "pointer", "pointer", "buffer"],
    result: STATUS,
  },
  SessionOptionsAppendExecutionProvider_CUDA_V2: {
    slot: 204,
    since: 11,
    parameters: ["pointer", "pointer"],
    result: STATUS,
  },
  CreateCUDAProviderOptions: { slot: 205, since: 11, parameters: ["buffer"], result: STATUS },
  UpdateCUDAProviderOptions: {
    slot: 206,
    since: 11,
    parameters: ["pointer", "buffer", "buffer", "usize"],
    result: STATUS,
  },
  ReleaseCUDAProviderOptions: { slot: 208, since: 11, parameters: ["pointer"], result: "void" },
  SessionOptionsAppendExecutionProvider: {
    slot: 216,
    since: 12,
    parameters: ["pointer", "buffer", "buffer", "buffer", "usize"],
    result: STATUS,
  },
  MemoryInfoGetDeviceType: { slot: 225, since: 14, parameters: ["pointer", "buffer"], result: "void" },
  GetBuildInfoString: { slot: 254, since: 15, parameters: [], result: "pointer" },
  SessionGetMemoryInfoForInputs: { slot: 380, since: 23, parameters: ["pointer", "buffer", "usize"], result: STATUS },
  SessionGetEpGraphAssignmentInfo: {
    slot: 407,
    since: 24,
    parameters: ["pointer", "buffer", "buffer"],
    result: STATUS,
  },
  EpAssignedSubgraphGetEpName: { slot: 408, since: 24, parameters: ["pointer", "buffer"], result: STATUS },
  EpAssignedSubgraphGetNodes: { slot: 409, since: 24, parameters: ["pointer", "buffer", "buffer"], result: STATUS },
  EpAssignedNodeGetName: { slot: 410, since: 24, parameters: ["pointer", "buffer"], result: STATUS },
  EpAssignedNodeGetOperatorType: { slot: 412, since: 24, parameters: ["pointer", "buffer"], result: STATUS },
} as const satisfies Record<string, SlotFacts>;

/** The newest version whose functions are used. */
export const NEWEST_API_VERSION = 24;
/** The oldest version that has all that a run needs. */
export const OLDEST_API_VERSION = 15;
