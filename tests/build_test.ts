import assert from "node:assert/strict";
import { SOURCE } from "./support/program.ts";

async function buildWith(runtime: string): Promise<{ code: number; stderr: string }> {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, runtime);
  const { code, stderr } = await new Deno.Command(SOURCE[0], {
    args: ["run", "-A", "scripts/build.ts"],
    cwd: new URL("../", import.meta.url),
    env: { DENORT_BIN: path, NO_COLOR: "1" },
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("the build refuses a runtime of another version, and names the one that fits", async () => {
  const { code, stderr } = await buildWith("\x7fELF … Mozilla Deno/1.2.3 …");
  assert.equal(code, 1);
  assert.match(stderr, /it is of Deno 1\.2\.3, and this is Deno .*\(npx -y deno@1\.2\.3 task build/);
});

Deno.test("the build refuses a file that is no runtime", async () => {
  const { code, stderr } = await buildWith("#!/bin/sh");
  assert.equal(code, 1);
  assert.match(stderr, /it is no Deno runtime/);
});
