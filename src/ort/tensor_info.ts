/**
 * Reads from a loaded session what goes in and what comes out.
 *
 * @module
 */

import { OrtError } from "../errors.ts";
import type { Api } from "./api.ts";
import { elementTypeOf, type TensorInfo } from "./element_type.ts";
import { pointerIn, readText } from "./native.ts";

/**
 * The inputs or outputs of a session, in the model's order.
 *
 * @throws {OrtError} bad_model where one has a size that is not fixed, or elements without a JavaScript form.
 */
export function readTensorInfos(api: Api, session: Deno.PointerValue, side: "input" | "output"): TensorInfo[] {
  const { functions } = api;
  const [getCount, getName, getType] = side === "input"
    ? [functions.SessionGetInputCount, functions.SessionGetInputName, functions.SessionGetInputTypeInfo]
    : [functions.SessionGetOutputCount, functions.SessionGetOutputName, functions.SessionGetOutputTypeInfo];
  const allocator = api.make((cell) => functions.GetAllocatorWithDefaultOptions(cell));
  const count = api.count((cell) => getCount(session, cell));
  return Array.from({ length: count }, (_, i) => {
    const text = api.make((cell) => getName(session, BigInt(i), allocator, cell));
    const name = readText(text);
    api.check(functions.AllocatorFree(allocator, text));

    const typeInfo = api.make((cell) => getType(session, BigInt(i), cell));
    try {
      // Part of the type info, and released with it; null for what is no tensor.
      const tensorInfo = api.make((cell) => functions.CastTypeInfoToTensorInfo(typeInfo, cell));
      if (tensorInfo === null) throw refuse(`${side} "${name}" is no tensor`);
      const kind = new Int32Array(1);
      api.check(functions.GetTensorElementType(tensorInfo, kind));
      const type = elementTypeOf(kind[0]!);
      if (type === undefined) throw refuse(`${side} "${name}" has elements of ONNX type ${kind[0]}`);
      const rank = api.count((cell) => functions.GetDimensionsCount(tensorInfo, cell));
      const dimensions = new BigInt64Array(rank);
      api.check(functions.GetDimensions(tensorInfo, dimensions, BigInt(rank)));
      const shape = [...dimensions].map(Number);
      const open = shape.findIndex((size) => size < 0);
      if (open >= 0) throw refuse(`dimension ${open} of ${side} "${name}" has no fixed size`);
      return { name, type, shape, length: shape.reduce((product, size) => product * size, 1) };
    } finally {
      functions.ReleaseTypeInfo(typeInfo);
    }
  });
}

function refuse(what: string): OrtError {
  return new OrtError("bad_model", `Cannot load the model: ${what}. Export it with fixed shapes and numbers`);
}

/** The names of inputs that the session reads in the processor's memory; needs API version 23. */
export function listHostInputs(api: Api, session: Deno.PointerValue, inputs: readonly TensorInfo[]): string[] {
  const { functions } = api;
  const places = new BigUint64Array(Math.max(1, inputs.length));
  api.check(functions.SessionGetMemoryInfoForInputs(session, places, BigInt(inputs.length)));
  return inputs.flatMap(({ name }, i) => {
    const place = pointerIn(places, i);
    const device = new Int32Array(1);
    if (place !== null) functions.MemoryInfoGetDeviceType(place, device);
    return device[0] === DEVICE_PROCESSOR ? [name] : [];
  });
}

/** OrtMemoryInfoDeviceType of the processor. */
const DEVICE_PROCESSOR = 0;
