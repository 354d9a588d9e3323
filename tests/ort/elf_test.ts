import assert from "node:assert/strict";
import { readNeededLibraries } from "../../src/ort/elf.ts";
import { PACKAGE_URLS } from "../../src/ort/library.ts";
import { canBuildStub, makeStubFolder, needsCompiler } from "./stub.ts";

Deno.test({
  name: `readNeededLibraries() lists what the linker was told, in its order${needsCompiler}`,
  ignore: !canBuildStub,
  async fn() {
    await using folder = await makeStubFolder();
    const needed = await readNeededLibraries(`${folder.path}/libonnxruntime_providers_cuda.so`);
    assert.deepEqual(needed.slice(0, 2), ["libcudart.so.13", "libcublas.so.13"]);
  },
});

Deno.test({
  name: "readNeededLibraries() reads ONNX Runtime's own library",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const needed = await readNeededLibraries(
      decodeURIComponent(new URL("libonnxruntime.so.1", PACKAGE_URLS[0]).pathname),
    );
    assert.ok(needed.includes("libc.so.6") && needed.includes("libstdc++.so.6"), String(needed));
  },
});

Deno.test({
  name: `readNeededLibraries() survives a library cut short anywhere, or damaged in its first kilobyte${needsCompiler}`,
  ignore: !canBuildStub,
  async fn() {
    await using folder = await makeStubFolder();
    const whole = await Deno.readFile(`${folder.path}/libonnxruntime_providers_cuda.so`);
    const path = `${folder.path}/damaged.so`;
    const attempt = async (bytes: Uint8Array) => {
      await Deno.writeFile(path, bytes);
      const outcome = await readNeededLibraries(path).catch((error: unknown) => error);
      assert.ok(Array.isArray(outcome) || outcome instanceof Error, String(outcome));
    };
    for (let length = 0; length < whole.length; length += 97) await attempt(whole.subarray(0, length));
    for (let at = 0; at < 1024; at += 3) {
      const bytes = whole.slice();
      bytes[at] = bytes[at]! ^ 0xff;
      await attempt(bytes);
    }
    for (const length of [0, 4, 63]) {
      await Deno.writeFile(path, whole.subarray(0, length));
      await assert.rejects(readNeededLibraries(path), /it ends too early/);
    }
  },
});
