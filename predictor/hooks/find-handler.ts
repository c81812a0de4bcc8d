/** Which file is a model's handler, and whether it may run: all that a start without one pays. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { folderOf } from "../tasks/has-task-files.ts";

export type HandlerChoice = {
  /** A file of the image: whoever chose the image chose it. */
  readonly path: string | undefined;
  /** Whether one that lies beside a model may run. */
  readonly allowed: boolean;
};

const names = ["handler.ts", "handler.js", "handler.mts", "handler.mjs", "handler.cjs"];

/** The handler's file; the image's wins. */
export function selectHandler(
  modelPath: string,
  { path, allowed }: HandlerChoice,
): { readonly path?: string; readonly refused?: string } {
  if (path !== undefined) return { path: resolve(path) };
  const found = names.find((name) => existsSync(join(folderOf(modelPath), name)));
  if (found === undefined) return {};
  if (allowed) return { path: join(folderOf(modelPath), found) };
  return {
    refused:
      `${found} in the model's folder is not run: set HANDLERS_ALLOWED=true ` +
      "if you trust whoever can write there",
  };
}
