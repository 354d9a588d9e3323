/**
 * Pictures of small scenes, worked out by hand.
 */

import assert from "node:assert/strict";
import { Renderer } from "../../src/render/renderer.ts";
import type { Camera } from "../../src/render/scene.ts";
import { makeTexture } from "../../src/render/texture.ts";
import {
  CAMERA,
  directional,
  draw,
  DULL,
  glowing,
  IDENTITY,
  meshOf,
  pixelAt,
  rectangle,
  redRows,
  sceneOf,
  shapeOf,
} from "../support/tiny_scene.ts";

const SQUARE = rectangle(-0.5, -0.5, 0.5, 0.5, -1);

Deno.test("a square fills exactly the pixels that it covers, and the rest is black", () => {
  const inside = [0, 0, 255, 255, 255, 255, 0, 0];
  const outside = [0, 0, 0, 0, 0, 0, 0, 0];
  assert.deepEqual(redRows(draw([shapeOf(SQUARE)])), [
    outside,
    outside,
    inside,
    inside,
    inside,
    inside,
    outside,
    outside,
  ]);
});

Deno.test("a pixel is as bright as its share of four samples that lie at heights and widths of their own", () => {
  // Samples from the top: 0.625, 0.125, 0.875 and 0.375 to the right, in the middle of each quarter.
  const edge = (left: number, top: number) => {
    const [x, y] = [(left - 4) / 4, (4 - top) / 4];
    return pixelAt(draw([shapeOf(rectangle(x, -1, 1, y, -1))]), 3, 3)[0];
  };
  assert.deepEqual([3, 3.25, 3.5, 3.75, 4].map((left) => edge(left, 0)), [255, 191, 128, 64, 0]);
  assert.deepEqual([3, 3.25, 3.5, 3.75, 4].map((top) => edge(0, top)), [255, 191, 128, 64, 0]);
  // Only the third sample is to the right of the middle and below a quarter.
  assert.deepEqual([3.25, 3.5, 3.75].map((top) => edge(3.5, top)), [64, 64, 0]);
});

Deno.test("triangles that share edges leave no gap and no seam, wherever they lie", () => {
  const points = Array.from({ length: 12 }, (_, i) => {
    const angle = (2 * Math.PI * i) / 12 + 0.1;
    return [3 * Math.cos(angle), 3 * Math.sin(angle), -1] as const;
  });
  for (const [x, y] of [[0, 0], [0.123, -0.077], [0.4999, 0.25]] as const) {
    const fan = meshOf(points.flatMap((point, i) => [[x, y, -1] as const, point, points[(i + 1) % 12]!]));
    assert.ok(draw([shapeOf(fan)]).data.every((value) => value === 255), `fan around ${x}, ${y}`);
  }
});

Deno.test("the nearer of two surfaces shows, whichever is drawn first, and the later one where they coincide", () => {
  const near = shapeOf(rectangle(-1, -1, 1, 1, -1), glowing(1, 0, 0));
  const far = shapeOf(rectangle(-2, -2, 2, 2, -2), glowing(0, 1, 0));
  const same = shapeOf(rectangle(-1, -1, 1, 1, -1), glowing(0, 0, 1));
  assert.deepEqual(pixelAt(draw([near, far]), 4, 4), [255, 0, 0]);
  assert.deepEqual(pixelAt(draw([far, near]), 4, 4), [255, 0, 0]);
  assert.deepEqual(pixelAt(draw([near, same]), 4, 4), [0, 0, 255]);
});

Deno.test("two surfaces that cross are cut at the line where they cross", () => {
  const flat = shapeOf(rectangle(-2, -2, 2, 2, -2), glowing(1, 0, 0));
  // Nearer on the left, farther on the right.
  const leaning = meshOf([[-2, -2, -1.5], [2, -2, -2.5], [2, 2, -2.5], [2, 2, -2.5], [-2, 2, -1.5], [-2, -2, -1.5]]);
  const image = draw([flat, shapeOf(leaning, glowing(0, 1, 0))], {}, { widthPx: 16, heightPx: 16 });
  assert.deepEqual([pixelAt(image, 6, 8), pixelAt(image, 9, 8)], [[0, 255, 0], [255, 0, 0]]);
});

