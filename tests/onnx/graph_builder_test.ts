import assert from "node:assert/strict";
import { GraphBuilder } from "../../src/onnx/graph_builder.ts";
import { openRuntime } from "../../src/ort/mod.ts";

Deno.test("GraphBuilder writes a model that ONNX Runtime runs, with bytes in the file and beside it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pi0-onnx-" });
  try {
    await Deno.writeFile(
      `${folder}/weights.bin`,
      new Uint8Array([9, ...new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer)]),
    );
    const graph = new GraphBuilder("test");
    const x = graph.input("x", "float32", [1, 2]);
    // One byte in: external data may lie anywhere.
    const weights = graph.constant("weights", "float32", [2, 2], { file: "weights.bin", offset: 1, length: 16 });
    const [low, high] = graph.within(
      "layer",
      () =>
        graph.nodes("Split", [
          graph.node("Gemm", [x, weights], { attributes: { transB: { int: 1 }, alpha: { float: 0.5 } } }),
        ], {
          attributes: { axis: { int: -1 }, num_outputs: { int: 2 } },
          outputs: [true, true],
        }),
    );
    const gelu = graph.node("Gelu", [low!], { attributes: { approximate: { text: "tanh" } } });
    const turned = graph.node("Transpose", [x], { attributes: { perm: { ints: [1, 0] } } });
    graph.output(graph.node("Add", [high!, graph.scalar(100)]), "y", "float32", [1, 1]);
    graph.output(gelu, "gelu", "float32", [1, 1]);
    graph.output(graph.node("Reshape", [turned, graph.integers([2])]), "turned", "float32", [2]);

    await using runtime = await openRuntime();
    await using session = await runtime.load({
      model: { bytes: graph.finish() },
      provider: { name: "cpu" },
      threads: 1,
      initializersFolder: folder,
    });
    const outputs = await session.run({ x: Float32Array.of(10, 20) });
    // 0.5 · (10·1 + 20·2) = 25 and 0.5 · (10·3 + 20·4) = 55
    assert.deepEqual([...outputs["y"]!], [155]);
    assert.deepEqual([...outputs["gelu"]!], [25]);
    assert.deepEqual([...outputs["turned"]!], [10, 20]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("GraphBuilder names values by their scope, and each only once", () => {
  const graph = new GraphBuilder("test");
  const x = graph.input("x", "float32", [1]);
  const names = graph.within("a", () => graph.within("b", () => [graph.node("Neg", [x]), graph.node("Neg", [x])]));
  assert.deepEqual([...names, graph.node("Neg", [x])], ["a/b/Neg", "a/b/Neg_2", "Neg"]);
  assert.throws(() => graph.input("x", "float32", [1]), /twice/);
});

Deno.test("GraphBuilder leaves an output out that is not wanted", () => {
  const graph = new GraphBuilder("test");
  const x = graph.input("x", "float32", [1, 2]);
  assert.deepEqual(graph.nodes("LayerNormalization", [x, x], { outputs: [true, false, true] }), [
    "LayerNormalization",
    "",
    "LayerNormalization:2",
  ]);
});

Deno.test("GraphBuilder keeps equal constants once and refuses bytes that do not fill their shape", () => {
  const graph = new GraphBuilder("test");
  assert.equal(graph.scalar(2), graph.scalar(2));
  assert.notEqual(graph.integers([1, 2]), graph.integers([1]));
  assert.throws(
    () => graph.constant("w", "float32", [3], Float32Array.of(1, 2)),
    /"w" of float32 \[3\]: needs 12 bytes, has 8/,
  );
});
