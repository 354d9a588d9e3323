/** Plays demonstrations for `data.ts` and writes each to a file of its own. */

import { encodeHeader, type TensorDescription } from "../../src/checkpoint/safetensors.ts";
import { writeWhole } from "../../src/report/file.ts";
import type { AlohaEnvironment } from "../../src/sim/environment.ts";
import { openEnvironment } from "../../src/sim/mod.ts";
import type { DataAnswer, DataJob } from "./data.ts";
import { demonstrate, type Frame, PICTURE_ROWS } from "./demonstration.ts";
import { ACTION_DIM, PLAN_ROWS } from "./demonstrator.ts";

/** A Worker's own side of its channel; the library for pages does not know it. */
const channel = self as unknown as {
  onmessage: (event: MessageEvent<DataJob>) => void;
  postMessage(answer: DataAnswer): void;
};

const worlds = new Map<string, AlohaEnvironment>();

channel.onmessage = async ({ data: job }) => {
  const { task, scene, sceneFolder, seed, path, split } = job;
  const key = `${task} ${scene}`;
  const world = worlds.get(key) ?? await openEnvironment({ task, scene, sceneFolder, maxSteps: 1000, observed: [] });
  worlds.set(key, world);
  const { frames, success, steps } = demonstrate(world, task, seed);
  if (success) await writeWhole(path, encode(frames, { task, scene, seed: String(seed), split }), "a demonstration");
  channel.postMessage({ seed, success, steps, frames: success ? frames.length : 0 });
};

/** A safetensors file: pictures, states, plans, objects and steps of all frames. */
function encode(frames: readonly Frame[], metadata: Record<string, string>): Uint8Array<ArrayBuffer> {
  const count = frames.length;
  const objects = frames[0]!.objects.length;
  const tensors: TensorDescription[] = [
    { name: "state", type: "F32", shape: [count, ACTION_DIM] },
    { name: "actions", type: "F32", shape: [count, PLAN_ROWS, ACTION_DIM] },
    { name: "objects", type: "F32", shape: [count, objects, 3] },
    { name: "step", type: "F32", shape: [count] },
    { name: "image", type: "U8", shape: [count, PICTURE_ROWS, 224, 3] },
  ];
  const floats = (values: Iterable<number>) => new Uint8Array(Float32Array.from(values).buffer);
  const parts: Uint8Array[] = [
    encodeHeader(tensors, metadata),
    floats(frames.flatMap(({ state }) => [...state])),
    floats(frames.flatMap(({ actions }) => [...actions])),
    floats(frames.flatMap((frame) => frame.objects.flat())),
    floats(frames.map(({ step }) => step)),
    ...frames.map(({ picture }) => picture),
  ];
  const file = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    file.set(part, offset);
    offset += part.length;
  }
  return file;
}
