/**
 * The way to a GPU, walked on a library that writes down every call: see stub/onnxruntime.c.
 */

import assert from "node:assert/strict";
import { OrtError } from "../../src/errors.ts";
import { type LoadOptions, openRuntime } from "../../src/ort/mod.ts";
import { DOUBLING } from "./models.ts";
import { canBuildStub, makeStubFolder, needsCompiler, type StubFolder } from "./stub.ts";

const MODEL = { model: { bytes: DOUBLING } };
const GRAPH: LoadOptions = { ...MODEL, provider: { name: "cuda", graph: true } };

const open = (folder: StubFolder) => openRuntime({ libraryFolder: folder.path, readVariable: () => undefined });

async function ortErrorOf(promise: Promise<unknown>): Promise<OrtError> {
  const error = await promise.then(() => assert.fail("did not fail"), (error) => error);
  assert.ok(error instanceof OrtError, String(error));
  return error;
}

function testStub(name: string, body: (folder: StubFolder) => Promise<void>): void {
  Deno.test({
    name: `${name}${needsCompiler}`,
    ignore: !canBuildStub,
    async fn() {
      await using folder = await makeStubFolder();
      await body(folder);
    },
  });
}

testStub("a session on CUDA is made, warmed up, recorded, replayed and released in this order", async (folder) => {
  {
    await using runtime = await open(folder);
    await folder.forgetCalls();
    const session = await runtime.load({
      ...MODEL,
      provider: { name: "cuda", graph: true, device: 1, options: { gpu_mem_limit: "1000" } },
    });
    assert.equal(session.provider, "cuda");
    for (let i = 0; i < 4; i++) {
      const { y } = await session.run({ x: Float32Array.of(i, 2, 3, 4) });
      assert.deepEqual(y, Float32Array.of(2 * i, 4, 6, 8));
    }
  }
  const run = (
    how: string,
  ) => ["copy to device 16", "cudaStreamSynchronize 0", `RunWithBinding ${how}`, "copy to host 16"];
  assert.deepEqual(await folder.readCalls(), [
    "AddSessionConfigEntry session.record_ep_graph_assignment_info=1",
    "AddSessionConfigEntry session.disable_cpu_ep_fallback=1",
    "CreateCUDAProviderOptions",
    "UpdateCUDAProviderOptions device_id=1",
    "UpdateCUDAProviderOptions enable_cuda_graph=1",
    "UpdateCUDAProviderOptions gpu_mem_limit=1000",
    "AppendCuda",
    "ReleaseCUDAProviderOptions",
    "CreateSession",
    "cudaSetDevice 1",
    "CreateMemoryInfo Cuda 0 1 0",
    "CreateAllocator",
    "CreateIoBinding",
    "CreateTensor [4] rank 1 type 1",
    "BindInput x device",
    "CreateTensor [4] rank 1 type 1",
    "BindOutput y device",
    "AddRunConfigEntry gpu_graph_id=-1",
    ...run("plain"),
    ...run("plain"),
    "AddRunConfigEntry gpu_graph_id=1",
    ...run("recorded"),
    ...run("replayed"),
    "ReleaseValue",
    "ReleaseValue",
    "ReleaseIoBinding",
    "ReleaseAllocator",
    "ReleaseMemoryInfo",
    "ReleaseRunOptions",
    "ReleaseSession",
    "ReleaseEnv",
  ]);
  assert.equal(new Set(await folder.readThreads()).size, 1, "one thread only");
});

testStub("without a graph nothing is recorded, and an input may stay in the processor's memory", async (folder) => {
  await folder.write("host_input");
  await using runtime = await open(folder);
  await folder.forgetCalls();
  const session = await runtime.load({ ...MODEL, provider: { name: "cuda", graph: false } });
  for (let i = 0; i < 4; i++) {
    assert.deepEqual((await session.run({ x: new Float32Array(4).fill(i) }))["y"], new Float32Array(4).fill(2 * i));
  }
  const calls = await folder.readCalls();
  assert.ok(calls.includes("BindInput x host"));
  assert.ok(calls.includes("UpdateCUDAProviderOptions enable_cuda_graph=0"));
  assert.deepEqual(calls.filter((call) => /AddRunConfigEntry|copy to device/.test(call)), []);
});

