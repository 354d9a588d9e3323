import assert from "node:assert/strict";
import { type JournalEvent, journalPath, openJournal, readJournal } from "../../src/report/journal.ts";

const run: JournalEvent = { event: "run", startedAt: "2026-01-02T03:04:05Z", command: ["bench"] };
const connect: JournalEvent = { event: "connect", transport: "tcp", round: 0, worker: 0, startedMs: 0, discarded: 2 };
const ping: JournalEvent = { event: "ping", transport: "tcp", round: 0, worker: 0, sentMs: 1, receivedMs: 2 };
const sample: JournalEvent = {
  event: "sample",
  transport: "tcp",
  round: 0,
  index: 0,
  worker: 0,
  scheduledMs: 3,
  startedMs: 3,
  finishedMs: 4,
  timing: { infer: 0.5 },
};

function inFolder(work: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    work(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const linesOf = (path: string) => Deno.readTextFileSync(path).trimEnd().split("\n").map((line) => JSON.parse(line));

Deno.test("openJournal() has each event on disk as a line before append() returns", () => {
  inFolder((folder) => {
    using journal = openJournal(`${folder}/bench.json`);
    assert.equal(journal.path, `${folder}/bench.json.partial.jsonl`);
    const written: JournalEvent[] = [];
    for (const event of [run, connect, ping, sample]) {
      journal.append(event);
      written.push(event);
      assert.deepEqual(linesOf(journal.path), written);
    }
  });
});

Deno.test("a journal that is only closed stays, and the next run writes after it", () => {
  inFolder((folder) => {
    const out = `${folder}/bench.json`;
    {
      using killed = openJournal(out);
      killed.append(run);
    }
    using journal = openJournal(out);
    journal.append(sample);
    assert.deepEqual(linesOf(journal.path), [run, sample]);
  });
});

Deno.test("discard() removes the journal, which then takes no more events", () => {
  inFolder((folder) => {
    using journal = openJournal(`${folder}/bench.json`);
    journal.append(sample);
    journal.discard();
    assert.deepEqual([...Deno.readDirSync(folder)], []);
    assert.throws(() => journal.append(sample), new RegExp(`"${journal.path}": the journal is closed`));
  });
});

Deno.test("a journal's errors name its path", () => {
  inFolder((folder) => {
    const missing = `${folder}/missing/bench.json`;
    assert.throws(() => openJournal(missing), new RegExp(`Cannot open "${missing}.partial.jsonl"`));
    using journal = openJournal(`${folder}/bench.json`);
    Deno.removeSync(journal.path);
    assert.throws(() => journal.discard(), new RegExp(`Cannot remove "${journal.path}"`));
  });
});

Deno.test({
  name: "append() says which file could not be written when the disk is full",
  ignore: Deno.build.os !== "linux", // /dev/full is Linux's
  fn() {
    inFolder((folder) => {
      Deno.symlinkSync("/dev/full", `${folder}/bench.json.partial.jsonl`);
      using journal = openJournal(`${folder}/bench.json`);
      assert.throws(() => journal.append(sample), new RegExp(`Cannot write to "${journal.path}"`));
    });
  },
});

Deno.test("readJournal() gives back what was appended, and cuts off a line that was not finished", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const out = `${folder}/eval.json`;
    assert.deepEqual(await readJournal(out), [], "there is none yet");
    {
      using journal = openJournal<{ readonly n: number }>(out);
      for (const n of [1, 2]) journal.append({ n });
    }
    await Deno.writeTextFile(journalPath(out), '{"n":3,"café":"', { append: true });
    assert.deepEqual(await readJournal(out), [{ n: 1 }, { n: 2 }]);
    {
      using journal = openJournal<{ readonly n: number }>(out);
      journal.append({ n: 4 });
    }
    assert.deepEqual(await readJournal(out), [{ n: 1 }, { n: 2 }, { n: 4 }]);
    await Deno.writeTextFile(journalPath(out), "nonsense\n");
    await assert.rejects(readJournal(out), /Cannot read ".*eval\.json\.partial\.jsonl": remove it to begin anew/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
