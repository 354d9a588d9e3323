/**
 * One Gemma block, as the prefix, the state token and the action tokens share it; they differ in what their queries
 * may attend to and in how their norms are scaled.
 *
 * @module
 */
import { MICROSOFT } from "../onnx/graph_builder.ts";
import type { GraphSection, Rotation, Stream } from "./graph_section.ts";
import type { Modulation } from "./time.ts";

/** Keys (turned by their positions) and values of one layer: `[1, tokens, kvHeads × headDim]` each. */
export interface KeysAndValues {
  readonly keys: string;
  readonly values: string;
}

/** What a block's tokens attend to. */
export interface Attended extends KeysAndValues {
  /** int64 `[1]`: keys that count, from the first on; all of them where absent. */
  readonly validKeys: string;
}

/** A norm's modulation as constants of the graph. */
interface NormFactors {
  readonly scale: string;
  readonly shift?: string;
  /** Adds the gate's constant, for a norm whose block has one. */
  readonly gate?: () => string;
}

/** Gives a norm's modulation for the moment that is being written; absent for Gemma's own norms. */
export type Modulate = (norm: string) => { readonly label: string; readonly modulation: Modulation };

/** Writes blocks of one of the two transformers. */
export class GemmaWriter {
  readonly #section: GraphSection;
  readonly #part: "prefix" | "expert";
  readonly #rotation: Rotation;
  readonly #modulate: Modulate | undefined;

  constructor(section: GraphSection, part: "prefix" | "expert", rotation: Rotation, modulate?: Modulate) {
    this.#section = section;
    this.#part = part;
    this.#rotation = rotation;
    this.#modulate = modulate;
  }

  /** A whole block. `attended` is told this block's keys and values and says which ones its queries see. */
  block(layer: number, stream: Stream, attended: (own: KeysAndValues) => Attended): Stream {
    const section = this.#section;
    const { graph, weights: { config } } = section;
    const name = `${this.#part}.${layer}`;
    return graph.within(`${layer}`, () => {
      const first = this.#norm(stream, `${name}.norm1`);
      const { query, ...own } = this.#project(first.normed, name);
      const { keys, values, validKeys } = attended(own);
      const mixed = section.attend([query, keys, values], config, validKeys);
      const out = this.#gated(section.product(mixed, `${name}.out`), first.gate);
      const second = this.#norm({ sum: first.sum, delta: out }, `${name}.norm2`);
      const down = section.product(this.#hidden(second.normed, name), `${name}.down`);
      return { sum: second.sum, delta: this.#gated(down, second.gate) };
    });
  }

  /** The keys and values of a block whose other results nobody reads. */
  keysAndValues(layer: number, stream: Stream): KeysAndValues {
    const name = `${this.#part}.${layer}`;
    return this.#section.graph.within(`${layer}`, () => {
      const { normed } = this.#norm(stream, `${name}.norm1`);
      const { keys, values } = this.#part === "prefix" ? this.#projectKeys(normed, name) : this.#project(normed, name);
      return { keys, values };
    });
  }

  /** The norm after the last block. */
  finalNorm(stream: Stream): string {
    return this.#norm(stream, `${this.#part}.norm`).normed;
  }

  #norm(stream: Stream, name: string): { normed: string; sum: string; gate?: () => string } {
    const factors = this.#factors(name);
    const { normed, sum } = this.#section.rmsNorm(stream, factors.scale);
    if (factors.shift === undefined) return { normed, sum };
    return { normed: this.#section.graph.node("Add", [normed, factors.shift]), sum, gate: factors.gate! };
  }

  #factors(name: string): NormFactors {
    const section = this.#section;
    if (this.#modulate === undefined) return { scale: section.offsetScale(name) };
    const { label, modulation } = this.#modulate(name);
    const constant = (kind: keyof Modulation) =>
      section.constant(`${name}.${kind}.${label}`, [modulation[kind].length], modulation[kind]);
    return { scale: constant("scale"), shift: constant("shift"), gate: () => constant("gate") };
  }

  #gated(value: string, gate: (() => string) | undefined): string {
    return gate === undefined ? value : this.#section.graph.node("Mul", [value, gate()]);
  }

  #project(normed: string, name: string): KeysAndValues & { query: string } {
    const section = this.#section;
    const { heads, kvHeads, headDim } = section.weights.config;
    let [query, keys, values] = section.weights.fusion.attention
      ? section.split(section.product(normed, `${name}.qkv`), [heads * headDim, kvHeads * headDim, kvHeads * headDim])
      : ["q", "k", "v"].map((letter) => section.product(normed, `${name}.${letter}`));
    query = section.rotate(query!, this.#rotation, heads);
    keys = section.rotate(keys!, this.#rotation, kvHeads);
    return { query, keys, values: values! };
  }

  #projectKeys(normed: string, name: string): KeysAndValues {
    const section = this.#section;
    const { kvHeads, headDim } = section.weights.config;
    const [keys, values] = section.weights.fusion.attention
      ? section.split(section.product(normed, `${name}.kv`), [kvHeads * headDim, kvHeads * headDim])
      : ["k", "v"].map((letter) => section.product(normed, `${name}.${letter}`));
    return { keys: section.rotate(keys!, this.#rotation, kvHeads), values: values! };
  }

  /** `gelu(gate) × up`. */
  #hidden(normed: string, name: string): string {
    const section = this.#section;
    const { mlpWidth } = section.weights.config[this.#part];
    const [gate, up] = section.weights.fusion.gate
      ? section.split(section.product(normed, `${name}.gate_up`), [mlpWidth, mlpWidth])
      : ["gate", "up"].map((part) => section.product(normed, `${name}.${part}`));
    return section.graph.node("Mul", [section.graph.node("FastGelu", [gate!], { domain: MICROSOFT }), up!]);
  }
}
