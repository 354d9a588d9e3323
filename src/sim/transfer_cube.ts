/**
 * AlohaTransferCube: the right hand picks up a cube and gives it to the left one.
 *
 * @module
 */

import { LEFT_FINGER, RIGHT_FINGER, type Task } from "./task.ts";

export const transferCube: Task = {
  name: "transfer_cube",
  prompt: "Transfer cube",
  objects: [{ low: [0, 0.4, 0.05], high: [0.2, 0.6, 0.05] }],
  reward(touching) {
    const lifted = !touching("red_box", "table");
    // Success is the first touch of the left finger in the air, also while the right hand still holds: upstream's rule.
    if (touching("red_box", LEFT_FINGER)) return lifted ? 4 : 3;
    if (touching("red_box", RIGHT_FINGER)) return lifted ? 2 : 1;
    return 0;
  },
};
