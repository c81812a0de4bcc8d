/** Whether a model may have a task: all that a start without one pays for tasks. */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** The folder that config.json lies in: the graph's own, or the one above `onnx/`. */
export function folderOf(modelPath: string): string {
  const folder = dirname(modelPath);
  return basename(folder) === "onnx" ? dirname(folder) : folder;
}

/** `auto` asks for the files that say which task it is, and what it works with. */
export function hasTaskFiles(modelPath: string, task: string | undefined): boolean {
  if (task === undefined || task === "none") return false;
  if (task !== "auto") return true;
  const has = (name: string): boolean => existsSync(join(folderOf(modelPath), name));
  return has("config.json") && (has("tokenizer.json") || has("preprocessor_config.json"));
}
