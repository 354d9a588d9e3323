/**
 * Pictures of the official scene against MuJoCo's own OpenGL renderer, all of `fixtures/sim/renders` in PI0_SHARED: at
 * least 55 dB from the top camera and 50 dB from any other, and fewer than 0.15 % of the pixels off by more than 8.
 */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { decodePng, resizeWithPad } from "../../src/image.ts";
import { Cameras } from "../../src/sim/cameras.ts";
import type { TaskName } from "../../src/sim/task.ts";
import type { Image } from "../../src/types.ts";
import { openScene, SCENE_FOLDER, SIM_FIXTURES } from "../support/scenes.ts";

interface State {
  readonly task: TaskName;
  readonly step: number;
  readonly qpos: readonly number[];
  readonly images: readonly {
    readonly camera: string;
    readonly shadow: boolean;
    readonly file: string;
    readonly file_224?: string;
  }[];
}

const absent = !existsSync(SIM_FIXTURES) || !existsSync(SCENE_FOLDER);
const { states }: { states: readonly State[] } = absent
  ? { states: [] }
  : JSON.parse(await Deno.readTextFile(`${SIM_FIXTURES}/renders/index.json`));

/** Peak signal-to-noise ratio in dB, and the share of pixels with a channel off by more than 8. */
function compare(drawn: Image, expected: Image): { decibels: number; shareOff: number } {
  assert.deepEqual([drawn.width, drawn.height, drawn.layout], [expected.width, expected.height, expected.layout]);
  let square = 0;
  let off = 0;
  for (let i = 0; i < drawn.data.length; i += 3) {
    let most = 0;
    for (let channel = 0; channel < 3; channel++) {
      const difference = drawn.data[i + channel]! - expected.data[i + channel]!;
      square += difference ** 2;
      most = Math.max(most, Math.abs(difference));
    }
    if (most > 8) off++;
  }
  return {
    decibels: 10 * Math.log10(255 ** 2 * drawn.data.length / square),
    shareOff: 3 * off / drawn.data.length,
  };
}

for (const task of ["transfer_cube", "insertion"] as const) {
  Deno.test({
    name: `the official scene of ${task} is drawn as MuJoCo's OpenGL draws it (needs PI0_SHARED)`,
    ignore: absent,
    fn: async () => {
      using world = await openScene("gym-aloha", task);
      const cameras = new Cameras(world);
      let count = 0;
      for (const { step, qpos, images } of states.filter((state) => state.task === task)) {
        world.reset();
        world.qpos.set(qpos);
        world.forward();
        for (const { camera, shadow, file, file_224: small } of images) {
          const name = `${task} ${step} ${camera}${shadow ? "" : " without shadows"}`;
          const drawn = cameras.render(camera, { widthPx: 640, heightPx: 480 }, { shadows: shadow });
          const { decibels, shareOff } = compare(drawn, await readPng(file));
          assert.ok(decibels >= (camera === "top" ? 55 : 50), `${name}: ${decibels.toFixed(1)} dB`);
          assert.ok(shareOff < 0.0015, `${name}: ${(100 * shareOff).toFixed(3)} % of the pixels are off`);
          if (small !== undefined) {
            const { decibels } = compare(resizeWithPad(drawn, 224, 224), await readPng(small));
            assert.ok(decibels >= 50, `${name} at 224 × 224: ${decibels.toFixed(1)} dB`);
          }
          count++;
        }
      }
      assert.ok(count >= 28, `${count} pictures`);
    },
  });
}

async function readPng(file: string): Promise<Image> {
  return decodePng(await Deno.readFile(`${SIM_FIXTURES}/renders/${file}`));
}
