/** Models too large for git, in the user's cache. */
import { createWriteStream, existsSync, mkdirSync, renameSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import type { Message } from "./onnx.ts";

/** The path of the model of that name, which is made on the first call. */
export async function cachedModel(name: string, make: () => Message): Promise<string> {
  const folder = join(homedir(), ".cache", "pilotlight", "models");
  const path = join(folder, `${name}.onnx`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  const stream = createWriteStream(unfinished);
  for (const chunk of make().chunks) stream.write(chunk);
  await finished(stream.end());
  renameSync(unfinished, path);
  return path;
}
