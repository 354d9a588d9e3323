/**
 * Pictures on surfaces: smaller versions of them, and what is seen at a point, as OpenGL's trilinear filter has it.
 *
 * Colours are mixed in whole numbers with weights in 256ths, as Mesa's llvmpipe does it with 8-bit textures.
 *
 * @module
 */

import type { Skybox, Texels, Texture } from "./scene.ts";

/** Adds the smaller versions of a picture, as `glGenerateMipmap` does. */
export function makeTexture(widthPx: number, heightPx: number, data: Uint8Array): Texture {
  const levels: Texels[] = [{ widthPx, heightPx, data }];
  for (let level = levels[0]!; level.widthPx > 1 || level.heightPx > 1;) {
    level = halve(level);
    levels.push(level);
  }
  return { levels };
}

/** Each texel is what lies at its middle in the larger picture. */
function halve(source: Texels): Texels {
  const widthPx = Math.max(1, source.widthPx >> 1), heightPx = Math.max(1, source.heightPx >> 1);
  const data = new Uint8Array(3 * widthPx * heightPx);
  const colour = new Float64Array(3);
  for (let y = 0, at = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++, at += 3) {
      mixTexels(source, (x + 0.5) / widthPx, (y + 0.5) / heightPx, true, 256, colour, 0);
      data.set(colour, at);
    }
  }
  return { widthPx, heightPx, data };
}

/**
 * Writes the colour of a texture at a point.
 *
 * @param perPixel how many texels of the largest version one pixel covers, along the longer way.
 * @param colours takes three numbers from 0 to 255 at `at`.
 */
export function sampleTexture(
  texture: Texture,
  u: number,
  v: number,
  perPixel: number,
  colours: Float64Array,
  at: number,
): void {
  sampleLevels(texture, u - Math.floor(u), v - Math.floor(v), perPixel, true, colours, at);
}

/**
 * Writes the colour, 0–255, that a skybox has in a direction.
 *
 * @param pixelRad the angle that one pixel covers.
 */
export function sampleSkybox(
  { faces }: Skybox,
  x: number,
  y: number,
  z: number,
  pixelRad: number,
  colour: Float64Array,
): void {
  // OpenGL's cube has +y up, the world has +z.
  const s = x, t = z, r = -y;
  const as = Math.abs(s), at = Math.abs(t), ar = Math.abs(r);
  let face: number, u: number, v: number, major: number;
  if (as >= at && as >= ar) [face, u, v, major] = s > 0 ? [0, -r, -t, as] : [1, r, -t, as];
  else if (at >= ar) [face, u, v, major] = t > 0 ? [2, s, r, at] : [3, s, -r, at];
  else [face, u, v, major] = r > 0 ? [4, s, -t, ar] : [5, -s, -t, ar];
  const texture = faces[face]!;
  // A face is 2 wide at distance 1; towards its corners the same angle covers more of it.
  const stretch = (s * s + t * t + r * r) / (major * major);
  const perPixel = 0.5 * texture.levels[0]!.widthPx * pixelRad * stretch;
  sampleLevels(texture, (u / major + 1) / 2, (v / major + 1) / 2, perPixel, false, colour, 0);
}

/** Mixes the two versions whose texels are nearest to the size of the pixel. */
function sampleLevels(
  { levels }: Texture,
  u: number,
  v: number,
  perPixel: number,
  repeat: boolean,
  colours: Float64Array,
  at: number,
): void {
  const last = levels.length - 1;
  const lod = perPixel > 1 ? Math.min(Math.log2(perPixel), last) : 0;
  const level = Math.floor(lod);
  mixTexels(levels[level]!, u, v, repeat, 256, colours, at);
  const share = ((lod - level) * 256) | 0;
  if (share > 0) mixTexels(levels[level + 1]!, u, v, repeat, share, colours, at);
}

/**
 * Mixes the four texels around a point, and these with the colour that is there.
 *
 * @param u from the left edge, 0, to the right edge, 1.
 * @param repeat beyond an edge the other side follows; otherwise the edge goes on.
 * @param share how much of the new colour there will be, in 256ths.
 */
function mixTexels(
  { widthPx, heightPx, data }: Texels,
  u: number,
  v: number,
  repeat: boolean,
  share: number,
  colours: Float64Array,
  at: number,
): void {
  // Texels count from their middles; half a step more rounds.
  const x = Math.floor(u * widthPx * 256 - 127.5) | 0, y = Math.floor(v * heightPx * 256 - 127.5) | 0;
  let left = x >> 8, top = y >> 8;
  const right = x & 255, down = y & 255;
  let nextLeft = left + 1, nextTop = top + 1;
  if (left < 0) left = repeat ? widthPx - 1 : 0;
  if (top < 0) top = repeat ? heightPx - 1 : 0;
  if (nextLeft === widthPx) nextLeft = repeat ? 0 : left;
  if (nextTop === heightPx) nextTop = repeat ? 0 : top;
  const a = 3 * (top * widthPx + left), b = 3 * (top * widthPx + nextLeft);
  const c = 3 * (nextTop * widthPx + left), d = 3 * (nextTop * widthPx + nextLeft);
  for (let k = 0; k < 3; k++) {
    const colour = mix(mix(data[a + k]!, data[b + k]!, right), mix(data[c + k]!, data[d + k]!, right), down);
    colours[at + k] = share === 256 ? colour : mix(colours[at + k]!, colour, share);
  }
}

/** From `a` to `b` by a share in 256ths. */
function mix(a: number, b: number, share: number): number {
  return a + (((b - a) * share + 128) >> 8);
}
