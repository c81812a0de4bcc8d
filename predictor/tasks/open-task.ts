/** Loads the task of a version, when it has one; loaded itself only then. */
import { messageOf } from "../errors.ts";
import { LoadFailed } from "../executor/supervisor.ts";
import { ServedVersion } from "../served-model.ts";
import type { VersionOptions } from "../served-model.ts";
import { ServedTask } from "./served-task.ts";

export type TaskOf = {
  readonly path: string;
  readonly version: ServedVersion;
  readonly options: VersionOptions;
  /** Told what the operator should know. */
  readonly note: (text: string) => unknown;
};

/**
 * A task that was asked for must load: else it rejects with LoadFailed. One that config.json only
 * suggests may fail: then the model is served as the tensors that it is.
 */
export async function openTask(of: TaskOf): Promise<ServedTask | undefined> {
  const { path, version, options, note } = of;
  const plain = { ...options, task: undefined, handler: undefined };
  const { metrics } = version;
  const asked = options.task ?? "auto";
  try {
    const task = await ServedTask.open(path, {
      task: asked,
      main: {
        signature: version.loaded.signature,
        submit: (work) => version.submitTensors(work),
      },
      openGraph: async (graph) => {
        if (options.presence !== undefined) return options.presence.openGraph(graph);
        const executor = ServedVersion.prepare(options, metrics);
        const parts = { version: version.version, path: graph, metrics };
        return ServedVersion.load(executor, parts, plain);
      },
      timeoutMs: options.limits.timeoutMs,
      questionsMax: options.limits.queueDepthMax + 1,
      loadTimeoutMs: options.loadTimeoutMs,
      presence: options.presence,
      onRestart: options.onRestart,
    });
    note(`answers as task ${task.name}`);
    return task;
  } catch (error) {
    // Want of room or of files passes; the task is not at fault.
    if (asked !== "auto" || !(error instanceof LoadFailed)) throw error;
    note(`is served without the task that its config.json suggests: ${messageOf(error)}`);
    return undefined;
  }
}
