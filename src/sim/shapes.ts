/**
 * What there is to see of a model: MuJoCo's geoms, sites, meshes and textures turned into shapes for the renderer.
 *
 * @module
 */

import { SimulationError } from "../errors.ts";
import { meshFromFaces, repeatTexture, withTexcoords } from "../render/mesh.ts";
import {
  endlessAxis,
  finiteAxis,
  makeBox,
  makeCapsule,
  makeCylinder,
  makeEllipsoid,
  makePlane,
  plainStep,
  type PlaneAxis,
  type Tessellation,
} from "../render/primitives.ts";
import type { Material, Mesh, Rgb, Shape, Skybox, Texture } from "../render/scene.ts";
import { makeTexture } from "../render/texture.ts";
import type { World } from "./mujoco.ts";

/** Geoms and sites of groups 0–2 are drawn, the others are not (`mjv_defaultOption`). */
const DRAWN_GROUPS = 3;

/** mjtGeom. */
const PLANE = 0, SPHERE = 2, CAPSULE = 3, ELLIPSOID = 4, CYLINDER = 5, BOX = 6, MESH = 7;

/** mjtTexture. */
const TEXTURE_2D = 0, TEXTURE_SKYBOX = 2;

/** mjCOLORSPACE_SRGB of mjtColorSpace. */
const SRGB = 2;

/** Textures per material (mjNTEXROLE), and which of them colours it (mjTEXROLE_RGB). */
const TEXTURE_ROLES = 10;
const ROLE_RGB = 1;

/** The colour that means "as the material says". */
const DEFAULT_RGBA = [0.5, 0.5, 0.5, 1];

/** MuJoCo's shine where there is no material. */
const DEFAULT_SHINE = { specular: 0.5, shininess: 0.5, emission: 0 };

/** A shape that moves with a geom or a site, or follows the viewer over an endless plane. */
export interface Follower {
  readonly shape: Shape;
  readonly kind: "geom" | "site";
  /** Which of the model's geoms or sites it is. */
  readonly id: number;
  /** Steps in which an endless plane follows the camera along its axes, in metres; 0 where it is not endless. */
  readonly strides?: readonly [number, number];
}

/**
 * Makes the shapes of all geoms and sites that are drawn, and what is behind them. Their poses are left at zero.
 *
 * @throws {SimulationError} where the model has one that would be drawn wrong, or something else to be seen.
 */
export function makeShapes(world: World): { followers: Follower[]; skybox: Skybox | undefined } {
  refuseUnknown(world);
  const parts = new Parts(world);
  const { model } = world;
  const ids = (count: number) => Array.from({ length: count }, (_, id) => id);
  const geoms = ids(model.ngeom).filter((id) => model.geom_group[id] < DRAWN_GROUPS);
  const sites = ids(model.nsite).filter((id) => model.site_group[id] < DRAWN_GROUPS);
  const followers = [
    ...geoms.map((id) =>
      parts.makeFollower("geom", id, {
        type: model.geom_type[id],
        size: sizeOf(model.geom_type[id], model.geom_size.subarray(3 * id, 3 * id + 3)),
        mesh: model.geom_dataid[id],
        material: model.geom_matid[id],
        rgba: model.geom_rgba.slice(4 * id, 4 * id + 4),
      })
    ),
    ...sites.map((id) =>
      parts.makeFollower("site", id, {
        type: model.site_type[id],
        size: sizeOf(model.site_type[id], model.site_size.subarray(3 * id, 3 * id + 3)),
        mesh: -1,
        material: model.site_matid[id],
        rgba: model.site_rgba.slice(4 * id, 4 * id + 4),
      })
    ),
  ].filter((follower) => follower !== undefined);
  return { followers, skybox: parts.makeSkybox() };
}

function refuseUnknown({ model }: World): void {
  const strange = Object.entries({
    "height fields": model.nhfield,
    flexes: model.nflex,
    skins: model.nskin,
    tendons: model.ntendon,
  }).filter(([, count]) => count > 0);
  if (strange.length === 0) return;
  const names = strange.map(([name]) => name).join(" and ");
  throw new SimulationError(`Cannot draw this scene's ${names}: use geoms that are primitives or meshes`);
}

