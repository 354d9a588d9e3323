/**
 * Pictures on surfaces: smaller versions of them, and what is seen at a point, as OpenGL's trilinear filter has it.
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

/** Each texel is what lies at its middle in the larger picture, linear between texels. */
function halve(source: Texels): Texels {
  const widthPx = Math.max(1, source.widthPx >> 1), heightPx = Math.max(1, source.heightPx >> 1);
  const data = new Uint8Array(3 * widthPx * heightPx);
  const pick = new Float64Array(3);
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++) {
      pick.fill(0);
      addBilinear(source, (x + 0.5) / widthPx, (y + 0.5) / heightPx, true, 1, pick, 0);
      for (let k = 0; k < 3; k++) data[3 * (y * widthPx + x) + k] = Math.round(pick[k]!);
    }
  }
  return { widthPx, heightPx, data };
}

/** Adds `weight` times the colour (0–255) at texture coordinates; beyond the edge it repeats, or stays at the edge. */
function addBilinear(
  texels: Texels,
  u: number,
  v: number,
  repeat: boolean,
  weight: number,
  sum: Float64Array,
  at: number,
): void {
  const { widthPx, heightPx, data } = texels;
  const x = u * widthPx - 0.5, y = v * heightPx - 0.5;
  let left = Math.floor(x), top = Math.floor(y);
  const right = x - left, down = y - top;
  let nextLeft = left + 1, nextTop = top + 1;
  if (repeat) {
    left -= Math.floor(left / widthPx) * widthPx;
    top -= Math.floor(top / heightPx) * heightPx;
    nextLeft = left + 1 === widthPx ? 0 : left + 1;
    nextTop = top + 1 === heightPx ? 0 : top + 1;
  } else {
    left = Math.min(Math.max(left, 0), widthPx - 1);
    top = Math.min(Math.max(top, 0), heightPx - 1);
    nextLeft = Math.min(Math.max(nextLeft, 0), widthPx - 1);
    nextTop = Math.min(Math.max(nextTop, 0), heightPx - 1);
  }
  const a = 3 * (top * widthPx + left), b = 3 * (top * widthPx + nextLeft);
  const c = 3 * (nextTop * widthPx + left), d = 3 * (nextTop * widthPx + nextLeft);
  const wa = weight * (1 - right) * (1 - down), wb = weight * right * (1 - down);
  const wc = weight * (1 - right) * down, wd = weight * right * down;
  sum[at] = sum[at]! + wa * data[a]! + wb * data[b]! + wc * data[c]! + wd * data[d]!;
  sum[at + 1] = sum[at + 1]! + wa * data[a + 1]! + wb * data[b + 1]! + wc * data[c + 1]! + wd * data[d + 1]!;
  sum[at + 2] = sum[at + 2]! + wa * data[a + 2]! + wb * data[b + 2]! + wc * data[c + 2]! + wd * data[d + 2]!;
}

/**
 * Writes the colour (0–1) of a texture at a point.
 *
 * @param perPixel how many texels of the largest version one pixel covers along the longer way.
 */
export function sampleTexture(
  texture: Texture,
  u: number,
  v: number,
  perPixel: number,
  colours: Float64Array,
  at: number,
): void {
  sample(texture, u, v, perPixel, true, 1 / 255, colours, at);
}

function sample(
  { levels }: Texture,
  u: number,
  v: number,
  perPixel: number,
  repeat: boolean,
  weight: number,
  colours: Float64Array,
  at: number,
): void {
  colours[at] = colours[at + 1] = colours[at + 2] = 0;
  const last = levels.length - 1;
  const lod = perPixel > 1 ? Math.log2(perPixel) : 0;
  if (lod >= last) return addBilinear(levels[last]!, u, v, repeat, weight, colours, at);
  const level = Math.floor(lod);
  const share = lod - level;
  addBilinear(levels[level]!, u, v, repeat, weight * (1 - share), colours, at);
  if (share > 0) addBilinear(levels[level + 1]!, u, v, repeat, weight * share, colours, at);
}

/**
 * Writes the colour (0–255) that a skybox has in a direction.
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
  sample(texture, (u / major + 1) / 2, (v / major + 1) / 2, perPixel, false, 1, colour, 0);
}
