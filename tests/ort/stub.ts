/**
 * Builds the stub library of stub/onnxruntime.c and stub/cudart.c into a folder that looks like a GPU release.
 *
 * @module
 */

const SOURCES = new URL("./stub/", import.meta.url);

/** Whether there is a C compiler and a system that the stub is for. */
export const canBuildStub = Deno.build.os === "linux" &&
  await new Deno.Command("cc", { args: ["--version"], stdout: "null", stderr: "null" }).output()
    .then(({ success }) => success, () => false);

/** Says why in the name of a test that cannot run. */
export const needsCompiler = canBuildStub ? "" : " (ignored: there is no C compiler)";

async function compile(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("cc", { args: ["-shared", "-fPIC", ...args], cwd: SOURCES })
    .output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

export interface StubFolder extends AsyncDisposable {
  readonly path: string;
  /** Every line of calls.log, without the thread. */
  readCalls(): Promise<string[]>;
  /** The thread of every line of calls.log. */
  readThreads(): Promise<string[]>;
  forgetCalls(): Promise<void>;
  write(name: string, text?: string): Promise<void>;
}

/** A folder with ONNX Runtime, its CUDA provider, and the two CUDA libraries that the provider needs. */
export async function makeStubFolder({ version = "1.30.0-stub" } = {}): Promise<StubFolder> {
  const path = await Deno.makeTempDir({ prefix: "pi0-stub-" });
  const log = `${path}/calls.log`;
  const split = async (part: 0 | 1) =>
    (await Deno.readTextFile(log)).trimEnd().split("\n").map((line) => /^(\d+) (.*)$/.exec(line)![1 + part]!);
  await compile("-o", `${path}/libonnxruntime.so.1`, `-DVERSION="${version}"`, "onnxruntime.c", "-ldl");
  await compile("-o", `${path}/libcudart.so.13`, "-Wl,-soname,libcudart.so.13", "cudart.c", "-ldl");
  await compile("-o", `${path}/libcublas.so.13`, "-Wl,-soname,libcublas.so.13", "-x", "c", "/dev/null");
  await compile("-o", `${path}/libonnxruntime_providers_shared.so`, "-x", "c", "/dev/null");
  await compile(
    "-o",
    `${path}/libonnxruntime_providers_cuda.so`,
    "-Wl,--no-as-needed",
    `${path}/libcudart.so.13`,
    `${path}/libcublas.so.13`,
    "-x",
    "c",
    "/dev/null",
  );
  return {
    path,
    readCalls: () => split(1),
    readThreads: () => split(0),
    forgetCalls: () => Deno.writeTextFile(log, ""),
    write: (name, text = "") => Deno.writeTextFile(`${path}/${name}`, text),
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}
