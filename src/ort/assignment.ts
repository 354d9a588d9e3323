/**
 * Which execution provider got which nodes of a loaded graph.
 *
 * @module
 */

import type { Api } from "./api.ts";
import { makeCell, pointerIn, readPointers, readText } from "./native.ts";
import type { Assignment } from "./options.ts";

/** The session configuration that makes ONNX Runtime remember. */
export const RECORD_ASSIGNMENT = "session.record_ep_graph_assignment_info";

/**
 * Counts the nodes of a session by provider and operator.
 *
 * @param session loaded with {@linkcode RECORD_ASSIGNMENT} on.
 */
export function readAssignment(api: Api, session: Deno.PointerValue): Assignment {
  const { functions } = api;
  const counts: Record<string, Record<string, number>> = {};
  for (const subgraph of readList((list, count) => functions.SessionGetEpGraphAssignmentInfo(session, list, count))) {
    const provider = readText(api.make((cell) => functions.EpAssignedSubgraphGetEpName(subgraph, cell)));
    const operators = counts[provider] ??= {};
    for (const node of readList((list, count) => functions.EpAssignedSubgraphGetNodes(subgraph, list, count))) {
      const operator = readText(api.make((cell) => functions.EpAssignedNodeGetOperatorType(node, cell)));
      operators[operator] = (operators[operator] ?? 0) + 1;
    }
  }
  return counts;

  /** The session owns these lists: nothing is released. */
  function readList(
    call: (list: BigUint64Array<ArrayBuffer>, count: BigUint64Array<ArrayBuffer>) => Deno.PointerValue,
  ): Deno.PointerValue[] {
    const list = makeCell();
    const count = makeCell();
    api.check(call(list, count));
    return readPointers(pointerIn(list), Number(count[0]));
  }
}
