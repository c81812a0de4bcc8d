import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { generate } from "./loop.ts";
import type { GenerationOptions } from "./options.ts";
import { parseGeneration } from "./options.ts";
import type { Step } from "./step.ts";
import { Hypotheses } from "./hypotheses.ts";

const words = ["<end>", "a", "b", "c", "d"];

/** A model of five words: the next one's probabilities follow from the last. */
const model: Readonly<Record<number, readonly number[]>> = {
  1: [0.01, 0.1, 0.5, 0.38, 0.01],
  2: [0.05, 0.3, 0.2, 0.25, 0.2],
  3: [0.02, 0.02, 0.02, 0.04, 0.9],
  4: [0.9, 0.02, 0.03, 0.03, 0.02],
};

type Found = { text: string; pieces: string[]; rows: number[]; parents: number[][] };

async function search(given: Record<string, unknown>): Promise<Found> {
  const options: GenerationOptions = parseGeneration(given, { eos_token_id: 0 }, 1);
  const [pieces, rows, parents]: [string[], number[], number[][]] = [[], [], []];
  const step: Step = async (asked) => {
    rows.push(asked.length);
    parents.push(asked.map(({ from }) => from));
    return asked.map(({ all }) => Float64Array.from(model[all.at(-1) ?? 1] ?? [], Math.log));
  };
  const text = await generate(
    {
      start: [1],
      step,
      textOf: async (all) =>
        all
          .slice(1)
          .filter((token) => token !== 0)
          .map((token) => words[token])
          .join(""),
      emit: (piece) => void pieces.push(piece),
    },
    options,
  );
  return { text, pieces, rows, parents };
}

describe("beam search", () => {
  it("finds a text likelier than one that begins with the likeliest word", async () => {
    const one = await search({ max_new_tokens: 3 });
    assert.equal(one.text, "bab");
    const { text, pieces, rows, parents } = await search({ max_new_tokens: 3, num_beams: 2 });
    assert.equal(text, "cd");
    assert.deepEqual(pieces, ["cd"], "in one piece");
    assert.deepEqual(rows, [1, 2, 2], "one row until the beams differ");
    assert.deepEqual(parents[1], [0, 0], "both continue the one row");
  });

  it("cuts the answer at a text that ends it, and runs no further when each beam has one", async () => {
    const { text, rows } = await search({ max_new_tokens: 9, num_beams: 2, stop: ["d", "b"] });
    assert.equal(text, "c");
    assert(rows.length < 9, `${rows.length} steps`);
  });

  it("draws where it is asked to: the same again with a seed", async () => {
    const given = { max_new_tokens: 6, num_beams: 2, do_sample: true, temperature: 3 };
    const texts = await Promise.all(
      [1, 1, 2, 3, 4, 5, 6, 7].map(async (seed) => (await search({ ...given, seed })).text),
    );
    assert.equal(texts[0], texts[1]);
    assert(new Set(texts).size > 1, texts.join(" "));
  });

  it("is refused with fewer beams than one, or more than there is room for", async () => {
    for (const beams of [0, 65, 1.5, "4"]) {
      await assert.rejects(search({ num_beams: beams }), { message: /parameter num_beams/ });
    }
    await assert.rejects(search({ num_beams: 2, early_stopping: "soon" }), {
      message: /parameter early_stopping is "soon", not true or false/,
    });
  });
});

describe("the finished texts of a search", () => {
  const of = (earlyStopping: boolean | "never", lengthPenalty: number): Hypotheses => {
    const finished = new Hypotheses({ beams: 2, earlyStopping, lengthPenalty, newTokensMax: 10 });
    finished.add([1], -1, 1);
    finished.add([2], -1.2, 2);
    return finished;
  };

  it("are enough at once, when nothing as long is better, or when nothing at all can be", () => {
    // As long as it is, -2 / 3 doesn't reach -1; with ten tokens it would be -0.2.
    assert(of(true, 1).isOver(-2, 3));
    assert(of(false, 1).isOver(-3.1, 3));
    assert(!of("never", 1).isOver(-3.1, 3));
    assert(!of(false, 1).isOver(-2, 3));
    assert(of("never", -1).isOver(-2, 3), "with a negative penalty a longer text only loses");
  });

  it("are those with the best scores, by their lengths", () => {
    const finished = of(false, 1);
    assert.deepEqual(finished.best, [2]);
    finished.add([3], -0.9, 3);
    finished.add([4], -8, 2);
    assert.deepEqual(finished.best, [3]);
    assert(finished.isOver(-0.7, 1), "the worst of the two that count is -0.6");
    assert(!finished.isOver(-0.5, 1));
  });

  it("aren't enough while there are fewer than beams", () => {
    const finished = new Hypotheses({
      beams: 2,
      earlyStopping: true,
      lengthPenalty: 1,
      newTokensMax: 10,
    });
    finished.add([1], -1, 1);
    assert(!finished.isOver(-100, 1));
  });
});
