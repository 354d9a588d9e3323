import assert from "node:assert/strict";
import { describePath } from "../../src/measure/path.ts";
import { recommend } from "../../src/measure/recommend.ts";
import type { Way } from "../../src/measure/way.ts";

function way(transport: string, steadyMs: number, fields: Partial<Way> = {}): Way {
  return {
    transport,
    url: `${transport}://host:1`,
    encrypted: false,
    coldFirstMs: 323,
    steadyMs,
    steadyMeanMs: steadyMs,
    ...fields,
  };
}

const failed = (transport: string): Way => ({
  ...way(transport, 1),
  error: { code: "unreachable", message: "UDP is blocked", timedOut: false },
});

const CLEAN = { floorMs: 80, far: true, payloadBytes: 150_619 };
const lossy = (lost: number) => ({
  ...CLEAN,
  datagrams: describePath([...Array(lost), ...Array<number>(200).fill(80)]),
});

Deno.test("recommend() takes the simplest of those that cost the same, and says what it costs", () => {
  const { transport, sentence } = recommend([way("http", 82), way("ws", 82.5), way("tcp", 83)], CLEAN)!;
  assert.equal(transport, "tcp");
  assert.equal(
    sentence,
    "Use tcp (tcp://host:1): it costs no more than ws, http, and is simple; 151 kB take 83.0 ms (1.04 round trips), the " +
      "first on a connection that was not warmed up 323.0 ms; it is not encrypted (serve with --tls).",
  );
});

Deno.test("recommend() takes an encrypted way to another machine where it costs the same", () => {
  const ways = [way("tcp", 82), way("quic", 85, { encrypted: true })];
  const { transport, sentence } = recommend(ways, CLEAN)!;
  assert.equal(transport, "quic");
  assert.match(sentence, /costs no more than tcp, and it is encrypted/);
  assert.doesNotMatch(sentence, /--tls/);
  assert.equal(recommend(ways, { ...CLEAN, far: false })!.transport, "tcp");
});

Deno.test("recommend() takes the fastest where it is clearly so, and names the next", () => {
  const { transport, sentence } = recommend([way("tcp", 128), way("quic", 85)], CLEAN)!;
  assert.equal(transport, "quic");
  assert.match(sentence, /it is the fastest \(next is tcp with 128\.0 ms\)/);
});

Deno.test("recommend() takes QUIC on a path that loses packets, unless it is much slower or not there", () => {
  const ways = [way("tcp", 82), way("quic", 95)];
  assert.match(recommend(ways, lossy(3))!.sentence, /Use quic .*: 3 of 203 datagrams were lost/);
  assert.equal(recommend(ways, lossy(1))!.transport, "tcp", "one loss may be chance");
  assert.equal(recommend([way("tcp", 82), way("quic", 120)], lossy(3))!.transport, "tcp");
  assert.equal(recommend([way("tcp", 82), way("ws", 90), failed("quic")], lossy(3))!.transport, "tcp");
});

Deno.test("recommend() counts the mean on a path that loses packets, in which stalls show", () => {
  const ways = [way("tcp", 82, { steadyMeanMs: 140 }), way("ws", 90), way("http", 200)];
  assert.equal(recommend(ways, lossy(3))!.transport, "ws");
  assert.equal(recommend(ways, CLEAN)!.transport, "tcp");
});

Deno.test("recommend() takes the only way that works, and none where none does", () => {
  assert.match(recommend([failed("quic"), way("tcp", 82)], CLEAN)!.sentence, /^Use tcp .*no other way works from here/);
  assert.equal(recommend([failed("quic")], CLEAN), undefined);
  assert.equal(recommend([], CLEAN), undefined);
});
