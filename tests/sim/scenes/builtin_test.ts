/**
 * The builtin scene as a model. That it behaves like the official one is held by fidelity_test.ts.
 */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { decodePng } from "../../../src/image.ts";
import { openWorld, type World } from "../../../src/sim/mujoco.ts";
import { builtinScene } from "../../../src/sim/scenes/builtin.ts";
import { drawArm } from "../../../src/sim/scenes/builtin/arm_look.ts";
import type { Solid } from "../../../src/sim/scenes/builtin/solid.ts";
import { loadGymAloha } from "../../../src/sim/scenes/gym_aloha.ts";

const TASKS = ["transfer_cube", "insertion"] as const;
const officialFolder = `${Deno.env.get("PI0_SHARED") ?? `${import.meta.dirname}/../../../../shared`}/assets/gym_aloha`;

/** Geoms that can touch something, by number. */
function touchingGeoms({ model, geomNames }: World): number[] {
  return geomNames.map((_, id) => id).filter((id) => model.geom_contype[id] !== 0 || model.geom_conaffinity[id] !== 0);
}

/** Row `id` of a matrix that the model holds flat. */
function rowOf(values: ArrayLike<number>, rows: number, id: number): number[] {
  const width = values.length / rows;
  return Array.from({ length: width }, (_, i) => values[id * width + i]!);
}

/** What is the same to the bit in every model of the task: bodies, joints, servos, cameras. */
const EXACT_FIELDS = [
  ...["body_parentid", "body_pos", "body_quat", "body_mass", "body_inertia", "body_ipos", "body_iquat"],
  ...["body_jntnum", "body_dofnum", "body_gravcomp", "dof_frictionloss", "dof_damping", "dof_armature"],
  ...["dof_solref", "dof_solimp", "jnt_type", "jnt_pos", "jnt_axis", "jnt_range", "jnt_stiffness"],
  ...["jnt_solref", "jnt_solimp", "jnt_margin", "jnt_bodyid", "jnt_qposadr", "qpos0", "actuator_trnid"],
  ...["actuator_gainprm", "actuator_biasprm", "actuator_ctrlrange", "actuator_forcerange"],
  ...["actuator_gear", "cam_bodyid", "cam_targetbodyid", "cam_pos", "cam_fovy", "cam_mode"],
] as const;

/** How a geom touches; to the bit as well. */
const CONTACT_FIELDS = [
  ...["geom_bodyid", "geom_type", "geom_condim", "geom_contype", "geom_conaffinity", "geom_priority", "geom_friction"],
  ...["geom_solref", "geom_solimp", "geom_solmix", "geom_margin", "geom_gap", "geom_size"],
] as const;

for (const task of TASKS) {
  Deno.test({
    name: `builtinScene() of ${task} moves and touches by the official numbers (needs PI0_SHARED)`,
    ignore: !existsSync(officialFolder),
    fn: async () => {
      using builtin = await openWorld(builtinScene(task));
      using official = await openWorld(await loadGymAloha(officialFolder, task));
      for (const field of EXACT_FIELDS) {
        assert.deepEqual([...builtin.model[field]], [...official.model[field]], field);
      }
      for (const field of ["extent", "center"] as const) {
        assert.deepEqual(builtin.model.stat[field], official.model.stat[field], field);
      }
      // The solver's scale: what is drawn must not weigh anything.
      assert.equal(builtin.model.stat.meaninertia, official.model.stat.meaninertia);
      assert.deepEqual(builtin.cameraNames, official.cameraNames);

      const [ours, theirs] = [touchingGeoms(builtin), touchingGeoms(official)];
      assert.deepEqual(ours.map((id) => builtin.geomNames[id]), theirs.map((id) => official.geomNames[id]));
      const isBox = (id: number) => builtin.geomNames[id]!.match(/^(red_|socket|pin)/) !== null;
      for (const field of CONTACT_FIELDS) {
        ours.forEach((id, i) => {
          // The size of a mesh is that of a box of its inertia, which a hull does not share.
          if (field === "geom_size" && !isBox(id)) return;
          const [found, expected] = [
            rowOf(builtin.model[field], builtin.model.ngeom, id),
            rowOf(official.model[field], official.model.ngeom, theirs[i]!),
          ];
          assert.deepEqual(found, expected, `${field} of ${builtin.geomNames[id]}`);
        });
      }
    },
  });

  Deno.test(`builtinScene() of ${task} draws its own geoms and hides the hulls`, async () => {
    using world = await openWorld(builtinScene(task));
    const { model } = world;
    const touching = new Set(touchingGeoms(world));
    const objects = /^(red_box|red_peg|socket-\d|pin)$/;
    for (const [id, name] of world.geomNames.entries()) {
      const drawn = model.geom_group[id]! <= 2;
      assert.equal(drawn, !touching.has(id) || objects.test(name), `geom ${id} ${name}`);
    }
    assert.equal(touching.size, task === "insertion" ? 27 : 22);
    assert.equal([...touching].filter((id) => objects.test(world.geomNames[id]!)).length, task === "insertion" ? 6 : 1);
    assert.deepEqual([model.nq, model.nv, model.nu], task === "insertion" ? [30, 28, 16] : [23, 22, 16]);
  });

  Deno.test(`builtinScene() of ${task} keeps the objects' colours: red, and the socket blue`, async () => {
    using world = await openWorld(builtinScene(task));
    for (const [id, name] of world.geomNames.entries()) {
      const colour = rowOf(world.model.geom_rgba, world.model.ngeom, id);
      if (/^(red_|pin)/.test(name)) assert.deepEqual(colour, [1, 0, 0, 1], name);
      if (name.startsWith("socket")) assert.deepEqual(colour, [0, 0, 1, 1], name);
    }
  });

  Deno.test(`builtinScene() of ${task} needs at most 40 000 triangles and no file from outside`, async () => {
    const scene = builtinScene(task);
    using world = await openWorld(scene);
    const { model } = world;
    const MESH = 7;
    const triangles = [...model.geom_group].map((group: number, id) =>
      group > 2 || model.geom_type[id] !== MESH ? 0 : model.mesh_facenum[model.geom_dataid[id]!]!
    );
    const total = triangles.reduce((sum, count) => sum + count, 0);
    assert.ok(total > 10_000 && total < 40_000, `${total} triangles`);
    const named = new TextDecoder().decode(scene.files.get(scene.main)).match(/file="[^"]+"/g) ?? [];
    assert.deepEqual(
      new Set(named.map((attribute) => attribute.slice(6, -1))),
      new Set([...scene.files.keys()].filter((name) => name !== scene.main)),
    );
  });
}

