import assert from "node:assert/strict";
import { openRuntime } from "../../src/ort/mod.ts";
import { buildSaturationProbe, chooseByteType, saturationInput } from "../../src/pi0/saturation.ts";

Deno.test("chooseByteType() takes signed weights only where the product is exact", () => {
  const exact = new Int32Array(64).fill(64 * 255 * 127);
  assert.equal(chooseByteType(exact), "I8");
  assert.equal(chooseByteType(exact.with(63, 32 * 32767)), "U8");
});

Deno.test("the probe's product is exact or stops at 32,767 for each pair, whatever the processor", async () => {
  await using runtime = await openRuntime();
  await using session = await runtime.load({ model: { bytes: buildSaturationProbe() }, provider: { name: "cpu" } });
  const { product } = await session.run({ bytes: saturationInput() }) as { product: Int32Array };
  const [sum] = product;
  assert.ok(sum === 64 * 255 * 127 || sum === 32 * 32767, String(sum));
  assert.equal(chooseByteType(product), sum === 64 * 255 * 127 ? "I8" : "U8");
});
