/**
 * AlohaInsertion: the right hand picks up a peg, the left one a socket, and in the air the peg goes in.
 *
 * @module
 */

import { LEFT_FINGER, RIGHT_FINGER, type Task } from "./task.ts";

/** The walls of the socket; at its bottom is the pin. */
const SOCKET = ["socket-1", "socket-2", "socket-3", "socket-4"];

export const insertion: Task = {
  name: "insertion",
  prompt: "Insert peg",
  objects: [
    { low: [0.1, 0.4, 0.05], high: [0.2, 0.6, 0.05] },
    { low: [-0.2, 0.4, 0.05], high: [-0.1, 0.6, 0.05] },
  ],
  reward(touching) {
    if (touching("red_peg", "pin")) return 4;
    const lifted = !touching("red_peg", "table") && !SOCKET.some((wall) => touching(wall, "table"));
    if (lifted && SOCKET.some((wall) => touching("red_peg", wall))) return 3;
    const held = touching("red_peg", RIGHT_FINGER) && SOCKET.some((wall) => touching(wall, LEFT_FINGER));
    if (held) return lifted ? 2 : 1;
    return 0;
  },
};
