/** Loads a model's handler; loaded itself only when there is one. */
import type { Clock } from "../batch/port.ts";
import { folderOf } from "../tasks/has-task-files.ts";
import type { HandlerChoice } from "./find-handler.ts";
import { HookHost } from "./host.ts";
import type { HookHostOptions } from "./host.ts";

export type HandlerOptions = HandlerChoice &
  Pick<HookHostOptions, "timeoutMs" | "log"> & {
    /** Told of each, to drain it at the end. */
    readonly opened: (host: HookHost) => void;
  };

const queueMax = 1000;

/** Loads the handler at `path` of the model at `modelPath`. Rejects with LoadFailed. */
export async function openHooks(
  path: string,
  modelPath: string,
  options: HandlerOptions & {
    readonly model: { readonly name: string; readonly version: string };
    readonly clock: Clock;
    readonly onRestart: (reason: string) => void;
  },
): Promise<HookHost> {
  const model = { ...options.model, folder: folderOf(modelPath) };
  const host = await HookHost.open({ ...options, path, model, queueMax });
  options.opened(host);
  return host;
}