/** Half sizes along the axes, which the model shortens for round things (`mjv_initGeom`). */
function sizeOf(type: number, [a, b, c]: Float64Array): Size {
  if (type === SPHERE) return [a!, a!, a!];
  return type === CAPSULE || type === CYLINDER ? [a!, a!, b!] : [a!, b!, c!];
}

type Size = readonly [x: number, y: number, z: number];

/** What the model says of a geom or a site. */
interface Look {
  readonly type: number;
  readonly size: Size;
  /** Number of its mesh and of its material, or −1. */
  readonly mesh: number;
  readonly material: number;
  readonly rgba: Float32Array;
}

/** Meshes and textures of a model, each made once. */
class Parts {
  readonly #world: World;
  readonly #tessellation: Tessellation;
  readonly #textures = new Map<number, Texture>();
  readonly #meshes = new Map<string, Mesh>();

  constructor(world: World) {
    this.#world = world;
    const { numslices: slices, numstacks: stacks, numquads: quads } = world.model.vis.quality;
    this.#tessellation = { slices, stacks, quads };
  }

  makeFollower(kind: "geom" | "site", id: number, look: Look): Follower | undefined {
    const material = this.#makeMaterial(look, `${kind} ${id}`);
    if (material.alpha === 0) return undefined;
    const texture = material.texture === undefined ? -1 : look.material;
    const key = [look.type, look.mesh, texture, ...look.size].join();
    const mesh = this.#meshes.get(key) ?? this.#makeMesh(look, texture, `${kind} ${id}`);
    this.#meshes.set(key, mesh);
    const shape: Shape = {
      mesh,
      material,
      position: new Float64Array(3),
      rotation: new Float64Array(9),
      castsShadow: true,
      sheet: look.type === PLANE,
    };
    return look.type === PLANE ? { shape, kind, id, strides: this.#stridesOf(look) } : { shape, kind, id };
  }

  makeSkybox(): Skybox | undefined {
    const { model } = this.#world;
    const id = Array.from<number>(model.tex_type).indexOf(TEXTURE_SKYBOX);
    if (id < 0) return undefined;
    const side: number = model.tex_width[id];
    const data = this.#texels(id);
    const bytes = 3 * side * side;
    const faces = Array.from({ length: 6 }, (_, face) => {
      const first = data.length === bytes ? 0 : face * bytes;
      return makeTexture(side, side, data.slice(first, first + bytes));
    });
    return { faces };
  }

  #makeMaterial({ type, material, rgba }: Look, name: string): Material {
    const { model } = this.#world;
    const own = material < 0 || rgba.some((value, i) => value !== DEFAULT_RGBA[i]);
    const colour: Float32Array = own ? rgba : model.mat_rgba.slice(4 * material, 4 * material + 4);
    const rgb: Rgb = [colour[0]!, colour[1]!, colour[2]!];
    const alpha = colour[3]!;
    if (material < 0) return { rgb, alpha, ...DEFAULT_SHINE };
    if (model.mat_reflectance[material] > 0 && (type === PLANE || type === BOX)) {
      throw new SimulationError(`Cannot draw the reflection in ${name}: set the reflectance of its material to 0`);
    }
    const shine = {
      specular: model.mat_specular[material],
      shininess: model.mat_shininess[material],
      emission: model.mat_emission[material],
    };
    const texture: number = model.mat_texid[TEXTURE_ROLES * material + ROLE_RGB];
    if (texture < 0) return { rgb, alpha, ...shine };
    return { rgb, alpha, ...shine, texture: this.#textureOf(texture, name) };
  }

  #textureOf(id: number, name: string): Texture {
    const { model } = this.#world;
    if (model.tex_type[id] !== TEXTURE_2D) {
      throw new SimulationError(`Cannot draw the cube texture of ${name}: use one of type 2d`);
    }
    const texture = this.#textures.get(id) ?? makeTexture(model.tex_width[id], model.tex_height[id], this.#texels(id));
    this.#textures.set(id, texture);
    return texture;
  }

