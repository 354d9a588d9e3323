/**
 * Whether a library does what this program expects of it, asked before it is trusted with a model: its table of
 * functions is called by number, and a library with another order would do something else.
 *
 * @module
 */

import { OrtError } from "../errors.ts";
import { NO_SUCH_FILE, StatusError } from "./api.ts";
import { encodePath } from "./native.ts";
import { NativeSession } from "./native_session.ts";
import type { Surroundings } from "./runner.ts";

/** An ONNX model, y = x + x for four float32, spelt out field by field. */
const MODEL = Uint8Array.from(
  [
    [0x08, 8], // ir_version
    [0x3a, 53], // graph
    [0x0a, 14, 0x0a, 1, "x", 0x0a, 1, "x", 0x12, 1, "y", 0x22, 3, "Add"], // node: input, input, output, op_type
    [0x12, 1, "g"], // name
    [0x5a, 15, 0x0a, 1, "x", 0x12, 10, 0x0a, 8, 0x08, 1, 0x12, 4, 0x0a, 2, 0x08, 4], // input: name, float32, [4]
    [0x62, 15, 0x0a, 1, "y", 0x12, 10, 0x0a, 8, 0x08, 1, 0x12, 4, 0x0a, 2, 0x08, 4], // output: the same
    [0x42, 4, 0x0a, 0, 0x10, 17], // opset_import: ONNX' own, version 17
  ].flat().flatMap((part) => typeof part === "number" ? part : [...part].map((letter) => letter.charCodeAt(0))),
);

/** A path that nobody has. */
const NO_FILE = "/pi0/there is no such model.onnx";

/**
 * Loads and runs a tiny model on the processor, and one that is not there.
 *
 * @throws {OrtError} bad_library where anything comes out differently.
 */
export function testLibrary(surroundings: Surroundings): void {
  const { api } = surroundings;
  const refuse = (what: string, cause?: unknown) => {
    const message = `Cannot trust ${api.path} (ONNX Runtime ${api.version}): ${what}. Use a release of Microsoft's`;
    return new OrtError("bad_library", message, { cause });
  };

  const { functions } = api;
  const options = api.make((cell) => functions.CreateSessionOptions(cell));
  try {
    const session = api.make((cell) =>
      functions.CreateSession(surroundings.environment, encodePath(NO_FILE), options, cell)
    );
    functions.ReleaseSession(session);
    throw refuse("it opened a model that is not there");
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    if (error.code !== NO_SUCH_FILE || !error.message.includes(NO_FILE)) {
      throw refuse(`of a missing model it says "${error.message}" (${error.code})`, error);
    }
  } finally {
    functions.ReleaseSessionOptions(options);
  }

  try {
    using session = new NativeSession(surroundings, {
      model: { bytes: MODEL },
      provider: { name: "cpu" },
      threads: 1,
      spinning: false,
    });
    const described = JSON.stringify([session.inputs, session.outputs]);
    const expected = JSON.stringify(
      ["x", "y"].map((name) => [{ name, type: "float32", shape: [4], length: 4 }]),
    );
    if (described !== expected) throw refuse(`it describes the test model as ${described}`);
    const [x, y] = [0, 64].map((offset) => new Float32Array(session.memory, offset, 4)) as [Float32Array, Float32Array];
    x.set([1, -2, 0.5, 3e38]);
    session.run();
    if (String(y) !== String([2, -4, 1, Infinity])) throw refuse(`the test model answers ${y}`);
    const assigned = JSON.stringify(session.assignment);
    if (session.assignment !== undefined && assigned !== '{"CPUExecutionProvider":{"Add":1}}') {
      throw refuse(`it assigns the test model's node as ${assigned}`);
    }
  } catch (error) {
    if (error instanceof OrtError && error.code === "bad_library") throw error;
    throw refuse(`the test model does not run (${error instanceof Error ? error.message : error})`, error);
  }
}
