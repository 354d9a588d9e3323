/**
 * The official gym-aloha scene: which files it has, and whether those in a folder are they.
 *
 * The files are not part of this program. They are Apache-2.0, with a LICENSE that goes where they go.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { SimulationError } from "../../errors.ts";
import type { Bytes } from "../../types.ts";
import type { SceneFiles } from "../mujoco.ts";

/** The tasks of gym-aloha that are played with joint positions. */
export type GymAlohaTask = "transfer_cube" | "insertion";

/** The file to start with. */
const MAIN_FILES: Readonly<Record<GymAlohaTask, string>> = {
  transfer_cube: "bimanual_viperx_transfer_cube.xml",
  insertion: "bimanual_viperx_insertion.xml",
};

/**
 * SHA-256 by name: what both tasks use, as in huggingface/gym-aloha at commit fa65a75a86d8, and byte for byte the same
 * in the wheels 0.1.4 and 0.1.5. The end-effector scenes and two meshes that no scene names are left out.
 */
const CHECKSUMS: Readonly<Record<string, string>> = {
  "bimanual_viperx_insertion.xml": "64ae65114b74aa6d9cd12c27cbd50e961c5cf027792a814898e1ce32661a7fbb",
  "bimanual_viperx_transfer_cube.xml": "f29eda25c5ac8df9388efa743bcbeeea8b3f49cb7126962fb510879f60381317",
  "scene.xml": "90bae8089db54c9f907a50108dd00a5665c7aa6fb959cac89ae2282212016875",
  "vx300s_dependencies.xml": "dbd7113066e35fad41f3045cee56f1702b78351d732ed2a75d326ba3e03ba7de",
  "vx300s_left.xml": "31169218b0dc7b7e3c5458037e4063b52aebe110058742204efa6357e8c98abf",
  "vx300s_right.xml": "fff3b7b33b16dd49673bf601d5be2fb6d5c488e1cb06dcd2504ba7d89ae07ddd",
  "tabletop.stl": "76a1571d1aa36520f2bd81c268991b99816c2a7819464d718e0fd9976fe30dce",
  "vx300s_10_custom_finger_left.stl": "df73ae5b9058e5d50a6409ac2ab687dade75053a86591bb5e23ab051dbf2d659",
  "vx300s_10_custom_finger_right.stl": "56fb3cc1236d4193106038adf8e457c7252ae9e86c7cee6dabf0578c53666358",
  "vx300s_1_base.stl": "d100cafe656671ca8fde98fb6a4cf2d1b746995c51c61c25ad9ea2715635d146",
  "vx300s_2_shoulder.stl": "139745a74055cb0b23430bb5bc032bf68cf7bea5e4975c8f4c04107ae005f7f0",
  "vx300s_3_upper_arm.stl": "900f236320dd3d500870c5fde763b2d47502d51e043a5c377875e70237108729",
  "vx300s_4_upper_forearm.stl": "4104fc54bbfb8a9b533029f1e7e3ade3d54d638372b3195daa0c98f57e0295b5",
  "vx300s_5_lower_forearm.stl": "66814e27fa728056416e25e02e89eb7d34c51d51c51e7c3df873829037ddc6b8",
  "vx300s_6_wrist.stl": "90eb145c85627968c3776ae6de23ccff7e112c9dd713c46bc9acdfdaa859a048",
  "vx300s_7_gripper.stl": "786c1077bfd226f14219581b11d5f19464ca95b17132e0bb7532503568f5af90",
  "vx300s_8_gripper_prop.stl": "d1275a93fe2157c83dbc095617fb7e672888bdd48ec070a35ef4ab9ebd9755b0",
  "vx300s_9_gripper_bar.stl": "a4de62c9a2ed2c78433010e4c05530a1254b1774a7651967f406120c9bf8973e",
};

/** Names of the files of both tasks; includes and meshes are named without a path, so one folder holds them all. */
export const GYM_ALOHA_FILES: readonly string[] = Object.keys(CHECKSUMS);

/** The licence that goes where the files go. */
export const GYM_ALOHA_LICENSE = {
  name: "LICENSE",
  sizeBytes: 12582,
  sha256: "61e6cf73b90ddd9be916e465345a845b9719ebaafb0ede6c594c6d0a21e2f7e7",
} as const;

/** Says whether these bytes are gym-aloha's licence. */
export function isGymAlohaLicense(bytes: Bytes): boolean {
  return sha256(bytes) === GYM_ALOHA_LICENSE.sha256;
}

/**
 * Compares files with the published ones.
 *
 * @param files by bare name; others than the named ones do not matter.
 * @param names what must be there, out of {@linkcode GYM_ALOHA_FILES}.
 * @returns what is wrong, in words that continue "Cannot use X:", or undefined where everything is as published.
 */
export function findFault(files: ReadonlyMap<string, Bytes>, names = GYM_ALOHA_FILES): string | undefined {
  const missing = names.filter((name) => !files.has(name));
  if (missing.length === names.length) return `none of its ${names.length} files is there`;
  if (missing.length > 1) return `${missing.length} of its ${names.length} files are missing, such as ${missing[0]}`;
  if (missing.length === 1) return `${missing[0]} is missing`;
  for (const name of names) {
    const found = sha256(files.get(name)!);
    const expected = CHECKSUMS[name]!;
    if (found === expected) continue;
    return `${name} is not as published (SHA-256 ${found.slice(0, 12)}…, expected ${expected.slice(0, 12)}…)`;
  }
  return undefined;
}

/**
 * Reads those of the named files that a folder has; none where there is no such folder.
 *
 * @throws {SimulationError} where a file is there and cannot be read.
 */
export async function readSceneFiles(folder: string, names: readonly string[]): Promise<Map<string, Bytes>> {
  const files = new Map<string, Bytes>();
  for (const name of names) {
    try {
      files.set(name, await Deno.readFile(`${folder}/${name}`));
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory) continue;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new SimulationError(`Cannot read ${name} in ${folder}: ${reason}`, { cause });
    }
  }
  return files;
}

/**
 * Reads one task's scene.
 *
 * @param folder where the files lie, all of them in this one.
 * @throws {SimulationError} where one is missing or not as published.
 */
export async function loadGymAloha(folder: string, task: GymAlohaTask): Promise<SceneFiles> {
  const main = MAIN_FILES[task];
  const mains = Object.values(MAIN_FILES);
  const names = GYM_ALOHA_FILES.filter((name) => name === main || !mains.includes(name));
  const files = await readSceneFiles(folder, names);
  const fault = findFault(files, names);
  if (fault === undefined) return { main, files };
  throw new SimulationError(
    `Cannot use the gym-aloha scene in ${folder}: ${fault}; get it with pi0 assets install --from DIR|WHEEL|ZIP|URL, ` +
      "or give its folder with --scene-dir",
  );
}

function sha256(bytes: Bytes): string {
  return createHash("sha256").update(bytes).digest("hex");
}
