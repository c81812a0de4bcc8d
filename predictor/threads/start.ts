/** How a thread of this program is started: from its source, or from the one file of a bundle. */
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { ResourceLimits } from "node:worker_threads";
import { threadArgument } from "./argument.ts";

export type ThreadName = "tasks" | "hooks" | "bodies";

/** Starts a thread of this program; without limits it may use as much heap as the process. */
export function startThread(name: ThreadName, resourceLimits: ResourceLimits = {}): Worker {
  // In a bundle this very file is the program.
  const here = fileURLToPath(import.meta.url);
  const bundled = here.endsWith(".cjs");
  const program = bundled ? here : fileURLToPath(new URL("../main.ts", import.meta.url));
  return new Worker(program, { argv: [threadArgument, name], resourceLimits });
}
