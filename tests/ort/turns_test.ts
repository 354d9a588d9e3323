import assert from "node:assert/strict";
import { Turns } from "../../src/ort/turns.ts";

/** Lets every promise go on that can. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("turns are given in the order of asking, one at a time", async () => {
  const turns = new Turns();
  const log: string[] = [];
  for (const name of ["a", "b", "c"]) turns.take().then(() => log.push(name));
  await settle();
  assert.deepEqual(log, ["a"]);
  turns.give();
  await settle();
  assert.deepEqual(log, ["a", "b"]);
  turns.give();
  turns.give();
  await settle();
  assert.deepEqual(log, ["a", "b", "c"]);
  await turns.take();
});

Deno.test("an aborted wait gives up its place in line", async () => {
  const turns = new Turns();
  await turns.take();
  const controller = new AbortController();
  const aborted = turns.take(controller.signal);
  const next = turns.take();
  controller.abort(new Error("no longer"));
  await assert.rejects(aborted, /no longer/);
  turns.give();
  await next;
});

Deno.test("close() refuses those who wait and those who come, and settles when the turn ends", async () => {
  const turns = new Turns();
  await turns.take();
  const waiting = turns.take();
  let quiet = false;
  const closed = turns.close(new Error("closed")).then(() => quiet = true);
  await assert.rejects(waiting, /closed/);
  await assert.rejects(turns.take(), /closed/);
  assert.throws(() => turns.throwIfOver(), /closed/);
  await settle();
  assert.equal(quiet, false);
  turns.give();
  await closed;
});

Deno.test("throwIfOver() catches a signal that was aborted between the turn's begin and its first line", async () => {
  const turns = new Turns();
  const controller = new AbortController();
  const turn = turns.take(controller.signal);
  controller.abort(new Error("in between"));
  await turn;
  assert.throws(() => turns.throwIfOver(controller.signal), /in between/);
});
