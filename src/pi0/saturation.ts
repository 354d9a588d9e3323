/**
 * Which 8-bit weights a processor multiplies rightly and fast.
 *
 * x86 processors without VNNI multiply unsigned by signed bytes with sums of pairs that stop at 32,767: a product of
 * small matrices was off by 8 %. There weights must be unsigned, which takes a quarter longer and is exact. With VNNI
 * signed weights are exact, and about twice as fast as unsigned ones. A product of the largest bytes tells.
 *
 * @module
 */
import { GraphBuilder } from "../onnx/graph_builder.ts";
import type { ByteType } from "./quantize.ts";

const COLUMNS = 64;
const LARGEST_ACTIVATION = 255;
const LARGEST_WEIGHT = 127;

/** A model with the input `bytes` (uint8 [1, 64], all 255) times weights of 127; output `product`. */
export function buildSaturationProbe(): Uint8Array<ArrayBuffer> {
  const graph = new GraphBuilder("saturation");
  const bytes = graph.input("bytes", "uint8", [1, COLUMNS]);
  const weights = graph.constant(
    "weights",
    "int8",
    [COLUMNS, COLUMNS],
    new Int8Array(COLUMNS ** 2).fill(LARGEST_WEIGHT),
  );
  graph.output(graph.node("MatMulInteger", [bytes, weights]), "product", "int32", [1, COLUMNS]);
  return graph.finish();
}

/** What to feed {@linkcode buildSaturationProbe}'s model. */
export function saturationInput(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(COLUMNS).fill(LARGEST_ACTIVATION);
}

/** Reads the output of {@linkcode buildSaturationProbe}'s model: the bytes that weights should have here. */
export function chooseByteType(product: Int32Array): ByteType {
  return product.every((sum) => sum === COLUMNS * LARGEST_ACTIVATION * LARGEST_WEIGHT) ? "I8" : "U8";
}
