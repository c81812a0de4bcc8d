/** The table of tasks: a folder's files in, the task out. */
import { featureExtraction } from "./feature-extraction.ts";
import { fillMask } from "./fill-mask.ts";
import { imageClassification } from "./image-classification.ts";
import type { TaskName } from "./names.ts";
import { questionAnswering } from "./question-answering.ts";
import type { Task, TaskFolder } from "./task.ts";
import { textClassification } from "./text-classification.ts";
import { textGeneration } from "./text-generation.ts";
import { textToText } from "./text-to-text.ts";
import { TextTokenizer } from "./text/tokenizer.ts";
import { tokenClassification } from "./token-classification.ts";

type Maker = (folder: TaskFolder, tokenizer: TextTokenizer) => Task;

const makers: Readonly<Record<Exclude<TaskName, "image-classification">, Maker>> = {
  "question-answering": questionAnswering,
  "text-classification": textClassification,
  "token-classification": tokenClassification,
  "feature-extraction": featureExtraction,
  "fill-mask": fillMask,
  "text-generation": textGeneration,
  "text2text-generation": (folder, by) => textToText(folder, by, "text2text-generation"),
  summarization: (folder, by) => textToText(folder, by, "summarization"),
  translation: (folder, by) => textToText(folder, by, "translation"),
};

/** Throws with a sentence about the folder's files when they can't serve the task. */
export async function makeTask(name: TaskName, folder: TaskFolder): Promise<Task> {
  if (name === "image-classification") return imageClassification(folder);
  if (folder.tokenizer === undefined) throw new Error("there is no tokenizer.json");
  return makers[name](folder, await TextTokenizer.open(folder.tokenizer, folder.tokenizerConfig));
}
