import assert from "node:assert/strict";
import { Painter, type Stage } from "../../src/commands/record_painter.ts";

const SIZE = { widthPx: 4, heightPx: 2 };
const BYTES_EACH = 24;

/** A world whose pictures show the pose that it was put into, plus its own tone. */
class ToneStage implements Stage {
  readonly posed: number[] = [];
  constructor(readonly tone: number) {}

  pose([first]: readonly number[]): void {
    this.posed.push(first!);
  }

  render() {
    return {
      width: 4,
      height: 2,
      layout: "hwc" as const,
      data: new Uint8Array(24).fill(this.tone + this.posed.at(-1)!),
    };
  }
}

Deno.test("Painter.picture() draws a pose once, and in each world for itself", () => {
  const painter = new Painter({ camera: "top", size: SIZE });
  const [dark, light] = [new ToneStage(0), new ToneStage(100)];
  const tones = [1, 2, 1, 2].flatMap((pose) => [dark, light].map((stage) => painter.picture(stage, [pose]).data[0]));
  assert.deepEqual(tones, [1, 101, 2, 102, 1, 101, 2, 102]);
  assert.deepEqual([dark.posed, light.posed], [[1, 2], [1, 2]]);
});

Deno.test("Painter.picture() forgets what was not asked for in the longest time", () => {
  const painter = new Painter({ camera: "top", size: SIZE, rememberedBytes: 2 * BYTES_EACH });
  const stage = new ToneStage(0);
  for (const pose of [1, 2, 1, 3, 1, 2]) assert.equal(painter.picture(stage, [pose]).data[0], pose);
  assert.deepEqual(stage.posed, [1, 2, 3, 2]);
});

Deno.test("Painter.picture() draws pictures that are too large to be remembered", () => {
  const painter = new Painter({ camera: "top", size: SIZE, rememberedBytes: BYTES_EACH - 1 });
  const stage = new ToneStage(0);
  for (const pose of [1, 1]) assert.equal(painter.picture(stage, [pose]).data[0], pose);
  assert.deepEqual(stage.posed, [1, 1]);
});