Deno.test("surfaces that turn their back, lie behind, too near or too far are not drawn", () => {
  const turned = meshOf([[-1, -1, -1], [0, 1, -1], [1, -1, -1]]);
  const cases = { turned, behind: rectangle(-1, -1, 1, 1, 1), near: rectangle(-1, -1, 1, 1, -0.05) };
  const far = rectangle(-500, -500, 500, 500, -101);
  const degenerate = meshOf([[-1, 0, -1], [0, 0, -1], [1, 0, -1], [0, 0, -1], [0, 0, -1], [0, 0, -1]]);
  for (const [name, mesh] of Object.entries({ ...cases, far, degenerate })) {
    assert.ok(draw([shapeOf(mesh)]).data.every((value) => value === 0), name);
  }
});

Deno.test("a floor that passes under the camera is cut at the near plane, and its colours stay in place", () => {
  const corners = [[-9, -1, 9], [9, -1, 9], [9, -1, -9], [-9, -1, -9]] as const;
  const up = [0, 1, 0] as const;
  const floor = meshOf([0, 1, 2, 0, 2, 3].map((i) => corners[i]!), Array.from({ length: 6 }, () => up));
  const rows = redRows(draw([shapeOf(floor, DULL)], { lights: [directional([0, -1, 0])] }));
  // It ends 9 m ahead, which is seen through the upper half of the fifth row.
  assert.deepEqual(rows.map(([red]) => red), [0, 0, 0, 0, 128, 255, 255, 255]);
  // A sixth of the floor behind the camera, bright at the back and dark at the front: linear in space, not on the picture.
  const shaded = meshOf([0, 1, 2, 0, 2, 3].map((i) => corners[i]!), [up, up, [1, 0, 0], up, [1, 0, 0], [1, 0, 0]]);
  const column = redRows(draw([shapeOf(shaded, DULL)], { lights: [directional([0, -1, 0])] })).map((row) => row[4]!);
  // Row y is seen 4/(y − 3.5) ahead, where the brightness is (9 − that)/18.
  for (const y of [5, 6, 7]) assert.equal(column[y], Math.round(255 * (9 - 4 / (y - 3.5)) / 18), `row ${y}`);
});

Deno.test("vertices are lit, and pixels between them are mixed from their colours", () => {
  // Facing the light by 1 on the left and by 0.6 on the right.
  const left = [0, 0, 1] as const, right = [0.8, 0, 0.6] as const;
  const [a, b, c, d] = [[-1, -1, -1], [1, -1, -1], [1, 1, -1], [-1, 1, -1]] as const;
  const mesh = meshOf([a, b, d, b, c, d], [left, right, left, right, right, left]);
  const row = redRows(draw([shapeOf(mesh, DULL)]))[4]!;
  const expected = Array.from({ length: 8 }, (_, x) => Math.round(255 * (1 - 0.4 * (x + 0.5) / 8)));
  assert.deepEqual(row, expected);
});

Deno.test("light is ambient, diffuse and specular as OpenGL sums them, and cut off at the vertex", () => {
  const material = { rgb: [0.5, 0.25, 1], alpha: 1, specular: 0.5, shininess: 0.25, emission: 0.1 } as const;
  const light = directional([0, -0.6, -0.8], {
    ambient: [0.1, 0.2, 0.3],
    diffuse: [0.5, 0.6, 0.7],
    specular: [0.8, 0.4, 0.2],
  });
  // A speck straight ahead: towards the viewer is +z, halfway to the light (0, 0.6, 0.8) is (0, 0.6, 1.8) / √3.6.
  const speck = rectangle(-0.001, -0.001, 0.001, 0.001, -1);
  const camera: Camera = { ...CAMERA, fovyDeg: 0.1 };
  const shine = (1.8 / Math.sqrt(3.6)) ** 32 * 0.5;
  const expected = [0, 1, 2].map((k) => {
    const lit = 0.1 + light.ambient[k]! + 0.8 * light.diffuse[k]!;
    return Math.round(255 * Math.min(1, lit * material.rgb[k]! + shine * light.specular[k]!));
  });
  assert.deepEqual(pixelAt(draw([shapeOf(speck, material)], { lights: [light] }, { camera }), 4, 4), expected);
});