  #texels(id: number): Uint8Array {
    const { model } = this.#world;
    if (model.tex_nchannel[id] !== 3 || model.tex_colorspace[id] === SRGB) {
      throw new SimulationError(`Cannot draw texture ${id} of this scene: use plain RGB, without alpha or gamma`);
    }
    const first: number = model.tex_adr[id];
    return model.tex_data.slice(first, first + 3 * model.tex_width[id] * model.tex_height[id]);
  }

  #makeMesh(look: Look, material: number, name: string): Mesh {
    const mesh = look.type === MESH ? this.#modelMesh(look.mesh) : this.#primitive(look, name);
    if (material < 0) {
      const { positions, normals, triangles } = mesh;
      return { positions, normals, triangles };
    }
    const { model } = this.#world;
    using accessor = model.mat(material);
    const uniform = Boolean(accessor.texuniform);
    const [u, v] = [0, 1].map((i) => {
      const size = look.size[i as 0 | 1];
      return model.mat_texrepeat[2 * material + i] * (uniform && size > 0 ? size : 1);
    });
    if (mesh.texcoords !== undefined) return repeatTexture(mesh, u!, v!);
    const [width, height] = [look.size[0] || 1, look.size[1] || 1];
    return withTexcoords(mesh, (x, y) => [0.5 * u! * x / width - 0.5, -0.5 * v! * y / height - 0.5]);
  }

  #primitive(look: Look, name: string): Mesh {
    const { type, size: [a, b, c] } = look;
    switch (type) {
      case PLANE:
        return makePlane(this.#planeAxis(look, 0), this.#planeAxis(look, 1));
      case SPHERE:
        return makeEllipsoid(a, a, a, this.#tessellation);
      case CAPSULE:
        return makeCapsule(a, c, this.#tessellation);
      case ELLIPSOID:
        return makeEllipsoid(a, b, c, this.#tessellation);
      case CYLINDER:
        return makeCylinder(a, c, this.#tessellation);
      case BOX:
        return makeBox(a, b, c, this.#tessellation);
      default:
        throw new SimulationError(`Cannot draw ${name} of MuJoCo's geom type ${type}: use primitives or meshes`);
    }
  }

  #modelMesh(id: number): Mesh {
    const { model } = this.#world;
    const rows = (values: Float32Array, first: number, count: number, width: number) =>
      values.slice(width * first, width * (first + count));
    const faces = (values: Int32Array) => {
      const first: number = model.mesh_faceadr[id];
      return values.slice(3 * first, 3 * (first + model.mesh_facenum[id]));
    };
    const textured = model.mesh_texcoordadr[id] >= 0;
    return meshFromFaces({
      positions: rows(model.mesh_vert, model.mesh_vertadr[id], model.mesh_vertnum[id], 3),
      faces: faces(model.mesh_face),
      normals: rows(model.mesh_normal, model.mesh_normaladr[id], model.mesh_normalnum[id], 3),
      faceNormals: faces(model.mesh_facenormal),
      ...(!textured ? {} : {
        texcoords: rows(model.mesh_texcoord, model.mesh_texcoordadr[id], model.mesh_texcoordnum[id], 2),
        faceTexcoords: faces(model.mesh_facetexcoord),
      }),
    });
  }

  #planeAxis(look: Look, axis: 0 | 1): PlaneAxis {
    const half = look.size[axis];
    return half > 0 ? finiteAxis(half, look.size[2]) : endlessAxis(this.#farM(), this.#planeStep(look, axis));
  }

  /** An endless plane with a texture moves by whole repetitions of it. */
  #planeStep({ material }: Look, axis: 0 | 1): number {
    const repeat: number = material < 0 ? 0 : this.#world.model.mat_texrepeat[2 * material + axis];
    return repeat > 0 ? 2 / repeat : plainStep(this.#farM());
  }

  #stridesOf(look: Look): [number, number] {
    const stride = (axis: 0 | 1) => look.size[axis] > 0 ? 0 : 2 * this.#planeStep(look, axis);
    return [stride(0), stride(1)];
  }

  #farM(): number {
    const { stat, vis } = this.#world.model;
    return vis.map.zfar * stat.extent;
  }
}
