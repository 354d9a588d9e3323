import assert from "node:assert/strict";
import { Chunking, delayStepsOf, WHILE_WAITING, type WhileWaiting } from "../../src/rollout/chunking.ts";

interface Story {
  readonly whileWaiting: WhileWaiting;
  readonly replanSteps: number;
  readonly rows: number;
  readonly delaySteps: number;
  readonly steps: number;
}

/** Plays steps: `0:3` is row 3 of the answer to request 0, `w` waits, `x` has no rows left; `?` asks before. */
function tell({ whileWaiting, replanSteps, rows, delaySteps, steps }: Story): string {
  const chunking = new Chunking({ replanSteps, whileWaiting });
  let askedAt = -1;
  const moves: string[] = [];
  for (let step = 0; step < steps; step++) {
    let mark = "";
    const arrive = () => {
      if (askedAt >= 0 && step === askedAt + delaySteps) {
        chunking.arrive(delaySteps, rows);
        askedAt = -1;
      }
    };
    arrive();
    if (chunking.asks) {
      chunking.ask();
      askedAt = step;
      mark = "?";
      arrive();
    }
    const move = chunking.next();
    moves.push(mark + ("held" in move ? move.held === "waiting" ? "w" : "x" : `${move.request}:${move.row}`));
  }
  return moves.join(" ");
}

/** `moves` says how many steps are played. */
function assertMoves(story: Omit<Story, "steps">, moves: string): void {
  assert.equal(tell({ ...story, steps: moves.split(" ").length }), moves);
}

Deno.test("Chunking without a delay asks and goes on in the same step, in hold as in continue", () => {
  for (const whileWaiting of WHILE_WAITING) {
    assertMoves({ whileWaiting, replanSteps: 2, rows: 4, delaySteps: 0 }, "?0:0 0:1 ?1:0 1:1 ?2:0");
  }
});

Deno.test("Chunking in hold repeats the last action as long as the answer takes, then executes row 0", () => {
  const story = { whileWaiting: "hold", replanSteps: 2, rows: 4, delaySteps: 3 } as const;
  assertMoves(story, "?w w w 0:0 0:1 ?w w w 1:0 1:1 ?w");
});

Deno.test("Chunking in continue goes on with the old chunk, then switches to the row of the present step", () => {
  const story = { whileWaiting: "continue", replanSteps: 2, rows: 8, delaySteps: 2 } as const;
  assertMoves(story, "?w w 0:0 0:1 ?0:2 0:3 1:2 1:3 ?1:4 1:5 2:2 2:3");
});

Deno.test("Chunking in continue holds where the old chunk ends before the new one is here", () => {
  const story = { whileWaiting: "continue", replanSteps: 2, rows: 5, delaySteps: 4 } as const;
  assertMoves(story, "?w w w w 0:0 0:1 ?0:2 0:3 0:4 x 1:4 ?x x x x 2:4 ?x");
});

Deno.test("Chunking in continue asks again at once where every row of an answer is stale", () => {
  const story = { whileWaiting: "continue", replanSteps: 2, rows: 3, delaySteps: 3 } as const;
  assertMoves(story, "?w w w 0:0 0:1 ?0:2 x x ?x x x ?x");
});

Deno.test("Chunking executes chunks shorter than replanSteps to their end", () => {
  const story = { whileWaiting: "hold", replanSteps: 10, rows: 2, delaySteps: 1 } as const;
  assertMoves(story, "?w 0:0 0:1 ?w 1:0 1:1 ?w");
});

Deno.test("Chunking with 50 rows, of which 10 are executed, does not run dry up to 20 steps of delay", () => {
  const exhausted = (delaySteps: number) =>
    tell({ whileWaiting: "continue", replanSteps: 10, rows: 50, delaySteps, steps: 400 }).includes("x");
  // The chunk begins with row d, and 10 + d rows of it are needed: 2d + 10 ≤ 50.
  assert.deepEqual([0, 1, 15, 20, 21, 40].map(exhausted), [false, false, false, false, true, true]);
});

Deno.test("Chunking.arrive() tells how many rows are stale: none in hold, none of the first chunk", () => {
  for (const whileWaiting of WHILE_WAITING) {
    const chunking = new Chunking({ replanSteps: 1, whileWaiting });
    const stale = [0, 2, 9].map((delaySteps) => {
      chunking.ask();
      const first = chunking.arrive(delaySteps, 4);
      if (!chunking.asks) chunking.next();
      return first;
    });
    assert.deepEqual(stale, whileWaiting === "hold" ? [0, 0, 0] : [0, 2, 4]);
  }
});

Deno.test("Chunking refuses what makes no sense", () => {
  const chunking = new Chunking({ replanSteps: 1, whileWaiting: "hold" });
  assert.throws(() => chunking.next(), /has to be asked first/);
  assert.throws(() => chunking.arrive(0, 1), /nothing was asked/);
  assert.equal(chunking.ask(), 0);
  assert.throws(() => chunking.ask(), /Cannot ask twice/);
});

Deno.test("delayStepsOf() counts every step that has begun", () => {
  const cases = [[0, 0], [0.01, 1], [20, 1], [20.5, 2], [60, 3], [100, 5], [294, 15]] as const;
  for (const [delayMs, steps] of cases) assert.equal(delayStepsOf(delayMs, 50), steps, `${delayMs} ms`);
  // 0.1 × 3 is more than 0.3.
  assert.equal(delayStepsOf(0.1 * 3 * 1000, 10), 3);
});