Deno.test("builtinScene() gives the same bytes every time", () => {
  const [first, second] = [builtinScene("insertion"), builtinScene("insertion")];
  assert.deepEqual(first, second);
});

Deno.test("the textures of builtinScene() lie side by side without a seam", () => {
  for (const [name, bytes] of builtinScene("transfer_cube").files) {
    if (!name.endsWith(".png")) continue;
    const { width, height, data } = decodePng(bytes);
    assert.equal(width, height);
    const level = (x: number, y: number) => data[3 * (y * width + x)]!;
    // Rows are left out: boards end, and the mat's lines run, at the border.
    let [across, within] = [0, 0];
    for (let y = 0; y < height; y++) {
      across += Math.abs(level(width - 1, y) - level(0, y));
      within += Math.abs(level(width / 2 - 1, y) - level(width / 2, y));
    }
    assert.ok(across <= 2 * within + 8 * height, `${name}: ${across} across the border, ${within} inside`);
  }
});

Deno.test("every drawn part of the arm is closed and turned outwards", () => {
  for (const [link, look] of Object.entries(drawArm())) {
    for (const [finish, solid] of Object.entries(look)) {
      assert.ok(isClosed(solid), `${link} ${finish}`);
      assert.ok(volumeOf(solid) > 0, `${link} ${finish}`);
    }
  }
});

Deno.test("the right finger is the left one in a mirror", () => {
  const { left_finger_link: left, right_finger_link: right } = drawArm();
  assert.deepEqual(right!.print!.vertices, left!.print!.vertices.map(([x, y, z]) => [x, -y, z]));
  assert.ok(Math.abs(volumeOf(right!.print!) - volumeOf(left!.print!)) < 1e-6);
});

/** Whether each edge is walked once in each direction. */
function isClosed({ faces }: Solid): boolean {
  const edges = new Set<string>();
  for (const [a, b, c] of faces) {
    for (const edge of [`${a} ${b}`, `${b} ${c}`, `${c} ${a}`]) {
      if (edges.has(edge)) return false;
      edges.add(edge);
    }
  }
  return [...edges].every((edge) => edges.has(edge.split(" ").reverse().join(" ")));
}

/** Cubic millimetres; negative where faces look inwards. */
function volumeOf({ vertices, faces }: Solid): number {
  return faces.reduce((sum, [a, b, c]) => {
    const [p, q, r] = [vertices[a]!, vertices[b]!, vertices[c]!];
    return sum + (p[0] * (q[1] * r[2] - q[2] * r[1]) + p[1] * (q[2] * r[0] - q[0] * r[2]) +
          p[2] * (q[0] * r[1] - q[1] * r[0])) / 6;
  }, 0);
}
