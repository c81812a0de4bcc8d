/** The files of a Hugging Face folder beside its graphs. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isObject } from "../protocol/json.ts";
import type { JsonObject } from "../protocol/json.ts";
import { folderOf } from "./has-task-files.ts";
import { guessTask, taskNames } from "./names.ts";
import type { TaskName } from "./names.ts";
import type { GraphName, TaskFolder } from "./task.ts";

/** A task's files that can't be read or don't fit it: a fault of the model, not of a request. */
export class TaskLoadFailed extends Error {
  override readonly name = "TaskLoadFailed";
}

/** Files as optimum writes them, the one that serves most first. */
const graphFiles: Readonly<Record<GraphName, readonly string[]>> = {
  model: ["model.onnx", "decoder_model_merged.onnx", "decoder_model.onnx"],
  encoder: ["encoder_model.onnx"],
  decoder: ["decoder_model_merged.onnx", "decoder_model.onnx"],
  "decoder-with-past": ["decoder_with_past_model.onnx"],
};

/** The task that was asked for by name; `auto` is the one that config.json suggests. */
export async function selectTask(asked: string, modelPath: string): Promise<TaskName> {
  const known = taskNames.find((name) => name === asked);
  if (known !== undefined) return known;
  const config = await readObject(folderOf(modelPath), "config.json");
  const guessed = guessTask(config["architectures"]);
  if (guessed !== undefined) return guessed;
  throw new TaskLoadFailed(
    `config.json names no architecture with a known task: set the task to one of ${taskNames.join(", ")}`,
  );
}

/** The paths of the graphs of a task; `modelPath` is the file that the repository found. */
export function selectGraphs(task: TaskName, modelPath: string): Map<GraphName, string> {
  const folder = dirname(modelPath);
  const find = (name: GraphName): string | undefined =>
    graphFiles[name].map((file) => join(folder, file)).find((path) => existsSync(path));
  const encoder = find("encoder");
  if (!/^(text2text-generation|summarization|translation)$/.test(task) || encoder === undefined) {
    return new Map([["model", modelPath]]);
  }
  const decoder = find("decoder");
  if (decoder === undefined) {
    throw new TaskLoadFailed(
      `beside ${basename(encoder)} there is no ${graphFiles.decoder.join(" or ")}`,
    );
  }
  const graphs = new Map<GraphName, string>([
    ["encoder", encoder],
    ["decoder", decoder],
  ]);
  const later = find("decoder-with-past");
  // A merged decoder is both.
  if (later !== undefined && basename(decoder) === "decoder_model.onnx") {
    graphs.set("decoder-with-past", later);
  }
  return graphs;
}

/** What the files say. Throws TaskLoadFailed for one that isn't JSON. */
export async function readTaskFolder(modelPath: string): Promise<Omit<TaskFolder, "graphs">> {
  const folder = folderOf(modelPath);
  const [config, tokenizerConfig, preprocessor, generation, tokenizer] = await Promise.all([
    readObject(folder, "config.json"),
    readObject(folder, "tokenizer_config.json"),
    readObject(folder, "preprocessor_config.json"),
    readObject(folder, "generation_config.json"),
    readText(join(folder, "tokenizer.json")),
  ]);
  const special = await readObject(folder, "special_tokens_map.json");
  return {
    config,
    tokenizerConfig: { ...special, ...tokenizerConfig },
    preprocessor,
    generation,
    tokenizer,
  };
}

async function readObject(folder: string, name: string): Promise<JsonObject> {
  const text = await readText(join(folder, name));
  if (text === undefined) return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TaskLoadFailed(`${name} is not JSON`, { cause });
  }
  if (!isObject(value)) throw new TaskLoadFailed(`${name} is not a JSON object`);
  return value;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new TaskLoadFailed(`${basename(path)} can't be read`, { cause: error });
  }
}
