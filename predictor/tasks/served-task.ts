/**
 * A task beside the model's own tensors: the version it belongs to has both, and the names of a
 * request's inputs say which of the two it means.
 */
import type { Ticket, Work } from "../batch/batcher.ts";
import { systemClock } from "../batch/port.ts";
import { messageOf, ServingError } from "../errors.ts";
import { LoadFailed } from "../executor/supervisor.ts";
import type { TextGenerator } from "../protocol/generate.ts";
import type { JsonObject } from "../protocol/json.ts";
import { schedulingOf, taskParameters } from "../protocol/parameters.ts";
import type { Scheduling } from "../protocol/parameters.ts";
import type { Signature } from "../protocol/tensor.ts";
import { encodeTaskBody, requestsOf } from "./bodies.ts";
import type { TaskBody } from "./bodies.ts";
import { selectGraphs, selectTask, TaskLoadFailed } from "./folder.ts";
import type { TaskName } from "./names.ts";
import { meansTask, signatureOf, taskShapes } from "./signatures.ts";
import type { GraphName } from "./task.ts";
import { TaskHost } from "./worker/host.ts";
import type { GraphPort, Question, TaskHostOptions } from "./worker/host.ts";

export type TaskOptions = Pick<
  TaskHostOptions,
  "timeoutMs" | "questionsMax" | "loadTimeoutMs" | "onRestart" | "presence"
> & {
  /** A task's name, or `auto` for the one that config.json suggests. */
  readonly task: string;
  /** The graph that is loaded already, and how to load another one beside it. */
  readonly main: GraphPort;
  readonly openGraph: (path: string) => Promise<GraphPort & { close(): Promise<void> }>;
};

/** A body's answer, and how to take the question back. */
export type Answering = { readonly body: Promise<string>; readonly cancel: () => void };

const textTasks: readonly TaskName[] = [
  "text-generation",
  "text2text-generation",
  "summarization",
  "translation",
];

export class ServedTask {
  readonly name: TaskName;
  readonly signature: Signature;
  readonly #host: TaskHost;
  readonly #others: readonly { close(): Promise<void> }[];
  /** The names of the graph's own inputs. */
  readonly rawNames: ReadonlySet<string>;

  private constructor(
    name: TaskName,
    host: TaskHost,
    others: readonly { close(): Promise<void> }[],
    raw: Signature,
  ) {
    this.name = name;
    this.signature = signatureOf(name);
    this.#host = host;
    this.#others = others;
    this.rawNames = new Set(raw.inputs.map((input) => input.name));
  }

  /** Loads the task of a model. Rejects with LoadFailed. */
  static async open(modelPath: string, options: TaskOptions): Promise<ServedTask> {
    const others: (GraphPort & { close(): Promise<void> })[] = [];
    try {
      const name = await selectTask(options.task, modelPath);
      const graphs = new Map<GraphName, GraphPort>();
      for (const [graph, path] of selectGraphs(name, modelPath)) {
        if (path === modelPath) graphs.set(graph, options.main);
        else {
          const other = await options.openGraph(path);
          others.push(other);
          graphs.set(graph, other);
        }
      }
      const signatures = [...graphs].map(([graph, { signature }]) => [graph, signature] as const);
      const model = { task: name, modelPath, graphs: Object.fromEntries(signatures) };
      const host = await TaskHost.open({ ...options, model, graphs, clock: systemClock });
      return new ServedTask(name, host, others, options.main.signature);
    } catch (error) {
      await Promise.all(others.map(async (each) => each.close()));
      if (error instanceof TaskLoadFailed) throw new LoadFailed(error.message, { cause: error });
      throw error;
    }
  }

  get ready(): boolean {
    return this.#host.ready;
  }

  /** No question waits for its answer. */
  get idle(): boolean {
    return this.#host.idle;
  }

  /** For the generate routes, when the task makes text. */
  get generator(): TextGenerator | undefined {
    if (!textTasks.includes(this.name)) return undefined;
    return (request, signal) => this.#generate(request, signal);
  }

  /** Whether inputs of these names are the task's; else they are meant for the graph. */
  takes(names: readonly string[]): boolean {
    return meansTask(names, this.signature, this.rawNames);
  }

  /** Tensors in, tensors out: a task in the v2 protocol. */
  submit(work: Work & { readonly parameters?: JsonObject | undefined }): Ticket {
    const { inputs, outputs: tensors, priority, timeoutMs } = work;
    const startedAtMs = systemClock.nowMs();
    let parameters;
    let requests;
    try {
      parameters = taskParameters(work.parameters ?? {});
      requests = requestsOf(inputs);
    } catch (error) {
      return { result: Promise.reject(error), cancel: () => {} };
    }
    const rows = requests.length;
    const scheduling = {
      ...(priority !== undefined && { priority }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    };
    const question = { requests, parameters, tensors, ...scheduling };
    const { answered, cancel } = this.#host.ask(question);
    const result = answered.then((answer) => {
      const ms = systemClock.nowMs() - startedAtMs;
      const outputs = answer.kind === "tensors" ? answer.tensors : [];
      return { outputs, queueMs: 0, run: { startedAtMs, ms, requests: 1, rows } };
    });
    return { result, cancel };
  }

  /** Answers a v1 or Hugging Face body. Throws ServingError `invalid` for its parameters. */
  answer({ requests, parameters, form }: TaskBody): Answering {
    const { answered, cancel } = this.#host.ask({ requests, ...asked(parameters) });
    const shape = taskShapes[this.name];
    const body = answered.then((answer) =>
      encodeTaskBody(form, shape, answer.kind === "json" ? answer.answers : []),
    );
    return { body, cancel };
  }

  async close(): Promise<void> {
    await Promise.all([this.#host, ...this.#others].map(async (each) => each.close()));
  }

  async *#generate(
    { text, parameters }: Parameters<TextGenerator>[0],
    signal: AbortSignal,
  ): AsyncGenerator<string, void> {
    const pieces: string[] = [];
    let wake = (): void => {};
    const onPiece = (piece: string): void => {
      pieces.push(piece);
      wake();
    };
    const generating = this.#host.ask({ requests: [{ text }], ...asked(parameters), onPiece });
    const end = { over: false, fault: undefined as unknown };
    const finish = (fault?: unknown): void => {
      Object.assign(end, { over: true, fault });
      wake();
    };
    void generating.answered.then(() => finish(), finish);
    signal.addEventListener("abort", generating.cancel, { once: true });
    if (signal.aborted) generating.cancel();
    try {
      while (!end.over || pieces.length > 0) {
        const piece = pieces.shift();
        if (piece !== undefined) yield piece;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
      if (end.fault === undefined) return;
      if (end.fault instanceof ServingError) throw end.fault;
      throw new ServingError("failed", "the generation failed", { cause: messageOf(end.fault) });
    } finally {
      signal.removeEventListener("abort", generating.cancel);
      generating.cancel();
    }
  }
}

/** The task's own parameters, and what the others say of when it is to be done. */
function asked(parameters: JsonObject): Pick<Question, "parameters"> & Scheduling {
  return { parameters: taskParameters(parameters), ...schedulingOf(parameters) };
}
