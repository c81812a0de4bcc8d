/**
 * Embeddings: the last hidden state of each token, as Python's FeatureExtractionPipeline gives it,
 * or one vector for the text with `pooling`.
 */
import { Parameters } from "./parameters.ts";
import type { Task, TaskFolder } from "./task.ts";
import { floatsOf } from "./tensors.ts";
import { encodeWithin, outputOf, textInputs } from "./text/graph.ts";
import type { TextTokenizer } from "./text/tokenizer.ts";

export function featureExtraction(folder: TaskFolder, tokenizer: TextTokenizer): Task {
  const signature = folder.graphs.model ?? { inputs: [], outputs: [] };
  return {
    answer: async ({ text }, given, context) => {
      const parameters = new Parameters(given);
      const pooling = parameters.word("pooling", ["none", "mean", "cls"], "none");
      const normalize = parameters.boolean("normalize", false);
      const truncation = parameters.boolean("truncation", false);
      parameters.refuseOthers();
      const encoding = await encodeWithin(tokenizer, { text: String(text), truncation });
      const outputs = await context.run("model", textInputs(signature, encoding));
      const state = outputOf(outputs, "last_hidden_state");
      const rows = rowsOf(floatsOf(state), state.shape.at(-1) ?? 1);
      const finish = normalize ? normalized : (row: number[]): number[] => row;
      if (pooling === "none") return [rows.map(finish)];
      return finish(pooling === "cls" ? (rows[0] ?? []) : mean(rows));
    },
  };
}

function rowsOf(values: ArrayLike<number>, width: number): number[][] {
  // Nine digits say all that a float32 holds, and half of what the same number as a double does.
  const flat = Array.from(values, (value) => Number(value.toPrecision(9)));
  return Array.from({ length: flat.length / width }, (_, row) =>
    flat.slice(row * width, (row + 1) * width),
  );
}

/** Nothing is padded here, so that every token counts. */
function mean(rows: readonly (readonly number[])[]): number[] {
  const width = rows[0]?.length ?? 0;
  return Array.from(
    { length: width },
    (_, column) => rows.reduce((sum, row) => sum + (row[column] ?? 0), 0) / rows.length,
  );
}

function normalized(row: readonly number[]): number[] {
  const norm = Math.sqrt(row.reduce((sum, each) => sum + each * each, 0));
  return row.map((each) => each / (norm || 1));
}
