/**
 * Running models: ONNX Runtime through its C API, on a thread of its own.
 *
 * This room knows libraries, execution providers and tensors. It does not know what a model computes, where its weights
 * come from, or what a robot is. Read runtime.ts first: it is what everybody else uses. On the other thread engine.ts
 * owns the library (api.ts, by the numbers in api_slots.ts) and its sessions (native_session.ts).
 *
 * @module
 */

export type { CudaLibrary, CudaReport } from "./cuda_libraries.ts";
export type { Elements, ElementType, TensorInfo } from "./element_type.ts";
export type { LibraryPlace, LibraryReport } from "./library.ts";
export type {
  Assignment,
  LoadOptions,
  Model,
  Optimization,
  Provider,
  ProviderName,
  SharedWeight,
  SharedWeights,
} from "./options.ts";
export { openRuntime, Runtime, type RuntimeOptions } from "./runtime.ts";
export { Session, type Tensors } from "./session.ts";