Deno.test("the headlight shines from the viewer, and without any light there is a little ambient", () => {
  const headlight = { ambient: [0, 0, 0], diffuse: [0.5, 0.5, 0.5], specular: [0, 0, 0] } as const;
  const wall = shapeOf(rectangle(-2, -2, 2, 2, -1), DULL);
  assert.deepEqual(pixelAt(draw([wall], { lights: [], headlight }), 4, 4), [128, 128, 128]);
  // Turned by 90° about y: what is ahead is +x now.
  const camera: Camera = { ...CAMERA, rotation: Float64Array.of(0, 0, -1, 0, 1, 0, 1, 0, 0) };
  const side = shapeOf(wall.mesh, DULL, { rotation: Float64Array.of(0, 0, -1, 0, 1, 0, 1, 0, 0) });
  assert.deepEqual(pixelAt(draw([side], { lights: [], headlight }, { camera }), 4, 4), [128, 128, 128]);
  assert.deepEqual(pixelAt(draw([wall], { lights: [] }), 4, 4), [77, 77, 77]);
});

Deno.test("a spot light shines inside its cone, weaker at its edge and farther away", () => {
  const spot = {
    kind: "spot",
    position: Float64Array.of(0, 0, 0),
    direction: Float64Array.of(0, 0, -1),
    castsShadow: false,
    ambient: [0, 0, 0],
    diffuse: [1, 1, 1],
    specular: [0, 0, 0],
    attenuation: [1, 0.5, 0.25],
    cutoffDeg: 20,
    exponent: 3,
  } as const;
  // Specks seen at tangents 0, 0.25 and 0.75 from straight ahead: 0°, 14° and 37°.
  const specks = [0, 0.25, 0.75].map((x) => shapeOf(rectangle(x - 0.2, -0.2, x + 0.2, 0.2, -1), DULL));
  const reds = specks.map((speck, i) => {
    const image = draw([speck], { lights: [spot] }, { widthPx: 800, heightPx: 800 });
    return pixelAt(image, 400 + [0, 100, 300][i]!, 400)[0];
  });
  // The vertices are 0.28 (√2 · 0.2) from the axis, so the corners of the first are at 15.8°.
  const cosine = 1 / Math.hypot(1, 0.2, 0.2);
  const distance = 1 / cosine;
  const expected = Math.round(255 * cosine ** 4 / (1 + 0.5 * distance + 0.25 * distance * distance));
  assert.equal(reds[0], expected);
  assert.equal(reds[2], 0);
});

Deno.test("shadows fall where something is between surface and light, and can be switched off", () => {
  const wall = shapeOf(rectangle(-4, -4, 4, 4, -2), DULL);
  const square = shapeOf(rectangle(-0.5, -0.5, 0.5, 0.5, -1), DULL);
  // From the left: one metre behind the square, its shadow is one metre to the right.
  const shadowing = directional([1, 0, -1], { position: Float64Array.of(-1.5, 0, 0), castsShadow: true });
  const dim = directional([0, 0, -1], { diffuse: [0.25, 0.25, 0.25] });
  const scene = { lights: [shadowing, dim] };
  const row = redRows(draw([wall, square], scene, { widthPx: 32, heightPx: 32 }))[16]!;
  const lit = Math.round(255 * Math.SQRT1_2) + 64;
  assert.equal(row[2], lit);
  assert.equal(row[16], lit, "the square is lit itself");
  // The square covers columns 8–23; its shadow x = 0.5 … 1.5 at distance 2 covers 20–27.
  assert.deepEqual(row.slice(24, 30), [64, 64, 64, 64, lit, lit]);
  const without = redRows(draw([wall, square], scene, { widthPx: 32, heightPx: 32, shadows: false }))[16]!;
  assert.deepEqual(without.slice(24, 30), Array(6).fill(lit));
  const shadeless = shapeOf(square.mesh, DULL, { castsShadow: false });
  const through = redRows(draw([wall, shadeless], scene, { widthPx: 32, heightPx: 32 }))[16]!;
  assert.deepEqual(through.slice(24, 30), Array(6).fill(lit));
});

