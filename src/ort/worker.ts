/**
 * The thread that owns ONNX Runtime: it does what messages ask, one after another, and answers each.
 *
 * A run blocks this thread. That is the point: the main thread stays free, and ONNX Runtime meets one thread only.
 *
 * @module
 */

/// <reference lib="deno.worker" />
import { OrtError } from "../errors.ts";
import { Engine } from "./engine.ts";
import type { Exchanges, Kind, ReplyMessage, RequestMessage } from "./messages.ts";

const scope = self as unknown as Worker;
let engine: Engine | undefined;

function answer(message: RequestMessage): Exchanges[Kind]["reply"] {
  if (message.kind === "open") return (engine = new Engine(message.libraryPath)).description;
  if (engine === undefined) throw new OrtError("closed", `Cannot ${message.kind}: no library is open`);
  switch (message.kind) {
    case "load":
      return engine.load(message.options, message.cudaLibraries);
    case "run":
      engine.run(message.session);
      return undefined;
    case "release":
      engine.release(message.session);
      return undefined;
    case "close":
      engine[Symbol.dispose]();
      engine = undefined;
      return undefined;
  }
}

scope.onmessage = ({ data }: MessageEvent<RequestMessage>) => {
  const { id } = data;
  let reply: ReplyMessage;
  try {
    reply = { id, value: answer(data) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    reply = { id, error: { code: error instanceof OrtError ? error.code : "unexpected", message } };
  }
  scope.postMessage(reply);
};
