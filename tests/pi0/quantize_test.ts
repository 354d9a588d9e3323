import assert from "node:assert/strict";
import { quantizeTransposed } from "../../src/pi0/quantize.ts";

Deno.test("quantizeTransposed() gives every row a scale of its own and turns the matrix over", () => {
  const matrix = Float32Array.of(127, -63.4, 1, 0.254, 0, -0.127);
  const { values, scales } = quantizeTransposed(matrix, 2, 3, "I8");
  assert.deepEqual([...values], [127, 127, -63, 0, 1, -63]);
  assert.deepEqual([...scales], [1, Math.fround(Math.fround(0.254) / 127)]);
});

Deno.test("quantizeTransposed() puts zero at 128 for unsigned bytes", () => {
  const { values } = quantizeTransposed(Float32Array.of(-127, 0, 127), 1, 3, "U8");
  assert.deepEqual([...values], [1, 128, 255]);
});

Deno.test("quantizeTransposed() keeps a row of zeros zero", () => {
  assert.deepEqual([...quantizeTransposed(new Float32Array(4), 2, 2, "U8").values], [128, 128, 128, 128]);
});

Deno.test("quantizeTransposed() is off by half a step at most, in matrices larger than a tile", () => {
  const [rows, columns] = [70, 130];
  const matrix = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i));
  const { values, scales } = quantizeTransposed(matrix, rows, columns, "I8");
  for (let i = 0; i < matrix.length; i++) {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const restored = values[column * rows + row]! * scales[row]!;
    assert.ok(Math.abs(restored - matrix[i]!) <= 0.501 * scales[row]!);
  }
});