Deno.test("a spot light throws shadows that widen", () => {
  const wall = shapeOf(rectangle(-4, -4, 4, 4, -4), DULL);
  const square = shapeOf(rectangle(-0.25, -0.25, 0.25, 0.25, -2), DULL);
  const spot = {
    ...directional([0, 0, -1], { castsShadow: true }),
    kind: "spot",
    position: Float64Array.of(0, 0, 1),
    attenuation: [1, 0, 0],
    cutoffDeg: 60,
    exponent: 0,
  } as const;
  const row = redRows(draw([wall, square], { lights: [spot] }, { widthPx: 64, heightPx: 64 }))[32]!;
  // 3 m from the light the square is 0.5 m wide; 5 m from it the shadow is 0.83 m, 0.42 m to each side: 3.3 pixels.
  const dark = row.flatMap((red, x) => red === 0 ? [x] : []);
  assert.deepEqual(dark, [], "the square hides its own shadow from the light's side");
  const camera: Camera = { ...CAMERA, position: Float64Array.of(2, 0, 0) };
  const seen = redRows(draw([wall, square], { lights: [spot] }, { camera, widthPx: 64, heightPx: 64 }))[32]!;
  // From 2 m to the right, the shadow's x = −0.42 … 0.42 is 2.42 … 1.58 to the left: columns 12.6–19.3.
  assert.deepEqual(seen.flatMap((red, x) => red === 0 ? [x] : []).slice(0, 6), [13, 14, 15, 16, 17, 18]);
});

Deno.test("a plate that all stands on does not shade what stands on it, and what hovers over it does shade it", () => {
  const up = [0, 1, 0] as const;
  const corners = [[-4, -1, 1], [4, -1, 1], [4, -1, -7], [-4, -1, -7]] as const;
  const floor = shapeOf(meshOf([0, 1, 2, 0, 2, 3].map((i) => corners[i]!), Array(6).fill(up)), DULL);
  const roof = [[-1, 0.5, -1], [1, 0.5, -1], [1, 0.5, -3], [-1, 0.5, -3]] as const;
  const above = shapeOf(meshOf([0, 1, 2, 0, 2, 3].map((i) => roof[i]!)), DULL);
  const sun = directional([0, -1, 0], { position: Float64Array.of(0, 3, -2), castsShadow: true });
  const image = draw([floor, above], { lights: [sun] }, { widthPx: 32, heightPx: 32 });
  // The floor 2 m ahead is half a picture's half below the middle.
  assert.deepEqual([pixelAt(image, 16, 24), pixelAt(image, 30, 24)], [[0, 0, 0], [255, 255, 255]]);
});

Deno.test("transparent surfaces are laid over others twice, as MuJoCo draws them, and receive no shadow", () => {
  const wall = shapeOf(rectangle(-4, -4, 4, 4, -2), glowing(1, 0, 0));
  const glass = shapeOf(rectangle(-1, -1, 0, 1, -1), { ...glowing(0, 0, 1), alpha: 0.5 });
  const image = draw([glass, wall]);
  const once = [255 * 127 / 255, 0, 128].map(Math.round);
  const twice = [Math.round(once[0]! * 127 / 255), 0, Math.round((255 * 128 + once[2]! * 127) / 255)];
  assert.deepEqual(pixelAt(image, 1, 4), twice);
  assert.deepEqual(pixelAt(image, 6, 4), [255, 0, 0]);
  const hidden = shapeOf(rectangle(-3, -3, 3, 3, -3), { ...glowing(0, 1, 0), alpha: 0.5 });
  assert.deepEqual(pixelAt(draw([hidden, wall]), 4, 4), [255, 0, 0]);
});

Deno.test("a sheet is seen from behind, faintly", () => {
  const back = Float64Array.of(-1, 0, 0, 0, 1, 0, 0, 0, -1);
  const sheet = shapeOf(rectangle(-2, -2, 2, 2, 0), glowing(1, 1, 1), {
    sheet: true,
    position: Float64Array.of(0, 0, -1),
    rotation: back,
  });
  const share = Math.round(0.3 * 255);
  const twice = Math.round((255 * share + share * (255 - share)) / 255);
  assert.deepEqual(pixelAt(draw([sheet]), 4, 4), [twice, twice, twice]);
});

