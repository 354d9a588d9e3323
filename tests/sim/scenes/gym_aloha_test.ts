import assert from "node:assert/strict";
import { SimulationError } from "../../../src/errors.ts";
import { openWorld } from "../../../src/sim/mujoco.ts";
import { findFault, GYM_ALOHA_FILES, loadGymAloha, readSceneFiles } from "../../../src/sim/scenes/gym_aloha.ts";

const shared = Deno.env.get("PI0_SHARED") ?? `${import.meta.dirname}/../../../../shared`;
const official = `${shared}/assets/gym_aloha`;
const isThere = await Deno.stat(official).then(() => true, () => false);

/** A folder with the official files, in which a test can do harm. */
async function copyOfficial(): Promise<string> {
  const folder = await Deno.makeTempDir();
  for (const name of GYM_ALOHA_FILES) {
    await Deno.writeFile(`${folder}/${name}`, await Deno.readFile(`${official}/${name}`));
  }
  return folder;
}

Deno.test("findFault() says that nothing, one file or several files are missing", () => {
  const empty = new Uint8Array(0);
  assert.equal(findFault(new Map()), "none of its 18 files is there");
  const withScene = new Map([["scene.xml", empty]]);
  assert.equal(findFault(withScene, ["scene.xml", "tabletop.stl"]), "tabletop.stl is missing");
  assert.equal(
    findFault(withScene, ["scene.xml", "tabletop.stl", "vx300s_left.xml"]),
    "2 of its 3 files are missing, such as tabletop.stl",
  );
});

Deno.test("findFault() says which file has other bytes than the published one", () => {
  const files = new Map([["scene.xml", new TextEncoder().encode("<mujoco/>")]]);
  assert.match(
    findFault(files, ["scene.xml"])!,
    /^scene\.xml is not as published \(SHA-256 [0-9a-f]{12}…, expected 90bae8089db5…\)$/,
  );
});

Deno.test("readSceneFiles() leaves out what is not there, and names what cannot be read", async () => {
  assert.equal((await readSceneFiles("/no/such/folder", ["scene.xml"])).size, 0);
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/scene.xml`, "<mujoco/>");
  assert.deepEqual([...(await readSceneFiles(folder, ["tabletop.stl", "scene.xml"])).keys()], ["scene.xml"]);
  assert.equal((await readSceneFiles(`${folder}/scene.xml`, ["scene.xml"])).size, 0);
  await Deno.mkdir(`${folder}/tabletop.stl`);
  await assert.rejects(readSceneFiles(folder, ["tabletop.stl"]), (error: Error) => {
    assert.ok(error instanceof SimulationError);
    assert.ok(error.message.startsWith(`Cannot read tabletop.stl in ${folder}: `), error.message);
    return true;
  });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("loadGymAloha() names a folder that is none, with both remedies, in one line", async () => {
  await assert.rejects(loadGymAloha("/no/such/folder", "insertion"), {
    name: "SimulationError",
    message: "Cannot use the gym-aloha scene in /no/such/folder: none of its 17 files is there; " +
      "get it with pi0 assets install --from DIR|WHEEL|ZIP|URL, or give its folder with --scene-dir",
  });
});

Deno.test({
  name: "loadGymAloha() gives scenes that MuJoCo compiles, with the task's own objects (needs PI0_SHARED)",
  ignore: !isThere,
  async fn() {
    // Joints: twice 6 of an arm and 2 fingers, and 7 numbers for each free object.
    for (const [task, object, numbers] of [["transfer_cube", "box", 23], ["insertion", "peg", 30]] as const) {
      const scene = await loadGymAloha(official, task);
      assert.equal(scene.files.size, 17);
      using world = await openWorld(scene);
      assert.equal(world.qpos.length, numbers);
      world.bodyId(object);
    }
  },
});

Deno.test({
  name: "loadGymAloha() refuses a folder with a missing or a changed mesh (needs PI0_SHARED)",
  ignore: !isThere,
  async fn() {
    const folder = await copyOfficial();
    const mesh = await Deno.readFile(`${folder}/tabletop.stl`);
    await Deno.remove(`${folder}/tabletop.stl`);
    await assert.rejects(loadGymAloha(folder, "insertion"), /: tabletop\.stl is missing; get it with pi0 assets/);
    mesh[100]! ^= 1;
    await Deno.writeFile(`${folder}/tabletop.stl`, mesh);
    await assert.rejects(loadGymAloha(folder, "insertion"), /: tabletop\.stl is not as published \(SHA-256/);
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test({
  name: "loadGymAloha() does not need the other task's file (needs PI0_SHARED)",
  ignore: !isThere,
  async fn() {
    const folder = await copyOfficial();
    await Deno.remove(`${folder}/bimanual_viperx_insertion.xml`);
    assert.equal((await loadGymAloha(folder, "transfer_cube")).main, "bimanual_viperx_transfer_cube.xml");
    await assert.rejects(loadGymAloha(folder, "insertion"), /bimanual_viperx_insertion\.xml is missing/);
    await Deno.remove(folder, { recursive: true });
  },
});
