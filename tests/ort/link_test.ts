import assert from "node:assert/strict";
import { OrtError } from "../../src/errors.ts";
import { Link } from "../../src/ort/link.ts";

const DYING = new URL("./dying_worker.ts", import.meta.url);
const LOAD = { options: { model: { path: "x" }, provider: { name: "cpu" } }, cudaLibraries: [] } as const;

Deno.test("when the thread dies, everybody who waits for it hears so, and whoever asks later as well", async () => {
  const link = new Link(DYING);
  await link.request("release", { session: 0 });
  const waiting = [link.request("load", LOAD), link.request("run", { session: 0 })];
  for (const promise of waiting) {
    await assert.rejects(
      promise,
      (error) => error instanceof OrtError && error.code === "crashed" && /has died: .*out of luck/.test(error.message),
    );
  }
  await assert.rejects(link.request("release", { session: 0 }), /has died/);
  link.terminate();
});

Deno.test("when the thread is ended, everybody who waits for it hears so", async () => {
  const link = new Link(DYING);
  const waiting = link.request("load", LOAD);
  link.terminate();
  await assert.rejects(waiting, (error) => error instanceof OrtError && error.code === "closed");
  await assert.rejects(link.request("close", {}), (error) => error instanceof OrtError && error.code === "closed");
});
