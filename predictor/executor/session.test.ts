import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { describe, it } from "mocha";
import { isClose } from "./probe.ts";
import { importBinding, withNative } from "./native.ts";
import { importRuntime, openSession } from "./session.ts";
import type { Tensor } from "../protocol/tensor.ts";

const path = fileURLToPath(new URL("../../examples/iris/model/iris.onnx", import.meta.url));

describe("a session", () => {
  it("runs natively with the pinned onnxruntime-node, to the public interface's result", async () => {
    const runtime = await importRuntime();
    const session = await openSession(runtime, { path, threads: 1, optimization: "all" });
    assert.equal(session.fast, true, "a new onnxruntime-node? See native.ts");
    const values = Float32Array.of(5.1, 3.5, 1.4, 0.2);
    const data = new Uint8Array(values.buffer);
    const input: Tensor = { name: "input", datatype: "FP32", shape: [1, 4], data };
    const [ours] = await session.run([input], ["probabilities"]);
    const open = await runtime.InferenceSession.create(path);
    const feeds = { input: new runtime.Tensor("float32", values, [1, 4]) };
    const { probabilities } = await open.run(feeds, ["probabilities"]);
    assert(probabilities);
    const theirs = new Uint8Array((probabilities.data as Float32Array<ArrayBuffer>).buffer);
    const expected: Tensor = {
      name: "probabilities",
      datatype: "FP32",
      shape: [1, 3],
      data: theirs,
    };
    assert(ours !== undefined && isClose(ours, expected));
    await Promise.all([session.release(), open.release()]);
  });

  it("leaves the library as it was, also when a model can't be loaded", async () => {
    const binding = await importBinding();
    const before = binding?.InferenceSession;
    await assert.rejects(withNative(binding, async () => Promise.reject(new Error("no model"))));
    assert.equal(binding?.InferenceSession, before);
    const { native } = await withNative(undefined, async () => "created");
    assert.equal(native, undefined, "without the library the public interface is used");
  });
});
