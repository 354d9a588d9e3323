/**
 * Runs a session whose inputs and outputs lie in the processor's memory, as the CPU provider wants them; WebGPU copies.
 *
 * @module
 */

import { encodeTexts, pointerTo } from "./native.ts";
import { type Runner, type RunnerParts, wrapMemory } from "./runner.ts";

/** The tensors are made once; a run only names them. */
export class HostRunner implements Runner {
  readonly #parts: RunnerParts;
  readonly #inputNames: Uint8Array<ArrayBuffer>;
  readonly #outputNames: Uint8Array<ArrayBuffer>;
  readonly #inputs: BigUint64Array<ArrayBuffer>;
  readonly #outputs: BigUint64Array<ArrayBuffer>;

  constructor(parts: RunnerParts) {
    const { surroundings, inputs, outputs, views } = parts;
    this.#parts = parts;
    this.#inputNames = encodeTexts(inputs.map(({ name }) => name));
    this.#outputNames = encodeTexts(outputs.map(({ name }) => name));
    const addresses = [...inputs, ...outputs].map((info, i) =>
      Deno.UnsafePointer.value(wrapMemory(surroundings, info, views[i]!))
    );
    this.#inputs = BigUint64Array.from(addresses.slice(0, inputs.length));
    this.#outputs = BigUint64Array.from(addresses.slice(inputs.length));
  }

  run(): void {
    const { surroundings: { api }, session, runOptions } = this.#parts;
    api.check(
      api.functions.Run(
        session,
        runOptions,
        this.#inputNames,
        this.#inputs,
        BigInt(this.#inputs.length),
        this.#outputNames,
        BigInt(this.#outputs.length),
        this.#outputs,
      ),
    );
  }

  [Symbol.dispose](): void {
    const { ReleaseValue } = this.#parts.surroundings.api.functions;
    for (const address of [...this.#inputs, ...this.#outputs]) ReleaseValue(pointerTo(address));
  }
}
