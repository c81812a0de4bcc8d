/** Our answers against those of Python's transformers on the same weights: hack/tasks/fixtures.py. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "mocha";
import type { JsonObject } from "../protocol/json.ts";
import { penalized } from "./generation/constraints.ts";
import { warped } from "./generation/sampling.ts";
import type { Sampling } from "./generation/sampling.ts";
import { taskNames } from "./names.ts";
import { softmax } from "./scores.ts";
import type { TaskName } from "./names.ts";
import type { Bytes } from "../protocol/tensor.ts";
import { taskShapes } from "./signatures.ts";
import { fixtures, openLocalTask } from "./testing/local-task.ts";
import type { LocalTask } from "./testing/local-task.ts";

type Case = {
  inputs?: string | Record<string, string>;
  file?: string;
  parameters: JsonObject;
  answer: unknown;
  mean?: number[];
  meanNormalized?: number[];
};

const read = (...path: string[]): unknown =>
  JSON.parse(readFileSync(join(fixtures, ...path), "utf8"));

/** Equal but for the last digits of scores: float32 in Python, in another order of additions. */
function assertAlike(ours: unknown, theirs: unknown, where = "answer"): void {
  if (typeof ours === "number" && typeof theirs === "number") {
    const tolerance = 1e-5 + 2e-4 * Math.abs(theirs);
    assert(Math.abs(ours - theirs) <= tolerance, `${where}: ${ours}, in Python ${theirs}`);
  } else if (Array.isArray(theirs) && Array.isArray(ours)) {
    assert.equal(ours.length, theirs.length, `${where}: length`);
    for (const [index, each] of theirs.entries()) {
      assertAlike(ours[index], each, `${where}[${index}]`);
    }
  } else if (typeof theirs === "object" && typeof ours === "object" && theirs && ours) {
    assert.deepEqual(Object.keys(ours).sort(), Object.keys(theirs).sort(), where);
    for (const [key, each] of Object.entries(theirs)) {
      assertAlike((ours as JsonObject)[key], each, `${where}.${key}`);
    }
  } else assert.equal(ours, theirs, where);
}

/** Tasks of one model that its configuration tells apart. */
const textToText = ["text2text-generation", "summarization", "translation"];

for (const name of taskNames) {
  const ofText = textToText.includes(name);
  const model = ofText ? "text2text-generation/onnx/encoder_model.onnx" : `${name}/onnx/model.onnx`;
  describe(`${name} answers as Python's transformers`, () => {
    let local: LocalTask;
    before(async () => {
      local = await openLocalTask(name, join(fixtures, model));
    });
    const { cases } = read(name, "expected.json") as { cases: Case[] };
    for (const each of cases) {
      const shown = JSON.stringify(each.inputs ?? each.file).slice(0, 60);
      it(`${shown} ${JSON.stringify(each.parameters)}`, async () => {
        const { single } = taskShapes[name].wraps;
        const answer = await local.task.answer(
          requestOf(name, each),
          each.parameters,
          local.context(),
        );
        const wrapped = single && !Array.isArray(answer) && Array.isArray(each.answer);
        assertAlike(wrapped ? [answer] : answer, each.answer);
      });
    }
  });
}

function requestOf(name: TaskName, { inputs, file }: Case): Record<string, string | Bytes> {
  if (file !== undefined)
    return { image: new Uint8Array(readFileSync(join(fixtures, name, file))) };
  return typeof inputs === "object" ? inputs : { text: inputs ?? "" };
}

describe("embeddings", () => {
  it("are pooled and normalised as asked for", async () => {
    const path = join(fixtures, "feature-extraction/onnx/model.onnx");
    const { task, context } = await openLocalTask("feature-extraction", path);
    const { cases } = read("feature-extraction", "expected.json") as { cases: Case[] };
    for (const { inputs, mean, meanNormalized } of cases) {
      const text = { text: inputs as string };
      assertAlike(await task.answer(text, { pooling: "mean" }, context()), mean);
      const normalized = { pooling: "mean", normalize: true };
      assertAlike(await task.answer(text, normalized, context()), meanNormalized);
    }
  });
});

describe("sampling", () => {
  const { scores, history, rows } = read("sampling.json") as {
    scores: number[];
    history: number[];
    rows: { parameters: Record<string, number>; probabilities: number[] }[];
  };
  for (const { parameters, probabilities: theirs } of rows) {
    it(`leaves the probabilities that Python's does for ${JSON.stringify(parameters)}`, () => {
      const sampling: Sampling = {
        doSample: true,
        temperature: parameters["temperature"] ?? 1,
        topK: parameters["top_k"] ?? 0,
        topP: parameters["top_p"] ?? 1,
      };
      const repetitionPenalty = parameters["repetition_penalty"] ?? 1;
      const repetition = { repetitionPenalty, noRepeatNgramSize: 0 };
      const left = penalized(Float64Array.from(scores), history, repetition);
      assertAlike([...softmax(warped(left, sampling))], theirs);
    });
  }
});
