/** A trained model of sentences, all-MiniLM-L6-v2: close in meaning is close in the answers. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { ensureMiniLm } from "../../hack/models/minilm.ts";
import { TestPredictor } from "../../predictor/testing/test-predictor.ts";

const parameters = { pooling: "mean", normalize: true };
/**
 * With the figures that sentence-transformers' documentation prints for this very model:
 * https://www.sbert.net/examples/sentence_transformer/applications/semantic-search/README.html
 */
const query = "A man is eating pasta.";
const published: readonly [sentence: string, score: number][] = [
  ["A man is eating food.", 0.7035],
  ["A man is eating a piece of bread.", 0.5272],
  ["A man is riding a horse.", 0.1889],
  ["A man is riding a white horse on an enclosed ground.", 0.1047],
];

const cosine = (one: readonly number[], other: readonly number[]): number =>
  one.reduce((sum, each, at) => sum + each * (other[at] ?? 0), 0);

describe("all-MiniLM-L6-v2", () => {
  let predictor: TestPredictor;
  before(async function () {
    this.timeout(900_000);
    predictor = await TestPredictor.serving({
      STORAGE_URI: await ensureMiniLm(),
      MODEL_NAME: "minilm",
    });
  });
  after(async () => predictor?.[Symbol.asyncDispose]());

  const embed = async (texts: readonly string[]): Promise<number[][]> => {
    const { status, json, text } = await predictor.post("/v1/models/minilm:predict", {
      inputs: texts,
      parameters,
    });
    assert.equal(status, 200, text);
    return json as number[][];
  };

  it("finds what sentence-transformers finds, with the same scores", async () => {
    const [asked = [], ...corpus] = await embed([query, ...published.map(([text]) => text)]);
    for (const [at, [sentence, score]] of published.entries()) {
      const ours = cosine(asked, corpus[at] ?? []);
      assert(Math.abs(ours - score) < 1e-3, `${sentence} ${ours}, not ${score}`);
    }
  });

  it("gives one text the same vector alone, among others, and in v2", async () => {
    const texts = ["Cats purr.", "A much longer sentence about the weather in the mountains."];
    const [[alone = []], [among = []]] = await Promise.all([
      embed(texts.slice(0, 1)),
      embed(texts),
    ]);
    assert(cosine(alone, among) > 1 - 1e-6, "among others");
    const text = { name: "text", datatype: "BYTES", shape: [1], data: texts.slice(0, 1) };
    const { json } = await predictor.post("/v2/models/minilm/infer", {
      inputs: [text],
      parameters,
    });
    const { outputs } = json as { outputs: { name: string; shape: number[]; data: number[] }[] };
    assert.deepEqual([outputs[0]?.name, outputs[0]?.shape], ["embedding", [1, 384]]);
    assert(cosine(alone, outputs[0]?.data ?? []) > 1 - 1e-6, "in v2");
  });

  it("knows a question's answer among others", async () => {
    const answers = [
      "Paris is the capital of France.",
      "Photosynthesis turns light into sugar.",
      "The invoice is due within thirty days.",
    ];
    for (const [at, question] of [
      "Which city is France governed from?",
      "How do plants make food?",
      "When do I have to pay?",
    ].entries()) {
      const [asked = [], ...among] = await embed([question, ...answers]);
      const scores = among.map((answer) => cosine(asked, answer));
      assert.equal(scores.indexOf(Math.max(...scores)), at, `${question} ${scores.join()}`);
    }
  });
});
