/** The tasks by their Hugging Face names, and how a model's configuration tells which is its own. */

export const taskNames = [
  "question-answering",
  "text-classification",
  "token-classification",
  "feature-extraction",
  "fill-mask",
  "image-classification",
  "text-generation",
  "text2text-generation",
  "summarization",
  "translation",
] as const;
export type TaskName = (typeof taskNames)[number];

/** By the end of a class in config.json's `architectures`, the most particular first. */
const architectures: readonly (readonly [ending: string, task: TaskName])[] = [
  ["ForQuestionAnswering", "question-answering"],
  ["ForSequenceClassification", "text-classification"],
  ["ForTokenClassification", "token-classification"],
  ["ForMaskedLM", "fill-mask"],
  ["ForImageClassification", "image-classification"],
  ["ForConditionalGeneration", "text2text-generation"],
  ["ForCausalLM", "text-generation"],
  ["LMHeadModel", "text-generation"],
  ["Model", "feature-extraction"],
];

/** The task that a config.json's `architectures` name, if one of ours. */
export function guessTask(names: unknown): TaskName | undefined {
  if (!Array.isArray(names)) return undefined;
  for (const name of names) {
    const known = architectures.find(([ending]) => String(name).endsWith(ending));
    if (known !== undefined) return known[1];
  }
  return undefined;
}
