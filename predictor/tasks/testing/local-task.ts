/** A task on sessions of this process: for tests of the tasks themselves. */
import { join } from "node:path";
import { importRuntime, openSession } from "../../executor/session.ts";
import type { Session } from "../../executor/session.ts";
import type { Signature, Tensor } from "../../protocol/tensor.ts";
import { readTaskFolder, selectGraphs } from "../folder.ts";
import { makeTask } from "../make.ts";
import type { TaskName } from "../names.ts";
import type { GraphName, Task, TaskContext } from "../task.ts";
import { takeRows } from "../tensors.ts";

export const fixtures = join(import.meta.dirname, "../fixtures");

export type LocalTask = {
  readonly task: Task;
  /** A context for one request; pieces of text are collected. */
  readonly context: (pieces?: string[]) => TaskContext;
};

/** Loads the graphs of a folder and makes the task. */
export async function openLocalTask(name: TaskName, modelPath: string): Promise<LocalTask> {
  const runtime = await importRuntime();
  const sessions = new Map<GraphName, Session>();
  for (const [graph, path] of selectGraphs(name, modelPath)) {
    sessions.set(graph, await openSession(runtime, { path, threads: 1, optimization: "all" }));
  }
  const signatures = [...sessions].map(([graph, { signature }]): [GraphName, Signature] => [
    graph,
    signature,
  ]);
  const graphs = Object.fromEntries(signatures);
  const task = await makeTask(name, { ...(await readTaskFolder(modelPath)), graphs });
  const context = (pieces: string[] = []): TaskContext => {
    const state = new Map<string, Tensor>();
    return {
      emit: (piece) => void pieces.push(piece),
      run: async (graph, inputs, { give, carry = {}, rows } = {}) => {
        const session = sessions.get(graph);
        if (session === undefined) throw new Error(`there is no ${graph}`);
        if (rows !== undefined) {
          for (const [key, tensor] of state) state.set(key, takeRows(tensor, rows));
        }
        const given = new Map(inputs.map((tensor) => [tensor.name, tensor]));
        const all = session.signature.inputs.flatMap(
          (spec) => given.get(spec.name) ?? state.get(spec.name) ?? [],
        );
        const every = session.signature.outputs.map((output) => output.name);
        const outputs = await session.run(all, every);
        for (const tensor of outputs) {
          const input = carry[tensor.name];
          if (input !== undefined) state.set(input, { ...tensor, name: input });
        }
        return new Map(
          outputs
            .filter((tensor) => give?.includes(tensor.name) ?? true)
            .map((tensor) => [tensor.name, tensor]),
        );
      },
    };
  };
  return { task, context };
}