testStub(
  "a graph is refused where the processor reads an input, since a recording would keep the first",
  async (folder) => {
    await folder.write("host_input");
    await using runtime = await open(folder);
    const error = await ortErrorOf(runtime.load(GRAPH));
    assert.equal(error.code, "bad_model");
    assert.match(error.message, /processor reads x.*Load it without a graph/);
  },
);

testStub("two sessions on CUDA each warm up and record for themselves", async (folder) => {
  await using runtime = await open(folder);
  const sessions = [await runtime.load(GRAPH), await runtime.load(GRAPH)];
  await folder.forgetCalls();
  for (let i = 0; i < 4; i++) {
    for (const session of sessions) await session.run({ x: new Float32Array(4).fill(i) });
  }
  const how = (await folder.readCalls()).flatMap((call) => /^RunWithBinding (.*)/.exec(call)?.[1] ?? []);
  assert.deepEqual(how, ["plain", "plain", "plain", "plain", "recorded", "recorded", "replayed", "replayed"]);
});

testStub("an aborted run on CUDA is rejected without being cut short", async (folder) => {
  await using runtime = await open(folder);
  const session = await runtime.load(GRAPH);
  const controller = new AbortController();
  const run = session.run({ x: new Float32Array(4) }, controller.signal);
  await Promise.resolve();
  controller.abort(new Error("stop"));
  await assert.rejects(run, /stop/);
  assert.deepEqual((await session.run({ x: Float32Array.of(1, 2, 3, 4) }))["y"], Float32Array.of(2, 4, 6, 8));
  assert.ok(!(await folder.readCalls()).includes("SetTerminate"));
});

testStub("a missing CUDA library is named, with the folders that were looked into", async (folder) => {
  await Deno.remove(`${folder.path}/libcublas.so.13`);
  await using runtime = await open(folder);
  const report = await runtime.findCuda();
  assert.equal(report.libraries.find(({ name }) => name === "libcudart.so.13")?.path, `${folder.path}/libcudart.so.13`);
  assert.equal(report.libraries.find(({ name }) => name === "libcublas.so.13")?.path, undefined);
  const error = await ortErrorOf(runtime.load(GRAPH));
  assert.equal(error.code, "provider_unavailable");
  assert.match(error.message, /^Cannot use CUDA: libcublas\.so\.13 is missing\. Looked in /);
  assert.ok(error.message.includes(folder.path));
});

testStub(
  "libraries are found in unpacked wheels, CUDA_HOME and LD_LIBRARY_PATH, and opened from there",
  async (folder) => {
    for (
      const [where, variables] of [
        ["nvidia/cu13/lib", {}],
        ["home/lib64", { CUDA_HOME: `${folder.path}/home` }],
        ["elsewhere", { LD_LIBRARY_PATH: `/nowhere:${folder.path}/elsewhere` }],
      ] as const
    ) {
      await Deno.mkdir(`${folder.path}/${where}`, { recursive: true });
      await Deno.rename(`${folder.path}/libcublas.so.13`, `${folder.path}/${where}/libcublas.so.13`);
      const read = (name: string) => (variables as Record<string, string>)[name];
      await using runtime = await openRuntime({ libraryFolder: folder.path, readVariable: read });
      const { problem, libraries } = await runtime.findCuda();
      assert.equal(problem, undefined);
      const cublas = libraries.find(({ name }) => name === "libcublas.so.13");
      assert.equal(cublas?.path, `${folder.path}/${where}/libcublas.so.13`);
      await runtime.load(GRAPH);
      await Deno.rename(`${folder.path}/${where}/libcublas.so.13`, `${folder.path}/libcublas.so.13`);
    }
  },
);

testStub("a missing provider is named, with its folder and what to do", async (folder) => {
  await Deno.remove(`${folder.path}/libonnxruntime_providers_cuda.so`);
  await using runtime = await open(folder);
  const { message, code } = await ortErrorOf(runtime.load(GRAPH));
  assert.equal(code, "provider_unavailable");
  assert.equal(
    message,
    `Cannot use CUDA: libonnxruntime_providers_cuda.so is not in ${folder.path}. Name a folder with --ort-lib-dir ` +
      "that holds ONNX Runtime's GPU build, all its files of one release",
  );
});

testStub("a provider that is no library is an answer, not a crash", async (folder) => {
  for (const text of ["", "#!/bin/sh", "\x7fELF"]) {
    await folder.write("libonnxruntime_providers_cuda.so", text);
    await using runtime = await open(folder);
    const { message, code } = await ortErrorOf(runtime.load(GRAPH));
    assert.equal(code, "provider_unavailable");
    assert.match(message, /libonnxruntime_providers_cuda\.so as a library/);
  }
});

