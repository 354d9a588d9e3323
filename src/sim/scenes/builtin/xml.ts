/**
 * Writing MJCF: an element from its name, attributes and children.
 *
 * @module
 */

/** Attribute values: lists are written with spaces between their numbers. */
export type Attributes = Readonly<Record<string, string | number | readonly number[]>>;

/** One element as text. Values are the scene's own: nothing in them needs escaping. */
export function element(tag: string, attributes: Attributes, children: readonly string[] = []): string {
  const written = Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${typeof value === "object" ? value.join(" ") : value}"`)
    .join("");
  return children.length === 0 ? `<${tag}${written}/>` : `<${tag}${written}>\n${children.join("\n")}\n</${tag}>`;
}
