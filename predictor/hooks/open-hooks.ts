/** Loads a model's handler; loaded itself only when there is one. */
import { basename, join } from "node:path";
import { folderOf } from "../tasks/has-task-files.ts";
import type { HandlerChoice } from "./find-handler.ts";
import { HookHost } from "./host.ts";
import type { HookHostOptions } from "./host.ts";

export type HandlerOptions = HandlerChoice &
  Pick<HookHostOptions, "timeoutMs" | "log"> & {
    /** Told of each, to drain it at the end, and of those that ended before. */
    readonly opened: (host: HookHost) => void;
    readonly closed: (host: HookHost) => void;
  };

const queueMax = 1000;

/** Loads the handler at `path` of the model at `modelPath`. Rejects with LoadFailed. */
export async function openHooks(
  path: string,
  modelPath: string,
  options: HandlerOptions &
    Pick<HookHostOptions, "model" | "clock" | "onRestart" | "loadTimeoutMs" | "presence">,
): Promise<HookHost> {
  const beside = options.path === undefined;
  const locate = (at: string): { path: string; folder: string } => {
    const folder = folderOf(at);
    return { folder, path: beside ? join(folder, basename(path)) : path };
  };
  const host = await HookHost.open(modelPath, { ...options, locate, queueMax });
  options.opened(host);
  return host;
}
