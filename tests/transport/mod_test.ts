import assert from "node:assert/strict";
import { UsageError } from "../../src/errors.ts";
import { PORTALS, TRANSPORT_NAMES, transportOf, urlOf } from "../../src/transport/mod.ts";

Deno.test("every transport is served by one portal", () => {
  const served = Object.values(PORTALS).flatMap(({ serves }) => serves);
  assert.deepEqual([...served].sort(), [...TRANSPORT_NAMES].sort());
});

Deno.test("urlOf() writes a URL that transportOf() understands", () => {
  for (const name of TRANSPORT_NAMES) {
    for (const hostname of ["127.0.0.1", "::1", "gpu-box"]) {
      const url = new URL(urlOf(name, hostname, 8123));
      assert.deepEqual(transportOf(url), { name, url });
      assert.equal(url.port, "8123");
      assert.equal(url.hostname, hostname.includes(":") ? `[${hostname}]` : hostname);
    }
  }
});

Deno.test("transportOf() completes a URL without a path, and leaves one with a path as typed", () => {
  const completed = (text: string, openpi = false) => String(transportOf(new URL(text), openpi).url);
  assert.equal(completed("http://box:8000"), "http://box:8000/infer");
  assert.equal(completed("ws://box:8000"), "ws://box:8000/ws");
  assert.equal(completed("ws://box:8000/other?x=1"), "ws://box:8000/other?x=1");
  assert.equal(completed("ws://box:8000", true), "ws://box:8000/");
});

Deno.test("transportOf() refuses a scheme that no transport has, naming those that there are", () => {
  assert.throws(() => transportOf(new URL("grpc://box:8000")), (error: UsageError) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /"grpc".*http.*ws.*tcp/);
    return true;
  });
});