Deno.test("a texture multiplies the lit colour and repeats", () => {
  const texture = makeTexture(2, 1, Uint8Array.of(255, 0, 0, 0, 255, 0));
  const mesh = { ...rectangle(-1, -1, 1, 1, -1), texcoords: new Float32Array(8) };
  // Two repetitions from left to right.
  mesh.positions.forEach((x, i) => {
    if (i % 3 === 0) mesh.texcoords[2 * i / 3] = x + 1;
  });
  const half = { ...DULL, rgb: [0.5, 1, 1], texture } as const;
  const row = Array.from({ length: 8 }, (_, x) => pixelAt(draw([shapeOf(mesh, half)]), x, 4));
  // Four pixels per repetition: texels end between the first two and the last two.
  const mixed = [[96, 64, 0], [96, 64, 0], [32, 191, 0], [32, 191, 0]];
  assert.deepEqual(row, [...mixed, ...mixed]);
});

Deno.test("a skybox fills what nothing covers, by direction", () => {
  const faces = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255], [255, 0, 255]]
    .map((rgb) => makeTexture(1, 1, Uint8Array.from(rgb)));
  const ahead = (x: number, y: number, z: number, up: readonly number[]) => {
    const back = [-x, -y, -z];
    const right = [0, 1, 2].map((i) => up[(i + 1) % 3]! * back[(i + 2) % 3]! - up[(i + 2) % 3]! * back[(i + 1) % 3]!);
    const rotation = Float64Array.from([0, 1, 2].flatMap((i) => [right[i]!, up[i]!, back[i]!]));
    return pixelAt(draw([], { skybox: { faces } }, { camera: { ...CAMERA, rotation } }), 4, 4);
  };
  // The world's +z is up, the cube's is +y.
  assert.deepEqual(ahead(1, 0, 0, [0, 0, 1]), [255, 0, 0]);
  assert.deepEqual(ahead(-1, 0, 0, [0, 0, 1]), [0, 255, 0]);
  assert.deepEqual(ahead(0, 0, 1, [0, 1, 0]), [0, 0, 255]);
  assert.deepEqual(ahead(0, 0, -1, [0, 1, 0]), [255, 255, 0]);
  assert.deepEqual(ahead(0, -1, 0, [0, 0, 1]), [0, 255, 255]);
  assert.deepEqual(ahead(0, 1, 0, [0, 0, 1]), [255, 0, 255]);
});

Deno.test("poses are read anew for each picture", () => {
  const shape = shapeOf(SQUARE);
  const renderer = new Renderer(sceneOf([shape]));
  const size = { widthPx: 8, heightPx: 8 };
  assert.deepEqual(pixelAt(renderer.render(CAMERA, size), 4, 4), [255, 255, 255]);
  shape.position[0] = 1.5;
  assert.deepEqual(pixelAt(renderer.render(CAMERA, size), 4, 4), [0, 0, 0]);
});

Deno.test("any size, one after another, gives the same bytes as a renderer of its own", () => {
  const shapes = [
    shapeOf(rectangle(-1.3, -0.7, 0.9, 1.1, -1.5), DULL, { rotation: IDENTITY.slice() }),
    shapeOf(rectangle(-0.2, -0.2, 0.3, 0.3, -1), { ...DULL, alpha: 0.4 }),
  ];
  const lights = [directional([0.3, -0.2, -1], { castsShadow: true })];
  const shared = new Renderer(sceneOf(shapes, { lights }));
  for (const [widthPx, heightPx] of [[1, 1], [37, 23], [5, 90], [64, 48], [37, 23]] as const) {
    const image = shared.render(CAMERA, { widthPx, heightPx });
    assert.deepEqual([image.width, image.height, image.data.length], [widthPx, heightPx, 3 * widthPx * heightPx]);
    const own = new Renderer(sceneOf(shapes, { lights })).render(CAMERA, { widthPx, heightPx });
    assert.deepEqual(image.data, own.data, `${widthPx}×${heightPx}`);
  }
});

Deno.test("render() refuses a size that is none", () => {
  const renderer = new Renderer(sceneOf([]));
  for (const [widthPx, heightPx] of [[0, 8], [8, -1], [8.5, 8], [NaN, 8]] as const) {
    assert.throws(() => renderer.render(CAMERA, { widthPx, heightPx }), /give whole numbers above 0/);
  }
});
