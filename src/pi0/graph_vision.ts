/**
 * Pictures to tokens: SigLIP and the projector, all cameras in one batch.
 *
 * @module
 */
import { MICROSOFT } from "../onnx/graph_builder.ts";
import { type GraphContext, GraphSection, type Stream } from "./graph_section.ts";

/**
 * Writes the vision tower.
 *
 * @param images uint8 `[cameras, height, width, 3]`.
 * @return `[1, cameras × tokens, prefix width]`, camera after camera.
 */
export function writeVision(context: GraphContext, images: string, cameras: number): string {
  const { vision, normEpsilon } = context.weights.config;
  const section = new GraphSection(context, cameras * vision.tokens);
  const { graph } = section;
  const epsilon = { float: normEpsilon };

  const norm = (stream: Stream, name: string, deltaBias = ""): { normed: string; sum: string } => {
    const factors = [section.vector(`${name}.scale`), section.vector(`${name}.bias`)];
    if (stream.delta === undefined) {
      const normed = graph.node("LayerNormalization", [stream.sum, ...factors], {
        attributes: { axis: { int: -1 }, epsilon },
      });
      return { normed, sum: stream.sum };
    }
    const inputs = [stream.delta, stream.sum, ...factors, section.vector(deltaBias)];
    const [normed, , , sum] = graph.nodes("SkipLayerNormalization", inputs, {
      domain: MICROSOFT,
      attributes: { epsilon },
      outputs: [true, false, false, true],
    });
    return { normed: normed!, sum: sum! };
  };

  let stream: Stream = { sum: graph.within("patches", () => writePatches(section, images, cameras)) };
  // The bias of the product that made the stream's delta; the next norm adds it.
  let deltaBias: string | undefined;
  for (let layer = 0; layer < vision.depth; layer++) {
    const name = `vision.${layer}`;
    graph.within(`${layer}`, () => {
      const first = norm(stream, `${name}.norm1`, deltaBias);
      const attended = writeAttention(section, first.normed, name, cameras);
      const second = norm(
        { sum: first.sum, delta: section.product(attended, `${name}.out`) },
        `${name}.norm2`,
        `${name}.out.bias`,
      );
      const hidden = graph.node("FastGelu", [
        section.product(second.normed, `${name}.up`),
        section.vector(`${name}.up.bias`),
      ], { domain: MICROSOFT });
      stream = { sum: second.sum, delta: section.product(hidden, `${name}.down`) };
      deltaBias = `${name}.down.bias`;
    });
  }
  return graph.within("project", () => section.linear(norm(stream, "vision.norm", deltaBias).normed, "vision.project"));
}

/**
 * Bytes to patch embeddings with positions. A patch's rows of pixels are moved together while they are still bytes: 42
 * at a time, which is ten times as fast as taking the channels apart. Float32 in every precision, as in openpi.
 */
function writePatches(section: GraphSection, images: string, cameras: number): string {
  const { graph, weights } = section;
  const { vision: { patchPx, tokens, width }, imageHeightPx, imageWidthPx } = weights.config;
  const [patchRows, patchColumns] = [imageHeightPx / patchPx, imageWidthPx / patchPx];
  const blocks = section.reshape(images, [cameras * patchRows, patchPx, patchColumns, patchPx * 3]);
  const turned = graph.node("Transpose", [blocks], { attributes: { perm: { ints: [0, 2, 1, 3] } } });
  const bytes = section.reshape(turned, [1, section.tokens, 3 * patchPx ** 2]);
  // 0…255 to −1…1: x / 127.5 − 1 has the same bits as openpi's x / 255 · 2 − 1.
  const scaled = graph.node("Div", [section.cast(bytes, "uint8", "float32"), graph.scalar(127.5)]);
  const pixels = graph.node("Sub", [scaled, graph.scalar(1)]);

  const bias = weights.vector("vision.patch.bias");
  const positions = weights.vector("vision.position");
  const offsets = new Float32Array(cameras * tokens * width);
  for (let i = 0; i < offsets.length; i++) offsets[i] = positions[i % positions.length]! + bias[i % width]!;
  const offset = section.constant("vision.offsets", [1, section.tokens, width], offsets, "float32");
  return section.cast(
    graph.node("Add", [section.product(pixels, "vision.patch"), offset]),
    "float32",
    section.type,
  );
}

/** Each camera's tokens attend to each other, not to another camera's. */
function writeAttention(section: GraphSection, normed: string, name: string, cameras: number): string {
  const { vision: { width, heads, headDim, tokens } } = section.weights.config;
  const byCamera = (value: string, columns: number) =>
    cameras === 1 ? value : section.reshape(value, [cameras, tokens, columns]);
  let parts: string[];
  if (section.weights.fusion.attention) {
    parts = section.split(byCamera(section.linear(normed, `${name}.qkv`), 3 * width), [width, width, width]);
  } else parts = ["q", "k", "v"].map((letter) => byCamera(section.linear(normed, `${name}.${letter}`), width));
  const attended = section.attend(parts as [string, string, string], { heads, kvHeads: heads, headDim });
  return cameras === 1 ? attended : section.reshape(attended, [1, section.tokens, width]);
}
