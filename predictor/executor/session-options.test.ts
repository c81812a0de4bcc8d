import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { distilbertModel } from "../../hack/models/distilbert.ts";
import { createOptions } from "./session-options.ts";

describe("the options of a session", () => {
  let folder: string;
  let path: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pilotlight-options-"));
    path = join(folder, "model.onnx");
    const shape = { layers: 2, width: 16, heads: 2, inner: 32, words: 50, positions: 16 };
    await writeFile(path, Buffer.concat(distilbertModel(shape).chunks));
  });

  after(async () => rm(folder, { recursive: true, force: true }));

  /** What onnxruntime makes of the model by these options, and what that answers. */
  async function optimized(
    options: InferenceSession.SessionOptions,
  ): Promise<{ graph: string; answer: readonly number[] }> {
    const optimizedModelFilePath = join(folder, "optimized.onnx");
    const created = { ...options, optimizedModelFilePath, logSeverityLevel: 4 } as const;
    const session = await InferenceSession.create(path, created);
    const row = (values: readonly bigint[]): Tensor =>
      new Tensor("int64", BigInt64Array.from(values), [1, values.length]);
    const feeds = { input_ids: row([7n, 8n, 9n]), attention_mask: row([1n, 1n, 0n]) };
    const { start_logits: answer } = await session.run(feeds);
    await session.release();
    const graph = await readFile(optimizedModelFilePath, "latin1");
    return { graph, answer: Array.from(answer?.data as Float32Array) };
  }

  it("leave a transformer's norms apart from its sums on the CPU, which gives the same", async () => {
    const ours = await optimized(
      createOptions({ path, threads: 1, optimization: "all", spinning: true }),
    );
    const theirs = await optimized({ graphOptimizationLevel: "all" });
    assert.match(theirs.graph, /SkipLayerNormalization/, "a new onnxruntime? See decision 0019");
    assert.doesNotMatch(ours.graph, /SkipLayerNormalization/);
    assert.match(ours.graph, /BiasGelu/, "the other fusions are made");
    assert.equal(ours.answer.length, 3);
    for (const [index, value] of ours.answer.entries()) {
      assert.ok(Math.abs(value - (theirs.answer[index] ?? Number.NaN)) < 1e-5);
    }
  });

  it("leave an accelerator's fusions to it", () => {
    const of = (providers?: readonly string[]): InferenceSession.SessionOptions =>
      createOptions({ path, threads: 1, optimization: "all", providers });
    assert.deepEqual(of(["cuda", "cpu"]).extra, { session: of().extra?.["session"] });
    assert.deepEqual(of(["cpu"]).extra, of().extra);
  });
});
