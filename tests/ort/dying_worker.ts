/**
 * A thread that dies of the first "run", and answers everything else with nothing.
 *
 * @module
 */

/// <reference lib="deno.worker" />
const scope = self as unknown as Worker;
scope.onmessage = ({ data }: MessageEvent<{ id: number; kind: string }>) => {
  if (data.kind === "run") throw new Error("out of luck");
  if (data.kind !== "load") scope.postMessage({ id: data.id, value: undefined });
};
