import assert from "node:assert/strict";
import { OrtError } from "../../src/errors.ts";
import { type LoadOptions, openRuntime, type Session } from "../../src/ort/mod.ts";
import { DOUBLING, encodeModel, SLOW, SLOW_SIZE } from "./models.ts";

const CPU = { provider: { name: "cpu" }, threads: 1, spinning: false } as const;

/** The error of a promise that must fail with it. */
async function ortErrorOf(promise: Promise<unknown>): Promise<OrtError> {
  const error = await promise.then(() => assert.fail("did not fail"), (error) => error);
  assert.ok(error instanceof OrtError, String(error));
  return error;
}

function load(runtime: { load(options: LoadOptions): Promise<Session> }, bytes: Uint8Array<ArrayBuffer>) {
  return runtime.load({ ...CPU, model: { bytes } });
}

Deno.test("a model is described, assigned and run on the processor", async () => {
  await using runtime = await openRuntime();
  assert.match(runtime.description.version, /^1\.\d+\.\d+$/);
  assert.ok(runtime.description.providers.includes("CPUExecutionProvider"));
  assert.equal(runtime.library.places.at(-1)!.why, undefined);
  const session = await load(runtime, DOUBLING);
  assert.equal(session.provider, "cpu");
  assert.deepEqual(session.inputs, [{ name: "x", type: "float32", shape: [4], length: 4 }]);
  assert.deepEqual(session.outputs, [{ name: "y", type: "float32", shape: [4], length: 4 }]);
  assert.deepEqual(session.assignment, { CPUExecutionProvider: { Add: 1 } });
  const { y } = await session.run({ x: Float32Array.of(1, -2, 0.5, 0) });
  assert.deepEqual(y, Float32Array.of(2, -4, 1, 0));
});

Deno.test("every element type goes in and comes out unchanged", async () => {
  const values = {
    float32: Float32Array.of(1.5, -3),
    float64: Float64Array.of(Math.PI, -0),
    uint8: Uint8Array.of(0, 255),
    int8: Int8Array.of(-128, 127),
    uint16: Uint16Array.of(0, 65535),
    int16: Int16Array.of(-32768, 32767),
    int32: Int32Array.of(-(2 ** 31), 2 ** 31 - 1),
    uint32: Uint32Array.of(0, 2 ** 32 - 1),
    int64: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n),
    uint64: BigUint64Array.of(0n, 2n ** 64n - 1n),
    bool: Uint8Array.of(0, 1),
    float16: Uint16Array.of(0x3c00, 0xfbff),
    bfloat16: Uint16Array.of(0x3f80, 0xff7f),
  } as const;
  const types = Object.keys(values) as (keyof typeof values)[];
  await using runtime = await openRuntime();
  const session = await load(
    runtime,
    encodeModel({
      inputs: types.map((type) => ({ name: `in ${type}`, type, shape: [2] })),
      outputs: types.map((type) => ({ name: `out ${type}`, type, shape: [2] })),
      nodes: types.map((type) => ({ operator: "Identity", inputs: [`in ${type}`], outputs: [`out ${type}`] })),
    }),
  );
  const outputs = await session.run(Object.fromEntries(types.map((type) => [`in ${type}`, values[type]])));
  assert.deepEqual(outputs, Object.fromEntries(types.map((type) => [`out ${type}`, values[type]])));
});

Deno.test("outputs have memory of their own, so that the next run leaves them alone", async () => {
  await using runtime = await openRuntime();
  const session = await load(runtime, DOUBLING);
  const first = await session.run({ x: Float32Array.of(1, 1, 1, 1) });
  await session.run({ x: Float32Array.of(2, 2, 2, 2) });
  assert.deepEqual(first["y"], Float32Array.of(2, 2, 2, 2));
});

Deno.test("wrong inputs are refused by name, before anything runs", async () => {
  await using runtime = await openRuntime();
  const session = await load(runtime, DOUBLING);
  const cases: [Parameters<Session["run"]>[0], RegExp][] = [
    [{}, /input "x" is missing/],
    [{ x: new Float32Array(4), z: new Float32Array(4) }, /no input "z".*inputs are x/],
    [{ x: new Float32Array(3) }, /"x" has 3 elements in a Float32Array. Give 4 elements of float32/],
    [{ x: new Float64Array(4) }, /"x" has 4 elements in a Float64Array/],
    [{ x: new Float32Array(4), toString: new Float32Array(4) }, /no input "toString"/],
  ];
  for (const [inputs, message] of cases) {
    const error = await ortErrorOf(session.run(inputs));
    assert.equal(error.code, "bad_input");
    assert.match(error.message, message);
  }
  assert.deepEqual((await session.run({ x: new Float32Array(4) }))["y"], new Float32Array(4));
});

