/**
 * Exits with code 7 in the middle of a run.
 *
 * @module
 */

import { openRuntime } from "../../src/ort/mod.ts";
import { SLOW, SLOW_SIZE } from "./models.ts";

const runtime = await openRuntime();
const session = await runtime.load({ model: { bytes: SLOW }, provider: { name: "cpu" } });
session.run({ x: new Float32Array(SLOW_SIZE ** 2) });
setTimeout(() => Deno.exit(7), 30);
