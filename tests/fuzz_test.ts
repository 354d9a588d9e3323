import assert from "node:assert/strict";
import { fuzz } from "../scripts/fuzz.ts";
import { TRANSPORT_NAMES } from "../src/transport/mod.ts";

for (const transport of TRANSPORT_NAMES) {
  Deno.test(`${transport} stands 300 frames that no client should send`, async () => {
    const { answered, closed, connections } = await fuzz({ transport, frames: 300, seed: 1 });
    assert.equal(answered + closed, 300);
    assert.ok(answered > 150, `${answered} answered`);
    assert.ok(connections > 50, `${connections} connections`);
  });
}