Deno.test("runs of two sessions, asked for at once, take turns and keep their own memory", async () => {
  await using runtime = await openRuntime();
  const one = await load(runtime, DOUBLING);
  const other = await load(runtime, DOUBLING);
  const answers = await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      const { y } = await (i % 2 === 0 ? one : other).run({ x: new Float32Array(4).fill(i) });
      return y![3];
    }),
  );
  assert.deepEqual(answers, Array.from({ length: 100 }, (_, i) => 2 * i));
});

Deno.test("a run that is aborted is stopped with the signal's reason, and the next one is whole", async () => {
  await using runtime = await openRuntime();
  const session = await load(runtime, SLOW);
  const x = new Float32Array(SLOW_SIZE ** 2);
  for (let i = 0; i < SLOW_SIZE; i++) x[i * SLOW_SIZE + i] = i % 2 === 0 ? 1 : -1;
  for (let i = 0; i < 3; i++) {
    const controller = new AbortController();
    let settled = false;
    const run = session.run({ x }, controller.signal).finally(() => settled = true);
    // Another thread computes meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(settled, false);
    controller.abort(new Error("changed my mind"));
    await assert.rejects(run, /changed my mind/);
  }
  // An odd power of 1s and -1s on the diagonal is itself; there are 401 factors.
  assert.deepEqual((await session.run({ x }))["y"], x);
});

Deno.test("a run that waits for its turn is given up at once, and one with an aborted signal never begins", async () => {
  await using runtime = await openRuntime();
  const slow = await load(runtime, SLOW);
  const quick = await load(runtime, DOUBLING);
  let slowSettled = false;
  const running = slow.run({ x: new Float32Array(SLOW_SIZE ** 2) }).finally(() => slowSettled = true);
  const controller = new AbortController();
  const waiting = quick.run({ x: new Float32Array(4) }, controller.signal);
  controller.abort(new Error("too late"));
  await assert.rejects(waiting, /too late/);
  assert.equal(slowSettled, false);
  await assert.rejects(quick.run({ x: new Float32Array(4) }, AbortSignal.abort(new Error("never"))), /never/);
  await running;
  assert.deepEqual((await quick.run({ x: Float32Array.of(1, 2, 3, 4) }))["y"], Float32Array.of(2, 4, 6, 8));
});

