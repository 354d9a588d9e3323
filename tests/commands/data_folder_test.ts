import assert from "node:assert/strict";
import { dataFolder, gymAlohaFolder } from "../../src/commands/data_folder.ts";
import { UsageError } from "../../src/errors.ts";

const given = (variables: Record<string, string>) => (name: string) => variables[name];

Deno.test("dataFolder() is PI0_HOME on every system", () => {
  const env = given({ PI0_HOME: "/data", HOME: "/home/me", XDG_DATA_HOME: "/xdg", LOCALAPPDATA: "C:\\Local" });
  for (const os of ["linux", "darwin", "windows"] as const) assert.equal(dataFolder(env, os), "/data");
});

Deno.test("dataFolder() is the system's place for data where PI0_HOME is not set", () => {
  assert.equal(dataFolder(given({ HOME: "/home/me", XDG_DATA_HOME: "/xdg" }), "linux"), "/xdg/pi0");
  assert.equal(dataFolder(given({ HOME: "/home/me" }), "linux"), "/home/me/.local/share/pi0");
  assert.equal(dataFolder(given({ HOME: "/Users/me" }), "darwin"), "/Users/me/Library/Application Support/pi0");
  assert.equal(dataFolder(given({ LOCALAPPDATA: "C:\\Local" }), "windows"), "C:\\Local\\pi0");
});

Deno.test("dataFolder() ignores an XDG_DATA_HOME that is empty or not absolute, as its specification says", () => {
  for (const path of ["", "data"]) {
    assert.equal(dataFolder(given({ HOME: "/home/me", XDG_DATA_HOME: path }), "linux"), "/home/me/.local/share/pi0");
  }
});

Deno.test("dataFolder() refuses an empty PI0_HOME, and an environment without a home", () => {
  assert.throws(() => dataFolder(given({ PI0_HOME: " " })), UsageError);
  assert.throws(() => dataFolder(given({}), "linux"), /HOME is not set; set PI0_HOME/);
  assert.throws(() => dataFolder(given({}), "windows"), /LOCALAPPDATA is not set; set PI0_HOME/);
});

Deno.test("gymAlohaFolder() is a folder of pi0's data", () => {
  assert.equal(gymAlohaFolder(given({ PI0_HOME: "/data/" })), "/data/gym-aloha");
});