testStub("a CUDA library that does not open is named in the system's words", async (folder) => {
  await folder.write("libcublas.so.13", "not a library");
  await using runtime = await open(folder);
  const { message, code } = await ortErrorOf(runtime.load(GRAPH));
  assert.equal(code, "provider_unavailable");
  assert.match(message, /Cannot use cuda: .*libcublas\.so\.13/);
});

testStub("what CUDA itself refuses is told in its words, and nothing is left behind", async (folder) => {
  await using runtime = await open(folder);
  const cases: [string, LoadOptions, string, RegExp][] = [
    ["CreateCUDAProviderOptions no driver", GRAPH, "provider_unavailable", /Cannot use cuda: no driver/],
    [
      "CreateSession nodes on the CPU",
      GRAPH,
      "bad_model",
      /model on cuda: nodes on the CPU \(not found here: .*libnvrtc\.so\.13\)$/,
    ],
    [
      "",
      { ...MODEL, provider: { name: "cuda", graph: true, device: 9 } },
      "run_failed",
      /GPU 9: invalid device ordinal/,
    ],
  ];
  for (const [failure, options, code, pattern] of cases) {
    await folder.write("fail", failure);
    await folder.forgetCalls();
    const error = await ortErrorOf(runtime.load(options));
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    const calls = await folder.readCalls();
    const count = (name: string) => calls.filter((call) => call === name).length;
    assert.equal(count("CreateSession"), count("ReleaseSession"));
    assert.equal(count("CreateCUDAProviderOptions"), count("ReleaseCUDAProviderOptions"));
    assert.equal(count("status made"), count("status released"));
  }
});

testStub("a run that fails on CUDA says why, and the next one works", async (folder) => {
  await using runtime = await open(folder);
  const session = await runtime.load(GRAPH);
  await folder.write("fail", "RunWithBinding out of memory");
  const error = await ortErrorOf(session.run({ x: new Float32Array(4) }));
  assert.equal(error.code, "run_failed");
  assert.match(error.message, /out of memory/);
  await folder.write("fail");
  assert.deepEqual((await session.run({ x: Float32Array.of(1, 2, 3, 4) }))["y"], Float32Array.of(2, 4, 6, 8));
});

testStub("every environment, status and session of a short life is released", async (folder) => {
  {
    await using runtime = await open(folder);
    await runtime.load({ ...MODEL, provider: { name: "cpu" } });
    await ortErrorOf(runtime.load({ model: { path: `${folder.path}/absent.onnx` }, provider: { name: "cpu" } }));
  }
  const calls = await folder.readCalls();
  const count = (name: string) => calls.filter((call) => call === name).length;
  assert.equal(count("CreateEnv"), 1);
  assert.equal(count("ReleaseEnv"), 1);
  assert.equal(count("CreateSession"), 2);
  assert.equal(count("ReleaseSession"), 2);
  assert.equal(count("status made"), 2);
  assert.equal(count("status released"), 2);
  assert.equal(calls.at(-1), "ReleaseEnv");
});

Deno.test({
  name: `a library that is too old, or does something else, is not trusted${needsCompiler}`,
  ignore: !canBuildStub,
  async fn() {
    await using old = await makeStubFolder({ version: "1.14.1" });
    const tooOld = await ortErrorOf(open(old));
    assert.equal(tooOld.code, "bad_library");
    assert.match(tooOld.message, /it is ONNX Runtime 1\.14\.1\. Use 1\.15 or newer/);

    await using other = await makeStubFolder();
    await other.write("fail", "CreateSession not today");
    const strange = await ortErrorOf(open(other));
    assert.equal(strange.code, "bad_library");
    assert.match(strange.message, /Cannot trust .* the test model does not run .*not today/);

    await using middle = await makeStubFolder({ version: "1.20.0" });
    await using runtime = await open(middle);
    assert.equal(runtime.description.apiVersion, 20);
    const session = await runtime.load({ ...MODEL, provider: { name: "cpu" } });
    assert.equal(session.assignment, undefined);
    assert.deepEqual((await session.run({ x: Float32Array.of(1, 2, 3, 4) }))["y"], Float32Array.of(2, 4, 6, 8));
  },
});
