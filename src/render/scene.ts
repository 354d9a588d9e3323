/**
 * What can be drawn: the nouns of the renderer.
 *
 * Metres and right-handed axes throughout. Whatever is typed as an array of numbers that may change (poses of shapes and
 * lights) is read anew for each picture; everything else is read once, when the renderer is made.
 *
 * @module
 */

/** Red, green, blue, each 0–1. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** A surface of triangles, in the coordinates of its shape. Counter-clockwise triangles face the viewer. */
export interface Mesh {
  /** 3 per vertex. */
  readonly positions: Float32Array;
  /** 3 per vertex, of length 1. */
  readonly normals: Float32Array;
  /** 2 per vertex, one repetition of the texture from 0 to 1; absent where no texture is meant. */
  readonly texcoords?: Float32Array;
  /** 3 vertices per triangle. */
  readonly triangles: Uint32Array;
}

/** Interleaved RGB texels; the first row is the one at texture coordinate v = 0. */
export interface Texels {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly data: Uint8Array;
}

/** A picture that repeats, with its smaller versions: each half as wide and high, down to one texel. */
export interface Texture {
  readonly levels: readonly Texels[];
}

/** Six square textures around the viewer, in OpenGL's order: +x, −x, +y, −y, +z, −z. */
export interface Skybox {
  readonly faces: readonly Texture[];
}

/** How a surface answers to light. */
export interface Material {
  readonly rgb: Rgb;
  /** Shapes below 0.995 are drawn as transparent, after all others. */
  readonly alpha: number;
  /** Share of a light's specular colour that is mirrored, 0–1. */
  readonly specular: number;
  /** A 128th of the specular exponent, 0–1. */
  readonly shininess: number;
  /** Share of the colour that shines without light. */
  readonly emission: number;
  /** Multiplies the lit colour; needs a mesh with texture coordinates. */
  readonly texture?: Texture;
}

/** A mesh somewhere. */
export interface Shape {
  readonly mesh: Mesh;
  readonly material: Material;
  /** Where the mesh's origin is; may change. */
  readonly position: Float64Array;
  /** Row-major 3×3, mesh to world; may change. */
  readonly rotation: Float64Array;
  readonly castsShadow: boolean;
  /** A flat surface that faces +z, which is seen from behind as well, with 0.3 of its alpha. */
  readonly sheet: boolean;
}

/** Colours of a light. */
export interface LightColours {
  readonly ambient: Rgb;
  readonly diffuse: Rgb;
  readonly specular: Rgb;
}

/** Light from one direction, everywhere alike. */
export interface DirectionalLight extends LightColours {
  readonly kind: "directional";
  /** Where the shadow map is taken from; may change. */
  readonly position: Float64Array;
  /** From the light; may change. */
  readonly direction: Float64Array;
  readonly castsShadow: boolean;
}

/** A cone of light. */
export interface SpotLight extends LightColours {
  readonly kind: "spot";
  /** May change. */
  readonly position: Float64Array;
  /** Axis of the cone, from the light; may change. */
  readonly direction: Float64Array;
  readonly castsShadow: boolean;
  /** Brightness is divided by a + b·d + c·d² at d metres. */
  readonly attenuation: readonly [constant: number, linear: number, quadratic: number];
  /** Half the opening angle, 0–90. */
  readonly cutoffDeg: number;
  /** Brightness falls with this power of the cosine to the axis. */
  readonly exponent: number;
}

export type Light = DirectionalLight | SpotLight;

/** All that a camera may see. */
export interface Scene {
  /** In drawing order: where two surfaces lie in the same place, the later one shows. */
  readonly shapes: readonly Shape[];
  readonly lights: readonly Light[];
  /** Light from the viewer's direction, without shadows. */
  readonly headlight?: LightColours;
  /** Nearer than this is cut off. */
  readonly nearM: number;
  /** Farther than this is cut off. */
  readonly farM: number;
  readonly shadowMap: ShadowMapSettings;
  /** What is seen where nothing is; black if absent. */
  readonly skybox?: Skybox;
}

/** How shadows are sampled. */
export interface ShadowMapSettings {
  /** Texels along each side. */
  readonly sizePx: number;
  /** A directional light's map reaches this far to each side of the light. */
  readonly reachM: number;
  /** Share of a spot light's opening angle that its map covers; a map is at most 160° wide. */
  readonly spotShare: number;
}

/** A viewer. */
export interface Camera {
  readonly position: Float64Array;
  /** Row-major 3×3 whose columns point right, up and backwards. */
  readonly rotation: Float64Array;
  /** Vertical opening angle. */
  readonly fovyDeg: number;
}