Deno.test("models that are no models are refused, and the runtime goes on", async () => {
  await using runtime = await openRuntime();
  const folder = await Deno.makeTempDir();
  const path = `${folder}/model.onnx`;
  const refuse = async (bytes: Uint8Array<ArrayBuffer>, message: RegExp = /Cannot load/) => {
    for (const model of [{ bytes }, { path }]) {
      await Deno.writeFile(path, bytes);
      const error = await ortErrorOf(runtime.load({ ...CPU, model }));
      assert.equal(error.code, "bad_model");
      assert.match(error.message, message);
    }
  };
  try {
    for (const length of [0, 1, 2, 7, 20, 40, DOUBLING.length - 1]) await refuse(DOUBLING.slice(0, length));
    await refuse(new TextEncoder().encode("version https://git-lfs.github.com/spec/v1"));
    const graph = { inputs: [{ name: "x", type: "float32", shape: [4] }] } as const;
    const node = { operator: "Add", inputs: ["x", "x"], outputs: ["y"] };
    const y = { name: "y", type: "float32", shape: [4] } as const;
    await refuse(encodeModel({ ...graph, outputs: [y], nodes: [{ ...node, operator: "Sum of all fears" }] }));
    await refuse(encodeModel({ ...graph, outputs: [y], nodes: [{ ...node, inputs: ["x", "z"] }] }));
    const large = { inputs: [{ name: "x", type: "float32", shape: [2 ** 20, 2 ** 20] }] } as const;
    await refuse(encodeModel({ ...large, outputs: [{ ...y, shape: [2 ** 20, 2 ** 20] }], nodes: [node] }), /bytes/);
    const open = { inputs: [{ name: "x", type: "float32", shape: ["batch", 4] }] } as const;
    await refuse(
      encodeModel({ ...open, outputs: [{ ...y, shape: ["batch", 4] }], nodes: [node] }),
      /dimension 0 of input "x" has no fixed size/,
    );
    const weight = { name: "w", type: "float32", shape: [4] } as const;
    for (const location of ["absent.bin", "../escape.bin", "/etc/passwd"]) {
      const external = [{ ...weight, location, offset: 0 }];
      await refuse(encodeModel({ ...graph, outputs: [y], nodes: [{ ...node, inputs: ["x", "w"] }], external }));
    }
    assert.match((await ortErrorOf(runtime.load({ ...CPU, model: { path: folder } }))).message, /Cannot load/);
    const absent = await ortErrorOf(runtime.load({ ...CPU, model: { path: `${folder}/absent.onnx` } }));
    assert.match(absent.message, /absent\.onnx/);
    const session = await load(runtime, DOUBLING);
    assert.deepEqual((await session.run({ x: Float32Array.of(1, 2, 3, 4) }))["y"], Float32Array.of(2, 4, 6, 8));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a damaged model is refused or run, and never ends the process", async () => {
  await using runtime = await openRuntime();
  for (let at = 0; at < DOUBLING.length; at++) {
    for (const value of [0x00, 0x7f, 0xff]) {
      const bytes = DOUBLING.slice();
      bytes[at] = value;
      try {
        await using session = await load(runtime, bytes);
        await session.run(
          Object.fromEntries(session.inputs.map(({ name, length }) => [name, new Float32Array(length)])),
        )
          .catch(() => undefined);
      } catch (error) {
        assert.ok(error instanceof OrtError, `byte ${at} = ${value}: ${error}`);
      }
    }
  }
});

Deno.test("sessions and the runtime may be let go in any order, more than once", async () => {
  const runtime = await openRuntime();
  const first = await load(runtime, DOUBLING);
  const second = await load(runtime, DOUBLING);
  await first[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  assert.equal((await ortErrorOf(first.run({ x: new Float32Array(4) }))).code, "closed");
  await second.run({ x: new Float32Array(4) });
  await Promise.all([runtime[Symbol.asyncDispose](), runtime[Symbol.asyncDispose]()]);
  await second[Symbol.asyncDispose]();
  assert.equal((await ortErrorOf(second.run({ x: new Float32Array(4) }))).code, "closed");
  assert.equal((await ortErrorOf(load(runtime, DOUBLING))).code, "closed");
});

Deno.test("closing the runtime stops the current run and refuses the waiting ones", async () => {
  const runtime = await openRuntime();
  const session = await load(runtime, SLOW);
  const x = new Float32Array(SLOW_SIZE ** 2);
  const runs = [session.run({ x }), session.run({ x })].map(ortErrorOf);
  await runtime[Symbol.asyncDispose]();
  assert.deepEqual((await Promise.all(runs)).map(({ code }) => code), ["closed", "closed"]);
});

Deno.test("a runtime that is closed while a model loads ends after it", async () => {
  const runtime = await openRuntime();
  const loading = ortErrorOf(load(runtime, DOUBLING));
  await runtime[Symbol.asyncDispose]();
  assert.equal((await loading).code, "closed");
});

Deno.test("two runtimes work side by side, and one after another", async () => {
  await using one = await openRuntime();
  {
    await using other = await openRuntime();
    const sessions = [await load(one, DOUBLING), await load(other, DOUBLING)];
    const answers = await Promise.all(sessions.map((session, i) => session.run({ x: new Float32Array(4).fill(i) })));
    assert.deepEqual(answers.map(({ y }) => y![0]), [0, 2]);
  }
  await using again = await openRuntime();
  assert.equal((await load(again, DOUBLING)).inputs.length, 1);
});

Deno.test("a provider that cannot be had is an error, never another provider", async () => {
  await using runtime = await openRuntime();
  const model = { bytes: DOUBLING };
  const cuda = await ortErrorOf(runtime.load({ model, provider: { name: "cuda", graph: true } }));
  assert.equal(cuda.code, "provider_unavailable");
  assert.match(cuda.message, /libonnxruntime_providers_cuda\.so.* not in .*--ort-lib-dir/);
  const config = { ["x".repeat(5000)]: "1" };
  assert.equal((await ortErrorOf(runtime.load({ ...CPU, model, config }))).code, "bad_model");
});

Deno.test("WebGPU runs the model where there is an adapter, and is refused in so many words where there is none", async () => {
  await using runtime = await openRuntime();
  const loading = runtime.load({ model: { bytes: DOUBLING }, provider: { name: "webgpu" } });
  const outcome = await loading.catch((error: unknown) => error);
  if (outcome instanceof OrtError) {
    assert.equal(outcome.code, "provider_unavailable");
    assert.match(outcome.message, /^Cannot use webgpu: /);
  } else {
    const session = await loading;
    assert.deepEqual(session.assignment, { WebGpuExecutionProvider: { Add: 1 } });
    assert.deepEqual((await session.run({ x: Float32Array.of(1, 2, 3, 4) }))["y"], Float32Array.of(2, 4, 6, 8));
  }
  const processor = await load(runtime, DOUBLING);
  assert.deepEqual(processor.assignment, { CPUExecutionProvider: { Add: 1 } });
});

Deno.test("shared weights replace those of the model, for every session that names them", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const size = 64;
    const bytes = encodeModel({
      inputs: [{ name: "x", type: "float32", shape: [1, size] }],
      outputs: [{ name: "y", type: "float32", shape: [1, size] }],
      nodes: [{ operator: "MatMul", inputs: ["x", "w"], outputs: ["y"] }],
      external: [{ name: "w", type: "float32", shape: [size, size], location: "own.bin", offset: 4 }],
    });
    const diagonal = (value: number) =>
      Float32Array.from({ length: 1 + size * size }, (_, i) => i > 0 && (i - 1) % (size + 1) === 0 ? value : 0);
    await Deno.writeFile(`${folder}/own.bin`, new Uint8Array(diagonal(1).buffer));
    await Deno.writeFile(`${folder}/shared.bin`, new Uint8Array(diagonal(3).buffer));
    await using runtime = await openRuntime();
    const x = Float32Array.from({ length: size }, (_, i) => i);
    const plain = { ...CPU, model: { bytes }, initializersFolder: folder };
    const tensors = [{ name: "w", type: "float32", shape: [size, size], offset: 4 }] as const;
    const file = { path: `${folder}/shared.bin`, tensors };
    const sharedWeights = [file];
    const own = await runtime.load(plain);
    const sessions = [await runtime.load({ ...plain, sharedWeights }), await runtime.load({ ...plain, sharedWeights })];
    assert.deepEqual((await own.run({ x }))["y"], x);
    for (const session of sessions) assert.deepEqual((await session.run({ x }))["y"], x.map((value) => 3 * value));
    await sessions[0]![Symbol.asyncDispose]();
    assert.deepEqual((await sessions[1]!.run({ x }))["y"], x.map((value) => 3 * value));

    for (const offset of [-4, 8, 1e12]) {
      const outside = { ...file, tensors: [{ ...tensors[0], offset }] };
      const error = await ortErrorOf(runtime.load({ ...plain, sharedWeights: [outside] }));
      assert.match(error.message, /weight "w" .* is not within/);
    }
    const absent = { ...file, path: `${folder}/absent.bin` };
    assert.match((await ortErrorOf(runtime.load({ ...plain, sharedWeights: [absent] }))).message, /absent\.bin/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("1000 runs, and 500 sessions, leave nothing behind", async () => {
  // In a process of its own, since memory is counted per process.
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--v8-flags=--expose-gc", new URL("./growth.ts", import.meta.url).href],
    env: { NO_COLOR: "1" },
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const { runsMiB, sessionsMiB } = JSON.parse(new TextDecoder().decode(stdout));
  // Each run returns 1 MiB, of which the collector leaves some for later; each session takes at least 0.1 MiB.
  assert.ok(runsMiB < 200, `${runsMiB} MiB after 1000 runs`);
  assert.ok(sessionsMiB < 25, `${sessionsMiB} MiB after 500 sessions`);
});

Deno.test("ONNX Runtime tells nobody: it leaves nothing in the cache and temporary folders", async () => {
  const home = await Deno.makeTempDir();
  try {
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", new URL("./exit.ts", import.meta.url).href],
      // Without the environment of this process, which may say that it runs under continuous integration.
      clearEnv: true,
      env: { HOME: home, TMPDIR: home, DENO_DIR: `${home}/deno` },
    }).output();
    assert.equal(code, 7);
    const names: string[] = [];
    for await (const { name } of Deno.readDir(home)) if (name !== "deno") names.push(name);
    assert.deepEqual(names, []);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("a program ends in order while a model runs", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("./exit.ts", import.meta.url).href],
    env: { NO_COLOR: "1" },
  }).output();
  assert.equal(new TextDecoder().decode(stderr).replace(/^.*Warning.*$/gm, ""), "");
  assert.equal(code, 7);
});
